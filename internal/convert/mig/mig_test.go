package mig

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
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
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 4 {
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
		golden := strings.TrimSuffix(name, ".json") + ".qst"
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

func TestTargets(t *testing.T) {
	for _, c := range [...]struct{ target, want string }{
		{"", "FROM fleet"},
		{"status='online'", "FROM fleet"},
		{"agents.queueloc like 'linux.%'", `FROM fleet WHERE os = "linux"`},
		{"environment->>'os' IN ('linux','darwin') AND mode='daemon'", `FROM fleet WHERE os IN ("linux", "darwin")`},
		{"status='online' OR name = 'x'", "FROM fleet"},
		{"NOT (name ~* '^db' OR version != '1')", `FROM fleet WHERE NOT ((hostname MATCHES "^db" NOCASE OR agent_version != "1"))`},
		{"name NOT LIKE 'it''s%'", `FROM fleet WHERE hostname NOT LIKE "it's%"`},
		{"tags->>'operator'='opsec'", `FROM fleet WHERE tags.operator = "opsec"`},
		{"id IN (select agentid from commands)", "LOST"},
		{"environment->>'publicip' = '1.2.3.4'", "LOST"},
		{"NOT status='online'", "LOST"},
		{"name =", "LOST"},
		{"name = 'x' garbage", "LOST"},
		{strings.Repeat("(", 100) + "name = 'x'" + strings.Repeat(")", 100), "LOST"},
		{"1=1; DROP TABLE agents", "LOST"},
	} {
		a := &action{}
		a.target(textNode(t, c.target))
		got := a.from
		if a.lost != "" {
			got = "LOST"
		}
		if got != c.want {
			t.Errorf("%s: %s %s, want %s", c.target, got, a.lost, c.want)
		}
	}
}

// textNode makes the node of a text.
func textNode(t *testing.T, s string) *document.Node {
	t.Helper()
	docs, err := document.YAML("x", []byte("'"+strings.ReplaceAll(s, "'", "''")+"'"))
	if err != nil || len(docs) != 1 {
		t.Fatal(err)
	}
	return docs[0]
}

func TestErrors(t *testing.T) {
	for _, c := range [...]struct{ data, want string }{
		{`{"operations": "x", "target": ""}`, "x.json:1: this is no action"},
		{`{"operations": [{}], "target": "`, "x.json:1: this is not JSON"},
	} {
		_, err := convertFile(t, "x.json", []byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.data, err)
		}
	}
}

// Whatever a file holds, its conversion ends, and what counts as carried over
// passes the checker, which Run sees to.
func FuzzAction(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
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
		r, err := convertFile(t, "x.json", data)
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
