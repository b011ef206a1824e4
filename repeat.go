package quaestor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/engine/rounds"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// ChangeColumn is what the column is called that says what became of a row
// since the round before: new, gone or changed. It is null where nobody can
// tell whether the row is new.
const ChangeColumn = "change"

// MinPeriod is the least time between two rounds.
const MinPeriod = time.Second

// A Repeat says how queries are asked again and again.
type Repeat struct {
	Every time.Duration // from the beginning of a round to that of the next; at least MinPeriod
	// Until is when no round begins any more; zero: the context's end alone
	// ends it.
	Until time.Time
	// Told, where not nil, is told of each round when its rows have been
	// given.
	Told func(Round)
	// Bytes bounds the rows that are held to be compared; 0: rounds.Bytes.
	Bytes int64
}

// A Round is one time of many that queries were asked.
type Round struct {
	Number int // from 1
	Began  time.Time
	Took   time.Duration
	rounds.Count
	// Left is the number of rounds before this one that were left out, since
	// an earlier one took too long.
	Left     int
	Summary  answer.Summary
	Coverage *Coverage // of a fleet; nil: this machine was asked
	Err      error     // why the round ended early
}

// Repeat asks queries of this machine again and again, and gives the rows of
// the first round, and then those that are new, gone or changed: the column
// ChangeColumn says which, before the others, and behind the origin of a row.
// A row is gone only where its place was looked at.
//
// The rows end with the context, which is no error, or with Repeat.Until.
// Their summary is that of all rounds together.
func (s *LocalSession) Repeat(ctx context.Context, c *Compiled, r Repeat) (*Rows, error) {
	return s.RepeatThrough(ctx, r, func(ctx context.Context) (*Rows, error) { return s.once(ctx, c) })
}

// RepeatThrough is Repeat for queries that ask asks, which may be of a fleet.
// This session's modules say which columns are keys. An error of the first
// round is returned; later ones go to Repeat.Told, and the next round tries
// again.
func (s *LocalSession) RepeatThrough(ctx context.Context, r Repeat, ask func(context.Context) (*Rows, error)) (*Rows, error) {
	if r.Every < MinPeriod {
		return nil, fmt.Errorf("a period of %s between two rounds is too short: at least %s", r.Every, MinPeriod)
	}
	ctx, cancel := context.WithCancel(ctx)
	first, err := ask(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	if len(first.queries) == 0 {
		cancel()
		return nil, errors.Join(errors.New("EXPLAIN draws a plan once, and is not repeated"), first.Close())
	}
	a := &again{Repeat: r, ctx: ctx, ask: ask, now: s.opts.Now, current: first, sums: make([]answer.Summary, len(first.queries))}
	if slices.ContainsFunc(first.queries, func(q Query) bool { return q.Plan.Watch }) {
		cancel()
		return nil, errors.Join(errors.New("WATCH has no end, and is not repeated"), first.Close())
	}
	var shapes []rounds.Shape
	for i, t := range first.tables {
		shapes = append(shapes, s.shape(first, i))
		a.tables = append(a.tables, withChange(t))
		a.joint = append(a.joint, isJoint(first, i))
	}
	a.state = rounds.NewState(shapes, r.Bytes)
	a.shapes = shapes
	return &Rows{tables: a.tables, queries: first.queries, warnings: first.warnings, again: a, cancel: cancel}, nil
}

// isJoint says whether a row of a table hangs on the answers of all agents
// together: it is no single host's, or one of the first so many.
func isJoint(rows *Rows, table int) bool {
	t := rows.tables[table]
	plan := rows.queries[t.Query].Plan.Tables
	k := slices.Index(rows.index[t.Query], table)
	return !t.Origin || k < len(plan) && plan[k].Limit >= 0
}

// withChange puts the column of changes behind the origin.
func withChange(t Table) Table {
	at := 0
	if t.Origin {
		at = len(origin)
	}
	name := ChangeColumn
	for slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name == name }) {
		name = "_" + name
	}
	t.Columns = slices.Insert(slices.Clone(t.Columns), at, Column{Name: name, Type: value.Text})
	t.Ordered = false
	return t
}

// shape says what the columns of a table are to a comparison.
func (s *LocalSession) shape(rows *Rows, table int) rounds.Shape {
	t := rows.tables[table]
	q := rows.queries[t.Query]
	k := slices.Index(rows.index[t.Query], table)
	if k < 0 || k >= len(q.Plan.Tables) {
		return rounds.None()
	}
	shape := rounds.Shapes(q.Plan, s.catalogueOf(q).Schema)[k]
	if t.Origin {
		shape = shape.Behind(len(origin), 1) // the agent, whose host may change its name
	}
	return shape
}

// again are the rows of many rounds.
type again struct {
	Repeat
	ctx    context.Context
	ask    func(context.Context) (*Rows, error)
	now    func() time.Time
	state  *rounds.State
	shapes []rounds.Shape
	tables []Table
	joint  []bool // by table

	mu      sync.Mutex // guards what follows
	current *Rows      // the round that goes on, or was the last
	sums    []answer.Summary
	given   []int64 // rows, by query
	partial int     // rounds that could not look everywhere
	done    int     // rounds
}

// all gives the rows of every round.
func (a *again) all(yield func(Row, error) bool) {
	a.mu.Lock()
	a.given = make([]int64, len(a.sums))
	a.mu.Unlock()
	start := a.now()
	rows, err := a.current, error(nil)
	round := Round{Number: 1, Began: start}
	for {
		if !a.round(&round, rows, err, yield) {
			return
		}
		next := start.Add((a.now().Sub(start)/a.Every + 1) * a.Every)
		if !a.Until.IsZero() && !next.Before(a.Until) {
			return
		}
		left := int(next.Sub(round.Began)/a.Every) - 1
		t := time.NewTimer(next.Sub(a.now()))
		select {
		case <-a.ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		round = Round{Number: round.Number + 1, Began: next, Left: left}
		rows, err = a.ask(a.ctx)
	}
}

// round gives what a round found; false: there is to be no next one.
func (a *again) round(round *Round, rows *Rows, err error, yield func(Row, error) bool) bool {
	on := true
	show := func(table int, change rounds.Change, values []value.Value) bool {
		a.mu.Lock()
		a.given[a.tables[table].Query]++
		a.mu.Unlock()
		on = on && yield(Row{table: &a.tables[table], index: table, values: a.put(table, change, values)}, nil)
		return on
	}
	if err == nil {
		a.mu.Lock()
		a.current = rows
		a.mu.Unlock()
		defer rows.Close()
		for row, e := range rows.All() {
			if e != nil {
				err = e
				break
			}
			if change, now := a.state.Add(row.index, row.values); now && !show(row.index, change, row.values) {
				break
			}
		}
	}
	if !on {
		return false
	}
	judge := func(rounds.Row) bool { return false }
	if err == nil {
		judge = a.judge(rows)
	}
	round.Count = a.state.End(judge, func(r rounds.Row) bool { return show(r.Table, r.Change, r.Values) })
	round.Took, round.Err = a.now().Sub(round.Began), err
	a.account(round, rows)
	if a.Told != nil && on {
		a.Told(*round)
	}
	return on && a.ctx.Err() == nil
}

// put makes the row that is shown.
func (a *again) put(table int, change rounds.Change, values []value.Value) []value.Value {
	at, word := 0, value.Value{}
	if a.tables[table].Origin {
		at = len(origin)
	}
	if change != rounds.Unknown {
		word = value.NewText(string(change))
	}
	out := make([]value.Value, 0, len(values)+1)
	return append(append(append(out, values[:at]...), word), values[at:]...)
}

// judge gives what says whether a round has looked where a row was that it did
// not find.
func (a *again) judge(rows *Rows) func(rounds.Row) bool {
	coverage, fleet := rows.Coverage()
	if !fleet {
		sums := rows.Summaries()
		return func(r rounds.Row) bool { return a.shapes[r.Table].Gone(r.Values, sums[rows.tables[r.Table].Query]) }
	}
	agents := make(map[string]*Agent, len(coverage.Agents))
	for i := range coverage.Agents {
		agents[coverage.Agents[i].Agent] = &coverage.Agents[i]
	}
	whole := len(agents) > 0 && coverage.Count(Matched)+coverage.Count(Empty) == len(agents) && len(coverage.Doubts) == 0
	return func(r rounds.Row) bool {
		if a.joint[r.Table] {
			return whole
		}
		one := agents[r.Values[1].Text()]
		if one == nil {
			return false
		}
		switch one.State {
		case Matched, Empty:
			return true
		case Partial:
			return a.shapes[r.Table].Gone(r.Values, answer.Summary{Outcome: answer.Partial, Reason: one.Reason, Skipped: one.Skipped})
		}
		return false
	}
}

// account adds a round to the account of all.
func (a *again) account(round *Round, rows *Rows) {
	var sums []answer.Summary
	if rows != nil {
		sums = rows.Summaries()
		if c, fleet := rows.Coverage(); fleet {
			round.Coverage = &c
		}
	}
	for len(sums) < len(a.sums) {
		sums = append(sums, answer.Summary{Outcome: answer.Failed})
	}
	for i := range sums {
		if sums[i].Outcome == 0 || round.Err != nil {
			sums[i].Outcome = max(sums[i].Outcome, answer.Partial)
		}
	}
	round.Summary = doubted(merge(sums), round)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done++
	if round.Summary.Outcome != answer.Complete {
		a.partial++
	}
	for i, sum := range sums {
		a.sums[i] = added(a.sums[i], doubted(sum, round))
	}
}

// doubted says in a round's account what could not be told of its rows.
func doubted(sum answer.Summary, round *Round) answer.Summary {
	var why []string
	if sum.Reason != "" {
		why = append(why, sum.Reason)
	}
	if round.Err != nil && sum.Reason == "" {
		first, _, _ := strings.Cut(round.Err.Error(), "\n")
		why = append(why, first)
	}
	if round.Unkept > 0 {
		why = append(why, fmt.Sprintf("%d rows were shown and not kept, for want of memory: later rounds cannot tell what became of them", round.Unkept))
		sum.Outcome = max(sum.Outcome, answer.Partial)
	}
	sum.Reason = strings.Join(why, "; ")
	return sum
}

// added adds the account of a round to that of those before it: what was
// looked at, and what was not, counts in each round.
func added(all, one answer.Summary) answer.Summary {
	if all.Outcome == 0 {
		one.Looked = maps.Clone(one.Looked)
		return one
	}
	return merge([]answer.Summary{all, one})
}

// summaries gives the account of each query over all rounds.
func (a *again) summaries() []answer.Summary {
	a.mu.Lock()
	defer a.mu.Unlock()
	sums := slices.Clone(a.sums)
	for i := range sums {
		if a.given != nil {
			sums[i].Matched = a.given[i]
		}
		sums[i].Skipped = slices.Clone(sums[i].Skipped)
		if sums[i].Outcome == 0 {
			sums[i].Outcome, sums[i].Reason = answer.Partial, "no round has ended"
		}
		if a.partial > 0 && a.done > 1 {
			sums[i].Reason = fmt.Sprintf("%d of %d rounds did not look everywhere: %s", a.partial, a.done, sums[i].Reason)
		}
	}
	return sums
}

// last is the round that goes on, or was the last.
func (a *again) last() *Rows {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

// progress says how far the round that goes on has come, and how many rows
// were given in all.
func (a *again) progress() (map[string]int64, int64) {
	looked, _ := a.last().Progress()
	a.mu.Lock()
	defer a.mu.Unlock()
	var rows int64
	for _, n := range a.given {
		rows += n
	}
	return looked, rows
}
