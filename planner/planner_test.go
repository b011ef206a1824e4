package planner_test

import (
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file"
	"github.com/quaestor-engine/quaestor/modules/host"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// relation is a module that has a schema and no host.
type relation struct {
	modules.Module
	schema modules.Schema
}

func (r relation) Schema() *modules.Schema { return &r.schema }

func catalogue(t testing.TB) *modules.Catalogue {
	t.Helper()
	process := modules.Schema{Name: "process", Doc: "a running program", Key: "pid", Columns: []modules.Column{
		{Name: "pid", Type: value.Int, Default: true, Doc: "its number"},
		{Name: "parent", Type: value.Int, Link: "process", Doc: "who started it"},
		{Name: "name", Type: value.Text, Default: true, Doc: "its name"},
		{Name: "exe", Type: value.Text, Link: "file", Cost: modules.Stat, Doc: "its program"},
		{Name: "address", Type: value.IP, Doc: "where it listens"},
		{Name: "version", Type: value.Version, Doc: "of its program"},
		{Name: "args", Type: value.List, Elem: value.Text, Doc: "what it was started with"},
		{Name: "package", Type: value.Text, Link: "package", Doc: "what it came with"},
	}, Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Example: `"ssh*"`}}
	c, err := modules.NewCatalogue(file.New(), host.New(), relation{schema: process})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var lists = map[string]string{
	"/q/bad.txt":    "# known bad\n" + strings.Repeat("a", 64) + "\n\n" + strings.Repeat("B", 64) + "\n",
	"/q/sized.txt":  strings.Repeat("a", 64) + " 10\n" + strings.Repeat("b", 64) + " 20\n",
	"/q/pairs.csv":  "sh, " + strings.Repeat("a", 64) + "\nbash," + strings.Repeat("b", 64) + "\n",
	"/q/ioc.txt":    "evil.example\nworse.example\n",
	"/q/empty.txt":  "# nothing\n\n",
	"/q/broken.txt": strings.Repeat("a", 64) + "\nnot a hash\n" + strings.Repeat("z", 64) + "\nx\ny\n",
	"/q/some.txt":   strings.Repeat("a", 64) + " 10\n" + strings.Repeat("b", 64) + "\n",
	"/q/rules.yar":  "include \"more.yar\" rule evil { strings: $a = \"evil\" condition: $a and more }",
	"/q/more.yar":   "rule more { condition: true }",
	"/q/nets.txt":   "10.0.0.0/8\n192.168.1.1\n",
}

func inputs(src lang.Source, params map[string]string) planner.Inputs {
	return planner.Inputs{
		Source: src, Dir: "/q", Params: params, OS: "linux",
		Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		ReadList: func(name string) ([]byte, error) {
			path := name
			if path[0] != '/' {
				path = "/q/" + name
			}
			if text, ok := lists[path]; ok {
				return []byte(text), nil
			}
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
	}
}

// compile plans the first query of a text, with the parameters of a comment
// "--set name=value" in front of it.
func compile(t *testing.T, text string) (*plan.Plan, []lang.Diagnostic, error) {
	t.Helper()
	params := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^-- set (\w+)=(.*)$`).FindAllStringSubmatch(text, -1) {
		params[m[1]] = m[2]
	}
	src := lang.Source{Name: "query", Text: text}
	f, err := lang.Parse(src)
	if err != nil {
		return nil, nil, err
	}
	return planner.Compile(f.Queries[0], catalogue(t), inputs(src, params))
}

// golden compares what f makes of every testdata/DIR/*.qst with the file of
// that name and ending.
func golden(t *testing.T, dir, ending string, f func(t *testing.T, text string) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.qst"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no queries in testdata/%s: %v", dir, err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".qst"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := f(t, strings.TrimSuffix(string(text), "\n"))
			want := strings.TrimSuffix(name, ".qst") + ending
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			b, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(b) {
				t.Errorf("got\n%s\nwant\n%s", got, b)
			}
		})
	}
}

func TestDiagnostics(t *testing.T) {
	golden(t, "diagnostics", ".txt", func(t *testing.T, text string) string {
		_, warnings, err := compile(t, text)
		var out strings.Builder
		if err != nil {
			out.WriteString(err.Error() + "\n")
		}
		for _, w := range warnings {
			out.WriteString(w.Render(lang.Source{Name: "query", Text: text}) + "\n")
		}
		if out.Len() == 0 {
			t.Error("nothing is wrong with it")
		}
		return out.String()
	})
}

func TestExplain(t *testing.T) {
	golden(t, "explain", ".txt", func(t *testing.T, text string) string {
		p, _, err := compile(t, text)
		if err != nil {
			t.Fatal(err)
		}
		cat := catalogue(t)
		return p.Explain(plan.Notes{Shares: func(module string) bool { return module == "file" }, Cost: func(module, column string) string {
			s, _ := cat.Schema(module)
			i, ok := s.Column(column)
			if !ok {
				return "" // of a change
			}
			return s.Columns[i].Cost.String()
		}})
	})
}

// Every plan of the goldens must survive the wire.
func TestPlansRoundTrip(t *testing.T) {
	files, _ := filepath.Glob("testdata/explain/*.qst")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, _, err := compile(t, string(text))
		if err != nil {
			t.Fatal(err)
		}
		q, err := plan.Decode(p.Encode())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.String() != q.String() {
			t.Errorf("%s: decoded it reads\n%s\nnot\n%s", name, q, p)
		}
	}
}

// Each code's comment holds a query that must give that code.
func TestCodes(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name, code := spec.Names[0].Name, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		head, example, found := strings.Cut(strings.TrimSpace(spec.Doc.Text()), ": ")
		if head != name && !strings.HasPrefix(head, name+" has no example of a line") {
			t.Errorf("the comment of %s begins with %q", name, head)
		}
		n++
		if !found || head != name {
			return true
		}
		_, warnings, err := compile(t, example)
		got := map[string]bool{}
		var e *lang.Error
		if errors.As(err, &e) {
			for _, d := range e.Diagnostics {
				got[string(d.Code)] = true
			}
		}
		for _, w := range warnings {
			got[string(w.Code)] = true
		}
		if !got[code] {
			t.Errorf("%s: %s gives %v, not %s", name, example, got, code)
		}
		return true
	})
	if n < 60 {
		t.Errorf("only %d codes were found", n)
	}
}
