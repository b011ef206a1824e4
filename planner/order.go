package planner

import (
	"slices"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
)

// A cost ranks conditions: the cheap ones are asked first, because a row that
// they refuse is not asked the others.
type cost int

// The costs, from cheap to dear.
const (
	cheapest   cost = iota // constants and columns that are free
	costStat               // a system call
	costRead               // the beginning of the content
	costLookup             // another module looks something up, of which it reads no content; once for each key
	costSearch             // a search of the content, which may stop at a hit
	costScan               // all of the content: hashes
	costLink               // another module looks something up, and reads content
	costSub                // a subquery
)

// costOf is the cost of one node, its parts not counted.
func (s *scope) costOf(e plan.Expr) cost {
	switch e := e.(type) {
	case *plan.Col:
		schema := s.slotSchema(e.Slot)
		i, _ := schema.Column(s.table.Slots[e.Slot].Columns[e.Index])
		if s.table.Slots[e.Slot].Link {
			if schema.Columns[i].Cost < modules.Scan {
				return costLookup
			}
			return costLink
		}
		return map[modules.Cost]cost{modules.Free: cheapest, modules.Stat: costStat, modules.Read: costRead, modules.Scan: costScan}[schema.Columns[i].Cost]
	case *plan.Ask:
		return costSearch
	case *plan.IsMissing:
		return costLookup
	case *plan.InSub:
		return costSub
	}
	return cheapest
}

// costOfAll is the cost of the dearest node of an expression.
func (s *scope) costOfAll(e plan.Expr) cost {
	top := cheapest
	if s.table == nil {
		return top
	}
	plan.Walk(e, func(e plan.Expr) { top = max(top, s.costOf(e)) })
	return top
}

// inOrder joins conjuncts by AND, from cheap to dear. Those of one cost keep
// the order in which they were written.
func (s *scope) inOrder(cs []*conjunct) plan.Expr {
	if !s.c.in.Naive {
		slices.SortStableFunc(cs, func(a, b *conjunct) int { return int(a.cost) - int(b.cost) })
	}
	var xs []plan.Expr
	for _, c := range cs {
		xs = append(xs, s.reorder(c.expr))
	}
	switch len(xs) {
	case 0:
		return nil
	case 1:
		return xs[0]
	}
	return &plan.And{Xs: xs}
}

// reorder puts the parts of every AND and OR inside an expression in the
// order of their cost: neither's value depends on it.
func (s *scope) reorder(e plan.Expr) plan.Expr {
	if s.c.in.Naive {
		return e
	}
	var xs []plan.Expr
	switch e := e.(type) {
	case *plan.And:
		xs = e.Xs
	case *plan.Or:
		xs = e.Xs
	case *plan.Not:
		e.X = s.reorder(e.X)
	}
	for i, x := range xs {
		xs[i] = s.reorder(x)
	}
	slices.SortStableFunc(xs, func(a, b plan.Expr) int { return int(s.costOfAll(a)) - int(s.costOfAll(b)) })
	return e
}
