package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// errMemory says that a subquery has more rows than can be held: "not among
// them" could not be told, and would be wrong without a sign.
var errMemory = errors.New("its rows do not fit the memory that the plan allows: narrow it, or raise WITH memory")

// A subRun is a subquery: run once, when something is first looked up in it.
type subRun struct {
	table *tableRun
	once  sync.Once
	found *tupleSet
	err   error
}

// contains says whether a tuple is among the subquery's rows. Nulls among them
// equal nothing. Where the subquery left something out, what is not among its
// rows might have been: that is unknown, and NOT IN claims no row.
func (s *subRun) contains(ctx context.Context, tuple []value.Value) (value.Truth, error) {
	s.once.Do(func() {
		s.err = errUnfinished
		s.err = s.load(ctx)
	})
	if s.err != nil {
		return value.Unknown, fmt.Errorf("subquery: %w", s.err)
	}
	found := s.found.contains(tuple)
	return value.TruthOf(found, found || !s.table.report.left.Load()), nil
}

func (s *subRun) load(ctx context.Context) error {
	s.found = newTupleSet()
	t := s.table
	defer t.forget()
	var mu sync.Mutex
	err := t.prepare(func(values []value.Value) error {
		if slices.ContainsFunc(values, value.Value.IsNull) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if !t.run.hold(s.found.add(values)) {
			return t.full()
		}
		return nil
	})
	if err == nil {
		err = scanTogether(ctx, []*tableRun{t})
	}
	if err == nil {
		err = t.failure()
	}
	if err == nil {
		err = t.finish()
	}
	switch {
	case err != nil:
		return err
	case t.short.Load():
		return errMemory
	}
	// What its own subqueries left out, it may have left out for that.
	eachExpr(t.plan, func(x plan.Expr) {
		if in, ok := x.(*plan.InSub); ok && t.run.subs[in.Sub].table.report.left.Load() {
			t.report.left.Store(true)
		}
	})
	// A scan that was cut short found too little.
	return t.run.ctx.Err()
}
