package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

const root = "../.."

func TestProductsAreFresh(t *testing.T) {
	products, err := Products(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range products {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p.Path)))
		if err != nil {
			t.Error(err)
			continue
		}
		if string(text) != p.Text {
			t.Errorf("%s is stale: go run ./internal/docs/gen", p.Path)
		}
	}
}

// folded gives the constant that the planner makes of an expression.
func folded(t *testing.T, expression string) value.Value {
	t.Helper()
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	src := lang.Source{Name: "query", Text: "FIND host RETURN " + expression + " AS x"}
	f, err := lang.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := planner.Compile(f.Queries[0], cat, planner.Inputs{Source: src, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	k, ok := p.Tables[0].Outputs[0].Expr.(*plan.Const)
	if !ok {
		t.Fatalf("%s is not constant", expression)
	}
	return k.Value
}

var listLiteral = regexp.MustCompile(`^\[(.*)\]$`)

// The examples of functions must be true.
func TestFunctionExamples(t *testing.T) {
	for _, f := range plan.Funcs() {
		t.Run(f.Name, func(t *testing.T) {
			got := folded(t, f.Example)
			if m := listLiteral.FindStringSubmatch(f.Result); m != nil {
				var want []string
				for part := range strings.SplitSeq(m[1], ", ") {
					want = append(want, folded(t, part).Text())
				}
				var have []string
				for _, v := range got.List() {
					have = append(have, v.Text())
				}
				if !slices.Equal(have, want) {
					t.Errorf("%s gives %q, not %s", f.Example, have, f.Result)
				}
				return
			}
			want := folded(t, f.Result)
			if got.Type() == value.Mode {
				if m, err := value.Convert(want, value.Mode, time.Now()); err == nil {
					want = m
				}
			}
			if same, ok := value.Equal(got, want); !same || !ok || got.Type() != want.Type() {
				t.Errorf("%s gives %s %v, not %s %v", f.Example, got.Type(), got, want.Type(), want)
			}
		})
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)
	outside = regexp.MustCompile(`^(https?|mailto):`)
	folder  = regexp.MustCompile("^\\| \\[?`([^`]+)`")
)

// Links lead to what is there.
func TestLinks(t *testing.T) {
	for _, page := range append(pages(t), "../../CHANGELOG.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range link.FindAllStringSubmatch(withoutBlocks(string(text)), -1) {
			if outside.MatchString(m[1]) {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}

func withoutBlocks(page string) string {
	none := map[int]string{}
	for i := range Blocks(page) {
		none[i] = ""
	}
	return Replace(page, none)
}

// The map in docs/architecture.md names the packages that there are, and all
// of them.
func TestMapIsWhole(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for line := range strings.Lines(string(text)) {
		if m := folder.FindStringSubmatch(line); m != nil {
			named = append(named, m[1])
		}
	}
	there := goFolders(t)
	for _, name := range named {
		if !slices.Contains(there, name) {
			t.Errorf("docs/architecture.md names the package %s, which is not there", name)
		}
	}
	for _, name := range there {
		if !slices.Contains(named, name) {
			t.Errorf("docs/architecture.md does not name the package %s", name)
		}
	}
}

// goFolders lists the folders with Go files that are no tests; the root is ".".
func goFolders(t *testing.T) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			dir, err := filepath.Rel(root, filepath.Dir(name))
			if dir = filepath.ToSlash(dir); err == nil && !slices.Contains(list, dir) {
				list = append(list, dir)
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Every module of ours is in the reference by being in modules/std.
func TestReferenceNamesEveryModule(t *testing.T) {
	text := Modules(std.Modules())
	for _, m := range std.Modules() {
		for _, c := range m.Schema().Columns {
			if !strings.Contains(text, "| `"+c.Name+"` |") {
				t.Errorf("%s.%s is not in the reference", m.Schema().Name, c.Name)
			}
		}
	}
}
