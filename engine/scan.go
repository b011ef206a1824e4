package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
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
	begun  atomic.Bool  // a row came
	memory atomic.Int64 // of the plan's, held for this table
	seen   atomic.Bool  // the host-level logic knows that something was found
	done   atomic.Bool  // no further row is wanted
	short  atomic.Bool  // rows were left out, for want of memory
	// partial: a Merge decides what is left to decide; see partial.go.
	partial bool
	extra   []int // of a partial table's order keys, those that are no outputs
	outputs []int // of a Merge: which output each order key is, or -1
	hollow  bool  // the row that comes is the group of no rows

	mu  sync.Mutex
	err error // over a row; the first counts
}

// units puts tables together whose first scans one module can share.
func units(tables []*tableRun) [][]*tableRun {
	var units [][]*tableRun
	for _, t := range tables {
		_, shares := t.slots[0].module.(modules.Sharer)
		k := slices.IndexFunc(units, func(u []*tableRun) bool {
			return shares && u[0].slots[0].module == t.slots[0].module && !u[0].run.plan.Watch && !t.run.plan.Watch
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
	ctx, release := whileAny(ctx, unit)
	defer release()
	var ready []*tableRun
	for _, t := range unit {
		if !t.run.gate.needs(t) {
			continue
		}
		t.run.wake()
		if err := t.prepare(t.run.gate.accept(t)); err != nil {
			t.conclude(err)
			continue
		}
		ready = append(ready, t)
	}
	err := scanTogether(ctx, ready)
	if len(ready) > 1 && err != nil && ctx.Err() == nil && !slices.ContainsFunc(ready, func(t *tableRun) bool { return t.begun.Load() }) {
		// One request may have spoilt it for the others.
		for _, t := range ready {
			t.conclude(scanTogether(ctx, []*tableRun{t}))
		}
		return
	}
	for _, t := range ready {
		t.conclude(err)
	}
}

// whileAny gives a context that ends with the last of the plans in a unit, and
// never before them: a scan that was ended is told from one that failed by its
// plan's being over.
func whileAny(ctx context.Context, unit []*tableRun) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var plans []*planRun
	for _, t := range unit {
		if !slices.Contains(plans, t.run) {
			plans = append(plans, t.run)
		}
	}
	var left atomic.Int64
	left.Store(int64(len(plans)))
	var stops []func() bool
	for _, p := range plans {
		stops = append(stops, context.AfterFunc(p.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		}))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

// scanTogether runs the first scans of tables of one module.
func scanTogether(ctx context.Context, tables []*tableRun) error {
	if len(tables) == 0 {
		return nil
	}
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
	return guard(module, func() error {
		if w, ok := module.(modules.Watcher); ok && tables[0].run.plan.Watch {
			return enough(w.Watch(ctx, reqs[0], tables[0].row))
		}
		sharer, ok := module.(modules.Sharer)
		if !ok || len(tables) == 1 {
			return enough(module.Scan(ctx, reqs[0], tables[0].row))
		}
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
			err = panicked(m, p)
		}
	}()
	return f()
}

// panicked is the error about a panic, with the place where it happened.
func panicked(m modules.Module, p any) error {
	return fmt.Errorf("module %s: panic: %v\n%s", m.Schema().Name, p, debug.Stack())
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
// shows it. It never fails a scan that may be others' too: what goes wrong
// over a row ends this table alone.
func (t *tableRun) row(row modules.Row) (err error) {
	if t.done.Load() || t.run.ctx.Err() != nil {
		return modules.ErrEnough
	}
	if !t.begun.Load() {
		t.begun.Store(true)
	}
	e := t.envs.Get().(*env)
	defer func() {
		if p := recover(); p != nil {
			err = panicked(t.slots[0].module, p)
		} else {
			t.giveBack(e)
		}
		if err != nil && !errors.Is(err, modules.ErrEnough) {
			t.broke(err)
			err = modules.ErrEnough
		}
	}()
	e.rows[0] = rowState{live: row}
	ok, err := t.permits(e, 0, row, t.report)
	if err != nil || !ok {
		return err
	}
	ok, err = t.slots[0].passes(e, t.run.run.engine.opts.Analyze)
	if err != nil || !ok {
		return err
	}
	return t.join(e, 0)
}

// giveBack takes an env back that has done its row.
func (t *tableRun) giveBack(e *env) {
	clear(e.rows)
	t.envs.Put(e)
}

// broke notes what went wrong over a row, unless the plan had ended anyway.
func (t *tableRun) broke(err error) {
	if t.run.ctx.Err() != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
	t.done.Store(true)
}

func (t *tableRun) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// enough ends the table's scan.
func (t *tableRun) enough() error {
	t.done.Store(true)
	return modules.ErrEnough
}

// full ends the table's scan because the plan's memory is used up.
func (t *tableRun) full() error {
	t.short.Store(true)
	return t.enough()
}

// hold accounts for memory that the table keeps until it has ended; less than
// nothing gives some back.
func (t *tableRun) hold(bytes int64) bool {
	if !t.run.hold(bytes) {
		return false
	}
	t.memory.Add(bytes)
	return true
}

// forget lets go of what the table kept, so that others have room.
func (t *tableRun) forget() {
	t.forgetLookups()
	t.run.memory.Add(-t.memory.Swap(0))
	t.groups = nil
	t.result.seen, t.result.sort.rows = nil, nil
	for _, s := range t.slots {
		s.rows, s.byKey = nil, nil
	}
}

// forgetLookups lets go of what can be looked up again, and says how much
// memory that was.
func (t *tableRun) forgetLookups() (bytes int64) {
	for _, s := range t.slots {
		bytes += s.lookups.forget(t)
	}
	return bytes
}

// permits says whether a row may be looked at: nothing but its place has been
// asked for yet. What may not be goes to the report of the scan that found it.
func (t *tableRun) permits(e *env, slot int, row modules.Row, report modules.Report) (bool, error) {
	s := t.slots[slot]
	if s.place < 0 {
		return true, nil
	}
	v, err := row.Column(e.ctx, s.place)
	if err != nil {
		return false, err
	}
	place := v.RawText()
	kind := t.run.run.engine.opts.Permit(s.schema.Name, place)
	if kind != "" {
		report.Skip(modules.Skip{Kind: kind, Where: strings.Clone(place)})
	}
	return kind == "", nil
}

// passes applies the slot's own filter.
func (s *slotRun) passes(e *env, count bool) (bool, error) {
	if count {
		s.in.Add(1)
	}
	if s.plan.Filter != nil {
		t, err := plan.Holds(s.plan.Filter, e)
		if err != nil || t != value.True {
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
		holds, err := plan.Holds(t.plan.Where, e)
		if err != nil || holds != value.True {
			return err
		}
	}
	if !t.plan.Slots[0].Lines {
		return t.found(e)
	}
	row := e.rows[0].live
	liner, ok := row.(modules.Liner)
	if !ok {
		return fmt.Errorf("rows of %s have no lines", t.slots[0].schema.Name)
	}
	err := liner.Lines(e.ctx, func(line modules.Row) error {
		e.rows[0].live = line
		return t.found(e)
	})
	e.rows[0].live = row
	return err
}

// found takes a row that the query asked for.
func (t *tableRun) found(e *env) error {
	if t.groups != nil {
		return t.groups.add(e)
	}
	return t.result.add(e)
}

// conclude ends a table whose scan has ended, with err or without. What was
// found before a bound of the plan was reached is kept: the rows are right,
// counts of groups are too small, and the summary says partial.
func (t *tableRun) conclude(err error) {
	if failure := t.failure(); failure != nil {
		err = failure
	}
	cut := t.run.ctx.Err() != nil
	t.run.ended(t, err)
	if failed := t.failure() != nil || err != nil && !cut; !failed && t.run.awaited() {
		if err := guard(t.slots[0].module, t.finish); err != nil {
			t.broke(err)
			t.run.ended(t, err)
		}
	}
	t.forget()
	t.run.gate.ended(t, err == nil && !cut)
}

// finish gives on what was gathered.
func (t *tableRun) finish() error {
	if t.groups != nil {
		finish := t.groups.finish
		if t.partial {
			finish = t.groups.export
		}
		if err := finish(); err != nil {
			return err
		}
	}
	return t.result.finish()
}
