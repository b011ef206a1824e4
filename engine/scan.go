package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
)

// A tableRun is one table while it runs.
type tableRun struct {
	run    *planRun
	plan   *plan.Table
	index  int // in the plan; negative for subqueries
	slots  []*slotRun
	joins  []int // slots that are joined, in order
	report *tableReport
	envs   sync.Pool
	groups *groups
	result result
	done   atomic.Bool // no further row is wanted
}

// units puts tables together whose first scans one module can share.
func (r *Run) units(tables []*tableRun) [][]*tableRun {
	var units [][]*tableRun
	for _, t := range tables {
		_, shares := t.slots[0].module.(modules.Sharer)
		k := slices.IndexFunc(units, func(u []*tableRun) bool {
			return shares && u[0].slots[0].module == t.slots[0].module
		})
		if k < 0 {
			units = append(units, []*tableRun{t})
		} else {
			units[k] = append(units[k], t)
		}
	}
	return units
}

// runUnit scans the tables of a unit together and finishes each.
func (r *Run) runUnit(ctx context.Context, unit []*tableRun) {
	unit = slices.DeleteFunc(unit, func(t *tableRun) bool { return !t.run.gate.needs(t) })
	var ready []*tableRun
	for _, t := range unit {
		if err := t.prepare(t.run.gate.accept(t)); err != nil {
			t.run.ended(t.plan.Name, err)
			continue
		}
		ready = append(ready, t)
	}
	if len(ready) == 0 {
		return
	}
	if sameContext(ready) {
		ctx = ready[0].run.ctx
	}
	err := scanTogether(ctx, ready)
	for _, t := range ready {
		t.run.ended(t.plan.Name, err)
		if t.run.ctx.Err() == nil && err == nil {
			if err := t.finish(); err != nil {
				t.run.ended(t.plan.Name, err)
			}
		} else {
			t.finishPartly()
		}
		t.run.gate.ended(t)
	}
}

func sameContext(ts []*tableRun) bool {
	for _, t := range ts {
		if t.run != ts[0].run {
			return false
		}
	}
	return true
}

// scanTogether runs the first scans of tables of one module.
func scanTogether(ctx context.Context, tables []*tableRun) error {
	start := time.Now()
	defer func() {
		for _, t := range tables {
			t.slots[0].elapsed.Add(int64(time.Since(start)))
		}
	}()
	module := tables[0].slots[0].module
	reqs := make([]*modules.Request, len(tables))
	for i, t := range tables {
		reqs[i] = t.request(0, t.report)
	}
	sharer, ok := module.(modules.Sharer)
	if !ok {
		return guard(module, func() error {
			return enough(module.Scan(ctx, reqs[0], tables[0].row))
		})
	}
	return guard(module, func() error {
		return enough(sharer.ScanShared(ctx, reqs, func(i int, row modules.Row) error {
			return tables[i].row(row)
		}))
	})
}

// enough takes "enough rows" for the good end that it is.
func enough(err error) error {
	if errors.Is(err, modules.ErrEnough) {
		return nil
	}
	return err
}

// guard turns a panic of a module into an error, so that a fault in one scan
// costs that scan alone.
func guard(m modules.Module, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("module %s panicked: %v\n%s", m.Schema().Name, p, debug.Stack())
		}
	}()
	return f()
}

// prepare makes the table ready to take rows; emit takes those of its answer.
func (t *tableRun) prepare(emit emitter) error {
	t.result.init(t, emit)
	if t.plan.Group != nil {
		t.groups = newGroups(t)
	}
	return t.buildJoins()
}

// row takes a row of the first scan, on the goroutine of the module that
// shows it.
func (t *tableRun) row(row modules.Row) (err error) {
	if t.done.Load() {
		return modules.ErrEnough
	}
	if t.run.ctx.Err() != nil {
		return modules.ErrEnough
	}
	e := t.envs.Get().(*env)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic over a row of %s: %v\n%s", t.slots[0].schema.Name, p, debug.Stack())
			return
		}
		clear(e.rows)
		t.envs.Put(e)
	}()
	e.ctx = t.run.ctx
	e.rows[0] = rowState{live: row}
	ok, err := t.slots[0].passes(e, t.run.run.engine.opts.Analyze)
	if err != nil || !ok {
		return err
	}
	return t.join(e, 0)
}

// passes applies the slot's own filter.
func (s *slotRun) passes(e *env, count bool) (bool, error) {
	if count {
		s.in.Add(1)
	}
	if s.plan.Filter != nil {
		v, err := s.plan.Filter.Eval(e)
		if err != nil || !v.Bool() {
			return false, err
		}
	}
	if count {
		s.out.Add(1)
	}
	return true, nil
}

// combined takes a row of every scan: what is left to decide is decided, and
// the row becomes one of the answer, or several where lines are wanted.
func (t *tableRun) combined(e *env) error {
	if t.plan.Where != nil {
		v, err := t.plan.Where.Eval(e)
		if err != nil || !v.Bool() {
			return err
		}
	}
	if !t.plan.Slots[0].Lines {
		return t.found(e)
	}
	liner, ok := e.rows[0].live.(modules.Liner)
	if !ok {
		return fmt.Errorf("rows of %s have no lines", t.slots[0].schema.Name)
	}
	return liner.Lines(e.ctx, func(line modules.Row) error {
		e.rows[0].live = line
		return t.found(e)
	})
}

// found takes a row that the query asked for.
func (t *tableRun) found(e *env) error {
	if t.groups != nil {
		return t.groups.add(e)
	}
	return t.result.add(e)
}

// finish ends a table whose scan ran to its end.
func (t *tableRun) finish() error {
	if t.groups != nil {
		if err := t.groups.finish(); err != nil {
			return err
		}
	}
	return t.result.finish()
}

// finishPartly gives what was found before a scan was stopped: rows are right,
// counts of groups are too small, and the summary says partial.
func (t *tableRun) finishPartly() {
	if t.run.err == nil && t.run.run.parent.Err() == nil {
		if err := t.finish(); err != nil {
			t.run.ended(t.plan.Name, err)
		}
	}
}
