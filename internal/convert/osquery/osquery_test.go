package osquery_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

var update = flag.Bool("update", false, "rewrite what conversions give")

func run(t testing.TB, name, data string) (*convert.Result, error) {
	t.Helper()
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	in := convert.Input{Name: name, Data: []byte(data), Catalogue: cat, Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	return convert.Run(context.Background(), []convert.Format{osquery.Format()}, "osquery", in)
}

// Each file of testdata is converted into what stands beside it.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if r, err := run(t, filepath.Base(name), string(data)); err != nil {
				got = err.Error() + "\n"
			} else {
				got = r.Query(filepath.Base(name))
			}
			golden := name[:strings.Index(name, ".in.")] + ".qst"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
			}
		})
	}
}

// checks holds a query that stands in for a table to the checker.
func checks(t *testing.T, table, query string) {
	t.Helper()
	s, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Prepare(query); err != nil {
		t.Errorf("%s: %v", table, err)
	}
}

// Every table names a module that is there, and every column expressions that
// pass the checker: a conversion would be refused for what the table says.
func TestTables(t *testing.T) {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, tab := range osquery.Tables() {
		if seen[tab.Name] {
			t.Errorf("%s stands twice", tab.Name)
		}
		seen[tab.Name] = true
		if tab.Module == "" {
			if tab.Note == "" {
				t.Errorf("%s: nothing says why it is not there", tab.Name)
			}
			if _, query, ask := strings.Cut(tab.Note, ": ask `"); ask {
				checks(t, tab.Name, strings.TrimSuffix(query, "`"))
			}
			continue
		}
		schema, ok := cat.Schema(tab.Module)
		if !ok {
			t.Errorf("%s: there is no module %s", tab.Name, tab.Module)
			continue
		}
		for _, c := range tab.Columns {
			if c.Here == "" && c.Why == "" && len(c.Words) == 0 {
				t.Errorf("%s.%s: nothing says why it is not there", tab.Name, c.Name)
			}
		}
		where := ""
		if schema.Locator.Use == modules.LocatorRequired && len(tab.Places) == 0 {
			where = " WHERE path = '/x'"
		}
		r, err := run(t, "x.sql", "SELECT * FROM "+tab.Name+where)
		if err != nil || len(r.Rules[0].Queries) == 0 {
			t.Errorf("%s: %v, %+v", tab.Name, err, r)
		}
		for _, c := range tab.Columns {
			if c.Here == "" {
				continue
			}
			r, err := run(t, "x.sql", "SELECT \""+c.Name+"\" FROM "+tab.Name+where)
			if err != nil || len(r.Rules[0].Queries) == 0 {
				t.Errorf("%s.%s: %v, %+v", tab.Name, c.Name, err, r)
			}
		}
	}
}

// What is hostile is refused, and fast.
func TestHostile(t *testing.T) {
	double := "WITH a0 AS (SELECT pid FROM processes)"
	for i := range 40 {
		double += strings.NewReplacer("#", string(rune('0'+i/10))+string(rune('0'+i%10)), "@", last(i)).Replace(", a# AS (SELECT x.pid FROM @ x JOIN @ y USING (pid))")
	}
	union := "SELECT pid FROM (SELECT pid FROM processes UNION ALL SELECT pid FROM process_envs)"
	for range 10 {
		union += " JOIN (SELECT pid FROM processes UNION ALL SELECT pid FROM process_envs) USING (pid)"
	}
	many := "SELECT 1 FROM processes"
	for i := range 70 {
		many += ", processes a" + strconv.Itoa(i)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"names that double", double + " SELECT * FROM a39", "nested too deep"},
		{"unions that double", union, "more than 64 queries"},
		{"a name of itself", "WITH RECURSIVE r AS (SELECT pid FROM processes UNION ALL SELECT r.pid FROM r) SELECT * FROM r", "names itself"},
		{"a column of itself", "SELECT a + 1 AS b, b + 1 AS a FROM processes", "no column"},
		{"many joins", many, "more than 64 tables"},
		{"many conditions", "SELECT pid FROM processes WHERE pid = 1" + strings.Repeat(" OR pid = 1", 20000), ""},
		{"a long list", "SELECT pid FROM processes WHERE name IN ('x'" + strings.Repeat(", 'y'", 50000) + ")", ""},
	} {
		r, err := run(t, "x.sql", tt.text)
		switch {
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want == "" && r.Rules[0].Outcome != convert.Whole:
			t.Errorf("%s: %+v", tt.name, r.Rules[0].Notes)
		case tt.want != "" && (len(r.Rules[0].Queries) > 0 || !strings.Contains(r.Rules[0].Notes[0].Message, tt.want)):
			t.Errorf("%s: %+v", tt.name, r.Rules[0].Notes)
		}
	}
}

func last(i int) string {
	if i == 0 {
		return "a0"
	}
	return "a" + string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10))
}

// No file makes the converter fall, and what it gives parses and is planned.
func FuzzConvert(f *testing.F) {
	f.Add("x.sql", "SELECT p.*, u.username FROM processes p LEFT JOIN users u USING (uid) WHERE on_disk = 0 AND NOT path LIKE '/usr/%' GROUP BY 1 ORDER BY 2 LIMIT 3")
	f.Add("x.conf", `{"platform": "linux", "discovery": ["SELECT 1 FROM os_version WHERE major > 7"], "queries": {"a": {"query": "SELECT * FROM hash WHERE path IN (SELECT path FROM processes)", "interval": "60"}}}`)
	f.Add("x.yml", "kind: query\nspec:\n  name: a\n  query: SELECT datetime(mtime, 'unixepoch') FROM file WHERE path LIKE '/etc/%%'\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		if len(text) > 4096 {
			return
		}
		r, err := run(t, name, text)
		if err != nil {
			return
		}
		for _, x := range r.Rules {
			for _, n := range x.Notes {
				if strings.HasPrefix(n.Message, "its query is refused: there is no") || strings.Contains(n.Message, "$") && strings.Contains(n.Message, "unknown") {
					t.Errorf("%q: %s", text, n.Message)
				}
			}
		}
	})
}
