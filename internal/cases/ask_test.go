package cases_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// shop makes a case with an answer of a fleet, one of this machine and one
// that was interrupted.
func shop(t *testing.T, dir string, o cases.Options) *cases.Case {
	t.Helper()
	c := openCase(t, dir, "shop-2026", o)
	if err := c.Note(t.Context(), "Called at nine: the shop's till is slow."); err != nil {
		t.Fatal(err)
	}
	files := ofFleet(table("file", "path text", "size size", "mtime time", "tags list"))
	r, err := c.Begin(t.Context(), cases.Question{
		Name: "cron files", Text: "-- name: cron files\nFROM fleet\nFIND file /etc/cron.d/*\nRETURN path, size, mtime, tags",
		Source: "fleet", Investigation: "01J9Z3", Envelope: []byte("{}"), Tables: []quaestor.Table{files},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := value.NewTime(time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC))
	tags := value.NewList(texts("a", "b"))
	for i, host := range []string{"web-1", "web-2", "web-2", "db-1"} {
		row := append(texts(host, "agent-of-"+host, fmt.Sprintf("/etc/cron.d/job%d", i%2)), value.NewSize(int64(100*i)), at, tags)
		if err := r.Row(0, row); err != nil {
			t.Fatal(err)
		}
	}
	sum := answer.Summary{Outcome: answer.Partial, Reason: "2 of 3 agents answered in full", Looked: map[string]int64{"files": 9}, Matched: 4,
		Skipped: []answer.Skipped{{Kind: modules.SkipPermission, Count: 1, First: []modules.Skip{{Kind: modules.SkipPermission, Where: "db-1:/etc/<b>cron.d</b>"}}}}}
	cov := &quaestor.Coverage{Agents: []quaestor.Agent{
		{Agent: "a1", Host: "web-1", State: quaestor.Matched, Rows: 1}, {Agent: "a2", Host: "web-2", State: quaestor.Matched, Rows: 2},
		{Agent: "a3", Host: "db-1", State: quaestor.Partial, Rows: 1, Reason: "permission"}, {Agent: "a4", Host: "mail-1", State: quaestor.Refused, Reason: "no rule allows it"},
	}}
	if err := r.End(t.Context(), sum, cov); err != nil {
		t.Fatal(err)
	}
	if err := c.Note(t.Context(), "job1 is <script>alert(1)</script> | not ours.\n\nLook *closer*."); err != nil {
		t.Fatal(err)
	}
	record(t, c, cases.Question{Name: "query", Text: "FIND file /etc/hosts RETURN path, size, mode", Source: "local", Host: "desk",
		Tables: []quaestor.Table{table("file", "path text", "size int", "mode mode")}}, complete(1),
		[]value.Value{value.NewText("/etc/hosts"), value.NewInt(7), value.NewMode(0o100644)})
	if _, err := c.Begin(t.Context(), cases.Question{Name: "slow", Text: "FIND file /** CONTAINS \"x\"", Source: "local",
		Tables: []quaestor.Table{table("file", "path text")}}); err != nil {
		t.Fatal(err)
	}
	return c
}

func session(t *testing.T, dir string) *quaestor.LocalSession {
	t.Helper()
	s, err := quaestor.LocalWith(quaestor.Options{Case: func(name string) (modules.Module, error) { return cases.Relation(context.Background(), dir, name) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask gives the rows of a query in text, and its account.
func ask(t *testing.T, s quaestor.Session, query string) (string, answer.Summary) {
	t.Helper()
	rows, err := s.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s\n%v", query, err)
	}
	defer rows.Close()
	var lines []string
	for row, err := range rows.All() {
		if err != nil {
			t.Fatalf("%s\n%v", query, err)
		}
		var cells []string
		for _, v := range row.Values() {
			cells = append(cells, v.String())
		}
		lines = append(lines, strings.Join(cells, " "))
	}
	return strings.Join(lines, "\n"), rows.Summary()
}

func TestAsk(t *testing.T) {
	dir := t.TempDir()
	shop(t, dir, cases.Options{})
	s := session(t, dir)
	for query, want := range map[string]string{
		`RETURN entry, host, path ORDER BY entry, host, path`: "3 db-1 /etc/cron.d/job1\n3 web-1 /etc/cron.d/job0\n3 web-2 /etc/cron.d/job0\n3 web-2 /etc/cron.d/job1\n7 desk /etc/hosts",
		`WHERE host = "web-1" RETURN path, size, mtime, tags`: "/etc/cron.d/job0 0 2026-03-14T15:09:26Z [a, b]",
		`STACK path`: "/etc/hosts 1 1\n/etc/cron.d/job0 2 2\n/etc/cron.d/job1 2 2",
		`RETURN path, hosts() AS hosts, count() AS n GROUP BY path ORDER BY path`:                  "/etc/cron.d/job0 2 2\n/etc/cron.d/job1 2 2\n/etc/hosts 1 1",
		`7 RETURN table, query, mode, complete, agent`:                                             "file FIND file /etc/hosts RETURN path, size, mode -rw-r--r-- true ",
		`"cron*" RETURN count() AS n`:                                                              "4",
		`WHERE table = "file" AND NOT complete RETURN count() AS n`:                                "4",
		`a, answer b WHERE a.path = b.path AND a.host != b.host AND a.host = "db-1" RETURN b.host`: "web-2",
		`WHERE path IN (FIND answer 7 RETURN path) RETURN host`:                                    "desk",
	} {
		got, sum := ask(t, s, `FROM case("shop-2026") FIND answer `+query)
		if got != want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", query, got, want)
		}
		whole := strings.HasPrefix(query, "7 ")
		if (sum.Outcome == answer.Complete) != whole {
			t.Errorf("%s: %+v", query, sum)
		}
	}
}

// Answers that were partial are named one by one.
func TestPartialStaysPartial(t *testing.T) {
	dir := t.TempDir()
	shop(t, dir, cases.Options{})
	_, sum := ask(t, session(t, dir), `FROM case("shop-2026") FIND answer`)
	if sum.Outcome != answer.Partial || len(sum.Skipped) != 1 {
		t.Fatalf("%+v", sum)
	}
	k := sum.Skipped[0]
	if k.Kind != modules.SkipAnswer || k.Count != 2 || len(k.First) != 2 || k.First[0].Where != "entry 10 (slow)" || k.First[1].Where != "entry 3 (cron files)" {
		t.Errorf("%+v", k)
	}
}

func TestAskingIsRefused(t *testing.T) {
	dir := t.TempDir()
	shop(t, dir, cases.Options{})
	s := session(t, dir)
	for query, want := range map[string]string{
		`FROM case("shp") FIND answer`:                                              "there are shop-2026",
		`FROM case("../x") FIND answer`:                                             "is no name of a case",
		`FROM case("shop-2026") FIND file /etc`:                                     `no module "file"`,
		`FROM case("shop-2026") FIND answer WHERE pth = "x"`:                        "did you mean path",
		`FROM case("shop-2026") WHERE os = linux FIND answer`:                       "no hosts to choose",
		`FROM case("shop-2026") FIND answer LIMIT 1 PER HOST`:                       "cannot run yet",
		`FROM case("shop-2026") FIND answer RETURN path; FIND host RETURN hostname`: "cannot be asked together",
	} {
		if _, err := s.Query(t.Context(), query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", query, err)
		}
	}
	plain, err := quaestor.Local()
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Query(t.Context(), `FROM case("shop-2026") FIND answer`); err == nil || !strings.Contains(err.Error(), "no cases here") {
		t.Error(err)
	}
}

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	shop(t, dir, cases.Options{})
	got, _ := ask(t, session(t, dir), `EXPLAIN FROM case("shop-2026") FIND answer "cron*" WHERE host = "web-1" STACK path`)
	if !strings.HasPrefix(got, "ask case shop-2026") || !strings.Contains(got, "scan answer") {
		t.Error(got)
	}
}

// The module keeps the contract of modules.
func TestModule(t *testing.T) {
	c := shop(t, t.TempDir(), cases.Options{})
	m, err := c.Module(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	moduletest.Run(t, m, t.TempDir())
}

// Two tables that disagree about a type make it text; a column called like a
// fixed one gets another name.
func TestDisagreement(t *testing.T) {
	c := openCase(t, t.TempDir(), "x", cases.Options{})
	record(t, c, cases.Question{Name: "a", Tables: []quaestor.Table{table("a", "n int", "count() int", "P.Name text", "entry int", "P-Name text")}}, complete(1),
		[]value.Value{value.NewInt(1), value.NewInt(2), value.NewText("x"), value.NewInt(3), value.NewText("y")})
	record(t, c, cases.Question{Name: "b", Tables: []quaestor.Table{table("b", "n version", "count() int")}}, complete(1),
		[]value.Value{value.NewVersion("1.2~\x1b", value.Dpkg), value.NewInt(4)})
	rows, _ := scan(t, c, "entry", "n", "count", "p_name", "entry_2", "p_name_2")
	if got, want := strings.Join(rows, "\n"), "2 \"1\" 2 \"x\" 3 \"y\"\n5 \"1.2~\\x1b\" 4 null null null"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A relation is the same whether it is a case or lies in memory.
func TestDifferential(t *testing.T) {
	dir := t.TempDir()
	c := openCase(t, dir, "same", cases.Options{})
	tab := table("file", "path text", "size size", "owner text", "day time")
	mem := &memory{}
	var rows [][]value.Value
	for i := range 500 {
		row := []value.Value{value.NewText(fmt.Sprintf("/srv/%03d", i*7%211)), value.NewSize(int64(i * i % 97)),
			value.NewText([]string{"root", "www", "ada"}[i%3]), value.NewTime(time.Unix(int64(i%13)*86400, 0))}
		if i%11 == 0 {
			row[1] = value.Value{}
		}
		rows = append(rows, row)
	}
	mem.rows = rows
	for i := range tab.Columns {
		mem.schema.Columns = append(mem.schema.Columns, modules.Column{Name: tab.Columns[i].Name, Type: tab.Columns[i].Type, Default: true, Doc: "a column"})
	}
	mem.schema.Name, mem.schema.Doc = "answer", "rows in memory"
	record(t, c, cases.Question{Name: "q", Text: "FIND file", Tables: []quaestor.Table{tab}}, complete(int64(len(rows))), rows...)
	kept := session(t, dir)
	plain, err := quaestor.LocalWith(quaestor.Options{Modules: []modules.Module{mem}})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, q := range []string{
		"RETURN path, size, owner, day", "WHERE size > 50B RETURN path, size", "WHERE size IS NULL RETURN path",
		"WHERE owner = www AND day < 1970-01-05 RETURN path, day", `WHERE path GLOB "/srv/1*" RETURN DISTINCT path`,
		"RETURN owner, count() AS n, sum(size) AS s, max(day) AS d GROUP BY owner", "RETURN path, size ORDER BY size DESC, path LIMIT 9",
		"a, answer b WHERE a.path = b.path AND a.size < b.size RETURN a.path, a.size, b.size",
		`WHERE path NOT IN (FIND answer WHERE owner = "root" RETURN path) RETURN path`,
	} {
		one, sum := ask(t, kept, `FROM case("same") FIND answer `+q)
		two, _ := ask(t, plain, "FIND answer "+q)
		if sum.Outcome != answer.Complete || sorted(one) != sorted(two) {
			t.Errorf("%s: %s\nthe case says\n%s\nmemory\n%s", q, sum.Outcome, one, two)
		}
		if one == "" {
			t.Errorf("%s finds nothing", q)
		}
	}
}

func sorted(lines string) string {
	return strings.Join(slices.Sorted(slices.Values(strings.Split(lines, "\n"))), "\n")
}

// memory is a relation without a file.
type memory struct {
	schema modules.Schema
	rows   [][]value.Value
}

func (m *memory) Schema() *modules.Schema { return &m.schema }

func (m *memory) Scan(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	for _, r := range m.rows {
		if err := yield(memoryRow(r)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

type memoryRow []value.Value

func (r memoryRow) Column(_ context.Context, i int) (value.Value, error) { return r[i], nil }

// A reader of a case sees it as it was when it began, and keeps no writer
// waiting.
func TestReadWhileWritten(t *testing.T) {
	dir := t.TempDir()
	c := openCase(t, dir, "x", cases.Options{})
	q := cases.Question{Name: "q", Tables: []quaestor.Table{table("t", "a text")}}
	long := strings.Repeat("x", 400<<10)
	record(t, c, q, complete(3), texts(long), texts(long), texts(long))
	m, err := cases.Relation(t.Context(), dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = m.Scan(t.Context(), &modules.Request{Report: &recorder{}, Workers: 1}, func(modules.Row) error {
		n++
		return c.Note(t.Context(), "written while rows come")
	})
	if err != nil || n != 3 {
		t.Errorf("%d rows, %v", n, err)
	}
	seen := map[int64]bool{}
	for e, err := range c.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		seen[e.Seq] = true
	}
	if len(slices.Collect(maps.Keys(seen))) != 9 {
		t.Errorf("%d entries", len(seen))
	}
}
