package querytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

// An outcome is what came back of a case.
type outcome struct {
	wrong    string // what is said about a query with mistakes
	unset    bool   // one of them is that a parameter has no value
	warnings []string
	asked    []string // the hosts that were
	unsure   []string // why it cannot be told whether a host is meant
	tables   []table
	summary  answer.Summary
	unfed    []string // modules that the query asks, of which the case says nothing
	now      time.Time
}

// A table is the rows of one FIND.
type table struct {
	quaestor.Table
	rows [][]value.Value
}

// maxAnswer bounds the rows of one case.
const maxAnswer = 100_000

// A trial is a case that is ready to be run.
type trial struct {
	world *world
	query quaestor.Query
	got   *outcome
}

// newTrial reads what a case pretends, and plans its query.
func newTrial(s *Suite, c *testCase, mods []modules.Module) (*trial, error) {
	w, err := newWorld(s, c, mods)
	if err != nil {
		return nil, err
	}
	for _, h := range w.hosts {
		if err := w.catalogue(h); err != nil {
			return nil, &lineError{c.line, err}
		}
	}
	t := &trial{world: w, got: &outcome{now: w.now}}
	if t.query, err = w.compile(t.got); err != nil || t.got.wrong != "" {
		return t, err
	}
	return t, w.checkTables(t.query, t.got)
}

// tempName is what the folder of a case's hosts is called.
const tempName = "quaestor-test-*"

// ask makes the hosts, asks them, and lets go of them again.
func (t *trial) ask(ctx context.Context) (got *outcome, err error) {
	if t.got.wrong != "" {
		return t.got, nil
	}
	dir, err := os.MkdirTemp("", tempName)
	if err != nil {
		return nil, err
	}
	undo := func() {}
	defer func() {
		undo()
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if undo, err = t.world.build(dir); err != nil {
		return nil, err
	}
	rows, done, err := t.world.start(ctx, t.query, t.got)
	if err != nil {
		return nil, err
	}
	defer done()
	return t.got, t.got.collect(rows)
}

// compile finds the case's query and plans it. What is wrong with the query is
// an outcome: the case may be about just that.
func (w *world) compile(got *outcome) (quaestor.Query, error) {
	if w.suite.broken != nil {
		got.wrong = w.suite.broken.Error()
		return quaestor.Query{}, nil
	}
	q, err := w.pick()
	if err != nil {
		return quaestor.Query{}, err
	}
	maps.DeleteFunc(w.params, func(name, _ string) bool {
		return w.shared[name] && !slices.ContainsFunc(q.Params, func(p *lang.Param) bool { return p.Name.Name == name })
	})
	p, doubts, err := planner.Compile(q, w.hosts[0].cat, planner.Inputs{
		Source: w.suite.source, Dir: string(filepath.Separator), Params: w.params, OS: w.os(), Now: w.now, ReadList: w.readList,
	})
	for _, d := range doubts {
		got.warnings = append(got.warnings, d.Render(w.suite.source))
	}
	if err != nil {
		got.wrong, got.unset = err.Error(), isUnset(err)
		return quaestor.Query{}, nil
	}
	return quaestor.Query{Name: q.Header.Name, Explain: q.Explain, Analyze: q.Analyze, Plan: p, Inputs: quaestor.Inputs{Params: w.params, At: w.now}}, nil
}

// isUnset says whether a parameter has no value.
func isUnset(err error) bool {
	var wrong *lang.Error
	return errors.As(err, &wrong) && slices.ContainsFunc(wrong.Diagnostics, func(d lang.Diagnostic) bool {
		return d.Code == planner.CodeParameterWithoutValue
	})
}

// pick finds the query that the case is about.
func (w *world) pick() (*lang.Query, error) {
	all := w.suite.queries.Queries
	var names []string
	for _, q := range all {
		if q.Header.Name == w.query && w.query != "" {
			return q, nil
		}
		names = append(names, fmt.Sprintf("%q", q.Header.Name))
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("%s holds no query", w.suite.Query)
	case w.query != "":
		return nil, &lineError{w.test.line, fmt.Errorf("%s has no query with the header -- name: %s; there are %s", w.suite.Query, w.query, strings.Join(names, ", "))}
	case len(all) > 1:
		return nil, &lineError{w.test.line, fmt.Errorf("%s has %d queries: say which one in a section query; there are %s", w.suite.Query, len(all), strings.Join(names, ", "))}
	}
	return all[0], nil
}

// maxList is where reading the file of an @list stops, in bytes: past the
// planner's own bound, so that the planner says what is wrong with it.
const maxList = 128<<20 + 1

// readList gives a list of the case, or that beside the query.
func (w *world) readList(name string) ([]byte, error) {
	if text, ok := w.lists[name]; ok {
		return []byte(text), nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(w.suite.Query), name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxList))
}

// checkTables looks for tables of the case that the query never asks about,
// and for modules that it asks about and of which the case says nothing.
func (w *world) checkTables(q quaestor.Query, got *outcome) error {
	needs, err := engine.NeedsOf(w.hosts[0].cat, q.Plan)
	if err != nil {
		return err
	}
	for _, s := range w.test.set {
		if w.schema[s.name] != nil && s.line > w.test.line && !slices.Contains(needs.Modules, s.name) {
			return s.wrap(fmt.Errorf("the query asks about %s, and not about it", strings.Join(needs.Modules, ", ")))
		}
	}
	for _, name := range needs.Modules {
		if w.schema[name] == nil && name != "host" && name != "file" {
			got.unfed = append(got.unfed, name)
		}
	}
	return nil
}

// start asks the hosts that the query means.
func (w *world) start(ctx context.Context, q quaestor.Query, got *outcome) (rows *quaestor.Rows, done func(), err error) {
	first := w.hosts[0]
	once := *q.Plan
	once.Every, q.Plan = 0, &once // a case is one moment: the first round is tried
	switch {
	case q.Plan.Source == "case":
		return nil, nil, fmt.Errorf("the query asks the answers of a case, which cannot be pretended")
	case q.Plan.Source == "local" && len(w.hosts) > 1:
		return nil, nil, &lineError{w.test.line, fmt.Errorf("the query asks the local machine, and the case pretends %d hosts", len(w.hosts))}
	case q.Plan.Source != "local" && !q.Explain:
		f := &fleet{ctx: ctx, world: w, plan: q.Plan}
		if err := f.aim(got); err != nil {
			return nil, nil, err
		}
		rows := quaestor.NewRows([]quaestor.Query{q}, nil, f)
		return rows, func() { _ = rows.Close() }, nil
	}
	s, err := quaestor.LocalWith(quaestor.Options{
		Modules: first.mods, Root: first.root, OS: w.os(), Workers: 1, Now: func() time.Time { return w.now },
	})
	if err != nil {
		return nil, nil, err
	}
	if q.Plan.Watch {
		return nil, nil, errors.Join(errors.New("WATCH tells of what happens, and nothing happens to a pretended host\nhint: try the same question with FIND"), s.Close())
	}
	rows, err = s.Run(ctx, &quaestor.Compiled{Queries: []quaestor.Query{q}})
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	if err := w.aimLocal(ctx, q, got); err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return rows, func() { _, _ = rows.Close(), s.Close() }, nil
}

// aimLocal says whether a query of the local machine means it: it may have a
// target, too.
func (w *world) aimLocal(ctx context.Context, q quaestor.Query, got *outcome) error {
	h := w.hosts[0]
	e := engine.New(h.cat, engine.Options{Host: modules.Host{Root: h.root, Now: func() time.Time { return w.now }}})
	switch truth, err := e.Matches(ctx, q.Plan); {
	case errors.Is(err, engine.ErrRefused):
		got.unsure = append(got.unsure, fmt.Sprintf("%s refuses: %v", h.name, err))
	case err != nil:
		return err
	case truth == value.Unknown:
		got.unsure = append(got.unsure, fmt.Sprintf("whether %s is meant cannot be told from its facts", h.name))
	case truth == value.True:
		got.asked = []string{h.name}
	}
	return nil
}

// collect reads an answer to its end.
func (a *outcome) collect(rows *quaestor.Rows) error {
	for _, t := range rows.Tables() {
		a.tables = append(a.tables, table{Table: t})
	}
	n := 0
	for row, err := range rows.All() {
		if err != nil {
			break // the summary says so, too
		}
		if n++; n > maxAnswer {
			return fmt.Errorf("more than %d rows came back", maxAnswer)
		}
		values := make([]value.Value, len(row.Values()))
		for i, v := range row.Values() {
			values[i] = v.Clone()
		}
		t := &a.tables[row.Table()]
		t.rows = append(t.rows, values)
	}
	a.summary = rows.Summary()
	return nil
}

// cells gives some columns of the rows as text, in one order unless the query
// gives one.
func (t *table) cells(columns []int) [][]string {
	all := make([][]string, len(t.rows))
	for i, row := range t.rows {
		for _, c := range columns {
			all[i] = append(all[i], pretend.ShowCell(row[c]))
		}
	}
	if !t.Ordered {
		slices.SortFunc(all, slices.Compare)
	}
	return all
}
