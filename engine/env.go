package engine

import (
	"context"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// An env is what expressions see of one row of a table. One belongs to one
// goroutine at a time.
type env struct {
	ctx   context.Context
	table *tableRun
	rows  []rowState
	out   []value.Value
	now   time.Time
	key   []byte // scratch
}

// A rowState is the row of one slot: live while its module shows it, or held.
type rowState struct {
	live  modules.Row
	held  *heldRow
	known bool // of a link: it was followed
}

func (t *tableRun) newEnv() *env {
	return &env{ctx: t.run.ctx, table: t, rows: make([]rowState, len(t.slots)), now: t.run.run.now}
}

// Column gives a column of a slot's row, and follows the slot if it is a link.
func (e *env) Column(slot, i int) (value.Value, error) {
	st := &e.rows[slot]
	if st.live != nil {
		return st.live.Column(e.ctx, e.table.slots[slot].index[i])
	}
	if err := e.follow(slot); err != nil || st.held == nil {
		return value.Value{}, err
	}
	return st.held.values[i], nil
}

// Ask puts a question to a slot's row.
func (e *env) Ask(slot, q int) (value.Value, error) {
	st := &e.rows[slot]
	if st.live != nil {
		if asker, ok := st.live.(modules.Asker); ok {
			return asker.Ask(e.ctx, q)
		}
		return value.Value{}, nil
	}
	if err := e.follow(slot); err != nil || st.held == nil {
		return value.Value{}, err
	}
	return st.held.answers[q], nil
}

// Missing says whether a link led nowhere.
func (e *env) Missing(slot int) (bool, error) {
	err := e.follow(slot)
	return e.rows[slot].held == nil, err
}

// follow looks up what a link leads to, once for a row.
func (e *env) follow(slot int) error {
	st := &e.rows[slot]
	if st.known || !e.table.plan.Slots[slot].Link {
		return nil
	}
	st.known = true
	key, err := e.table.plan.Slots[slot].Key.Eval(e)
	if err != nil || key.IsNull() {
		return err
	}
	rows, err := e.table.lookup(e.ctx, slot, key)
	if err == nil && len(rows) > 0 {
		st.held = rows[0]
	}
	return err
}

// Out gives a column of a group, the line under test, or a fact.
func (e *env) Out(i int) value.Value { return e.out[i] }

// InSub looks a tuple up among the rows of a subquery.
func (e *env) InSub(sub int, tuple []value.Value) (value.Truth, error) {
	return e.table.run.subs[sub].contains(e.ctx, tuple)
}

// Now is the time at which the run began: the same for every row.
func (e *env) Now() time.Time { return e.now }

// forgetLinks makes the links of the env unknown again, for another row.
func (e *env) forgetLinks() {
	for i := range e.rows {
		if e.table.plan.Slots[i].Link {
			e.rows[i] = rowState{}
		}
	}
}
