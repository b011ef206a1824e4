package mig

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/converttest"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

var (
	update  = flag.Bool("update", false, "rewrite what is expected")
	formats = []convert.Format{Format()}
)

// files are those of testdata that are converted.
func files(t testing.TB) []string {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	return names
}

func TestGolden(t *testing.T) { converttest.Golden(t, formats, files(t), *update) }

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
	converttest.Errors(t, formats, [][3]string{
		{"x.json", `{"operations": "x", "target": ""}`, "x.json:1: this is no action"},
		{"x.json", `{"operations": [{}], "target": "`, "x.json:1: this is not JSON"},
	})
}

func FuzzAction(f *testing.F) {
	converttest.Seeds(f, files(f))
	f.Fuzz(func(t *testing.T, name string, data []byte) { converttest.Laws(t, formats, name, data) })
}
