package quaestor

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// Answers are what Rows are made from where others than this machine answer.
// Package client fills it in.
type Answers interface {
	// Answers gives what agents found, as it comes, once.
	Answers() iter.Seq2[Answer, error]
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

// An Answer is one row that one agent found, as engine.Options.Partial gives
// it. It is valid until the next one.
type Answer struct {
	Host, Agent string
	Query       int // which of the queries
	Table       int // which of its tables; -1 for a host that satisfies the query without rows
	Values      []value.Value
	// Reject, where not nil, is told why the row is none of the query's. The
	// agent that sent it lied or is broken, and its rows do not count.
	Reject func(error)
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

// fleetRows merges what agents answer.
type fleetRows struct {
	queries []Query
	answers Answers
	full    atomic.Bool
	given   []atomic.Int64 // rows, by query: of groups fewer than agents sent
}

// errStop ends the merging because nobody reads on.
var errStop = errors.New("quaestor: nobody reads on")

// all gives the rows as soon as they are known to belong to the answer.
func (f *fleetRows) all(yield func(engine.Row, error) bool) {
	stopped := false
	emit := func(query int) func(engine.Row) error {
		return func(row engine.Row) error {
			row.Plan = query
			f.given[query].Add(1)
			if stopped = stopped || !yield(row, nil); stopped {
				return errStop
			}
			return nil
		}
	}
	now := time.Now()
	if c, ok := f.answers.(Clock); ok {
		now = c.Now()
	}
	var merges []*engine.Merge
	for i, q := range f.queries {
		merges = append(merges, engine.NewMerge(q.Plan, engine.MergeOptions{Now: now}, emit(i)))
	}
	var failure error
	for a, err := range f.answers.Answers() {
		if err != nil {
			failure = err
			break
		}
		if err := f.add(merges, a, emit); err != nil {
			failure = err
			break
		}
		if !slices.ContainsFunc(merges, func(m *engine.Merge) bool { return !m.Enough() }) {
			break
		}
	}
	for _, m := range merges {
		if stopped {
			return
		}
		if err := m.Finish(); err != nil && failure == nil {
			failure = err
		}
		f.full.Store(f.full.Load() || m.Full())
	}
	if failure != nil && !stopped {
		yield(engine.Row{}, failure)
	}
}

// add takes one row of one agent. What is none of the query's rows is the
// agent's fault, and ends no answer.
func (f *fleetRows) add(merges []*engine.Merge, a Answer, emit func(int) func(engine.Row) error) error {
	if a.Query < 0 || a.Query >= len(merges) {
		return fmt.Errorf("a row of query %d of %d", a.Query, len(merges))
	}
	if a.Table < 0 {
		host := []value.Value{value.NewText(a.Host), value.NewText(a.Agent)}
		return emit(a.Query)(engine.Row{Table: -1, Values: host})
	}
	err := merges[a.Query].Add(a.Host, a.Agent, a.Table, a.Values)
	if errors.Is(err, engine.ErrMalformed) && a.Reject != nil {
		a.Reject(err)
		return nil
	}
	return err
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
