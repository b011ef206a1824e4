package quaestor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// Answers are what Rows are made from where others than this machine answer.
// Package client fills it in.
type Answers interface {
	// Answers hands what agents found to take, as it comes, once, and returns
	// when no more comes and no take runs. Several goroutines may take at
	// once; what one agent found comes in its order. Take says how many of the
	// rows it took. An error of it that wraps engine.ErrMalformed says that the
	// next row is none of the query's: the agent lied or is broken, and nothing
	// further of it is wanted. Any other ends the answers and is given back.
	Answers(take func(Answer) (int, error)) error
	// Summaries gives the account of each query, over all agents.
	Summaries() []answer.Summary
	// Coverage says who answered and who did not, at any time.
	Coverage() Coverage
	// Progress says what was looked at so far, by kind, and how many rows came.
	Progress() (looked map[string]int64, rows int64)
	// Close stops listening; agents go on.
	Close() error
}

// A Clock may be Answers, too: it says what the query calls now where what
// several agents found is merged. Without, it is the time at which that begins.
type Clock interface {
	Now() time.Time
}

// An Answer is some of the rows that one agent found, few enough to be held in
// memory while they wait. Whoever takes it may keep it.
type Answer struct {
	Host, Agent string
	Query       int // which of the queries
	Rows        []Found
}

// A Found is one row, as engine.Options.Partial gives it.
type Found struct {
	Table  int // which of the query's tables; -1 for a host that satisfies it without rows
	Values []value.Value
}

// A Tally counts the agents of an answer by their states. It is there for who
// looks often: a Coverage, which names them, is large where they are many.
type Tally [len(states)]int

// Count gives the number of agents in a state.
func (t *Tally) Count(s State) int { return t[s] }

// Targeted is the number of agents that the target names.
func (t *Tally) Targeted() int {
	n := 0
	for _, k := range t {
		n += k
	}
	return n
}

// Answered is as Coverage.Answered.
func (t *Tally) Answered() int { return t[Matched] + t[Empty] + t[Partial] }

// A Counter may be Answers, too: it counts agents without naming them.
type Counter interface {
	Tally() Tally
}

// State is how far one agent has come with an answer.
type State uint8

// The states of an agent. The first three can change; the others are final.
const (
	Offline State = iota + 1 // it was not connected
	Reached                  // it was sent the question, and may be at work
	Silent                   // it was reached, and nothing came while one waited
	Matched                  // it answered, with rows
	Empty                    // it looked at everything and found nothing
	Partial                  // it answered and left something out
	Refused                  // it did not try
	Failed                   // it tried and could not, or its answer is not whole
)

var states = [...]string{"unknown", "offline", "reached", "silent", "matched", "empty", "partial", "refused", "failed"}

// String gives the word that output uses.
func (s State) String() string {
	if int(s) < len(states) {
		return states[s]
	}
	return states[0]
}

// MarshalText gives the word for JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word that MarshalText gives. A word of a newer
// version is an error: what is not understood is not taken for an answer.
func (s *State) UnmarshalText(b []byte) error {
	i := slices.Index(states[:], string(b))
	if i < 1 {
		return fmt.Errorf("quaestor: a state %.20q", b)
	}
	*s = State(i)
	return nil
}

// States lists all states, in the order in which output names them.
func States() []State {
	return []State{Matched, Empty, Partial, Refused, Failed, Reached, Silent, Offline}
}

// An Agent is what became of a question at one agent.
type Agent struct {
	Agent   string           `json:"agent"` // its identity, in hex
	Host    string           `json:"host"`  // the name that it gave itself
	State   State            `json:"state"`
	Reason  string           `json:"reason,omitempty"` // of what is not matched or empty
	Rows    int64            `json:"rows"`
	Skipped []answer.Skipped `json:"skipped,omitempty"`
	// Round and At are the number and the beginning of the last round, of a
	// question that agents repeat. State, Reason and Skipped are of that round.
	Round int       `json:"round,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// Coverage says who answered a question and who did not. Every agent that the
// target names is in it, with the queries of one answer taken together: the
// least good of its states.
type Coverage struct {
	Agents []Agent `json:"agents"` // in the order of their hosts' names
	// Doubts are reasons to think that the target names agents that nobody
	// spoke of, or that one of these is not what it says.
	Doubts []string `json:"doubts,omitempty"`
}

// Targeted is the number of agents that the target names.
func (c Coverage) Targeted() int { return len(c.Agents) }

// Tally counts the agents by their states.
func (c Coverage) Tally() Tally {
	var t Tally
	for _, a := range c.Agents {
		t[a.State]++
	}
	return t
}

// Count gives the number of agents in a state.
func (c Coverage) Count(s State) int {
	n := 0
	for _, a := range c.Agents {
		if a.State == s {
			n++
		}
	}
	return n
}

// Answered is the number of agents that looked: those that matched, those
// where nothing was, and those that left something out.
func (c Coverage) Answered() int { return c.Count(Matched) + c.Count(Empty) + c.Count(Partial) }

// Share is the part of the targeted agents that answered, from 0 to 1. Where
// none was targeted nobody was asked, which is no full answer: 0.
func (c Coverage) Share() float64 {
	if len(c.Agents) == 0 {
		return 0
	}
	return float64(c.Answered()) / float64(len(c.Agents))
}

// Sort puts the agents into the order of their hosts' names.
func (c Coverage) Sort() {
	slices.SortFunc(c.Agents, func(a, b Agent) int { return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Agent, b.Agent)) })
}

// NewRows makes rows of what agents answer: groups are added up, and rows are
// ordered and cut, over all of them. Where agents repeat a query, their rows
// say what changed, and when.
func NewRows(queries []Query, warnings []Warning, a Answers) *Rows {
	queries = slices.Clone(queries)
	for i, q := range queries {
		if q.Plan.Every > 0 {
			queries[i].Plan = q.Plan.InRounds()
		}
	}
	r := &Rows{warnings: warnings, answers: a, plans: len(queries), cancel: func() { _ = a.Close() }}
	r.fleet = &fleetRows{queries: queries, answers: a, given: make([]atomic.Int64, len(queries))}
	r.name(queries, true)
	return r
}

// Coverage says which agents answered; false where only this machine was
// asked. Of several rounds it is that of the last.
func (r *Rows) Coverage() (Coverage, bool) {
	if r.again != nil {
		return r.again.last().Coverage()
	}
	if r.answers == nil {
		return Coverage{}, false
	}
	return r.answers.Coverage(), true
}

// Tally counts the agents by what became of the question; false where only this
// machine was asked. It may be called often, and from any goroutine.
func (r *Rows) Tally() (Tally, bool) {
	if r.again != nil {
		return r.again.last().Tally()
	}
	if c, ok := r.answers.(Counter); ok {
		return c.Tally(), true
	}
	c, fleet := r.Coverage()
	return c.Tally(), fleet
}

// fleetRows merges what agents answer.
type fleetRows struct {
	queries []Query
	answers Answers
	full    atomic.Bool
	given   []atomic.Int64 // rows, by query: of groups fewer than agents sent
}

// errStop ends the answers because nobody reads on, or nothing more can be in
// them.
var errStop = errors.New("quaestor: nobody reads on")

// waiting is how many answers wait for the reader: each is a few hundred rows at
// most.
const waiting = 16

// all gives the rows as soon as they are known to belong to the answer. They
// are merged on the goroutines that bring them, and given on this one.
func (f *fleetRows) all(yield func(engine.Row, error) bool) {
	now := time.Now()
	if c, ok := f.answers.(Clock); ok {
		now = c.Now()
	}
	m := &merging{came: make(chan Answer, waiting), stopped: make(chan struct{})}
	for _, q := range f.queries {
		m.merges = append(m.merges, engine.NewMerge(q.Plan, engine.MergeOptions{Now: now}))
	}
	going, failure := f.bring(m, yield)
	if errors.Is(failure, errStop) {
		failure = nil
	}
	for i, merge := range m.merges {
		if !going {
			return
		}
		err := merge.Finish(func(row engine.Row) error {
			row.Plan = i
			f.given[i].Add(1)
			if going = yield(row, nil); !going {
				return errStop
			}
			return nil
		})
		if err != nil && failure == nil && going {
			failure = err
		}
		f.full.Store(f.full.Load() || merge.Full())
	}
	if failure != nil && going {
		yield(engine.Row{}, failure)
	}
}

// bring has answers merged and gives on what is ready, to the end of them.
// However it ends, by a panic of who reads too, nobody is left who brings more.
func (f *fleetRows) bring(m *merging, yield func(engine.Row, error) bool) (going bool, failure error) {
	var bringing sync.WaitGroup
	var brought error
	bringing.Go(func() {
		defer close(m.came)
		brought = f.answers.Answers(m.take)
	})
	defer func() {
		if !going {
			close(m.stopped)
			_ = f.answers.Close() // it never fails, and answers end
			for range m.came {
			}
		}
		bringing.Wait()
		failure = brought
	}()
	return f.give(m.came, yield), nil
}

// give gives the rows that came on; false: nobody reads any more.
func (f *fleetRows) give(came <-chan Answer, yield func(engine.Row, error) bool) bool {
	var values []value.Value
	for a := range came {
		for _, r := range a.Rows {
			values = values[:0]
			if r.Table < 0 || engine.WithOrigin(f.queries[a.Query].Plan.Tables[r.Table]) {
				values = append(values, value.NewText(a.Host), value.NewText(a.Agent))
			}
			if r.Table >= 0 {
				values = append(values, r.Values...)
			}
			f.given[a.Query].Add(1)
			if !yield(engine.Row{Plan: a.Query, Table: r.Table, Values: values}, nil) {
				return false
			}
		}
	}
	return true
}

// A merging is where answers of many goroutines come together.
type merging struct {
	merges  []*engine.Merge
	came    chan Answer   // rows that are ready; closed when answers have ended
	stopped chan struct{} // closed by who reads, when he wants no more
}

// take merges some rows of one agent, and hands on what is ready of them.
func (m *merging) take(a Answer) (int, error) {
	if a.Query < 0 || a.Query >= len(m.merges) {
		return 0, fmt.Errorf("a row of query %d of %d", a.Query, len(m.merges))
	}
	merge, rows := m.merges[a.Query], a.Rows
	a.Rows = rows[:0]
	taken, failure := 0, error(nil)
	for ; taken < len(rows) && failure == nil; taken++ {
		r, now := rows[taken], true
		if r.Table >= 0 {
			now, failure = merge.Add(a.Host, a.Agent, r.Table, r.Values)
		}
		if now {
			a.Rows = append(a.Rows, r)
		}
	}
	if failure != nil {
		taken--
	}
	if len(a.Rows) > 0 {
		select {
		case m.came <- a:
		case <-m.stopped:
			return taken, errStop
		}
	}
	if failure == nil && !slices.ContainsFunc(m.merges, func(m *engine.Merge) bool { return !m.Enough() }) {
		return taken, errStop
	}
	return taken, failure
}

// summaries gives the account of each query, with what the merging adds to it:
// how many rows there are of all hosts together.
func (f *fleetRows) summaries() []answer.Summary {
	sums := f.answers.Summaries()
	for i := range sums {
		sums[i].Matched = f.given[i].Load()
		if !f.full.Load() {
			continue
		}
		if sums[i].Outcome == answer.Complete {
			sums[i].Outcome = answer.Partial
		}
		sums[i].Limits = append(sums[i].Limits, "memory")
		if sums[i].Reason != "" {
			sums[i].Reason += "; "
		}
		sums[i].Reason += "more rows came than can be ordered or grouped here"
	}
	return sums
}
