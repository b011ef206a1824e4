package engine

import (
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// buildJoins reads the rows of every joined scan that is not looked up by key.
func (t *tableRun) buildJoins() error {
	for _, i := range t.joins {
		s := t.slots[i]
		if s.plan.Key != nil {
			continue
		}
		if len(s.plan.JoinHere) > 0 {
			s.byKey = map[string][]*heldRow{}
		}
		if err := t.buildJoin(i); err != nil {
			return fmt.Errorf("join of %s: %w", s.plan.Alias, err)
		}
	}
	return nil
}

// buildJoin keeps the rows of one scan. Those that the plan's memory has no
// room for are left out: the joined rows that come are right all the same.
func (t *tableRun) buildJoin(i int) error {
	s := t.slots[i]
	start := time.Now()
	defer func() { s.elapsed.Add(int64(time.Since(start))) }()
	var mu sync.Mutex
	return t.each(i, t.request(i, t.report), func(e *env, row modules.Row) error {
		held, err := s.hold(e, row, true)
		if err != nil {
			return err
		}
		null, err := held.joinBy(e, s)
		if err != nil || null {
			return err
		}
		if !t.hold(held.size()) {
			t.short.Store(true)
			return modules.ErrEnough
		}
		key, _ := appendLooseAll(nil, held.join)
		mu.Lock()
		defer mu.Unlock()
		if s.byKey != nil {
			s.byKey[string(key)] = append(s.byKey[string(key)], held)
		} else {
			s.rows = append(s.rows, held)
		}
		return nil
	})
}

// each scans a slot beside the first and gives on the rows that pass its
// filter, on the goroutines of the module. A panic over a row is an error.
func (t *tableRun) each(slot int, req *modules.Request, take func(*env, modules.Row) error) error {
	s := t.slots[slot]
	count := t.run.run.engine.opts.Analyze
	return guard(s.module, func() error {
		return enough(s.module.Scan(t.run.ctx, req, func(row modules.Row) error {
			return guard(s.module, func() error {
				e := t.envs.Get().(*env)
				defer t.giveBack(e)
				e.rows[slot] = rowState{live: row}
				ok, err := t.permits(e, slot, row, req.Report)
				if ok && err == nil {
					ok, err = s.passes(e, count)
				}
				if err != nil || !ok {
					return err
				}
				return take(e, row)
			})
		}))
	})
}

// joinBy computes what a row is joined by; a null joins nothing.
func (h *heldRow) joinBy(e *env, s *slotRun) (null bool, err error) {
	for _, x := range s.plan.JoinHere {
		v, err := x.Eval(e)
		if err != nil || v.IsNull() {
			return true, err
		}
		h.join = append(h.join, v.Clone())
	}
	return false, nil
}

// hold keeps what later expressions ask of a row: without dear, only the
// columns that cost next to nothing.
func (s *slotRun) hold(e *env, row modules.Row, dear bool) (*heldRow, error) {
	h := &heldRow{
		values: make([]value.Value, len(s.index)), answers: make([]value.Value, len(s.plan.Questions)),
		whole: dear || !s.isDeep(),
	}
	for _, i := range s.keep {
		if !dear && s.isDear(i) {
			continue
		}
		v, err := row.Column(e.ctx, s.index[i])
		if err != nil {
			return nil, err
		}
		h.values[i] = v.Clone()
	}
	if !dear {
		return h, nil
	}
	for _, q := range s.asks {
		asker, ok := row.(modules.Asker)
		if !ok {
			return nil, fmt.Errorf("rows of %s cannot be asked", s.schema.Name)
		}
		v, err := asker.Ask(e.ctx, q)
		if err != nil {
			return nil, err
		}
		h.answers[q] = v.Clone()
	}
	return h, nil
}

// size is about what the row takes, in bytes.
func (h *heldRow) size() int64 {
	return rowSize(h.values) + rowSize(h.join) + valueSize*int64(len(h.answers))
}

// join meets the row that e has so far with the rows of the k-th join.
func (t *tableRun) join(e *env, k int) error {
	if k == len(t.joins) {
		return t.combined(e)
	}
	i := t.joins[k]
	s := t.slots[i]
	rows, there, err := t.partners(e, i)
	if err != nil {
		return err
	}
	for _, held := range rows {
		if there != nil && !equalAll(there, held.join) {
			continue
		}
		if t.done.Load() {
			return modules.ErrEnough
		}
		if t.run.ctx.Err() != nil {
			return t.run.ctx.Err()
		}
		if t.run.run.engine.opts.Analyze {
			s.joined.Add(1)
		}
		e.rows[i] = rowState{held: held}
		// What was followed from the row before leads elsewhere now.
		e.forgetLinks()
		if err := t.join(e, k+1); err != nil {
			return err
		}
	}
	return nil
}

// partners gives the rows of a joined slot that may meet the row of e, and
// the values that theirs must equal, nil for none.
func (t *tableRun) partners(e *env, i int) (rows []*heldRow, there []value.Value, err error) {
	s := t.slots[i]
	switch {
	case s.plan.Key != nil:
		key, err := s.plan.Key.Eval(e)
		if err != nil || key.IsNull() {
			return nil, nil, err
		}
		f, err := t.lookup(e.ctx, i, key, true)
		if err != nil {
			return nil, nil, err
		}
		return f.rows, nil, nil
	case s.byKey == nil:
		return s.rows, nil, nil
	}
	for _, x := range s.plan.JoinThere {
		v, err := x.Eval(e)
		if err != nil || v.IsNull() {
			return nil, nil, err
		}
		there = append(there, v)
	}
	e.key, _ = appendLooseAll(e.key[:0], there)
	return s.byKey[string(e.key)], there, nil
}
