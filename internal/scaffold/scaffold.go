// Package scaffold writes a module for Quaestor in a Go module of its own: one
// that compiles, is tested and gives rows, to be made into another.
//
// [Write] is all. The files are in the folder template, as text/template; what
// they use must be public packages, since a third party has no others. It
// asks no network and runs no program, the go command included.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"text/template"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
)

//go:embed template
var templates embed.FS

// Options say what is written.
type Options struct {
	Name    string   // of the module, the word after FIND
	Taken   []string // names that are not free
	Dir     string   // the folder to write to, which need not be there
	Path    string   // of the Go module; "" makes one of the name
	Version string   // of Quaestor that it requires; "" leaves it to go get
	Source  string   // a folder with Quaestor's source, in the place of a version; "" is none
}

// Errors about what cannot be written.
var (
	// ErrName says that a module cannot be called so.
	ErrName = errors.New("not a name for a new module")
	// ErrThere says that a file is there already. Nothing was written.
	ErrThere = errors.New("there already, and nothing is written over")
	// ErrPath says that a Go module cannot have such a path.
	ErrPath = errors.New("not the path of a Go module")
)

// Write writes the files and gives their names within the folder, in order.
// The errors wrap ErrName, ErrPath and ErrThere.
func Write(o Options) ([]string, error) {
	if err := checkName(o.Name, o.Taken); err != nil {
		return nil, err
	}
	if o.Path == "" {
		o.Path = "example.com/quaestor-" + o.Name
	}
	if !goodPath().MatchString(o.Path) {
		return nil, fmt.Errorf("%q is %w", o.Path, ErrPath)
	}
	if o.Source != "" {
		source, err := filepath.Abs(o.Source)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(source, "modules", "module.go")); err != nil {
			return nil, fmt.Errorf("no source of Quaestor: %w", err)
		}
		o.Source = filepath.ToSlash(source)
	}
	files, err := render(o)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		names = append(names, f.name)
		if _, err := os.Lstat(filepath.Join(o.Dir, filepath.FromSlash(f.name))); !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(fmt.Errorf("%s in %s is %w", f.name, o.Dir, ErrThere), err)
		}
	}
	for _, f := range files {
		if err := create(filepath.Join(o.Dir, filepath.FromSlash(f.name)), f.text); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// goodPath is a path as the go command takes it, on the strict side.
var goodPath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[A-Za-z0-9_~-]([A-Za-z0-9._~-]*[A-Za-z0-9_~-])?)*$`)
})

// checkName says why a module cannot be called so.
func checkName(name string, taken []string) error {
	if err := (&modules.Schema{Name: name, Doc: "x"}).Check(); err != nil {
		return fmt.Errorf("%q is %w: it is lower case letters, digits and _, and begins with a letter", name, ErrName)
	}
	if slices.Contains(taken, name) {
		return fmt.Errorf("%q is %w: it comes with Quaestor", name, ErrName)
	}
	if _, err := lang.Parse(lang.Source{Name: "query", Text: "FIND " + name}); err != nil {
		return fmt.Errorf("%q is %w: it is a word of the language", name, ErrName)
	}
	return nil
}

// packageName makes a Go package's name of a module's.
func packageName(name string) string {
	name = strings.ReplaceAll(name, "_", "")
	if token.IsKeyword(name) || name == "main" {
		name += "module"
	}
	return name
}

// A file is one that is to be written.
type file struct {
	name string // within the folder, with slashes
	text []byte
}

// render fills in the templates, in the order of their names.
func render(o Options) ([]file, error) {
	data := struct {
		Options
		Package, Go string
	}{o, packageName(o.Name), goVersion(runtime.Version())}
	var files []file
	err := fs.WalkDir(templates, "template", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := templates.ReadFile(name)
		if err != nil {
			return err
		}
		t, err := template.New(name).Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, data); err != nil {
			return err
		}
		name = strings.TrimSuffix(strings.TrimPrefix(name, "template/"), ".tmpl")
		files = append(files, file{name, b.Bytes()})
		return nil
	})
	return files, err
}

var release = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^go(\d+\.\d+(?:\.\d+)?)\b`) })

// goVersion gives what a go.mod says of the Go that this was built with, since
// Quaestor itself asks for no newer one.
func goVersion(built string) string {
	if m := release().FindStringSubmatch(built); m != nil {
		return m[1]
	}
	return "1.26"
}

// create writes a file that must not be there.
func create(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
