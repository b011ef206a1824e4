package quaestor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A Column is one column of a table.
type Column struct {
	Name string
	Type value.Type
}

// A Table is what one FIND answers.
type Table struct {
	Name    string // unique in the answer
	Query   int    // which of the queries
	Columns []Column
	Ordered bool // the query says in which order its rows come
	// Origin: the first two columns are the host and the agent that a row
	// comes from, where a fleet was asked and the row is one host's.
	Origin bool
}

// Rows is an answer. It must be closed.
type Rows struct {
	tables   []Table
	index    [][]int // of the tables, by query and by the number that the plan gives them
	run      *engine.Run
	answers  Answers    // instead of run, where others answer
	fleet    *fleetRows // with answers
	again    *again     // instead of both, where there are rounds
	plans    int
	host     func() value.Value // this host's name
	plain    []Row              // an answer that needed no run
	warnings []Warning
	cancel   context.CancelFunc
	begun    bool
	queries  []Query
	log      *slog.Logger // nil: nobody is told
}

// Run asks the queries together: scans that go over the same places share one
// pass. Queries that begin with EXPLAIN are not run: each answers with a table
// of the lines of its plan. With EXPLAIN ANALYZE it is run first. Queries with
// EVERY are asked again and again, until ctx ends: see Repeat.
func (s *LocalSession) Run(ctx context.Context, c *Compiled) (*Rows, error) {
	every, err := c.Every()
	if err != nil {
		return nil, err
	}
	if every > 0 {
		return s.Repeat(ctx, c, Repeat{Every: every})
	}
	return s.once(ctx, c)
}

// once asks the queries once, whatever they say of EVERY.
func (s *LocalSession) once(ctx context.Context, c *Compiled) (*Rows, error) {
	if len(c.Queries) == 0 {
		return nil, errors.New("no query")
	}
	plans := make([]*plan.Plan, len(c.Queries))
	explain := 0
	for i, q := range c.Queries {
		if plans[i] = q.Plan; q.Explain {
			explain++
		}
	}
	switch {
	case explain == len(c.Queries):
		return s.explained(ctx, c)
	case explain > 0:
		return nil, errors.New("queries that begin with EXPLAIN cannot be asked together with others")
	}
	if len(plans) > 1 && slices.ContainsFunc(plans, func(p *plan.Plan) bool { return p.Watch }) {
		return nil, errors.New("a query with WATCH has no end, and cannot be asked together with others\nhint: ask it alone")
	}
	e, err := s.engineOf(c.Queries...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	r := &Rows{warnings: c.Warnings, cancel: func() { stop(); cancel() }, log: s.opts.Logger}
	r.name(c.Queries, false)
	r.run = e.Start(ctx, plans...)
	r.plans, r.host = len(plans), func() value.Value { return s.hostname(ctx) }
	return r, nil
}

// name makes the tables. Their names are those of the query's tables where
// there is one query, that of the query where each has one table, else both.
// A FIND NOT has no rows and no table; a query that a host can satisfy without
// rows has a table "host" for that. Rows of a fleet begin with their origin.
func (r *Rows) name(queries []Query, fleet bool) {
	r.queries = queries
	for i, q := range queries {
		index := make([]int, len(q.Plan.Tables)+1)
		var tables []Table
		alone := Table{Name: "host", Query: i, Columns: origin[:1]}
		if fleet {
			alone.Columns, alone.Origin = origin, true
		}
		for k, t := range q.Plan.Tables {
			if index[k] = -1; t.Not {
				continue
			}
			index[k] = len(r.tables) + len(tables)
			tables = append(tables, newTable(t, i, fleet))
		}
		if index[len(q.Plan.Tables)] = -1; withoutRows(q.Plan.Tables) {
			index[len(q.Plan.Tables)] = len(r.tables) + len(tables)
			tables = append(tables, alone)
		}
		for _, t := range tables {
			if len(queries) > 1 && len(tables) > 1 {
				t.Name = q.Name + "/" + t.Name
			} else if len(queries) > 1 {
				t.Name = q.Name
			}
			t.Name = r.free(t.Name)
			r.tables = append(r.tables, t)
		}
		r.index = append(r.index, index)
	}
}

// withoutRows says whether some alternative consists of FIND NOT alone.
func withoutRows(tables []*plan.Table) bool {
	alone := true
	for i, t := range tables {
		if t.Or && i > 0 {
			if alone {
				return true
			}
			alone = true
		}
		alone = alone && t.Not
	}
	return alone
}

// origin are the columns that say whose row one is.
var origin = []Column{{Name: "host", Type: value.Text}, {Name: "agent", Type: value.Text}}

func newTable(t *plan.Table, query int, fleet bool) Table {
	tab := Table{Name: t.Name, Query: query, Ordered: len(t.Order) > 0}
	if fleet && engine.WithOrigin(t) {
		tab.Columns, tab.Origin = slices.Clone(origin), true
	}
	for _, o := range t.Outputs {
		tab.Columns = append(tab.Columns, Column{Name: o.Name, Type: o.Type})
	}
	return tab
}

func (r *Rows) free(name string) string {
	free := name
	for n := 2; slices.ContainsFunc(r.tables, func(t Table) bool { return t.Name == free }); n++ {
		free = fmt.Sprintf("%s %d", name, n)
	}
	return free
}

// Tables lists the tables of the answer, those without rows included.
func (r *Rows) Tables() []Table { return r.tables }

// Queries gives the queries that are answered: Table.Query numbers them. There
// are none where only plans were drawn.
func (r *Rows) Queries() []Query { return r.queries }

// Columns gives the columns of the first table.
func (r *Rows) Columns() []Column { return r.tables[0].Columns }

// Warnings gives what the planner doubted.
func (r *Rows) Warnings() []Warning { return r.warnings }

// All gives the rows, once, as they are found. A row is valid until the next
// one; what is kept of it is cloned (value.Value.Clone). After an error there
// are no more rows.
func (r *Rows) All() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if r.begun {
			yield(Row{}, errors.New("the rows of an answer come only once"))
			return
		}
		r.begun = true
		defer r.tell()()
		if r.again != nil {
			r.again.all(yield)
			return
		}
		for _, row := range r.plain {
			if !yield(row, nil) {
				return
			}
		}
		rows := func(func(engine.Row, error) bool) {}
		switch {
		case r.fleet != nil:
			rows = r.fleet.all
		case r.run != nil:
			rows = r.run.Rows()
		}
		for got, err := range rows {
			if err != nil {
				yield(Row{}, err)
				return
			}
			if row, ok := r.row(got); ok && !yield(row, nil) {
				return
			}
		}
	}
}

// tell tells the logger that the queries begin, and gives what tells that they
// ended.
func (r *Rows) tell() func() {
	if r.log == nil {
		return func() {}
	}
	start := time.Now()
	for _, q := range r.queries {
		r.log.Debug("query begins", "query", q.Name)
	}
	return func() {
		for i, sum := range r.Summaries() {
			logEnd(r.log, r.queries[i].Name, sum, time.Since(start))
		}
	}
}

// row puts a row of the engine into its table.
func (r *Rows) row(got engine.Row) (Row, bool) {
	index := r.index[got.Plan]
	if got.Table < 0 {
		if got.Table = len(index) - 1; r.fleet == nil {
			got.Values = []value.Value{r.host()}
		}
	}
	i := index[got.Table]
	if i < 0 {
		return Row{}, false
	}
	return Row{table: &r.tables[i], index: i, values: got.Values}, true
}

// Summary is the account of the answer, of all queries together. It is whole
// once All has ended.
func (r *Rows) Summary() answer.Summary { return merge(r.Summaries()) }

// Summaries gives the account of each query.
func (r *Rows) Summaries() []answer.Summary {
	switch {
	case r.again != nil:
		return r.again.summaries()
	case r.answers != nil:
		return r.fleet.summaries()
	}
	if r.run == nil {
		return []answer.Summary{{Outcome: answer.Complete, Matched: int64(len(r.plain))}}
	}
	sums := make([]answer.Summary, r.plans)
	for i := range sums {
		sums[i] = r.run.Summary(i)
	}
	return sums
}

// Progress says how far the answer has come: what was looked at by kind, and
// how many rows there are. It may be called from any goroutine.
func (r *Rows) Progress() (looked map[string]int64, rows int64) {
	switch {
	case r.again != nil:
		return r.again.progress()
	case r.answers != nil:
		return r.answers.Progress()
	}
	if r.run == nil {
		return nil, int64(len(r.plain))
	}
	p := r.run.Progress()
	return p.Looked, p.Matched
}

// Close ends the answer, if it still runs. It may be called twice.
func (r *Rows) Close() error {
	r.cancel()
	return nil
}
