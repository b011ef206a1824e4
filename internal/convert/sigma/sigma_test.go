package sigma

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
	return convert.Run(context.Background(), []convert.Format{Format()}, "", convert.Input{Name: name, Data: data, Catalogue: cat, Now: time.Unix(0, 0)})
}

// Each file of testdata becomes the query file beside it, with its lists.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yml")
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
		{"x.yml", "logsource: {}\ndetection:\n  a: [", "this is not YAML"},
		{"x.yml", "logsource: {}\ndetection: \xff", "it is not UTF-8"},
		{"x.yml", "logsource: x\ndetection: y\n---\n- detection\n", "x.yml:4: this is no rule, but a list"},
		{"x.yml", "title: x\nlogsource: {}\n---\ntitle: y\ndetection: {}\n", "x.yml:1: this is no Sigma rule"},
		{"x.yml", "action: repeat\nlogsource: x\ndetection: y\n", "x.yml:1: there is no rule before this one"},
		{"x.yml", "action: what\nlogsource: x\ndetection: y\n", "x.yml:1: action \"what\" is not known\nhint: known are global"},
		{"x.yml", "action: global\nlogsource: x\ndetection: y\n", "x.yml:1: there is no rule in it"},
		{"x.yml", "detection: " + strings.Repeat("[", 1000) + "\nlogsource: x\n", "x.yml"},
		{"x.yml", "detection: {}\n", "no format"},
		{"x.txt", "detection: {}\nlogsource: {}\n", "no format"},
	} {
		_, err := convertFile(t, c.name, []byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.data, err)
		}
	}
}

// Whatever a file holds, its conversion ends, and what counts as carried over
// passes the checker, which Run sees to.
func FuzzRule(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := convertFile(t, "x.yml", data)
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
