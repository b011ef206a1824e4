package artifact

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

var update = flag.Bool("update", false, "rewrite what is expected")

func convertFile(t testing.TB, name string, data []byte) (*convert.Result, error) {
	t.Helper()
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	return convert.Run(context.Background(), []convert.Format{Format(), GRR()}, "", convert.Input{Name: name, Data: data, Catalogue: cat, Now: time.Unix(0, 0)})
}

// Each file of testdata becomes the query file beside it, with its lists.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*[ln]")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := convertFile(t, filepath.Base(name), data)
		if err != nil {
			t.Fatal(err)
		}
		got := r.Query(filepath.Base(name))
		for _, l := range r.Lists {
			got += "\n-- @" + l.Name + "\n-- " + strings.ReplaceAll(strings.TrimSpace(string(l.Text)), "\n", "\n-- ") + "\n"
		}
		golden := name + ".qst"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || got != string(want) {
			t.Errorf("%s (%v):\n%s", golden, err, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range [...]struct{ name, data, want string }{
		{"x.yaml", "name: a\nsources:\n- type: FILE\n  bad: [", "this is not YAML"},
		{"x.yaml", "doc: name: type:\nsources:\n", "this is not YAML"},
		{"x.yaml", "names: type:\n", "no format"},
		{"x.yaml", "doc: 'name:'\nsources:\n- type: FILE\n", "x.yaml:1: this is no artifact"},
		{"x.json", `{"paths": [], "action_type`, "no format"},
		{"x.json", `{"pathtype": "OS", "x": {"paths": []}}`, "x.json:1: these are no parameters"},
	} {
		_, err := convertFile(t, c.name, []byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.data, err)
		}
	}
}

// Whatever a file holds, its conversion ends, and what counts as carried over
// passes the checker, which Run sees to.
func FuzzArtifact(f *testing.F) {
	files, err := filepath.Glob("testdata/*[ln]")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, data)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		r, err := convertFile(t, name, data)
		if err != nil {
			return
		}
		for _, x := range r.Rules {
			if x.Outcome != convert.Not && len(x.Queries) == 0 || x.Outcome == convert.Not && len(x.Notes) == 0 {
				t.Fatalf("a rule without an account: %+v", x)
			}
		}
	})
}
