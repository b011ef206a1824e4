package engine

import (
	"container/heap"
	"errors"
	"slices"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// An emitter takes the rows of a table's answer, from any goroutine.
type emitter func(values []value.Value) error

// A result makes the rows of an answer: their values, which of them are
// distinct, their order and how many.
type result struct {
	table *tableRun
	emit  emitter

	mu   sync.Mutex
	seen map[string]struct{} // of DISTINCT
	kept int64               // rows given on, where there is no order
	sort sorter
}

// A ranked is a row with the values that it is ordered by.
type ranked struct {
	values, keys []value.Value
}

func (r ranked) size() int64 { return rowSize(r.values) + rowSize(r.keys) }

func (r *result) init(t *tableRun, emit emitter) {
	r.table, r.emit = t, emit
	if t.plan.Distinct {
		r.seen = map[string]struct{}{}
	}
	r.sort.order = t.plan.Order
}

// add computes a row from what e sees, on the goroutine of the scan: what is
// dear to compute is computed by all of them.
func (r *result) add(e *env) error {
	t := r.table
	if t.plan.Not && !t.hollow {
		// That there is a row is all that is asked.
		return t.sight()
	}
	row := ranked{values: make([]value.Value, len(t.plan.Outputs))}
	for i, o := range t.plan.Outputs {
		v, err := o.Expr.Eval(e)
		if err != nil {
			return err
		}
		row.values[i] = v.Clone()
	}
	for _, o := range t.plan.Order {
		v, err := o.Expr.Eval(e)
		if err != nil {
			return err
		}
		row.keys = append(row.keys, v.Clone())
	}
	for _, i := range t.extra {
		row.values = append(row.values, row.keys[i])
	}
	return r.take(row)
}

// take gives a row on, or holds it. No lock is held while the row waits for
// its reader.
func (r *result) take(row ranked) error {
	t := r.table
	if t.done.Load() && t.groups == nil {
		return modules.ErrEnough
	}
	if !t.hollow {
		if err := t.sight(); err != nil {
			return err
		}
	}
	pass, err := r.admit(row)
	if pass {
		err = errors.Join(r.emit(row.values), err)
	}
	return err
}

// admit says whether a row passes at once; an error ends the scan after it.
func (r *result) admit(row ranked) (pass bool, err error) {
	t := r.table
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen != nil {
		var key []byte
		for _, v := range row.values {
			key = v.AppendKey(key)
		}
		if _, ok := r.seen[string(key)]; ok {
			return false, nil
		}
		if !t.hold(int64(len(key)) + heldOverhead) {
			return false, t.full()
		}
		r.seen[string(key)] = struct{}{}
	}
	if len(t.plan.Order) > 0 && !(t.partial && t.plan.Limit < 0) {
		return false, r.keep(row)
	}
	if t.plan.Limit >= 0 && r.kept >= t.plan.Limit {
		return false, t.enough()
	}
	if r.kept++; r.kept == t.plan.Limit {
		return true, t.enough()
	}
	return true, nil
}

// keep holds a row until all are known; with a limit, only the first so many.
func (r *result) keep(row ranked) error {
	t := r.table
	if limit := t.plan.Limit; limit >= 0 && int64(len(r.sort.rows)) >= limit {
		if limit == 0 || r.sort.compare(row, r.sort.rows[0]) >= 0 {
			return nil
		}
		if !t.hold(row.size() - r.sort.rows[0].size()) {
			return t.full()
		}
		r.sort.rows[0] = row
		heap.Fix(&r.sort, 0)
		return nil
	}
	if !t.hold(row.size()) {
		return t.full()
	}
	if t.plan.Limit >= 0 {
		heap.Push(&r.sort, row)
	} else {
		r.sort.rows = append(r.sort.rows, row)
	}
	return nil
}

// finish gives on the rows that were held for their order.
func (r *result) finish() error {
	slices.SortFunc(r.sort.rows, r.sort.compare)
	for i, row := range r.sort.rows {
		// What is given on is no longer held here.
		r.table.hold(-row.size())
		r.sort.rows[i] = ranked{}
		if err := r.emit(row.values); err != nil {
			return enough(err)
		}
	}
	r.sort.rows = nil
	return nil
}

// A sorter orders rows; as a heap, the last of them is on top.
type sorter struct {
	order []plan.OrderKey
	rows  []ranked
}

// compare orders by the keys and then by the whole row, so that an answer is
// the same however many workers made it.
func (s *sorter) compare(a, b ranked) int {
	for i, o := range s.order {
		c := orderNullLast(a.keys[i], b.keys[i])
		if o.Desc && !a.keys[i].IsNull() && !b.keys[i].IsNull() {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return compareRows(a.values, b.values)
}

// Len, Less, Swap, Push and Pop are heap.Interface.
func (s *sorter) Len() int           { return len(s.rows) }
func (s *sorter) Less(i, j int) bool { return s.compare(s.rows[i], s.rows[j]) > 0 }
func (s *sorter) Swap(i, j int)      { s.rows[i], s.rows[j] = s.rows[j], s.rows[i] }
func (s *sorter) Push(x any)         { s.rows = append(s.rows, x.(ranked)) }

// Pop takes the last row off, as heap.Interface asks.
func (s *sorter) Pop() any {
	last := s.rows[len(s.rows)-1]
	s.rows = s.rows[:len(s.rows)-1]
	return last
}
