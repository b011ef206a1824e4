package engine

import (
	"slices"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A gate decides over the host as a whole: AND, OR and NOT between FINDs. Rows
// of a table pass when a conjunction that the table belongs to holds; until
// that is known they wait, within the plan's memory.
//
// What a table found is true as soon as it has a row, and false only when its
// scan ran to its end and left nothing out: a host where something could not
// be looked at is not a host without it.
type gate struct {
	plan *planRun
	open bool // one plain FIND: nothing to decide

	mu     sync.Mutex
	states []tableState
	groups [][]int // tables of each conjunction
}

type tableState struct {
	found, ended, whole bool
	doubt               bool // it has a row that might not be one, had everything been seen
	held                []heldOut
}

// A heldOut is a row that waits for the host's truth.
type heldOut struct {
	values []value.Value
	size   int64
}

func newGate(p *planRun) *gate {
	g := &gate{plan: p, states: make([]tableState, len(p.tables))}
	for i, t := range p.plan.Tables {
		if t.Or || len(g.groups) == 0 {
			g.groups = append(g.groups, nil)
		}
		last := len(g.groups) - 1
		g.groups[last] = append(g.groups[last], i)
	}
	g.open = len(p.tables) == 1 && !p.plan.Tables[0].Not
	return g
}

// sight notes that the table found something, before its rows are ordered or
// cut. Where that nothing is found is asked, it ends the scan.
func (t *tableRun) sight() error {
	if t.index < 0 {
		return nil
	}
	if !t.seen.Load() {
		if err := t.run.gate.saw(t); err != nil {
			return err
		}
		t.seen.Store(true)
	}
	if t.plan.Not {
		return t.enough()
	}
	return nil
}

// saw notes that a table found something. A group that passes HAVING when not
// every row was seen might not pass with all of them: that is no certainty.
func (g *gate) saw(t *tableRun) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	st := &g.states[t.index]
	if t.having() != nil && !g.plan.sawAll(t) {
		st.doubt = true
		return nil
	}
	if st.found {
		return nil
	}
	st.found = true
	g.spare(t.index)
	return g.settle()
}

// sawAll says whether nothing was left out of a table, or of the subqueries.
func (p *planRun) sawAll(t *tableRun) bool {
	for _, s := range p.subs {
		if s.table.report.left.Load() || s.table.short.Load() {
			return false
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !t.report.left.Load() && !t.short.Load() && len(p.limits) == 0
}

// spare ends the scans of a conjunction that can no longer hold.
func (g *gate) spare(table int) {
	tables := g.conjunction(table)
	if g.groupTruth(tables) != value.False {
		return
	}
	for _, i := range tables {
		g.plan.tables[i].done.Store(true)
		for _, row := range g.states[i].held {
			g.plan.memory.Add(-row.size)
		}
		g.states[i].held = nil
	}
}

// conjunction gives the tables that must hold together with one.
func (g *gate) conjunction(table int) []int {
	for _, tables := range g.groups {
		if slices.Contains(tables, table) {
			return tables
		}
	}
	return nil
}

// accept gives the emitter of a table.
func (g *gate) accept(t *tableRun) emitter {
	return func(values []value.Value) error {
		row := heldOut{values: values, size: rowSize(values)}
		if t.plan.Not {
			return t.enough()
		}
		// No lock is held while a row waits for its reader.
		if pass, err := g.admit(t, row); !pass {
			return err
		}
		return g.give(t.index, row)
	}
}

// admit says whether a row of a table passes at once, or holds it.
func (g *gate) admit(t *tableRun, row heldOut) (pass bool, err error) {
	if g.open {
		return true, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.groupTruth(g.conjunction(t.index)) {
	case value.True:
		return true, nil
	case value.False:
		return false, t.enough()
	}
	if !g.plan.hold(row.size) {
		return false, t.full()
	}
	st := &g.states[t.index]
	st.held = append(st.held, row)
	return false, nil
}

// give sends a row to the reader, and stops the plan at its bound of rows.
func (g *gate) give(table int, row heldOut) error {
	limit := g.plan.plan.Limits.Rows
	if n := g.plan.rows.Add(1); limit > 0 && n > limit {
		g.plan.rows.Add(-1)
		g.plan.stop("rows")
		return modules.ErrEnough
	}
	if err := g.plan.run.send(Row{Plan: g.plan.index, Table: table, Values: row.values}, row.size); err != nil {
		g.plan.rows.Add(-1)
		// The run may be known to have ended here before it is known there.
		g.plan.cancel(err)
		return err
	}
	return nil
}

// truth is what is known of a table's own question.
func (g *gate) truth(i int) value.Truth {
	st := g.states[i]
	t := value.Unknown
	switch {
	case st.found:
		t = value.True
	case st.ended && st.whole && !st.doubt:
		t = value.False
	}
	if g.plan.plan.Tables[i].Not {
		t = t.Not()
	}
	return t
}

func (g *gate) groupTruth(tables []int) value.Truth {
	all := value.True
	for _, i := range tables {
		all = all.And(g.truth(i))
	}
	return all
}

// passes says whether the conjunction that the table belongs to holds.
func (g *gate) passes(table int) bool {
	return g.groupTruth(g.conjunction(table)) == value.True
}

// settle gives on the rows of tables whose conjunction has come to hold.
func (g *gate) settle() error {
	for i := range g.states {
		if len(g.states[i].held) == 0 || !g.passes(i) {
			continue
		}
		held := g.states[i].held
		g.states[i].held = nil
		for _, row := range held {
			g.plan.memory.Add(-row.size)
			if err := g.give(i, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// needs says whether the scan of a table can still change the answer.
func (g *gate) needs(t *tableRun) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.groupTruth(g.conjunction(t.index)) != value.False
}

// ended notes that a table's scan has ended; well tells that it ran to its
// end, or had enough.
func (g *gate) ended(t *tableRun, well bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	st := &g.states[t.index]
	st.ended, st.whole = true, well && g.plan.sawAll(t)
	g.spare(t.index)
	if err := enough(g.settle()); err != nil {
		g.plan.ended(t, err)
	}
}

// decide ends the plan: a host that satisfies it without rows gives a row that
// is the host alone, and what could not be decided is said.
func (p *planRun) decide() {
	if p.gate == nil || p.gate.open || p.outcome == answer.Refused {
		return
	}
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	whole, alone := value.False, false
	for _, tables := range g.groups {
		t := g.groupTruth(tables)
		whole = whole.Or(t)
		alone = alone || t == value.True && g.allNot(tables)
	}
	if alone && p.rows.Load() == 0 {
		// Refused by a bound of rows, it is told as such.
		if err := enough(g.give(-1, heldOut{})); err != nil {
			p.over("", "it was stopped before its end")
		}
	}
	if whole == value.Unknown {
		p.over("", "it could not be decided whether this host fits: something was left out")
	}
}

func (g *gate) allNot(tables []int) bool {
	for _, i := range tables {
		if !g.plan.plan.Tables[i].Not {
			return false
		}
	}
	return true
}
