package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// errMemory says that a join cannot be made within the plan's memory.
var errMemory = errors.New("the rows to join do not fit the memory that the plan allows: narrow the scan, or raise WITH memory")

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

func (t *tableRun) buildJoin(i int) error {
	s := t.slots[i]
	var mu sync.Mutex
	return guard(s.module, func() error {
		return enough(s.module.Scan(t.run.ctx, t.request(i, t.report), func(row modules.Row) error {
			e := t.newEnv()
			e.rows[i] = rowState{live: row}
			ok, err := s.passes(e, t.run.run.engine.opts.Analyze)
			if err != nil || !ok {
				return err
			}
			held, size, err := s.hold(e, row)
			if err != nil {
				return err
			}
			if !t.run.hold(size) {
				return errMemory
			}
			key, null, err := joinKey(e, s)
			if err != nil || null {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if s.byKey != nil {
				s.byKey[string(key)] = append(s.byKey[string(key)], held)
			} else {
				s.rows = append(s.rows, held)
			}
			return nil
		}))
	})
}

// joinKey is the key of a row on its own side of a join.
func joinKey(e *env, s *slotRun) (key []byte, null bool, err error) {
	e.key = e.key[:0]
	for _, x := range s.plan.JoinHere {
		v, err := x.Eval(e)
		if err != nil || v.IsNull() {
			return nil, true, err
		}
		e.key = v.AppendKey(e.key)
	}
	return e.key, false, nil
}

// hold keeps what later expressions ask of a row.
func (s *slotRun) hold(e *env, row modules.Row) (*heldRow, int64, error) {
	h := &heldRow{values: make([]value.Value, len(s.index)), answers: make([]value.Value, len(s.plan.Questions))}
	size := int64(heldOverhead + 48*(len(h.values)+len(h.answers)))
	for _, i := range s.keep {
		v, err := row.Column(e.ctx, s.index[i])
		if err != nil {
			return nil, 0, err
		}
		h.values[i] = v.Clone()
		size += textSize(v)
	}
	for _, q := range s.asks {
		asker, ok := row.(modules.Asker)
		if !ok {
			continue
		}
		v, err := asker.Ask(e.ctx, q)
		if err != nil {
			return nil, 0, err
		}
		h.answers[q] = v.Clone()
	}
	return h, size, nil
}

// heldOverhead is about what a held row costs beside its values, in bytes.
const heldOverhead = 96

func textSize(v value.Value) int64 {
	switch v.Type() {
	case value.Text, value.Version, value.Bytes, value.Hash:
		return int64(len(v.RawText()))
	case value.List:
		n := int64(0)
		for _, m := range v.List() {
			n += 48 + textSize(m)
		}
		return n
	}
	return 0
}

// join meets the row that e has so far with the rows of the k-th join.
func (t *tableRun) join(e *env, k int) error {
	if k == len(t.joins) {
		e.forgetLinks()
		return t.combined(e)
	}
	i := t.joins[k]
	rows, err := t.partners(e, i)
	if err != nil {
		return err
	}
	for _, held := range rows {
		e.rows[i] = rowState{held: held, known: true}
		if err := t.join(e, k+1); err != nil {
			return err
		}
	}
	return nil
}

// partners gives the rows of a joined slot that may meet the row of e.
func (t *tableRun) partners(e *env, i int) ([]*heldRow, error) {
	s := t.slots[i]
	switch {
	case s.plan.Key != nil:
		key, err := s.plan.Key.Eval(e)
		if err != nil || key.IsNull() {
			return nil, err
		}
		return t.lookup(e.ctx, i, key)
	case s.byKey == nil:
		return s.rows, nil
	}
	e.key = e.key[:0]
	for _, x := range s.plan.JoinThere {
		v, err := x.Eval(e)
		if err != nil || v.IsNull() {
			return nil, err
		}
		e.key = v.AppendKey(e.key)
	}
	return s.byKey[string(e.key)], nil
}

// maxLookups bounds how many keys a slot remembers. What is forgotten is
// looked up again.
const maxLookups = 10_000

// lookups remembers what was found under a key. The same key is never looked
// up twice at once.
type lookups struct {
	mu    sync.Mutex
	found map[string]*lookup
}

type lookup struct {
	once sync.Once
	rows []*heldRow
	err  error
}

func (l *lookups) get(key string) *lookup {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == nil || len(l.found) >= maxLookups {
		l.found = map[string]*lookup{}
	}
	f := l.found[key]
	if f == nil {
		f = &lookup{}
		l.found[key] = f
	}
	return f
}

// lookup gives the rows of a slot whose key column equals key.
func (t *tableRun) lookup(ctx context.Context, slot int, key value.Value) ([]*heldRow, error) {
	s := t.slots[slot]
	f := s.lookups.get(string(key.AppendKey(nil)))
	f.once.Do(func() {
		req := t.request(slot, lookupReport{t.report})
		req.Keys, req.Workers = []value.Value{key.Clone()}, 1
		f.err = guard(s.module, func() error {
			return enough(s.module.Scan(ctx, req, func(row modules.Row) error {
				e := t.newEnv()
				e.rows[slot] = rowState{live: row}
				ok, err := s.passes(e, t.run.run.engine.opts.Analyze)
				if err != nil || !ok {
					return err
				}
				held, _, err := s.hold(e, row)
				if err == nil {
					f.rows = append(f.rows, held)
				}
				return err
			}))
		})
	})
	return f.rows, f.err
}

// A subRun is a subquery: run once, when something is first looked up in it.
type subRun struct {
	table *tableRun
	once  sync.Once
	found map[string]struct{}
	err   error
}

// contains says whether a tuple is among the subquery's rows. Nulls among them
// equal nothing. What the subquery could not look at is in the summary, so
// that "not among them" is then part of a partial answer.
func (s *subRun) contains(ctx context.Context, tuple []value.Value) (value.Truth, error) {
	s.once.Do(func() { s.err = s.load(ctx) })
	if s.err != nil {
		return value.Unknown, s.err
	}
	var key []byte
	for _, v := range tuple {
		key = v.AppendKey(key)
	}
	_, ok := s.found[string(key)]
	return value.TruthOf(ok, true), nil
}

func (s *subRun) load(ctx context.Context) error {
	s.found = map[string]struct{}{}
	t := s.table
	var mu sync.Mutex
	err := t.prepare(func(values []value.Value) error {
		var key []byte
		for _, v := range values {
			if v.IsNull() {
				return nil
			}
			key = v.AppendKey(key)
		}
		mu.Lock()
		defer mu.Unlock()
		if _, ok := s.found[string(key)]; ok {
			return nil
		}
		if !t.run.hold(int64(len(key)) + heldOverhead) {
			return errMemory
		}
		s.found[string(key)] = struct{}{}
		return nil
	})
	if err == nil {
		err = scanTogether(ctx, []*tableRun{t})
	}
	if err == nil {
		err = t.finish()
	}
	if err != nil {
		return fmt.Errorf("subquery: %w", err)
	}
	return nil
}
