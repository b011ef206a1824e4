package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The ceilings. Each counts lines as an editor does.
const (
	maxFileLines = 500 // of a file, tests included
	maxFuncLines = 60  // of a function, tables in it not counted
	maxMethods   = 5   // of an interface, those of embedded ones counted
	maxParams    = 5   // of a function, tests and assembly aside
	maxMainLines = 100 // of a file under cmd
)

func TestFileLength(t *testing.T) {
	for _, s := range sources(t) {
		ceiling := maxFileLines
		if isBelow(s.dir, "cmd") {
			ceiling = maxMainLines
		}
		if s.lines > ceiling {
			t.Errorf("%s has %d lines, more than %d: split it by what it is about", s.path, s.lines, ceiling)
		}
	}
}

func TestFunctionLength(t *testing.T) {
	for _, s := range sources(t) {
		for _, f := range longFunctions(s.fset, s.file) {
			t.Errorf("%s: %s has %d lines, more than %d", s.at(f.node), f.name, f.lines, maxFuncLines)
		}
	}
}

type long struct {
	node  ast.Node
	name  string
	lines int
}

// longFunctions finds the functions over the ceiling. A table is a literal of
// a slice, an array or a map: its lines do not count for the function that it
// stands in, and functions in it are measured on their own.
func longFunctions(fset *token.FileSet, file *ast.File) []long {
	var found []long
	for _, d := range file.Decls {
		name := "a table"
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			name = f.Name.Name
			if n := span(fset, f.Type.Pos(), f.End()) - tableLines(fset, f.Body); n > maxFuncLines {
				found = append(found, long{f, name, n})
			}
		}
		ast.Inspect(d, func(n ast.Node) bool {
			if table, ok := n.(*ast.CompositeLit); ok {
				ast.Inspect(table, func(n ast.Node) bool {
					if f, ok := n.(*ast.FuncLit); ok {
						if n := span(fset, f.Pos(), f.End()) - tableLines(fset, f.Body); n > maxFuncLines {
							found = append(found, long{f, "a function in " + name, n})
						}
					}
					return true
				})
				return false
			}
			return true
		})
	}
	return found
}

func span(fset *token.FileSet, from, to token.Pos) int {
	return fset.Position(to).Line - fset.Position(from).Line + 1
}

// tableLines counts the lines of the tables in a function, but for the line
// that each begins on.
func tableLines(fset *token.FileSet, body *ast.BlockStmt) int {
	lines := 0
	ast.Inspect(body, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		switch lit.Type.(type) {
		case *ast.ArrayType, *ast.MapType:
			lines += span(fset, lit.Pos(), lit.End()) - 1
			return false
		}
		return true
	})
	return lines
}

func TestParameters(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			f, ok := n.(*ast.FuncDecl)
			if ok && f.Body != nil && f.Type.Params.NumFields() > maxParams {
				t.Errorf("%s: %s takes %d parameters, more than %d: make a struct of what belongs together", s.at(f), f.Name.Name, f.Type.Params.NumFields(), maxParams)
			}
			return true
		})
	}
}

func TestInterfaces(t *testing.T) {
	list := sources(t)
	for _, s := range list {
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if i, ok := spec.Type.(*ast.InterfaceType); ok {
				if n := methods(list, s.dir, i, 0); n > maxMethods {
					t.Errorf("%s: the interface %s has %d methods, more than %d: a further ability is a further interface", s.at(spec), spec.Name.Name, n, maxMethods)
				}
			}
			return true
		})
	}
}

// methods counts what an interface of the package in dir asks for; embedded
// interfaces of others count as one.
func methods(list []*source, dir string, i *ast.InterfaceType, depth int) int {
	n := 0
	for _, m := range i.Methods.List {
		if len(m.Names) > 0 {
			n += len(m.Names)
			continue
		}
		n++
		name, in := "", dir
		switch e := m.Type.(type) {
		case *ast.Ident:
			name = e.Name
		case *ast.SelectorExpr:
			if x, ok := e.X.(*ast.Ident); ok {
				name, in = e.Sel.Name, folderOf(list, x.Name)
			}
		}
		if to := findInterface(list, in, name); to != nil && depth < 10 {
			n += methods(list, in, to, depth+1) - 1
		}
	}
	return n
}

func folderOf(list []*source, pkg string) string {
	for _, s := range list {
		if !s.test && path.Base(s.dir) == pkg {
			return s.dir
		}
	}
	return "nowhere"
}

func findInterface(list []*source, dir, name string) *ast.InterfaceType {
	for _, s := range list {
		if s.dir != dir || s.test {
			continue
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok && t.Name.Name == name {
					i, _ := t.Type.(*ast.InterfaceType)
					return i
				}
			}
		}
	}
	return nil
}

// Each package says once what it is.
func TestPackageComments(t *testing.T) {
	list := sources(t)
	comments := map[string][]*source{}
	for _, s := range list {
		if !s.test && s.file.Doc != nil && !isDirective(s.file.Doc) {
			comments[s.dir] = append(comments[s.dir], s)
		}
	}
	for _, dir := range packages(list) {
		with := comments[dir]
		if len(with) == 0 {
			t.Errorf("%s has no package comment", dir)
			continue
		}
		for _, s := range with[1:] {
			t.Errorf("%s has a second package comment; the first is in %s", s.path, with[0].path)
		}
		name := with[0].file.Name.Name
		want := "Package " + name + " "
		if name == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		if text := with[0].file.Doc.Text(); !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment begins with %q, not with %q", with[0].path, firstWords(text), want)
		}
	}
}

func isDirective(c *ast.CommentGroup) bool { return strings.TrimSpace(c.Text()) == "" }

func firstWords(text string) string {
	words := strings.Fields(text)
	return strings.Join(words[:min(3, len(words))], " ")
}

// What a package gives to others says what it means.
func TestExportedNamesAreDocumented(t *testing.T) {
	list := sources(t)
	said := promised(list)
	for _, s := range list {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && said[s.dir+"."+f.Name.Name] {
				continue
			}
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s is exported and not documented", s.at(d), name)
			}
		}
	}
}

// promised gives the methods that an interface of the same package describes:
// they need not be described again where they are implemented.
func promised(list []*source) map[string]bool {
	said := map[string]bool{}
	for _, s := range list {
		ast.Inspect(s.file, func(n ast.Node) bool {
			i, ok := n.(*ast.InterfaceType)
			if !ok {
				return true
			}
			for _, m := range i.Methods.List {
				for _, name := range m.Names {
					if m.Doc != nil || m.Comment != nil {
						said[s.dir+"."+name.Name] = true
					}
				}
			}
			return true
		})
	}
	return said
}

// undocumented lists the exported names of a declaration without a comment. A
// group's comment is enough for its constants and variables.
func undocumented(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				if d.Doc != nil || spec.Doc != nil || spec.Comment != nil {
					continue
				}
				for _, n := range spec.Names {
					if n.IsExported() {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	e := f.Recv.List[0].Type
	for {
		switch t := e.(type) {
		case *ast.StarExpr:
			e = t.X
		case *ast.IndexExpr:
			e = t.X
		case *ast.IndexListExpr:
			e = t.X
		case *ast.Ident:
			return t.IsExported()
		default:
			return false
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init() hides an order: hand values in", s.at(f))
			}
		}
	}
}

// unfinished are the marks of work that was put off. They are spelt so that
// this file is not found.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)

func TestNothingIsPutOff(t *testing.T) {
	for _, s := range sources(t) {
		for _, group := range s.file.Comments {
			if m := unfinished.FindString(group.Text()); m != "" {
				t.Errorf("%s: a comment says %s: do it, or open an issue", s.at(group), m)
			}
		}
	}
}

func TestReceiversHaveOneLetter(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || len(f.Recv.List[0].Names) == 0 {
				continue
			}
			if name := f.Recv.List[0].Names[0].Name; len(name) > 1 {
				t.Errorf("%s: the receiver of %s is called %s", s.at(f), f.Name.Name, name)
			}
		}
	}
}

// The measures are tried on code that breaks them.
func TestMeasures(t *testing.T) {
	code := "package p\nfunc long() {\n" + strings.Repeat("_ = 1\n", maxFuncLines) + "}\n" +
		"func table() {\n_ = []int{\n" + strings.Repeat("1,\n", maxFuncLines) + "}\n}\n" +
		"var list = []func(){func() {\n" + strings.Repeat("_ = 1\n", maxFuncLines) + "}}\n" +
		"func Bare() {}\ntype Bare2 int\nconst (\nA = 1 // said\nB = 2\n)\n"
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", code, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range longFunctions(fset, f) {
		got = append(got, fmt.Sprint(l.name, " ", l.lines))
	}
	for _, d := range f.Decls {
		got = append(got, undocumented(d)...)
	}
	want := []string{"long 62", "a function in a table 62", "Bare", "Bare2", "B"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, not %q", got, want)
	}
}
