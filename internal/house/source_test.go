package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that imports of our own packages begin with.
const module = "github.com/quaestor-engine/quaestor"

// root is the top folder of the repository, seen from here.
const root = "../.."

// A source is one Go file, whatever system it is for.
type source struct {
	path  string // from the root of the repository, with slashes
	dir   string // likewise; "." is the root
	test  bool
	text  string
	fset  *token.FileSet
	file  *ast.File
	lines int
}

// at gives the place of a node for messages.
func (s *source) at(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// imports lists what the file imports.
func (s *source) imports(t *testing.T) []string {
	var list []string
	for _, i := range s.file.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatalf("%s: %v", s.path, err)
		}
		list = append(list, name)
	}
	return list
}

// sources reads all Go files of the repository.
func sources(t *testing.T) []*source {
	t.Helper()
	var list []*source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "bin"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		s, err := read(name)
		list = append(list, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 100 {
		t.Fatalf("only %d Go files were found", len(list))
	}
	return list
}

func read(name string) (*source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return nil, err
	}
	s := &source{path: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"), text: string(text), fset: token.NewFileSet()}
	s.dir = path.Dir(s.path)
	s.lines = strings.Count(s.text, "\n")
	s.file, err = parser.ParseFile(s.fset, s.path, text, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

// packages lists the folders that hold files which are no tests.
func packages(list []*source) []string {
	var dirs []string
	for _, s := range list {
		if !s.test && !slices.Contains(dirs, s.dir) {
			dirs = append(dirs, s.dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}
