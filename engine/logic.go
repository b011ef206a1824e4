package engine

import (
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
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
	alone  bool    // the row of a host without rows was given
}

type tableState struct {
	found, ended, whole bool
	held                [][]value.Value
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

// accept gives the emitter of a table.
func (g *gate) accept(t *tableRun) emitter {
	return func(values []value.Value) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		st := &g.states[t.index]
		first := !st.found
		st.found = true
		if first {
			if err := g.settle(); err != nil {
				return err
			}
		}
		switch {
		case t.plan.Not:
			return t.enough()
		case g.open || g.passes(t.index):
			return g.give(t.index, values)
		}
		size := int64(heldOverhead)
		for _, v := range values {
			size += 48 + textSize(v)
		}
		if !g.plan.hold(size) {
			return t.enough()
		}
		st.held = append(st.held, values)
		return nil
	}
}

// give sends a row to the reader, and stops the plan at its bound of rows.
func (g *gate) give(table int, values []value.Value) error {
	limit := g.plan.plan.Limits.Rows
	if limit > 0 && g.plan.rows.Load() >= limit {
		g.plan.stop("rows")
		return modules.ErrEnough
	}
	if err := g.plan.run.send(Row{Plan: g.plan.index, Table: table, Values: values}); err != nil {
		return err
	}
	g.plan.rows.Add(1)
	return nil
}

// truth is what is known of a table's own question.
func (g *gate) truth(i int) value.Truth {
	st := g.states[i]
	t := value.Unknown
	switch {
	case st.found:
		t = value.True
	case st.ended && st.whole:
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

// passes says whether a conjunction that the table belongs to holds.
func (g *gate) passes(table int) bool {
	for _, tables := range g.groups {
		for _, i := range tables {
			if i == table {
				return g.groupTruth(tables) == value.True
			}
		}
	}
	return false
}

// settle gives on the rows of tables whose conjunction has come to hold.
func (g *gate) settle() error {
	for i := range g.states {
		if len(g.states[i].held) == 0 || !g.passes(i) {
			continue
		}
		held := g.states[i].held
		g.states[i].held = nil
		for _, values := range held {
			if err := g.give(i, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// needs says whether the scan of a table can still change the answer.
func (g *gate) needs(t *tableRun) bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, tables := range g.groups {
		for _, i := range tables {
			if i == t.index {
				return g.groupTruth(tables) != value.False
			}
		}
	}
	return true
}

// ended notes that a table's scan has ended, and how.
func (g *gate) ended(t *tableRun) {
	g.mu.Lock()
	defer g.mu.Unlock()
	st := &g.states[t.index]
	g.plan.mu.Lock()
	cut := len(g.plan.limits) > 0
	g.plan.mu.Unlock()
	st.ended = true
	st.whole = !t.report.left.Load() && !cut && g.plan.err == nil
	if err := g.settle(); err != nil {
		g.plan.ended(t.plan.Name, err)
	}
}

// decide ends the plan: a host that satisfies it without rows gives a row that
// is the host alone, and what could not be decided is said.
func (p *planRun) decide() {
	if p.err != nil || p.gate == nil || p.gate.open {
		return
	}
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	whole := value.False
	for _, tables := range g.groups {
		t := g.groupTruth(tables)
		whole = whole.Or(t)
		if t == value.True && !g.alone && g.allNot(tables) {
			g.alone = true
			if err := g.give(-1, nil); err != nil {
				p.ended("host", err)
			}
		}
	}
	if whole == value.Unknown {
		p.mu.Lock()
		p.reason = "whether this host fits could not be decided, since something was left out"
		p.mu.Unlock()
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
