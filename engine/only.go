package engine

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// restrictions reads out of a slot's filter which values its columns must
// have, so that a module can leave out what the filter would throw away. They
// are what every row must satisfy: parts of an AND, and no less exact than the
// filter is.
func restrictions(p *plan.Plan, s *slotRun, slot int) []modules.Restriction {
	var list []modules.Restriction
	add := func(x plan.Expr, values []value.Value) {
		if col, ok := x.(*plan.Col); ok && col.Slot == slot {
			list = append(list, modules.Restriction{Column: s.index[col.Index], Values: values})
		}
	}
	parts := []plan.Expr{s.plan.Filter}
	if and, ok := s.plan.Filter.(*plan.And); ok {
		parts = and.Xs
	}
	for _, x := range parts {
		switch x := x.(type) {
		case *plan.Cmp:
			if x.Op != plan.Eq || x.Fold {
				continue
			}
			if c, ok := x.Y.(*plan.Const); ok {
				add(x.X, []value.Value{c.Value})
			} else if c, ok := x.X.(*plan.Const); ok {
				add(x.Y, []value.Value{c.Value})
			}
		case *plan.InSet:
			if set := p.Sets[x.Set]; len(x.Xs) == 1 && !set.Fold {
				add(x.Xs[0], set.Values)
			}
		}
	}
	return list
}
