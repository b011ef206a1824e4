package quaestor_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// fakeFleet answers with what a test says.
type fakeFleet struct {
	answers  []quaestor.Answer
	err      error
	given    int
	rejected []error
	closed   atomic.Bool
	coverage quaestor.Coverage
	sums     []answer.Summary // nil: two that are complete
}

func (f *fakeFleet) Answers(take func(quaestor.Answer) (int, error)) error {
	for _, a := range f.answers {
		f.given++
		a.Rows = slices.Clone(a.Rows)
		switch _, err := take(a); {
		case errors.Is(err, engine.ErrMalformed):
			f.rejected = append(f.rejected, err)
		case err != nil:
			return err
		}
	}
	return f.err
}

func (f *fakeFleet) Summaries() []answer.Summary {
	if f.sums != nil {
		return slices.Clone(f.sums)
	}
	return []answer.Summary{{Outcome: answer.Complete}, {Outcome: answer.Complete}}
}
func (f *fakeFleet) Coverage() quaestor.Coverage         { return f.coverage }
func (f *fakeFleet) Progress() (map[string]int64, int64) { return nil, int64(f.given) }
func (f *fakeFleet) Close() error                        { f.closed.Store(true); return nil }

func planned(t *testing.T, text string) *quaestor.Compiled {
	t.Helper()
	s, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Compile(lang.Source{Name: "query", Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func rowsOf(t *testing.T, r *quaestor.Rows) (rows []string, err error) {
	t.Helper()
	for row, err := range r.All() {
		if err != nil {
			return rows, err
		}
		var text []string
		for _, v := range row.Values() {
			text = append(text, v.String())
		}
		rows = append(rows, r.Tables()[row.Table()].Name+": "+strings.Join(text, " "))
	}
	return rows, nil
}

func TestFleetRows(t *testing.T) {
	text, size := value.NewText, value.NewSize
	c := planned(t, `FROM fleet FIND file /etc/** RETURN path, size ORDER BY size DESC LIMIT 2; FROM fleet FIND NOT file /etc/x`)
	found := func(values ...value.Value) []quaestor.Found { return []quaestor.Found{{Values: values}} }
	fleet := &fakeFleet{answers: []quaestor.Answer{
		{Host: "web-1", Agent: "01", Rows: []quaestor.Found{{Values: []value.Value{text("/etc/a"), size(1)}}, {Values: []value.Value{text("/etc/b"), size(3)}}}},
		{Host: "web-2", Agent: "02", Rows: found(text("/etc/a"), size(2))},
		{Host: "web-3", Agent: "03", Rows: found(text("/etc/a"), text("large"))},
		{Host: "web-2", Agent: "02", Query: 1, Rows: []quaestor.Found{{Table: -1}}},
	}}
	r := quaestor.NewRows(c.Queries, c.Warnings, fleet)
	got, err := rowsOf(t, r)
	want := []string{"query 2: web-2 02", "query 1: web-1 01 /etc/b 3", "query 1: web-2 02 /etc/a 2"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v\nwant %q", got, err, want)
	}
	if len(fleet.rejected) != 1 || !strings.Contains(fleet.rejected[0].Error(), "size") {
		t.Errorf("a text in the column size: %v", fleet.rejected)
	}
	if _, ok := r.Coverage(); !ok {
		t.Error("no coverage")
	}
	if r.Close(); !fleet.closed.Load() {
		t.Error("not closed")
	}
}

// A query that has its rows asks for no more; one that fails says so after
// what came.
func TestFleetRowsEnd(t *testing.T) {
	row := quaestor.Answer{Host: "a", Agent: "01", Rows: []quaestor.Found{{Values: []value.Value{value.NewText("/etc/a")}}}}
	c := planned(t, `FROM fleet FIND file /etc/** RETURN path LIMIT 2`)
	fleet := &fakeFleet{answers: slices.Repeat([]quaestor.Answer{row}, 5)}
	if got, err := rowsOf(t, quaestor.NewRows(c.Queries, nil, fleet)); len(got) != 2 || err != nil || fleet.given > 3 {
		t.Errorf("%q, %v, after %d", got, err, fleet.given)
	}
	broken := errors.New("the line is cut")
	fleet = &fakeFleet{answers: []quaestor.Answer{row}, err: broken}
	if got, err := rowsOf(t, quaestor.NewRows(c.Queries, nil, fleet)); len(got) != 1 || !errors.Is(err, broken) {
		t.Errorf("%q, %v", got, err)
	}
	fleet = &fakeFleet{answers: slices.Repeat([]quaestor.Answer{row}, 1000)}
	c = planned(t, `FROM fleet FIND file /etc/** RETURN path`)
	for range quaestor.NewRows(c.Queries, nil, fleet).All() {
		break
	}
	if fleet.given > 20 || !fleet.closed.Load() {
		t.Errorf("%d given to who reads one; closed %v", fleet.given, fleet.closed.Load())
	}
}

func TestCoverage(t *testing.T) {
	var none quaestor.Coverage
	if none.Share() != 0 {
		t.Error("nobody was asked, and that is a full answer")
	}
	c := quaestor.Coverage{Agents: []quaestor.Agent{
		{Host: "b", State: quaestor.Empty}, {Host: "a", State: quaestor.Matched}, {Host: "a", Agent: "0", State: quaestor.Partial},
		{Host: "c", State: quaestor.Offline}, {Host: "d", State: quaestor.Refused},
	}}
	if c.Sort(); c.Targeted() != 5 || c.Answered() != 3 || c.Share() != 0.6 || c.Agents[0].Host != "a" || c.Agents[1].State != quaestor.Partial && c.Agents[0].State != quaestor.Partial {
		t.Errorf("%+v", c)
	}
	for _, s := range quaestor.States() {
		if s.String() == "unknown" {
			t.Error("a state without a name")
		}
	}
}

// A plan is made again from what it was made from, and from nothing else.
func TestRecompile(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "bad.txt")
	if err := os.WriteFile(list, []byte("10.0.0.0/8\n"+strings.Repeat("a", 64)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, params := range map[string]map[string]string{
		`FROM fleet WHERE os = linux FIND file /etc/** WHERE sha256 IN ("` + strings.Repeat("a", 64) + `")`: nil,
		`PARAM since duration FROM fleet FIND file /etc/** WHERE mtime > now - $since`:                      {"since": "7d"},
		`FROM fleet FIND file /etc/** CONTAINS @bad.txt`:                                                    nil,
		`FROM fleet FIND file /etc/** CONTAINS @` + list:                                                    nil,
	} {
		s, err := quaestor.LocalWith(quaestor.Options{Dir: dir, Params: params})
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Compile(lang.Source{Name: "query", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		q := c.Queries[0]
		elsewhere, err := quaestor.LocalWith(quaestor.Options{Dir: t.TempDir(), Now: func() time.Time { return time.Now().Add(time.Hour) }})
		if err != nil {
			t.Fatal(err)
		}
		p, err := elsewhere.Recompile(q.Plan.Query, q.Inputs)
		if err != nil || string(p.Encode()) != string(q.Plan.Encode()) {
			t.Errorf("%s: not the same plan: %v", text, err)
		}
		if len(q.Inputs.Lists) > 0 {
			q.Inputs.Lists[0].Data = []byte("0.0.0.0/0\n")
			if p, err := elsewhere.Recompile(q.Plan.Query, q.Inputs); err != nil || string(p.Encode()) == string(q.Plan.Encode()) {
				t.Errorf("%s: the same plan from another list: %v", text, err)
			}
			q.Inputs.Lists = nil
			if _, err := elsewhere.Recompile(q.Plan.Query, q.Inputs); err == nil {
				t.Errorf("%s: a list came from nowhere", text)
			}
		}
	}
}
