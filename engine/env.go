package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
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

	keys, args []value.Value // scratch of groups
}

// A rowState is the row of one slot: live while its module shows it, or held.
type rowState struct {
	live  modules.Row
	held  *heldRow
	known bool        // of a link: it was followed
	there value.Truth // of a link: whether something is there
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
	if err := e.follow(slot, e.table.slots[slot].isDear(i)); err != nil || st.held == nil {
		return value.Value{}, err
	}
	return st.held.values[i], nil
}

// Ask puts a question to a slot's row.
func (e *env) Ask(slot, q int) (value.Value, error) {
	st := &e.rows[slot]
	if st.live != nil {
		asker, ok := st.live.(modules.Asker)
		if !ok {
			return value.Value{}, fmt.Errorf("rows of %s cannot be asked", e.table.slots[slot].schema.Name)
		}
		return asker.Ask(e.ctx, q)
	}
	if err := e.follow(slot, true); err != nil || st.held == nil {
		return value.Value{}, err
	}
	return st.held.answers[q], nil
}

// Missing says whether a link led nowhere.
func (e *env) Missing(slot int) (value.Truth, error) {
	err := e.follow(slot, false)
	return e.rows[slot].there.Not(), err
}

// errNoRow says that an expression speaks of a slot before it has a row. No
// plan that a planner made does.
var errNoRow = errors.New("an expression speaks of a row that is not there yet")

// follow looks up what a link leads to, once for a row. What is dear to look
// at waits until it is asked for: few rows may get that far.
func (e *env) follow(slot int, dear bool) error {
	st := &e.rows[slot]
	s := e.table.slots[slot]
	if !s.plan.Link {
		if st.held == nil {
			return errNoRow
		}
		return nil
	}
	if st.known && (!dear || st.held == nil || st.held.whole) {
		return nil
	}
	key, err := s.plan.Key.Eval(e)
	if err != nil || key.IsNull() {
		st.known = err == nil
		return err
	}
	f, err := e.table.lookup(e.ctx, slot, key, dear)
	if err != nil {
		return err
	}
	*st = rowState{known: true, there: f.there()}
	if len(f.rows) > 0 {
		st.held = f.rows[0]
	}
	return nil
}

// Given is the row of a group, and the time at which the run began: the same
// for every row.
func (e *env) Given() plan.Given { return plan.Given{Out: e.out, Now: e.now} }

// InSub looks a tuple up among the rows of a subquery.
func (e *env) InSub(sub int, tuple []value.Value) (value.Truth, error) {
	return e.table.run.subs[sub].contains(e.ctx, tuple)
}

// forgetLinks makes the links of the env unknown again, for another row.
func (e *env) forgetLinks() {
	for i, s := range e.table.slots {
		if s.plan.Link {
			e.rows[i] = rowState{}
		}
	}
}

// An outEnv is what an expression sees that speaks of Out alone: of facts, or
// of the line under test.
type outEnv struct {
	out []value.Value
	now time.Time
}

// Given is the facts, or the line, and the time at which the run began.
func (e *outEnv) Given() plan.Given { return plan.Given{Out: e.out, Now: e.now} }

// Column, Ask, Missing and InSub are never asked: see onlyOut.
func (e *outEnv) Column(int, int) (value.Value, error) { return value.Value{}, errNoRow }

// Ask is as Column.
func (e *outEnv) Ask(int, int) (value.Value, error) { return value.Value{}, errNoRow }

// Missing is as Column.
func (e *outEnv) Missing(int) (value.Truth, error) { return value.Unknown, errNoRow }

// InSub is as Column.
func (e *outEnv) InSub(int, []value.Value) (value.Truth, error) { return value.Unknown, errNoRow }

// onlyOut refuses an expression that an outEnv cannot answer.
func onlyOut(x plan.Expr, what string) error {
	var err error
	plan.Walk(x, func(x plan.Expr) {
		switch x.(type) {
		case *plan.Col, *plan.Ask, *plan.IsMissing, *plan.InSub:
			err = fmt.Errorf("%w: %s speaks of the rows of a scan", ErrRefused, what)
		}
	})
	return err
}
