// Package engine runs plans where the data is: on this machine, or inside an
// agent. It is the same engine for both.
//
// A newcomer needs [New], [Engine.Start] and then [Run.Rows], which streams
// the answer; [Run.Summary] gives the account of it afterwards. The way of a
// row is told in scan.go (it is found and filtered), join.go and link.go (it
// meets others), group.go and order.go (it becomes part of a result) and
// logic.go (the host as a whole decides).
//
// The engine takes plans that planner made or plan.Decode accepted. It parses
// no query and decides nothing about who may ask.
package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// ErrRefused is the root of errors about plans that this host cannot run: it
// does not know a module or a column that the plan names.
var ErrRefused = errors.New("engine: refused")

// Options say where and how an engine works.
type Options struct {
	Host    modules.Host // the zero Host is the live machine
	Workers int          // goroutines a scan may use; 0: one a processor
	Analyze bool         // count rows at each slot, for Run.Stats
}

// An Engine runs plans against a catalogue of modules. It may be shared.
type Engine struct {
	cat  *modules.Catalogue
	opts Options
}

// New makes an engine.
func New(cat *modules.Catalogue, opts Options) *Engine {
	if opts.Workers <= 0 {
		opts.Workers = runtime.GOMAXPROCS(0)
	}
	if opts.Host.Now == nil {
		opts.Host.Now = time.Now
	}
	return &Engine{cat: cat, opts: opts}
}

// A Row is one row of an answer.
type Row struct {
	Plan   int // which of the plans that were started
	Table  int // which of its tables; -1 for a host that satisfies the plan without rows
	Values []value.Value
}

// rowQueue is how many rows may wait for whoever reads them. When it is full
// the scan waits: a slow reader slows the scan and nothing grows.
const rowQueue = 1024

// Start prepares plans to be run together: scans that overlap share their
// work. Nothing happens before Rows is called.
func (e *Engine) Start(ctx context.Context, plans ...*plan.Plan) *Run {
	r := &Run{engine: e, parent: ctx, started: time.Now(), now: e.opts.Host.Now()}
	for i, p := range plans {
		r.plans = append(r.plans, newPlanRun(r, i, p))
	}
	return r
}

// A Run is one execution of plans.
type Run struct {
	engine  *Engine
	parent  context.Context
	ctx     context.Context // of the reader: cancelled when he stops reading
	plans   []*planRun
	rows    chan Row
	started time.Time
	now     time.Time
	once    sync.Once
	matched atomic.Int64
}

// Rows runs the plans and gives their rows as they are found. It may be called
// once. Breaking out of the loop stops the run and waits for its goroutines.
// An error is the last thing that comes: the context's, or one about a plan
// that was refused or failed. The rows before it are right.
func (r *Run) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		first := false
		r.once.Do(func() { first = true })
		if !first {
			yield(Row{}, errors.New("engine: the rows of a run can be read once"))
			return
		}
		ctx, cancel := context.WithCancel(r.parent)
		r.ctx, r.rows = ctx, make(chan Row, rowQueue)
		done := make(chan error, 1)
		go func() {
			// The only closer of rows: nothing sends when execute has ended.
			err := r.execute(ctx)
			close(r.rows)
			done <- err
		}()
		stopped := false
		for row := range r.rows {
			if !stopped && !yield(row, nil) {
				stopped = true
				cancel()
			}
		}
		err := <-done
		cancel()
		if err != nil && !stopped {
			yield(Row{}, err)
		}
	}
}

// execute runs everything and reports the first failure.
func (r *Run) execute(ctx context.Context) error {
	defer func() {
		for _, p := range r.plans {
			p.cancel(nil)
		}
	}()
	var tables []*tableRun
	for _, p := range r.plans {
		p.begin(ctx)
		if err := p.resolve(); err != nil {
			p.fail(answer.Refused, err)
			continue
		}
		tables = append(tables, p.tables...)
	}
	for _, unit := range r.units(tables) {
		r.runUnit(ctx, unit)
	}
	var errs []error
	for _, p := range r.plans {
		p.decide()
		if p.err != nil {
			errs = append(errs, p.err)
		}
	}
	if err := r.parent.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// send hands a row to the reader.
func (r *Run) send(row Row) error {
	select {
	case r.rows <- row:
		r.matched.Add(1)
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// Progress is how far a run has come.
type Progress struct {
	Looked  map[string]int64
	Matched int64
	Skipped int64
	Elapsed time.Duration
}

// Progress may be asked at any time, from any goroutine.
func (r *Run) Progress() Progress {
	p := Progress{Looked: map[string]int64{}, Matched: r.matched.Load(), Elapsed: time.Since(r.started)}
	for _, pr := range r.plans {
		pr.report.mu.Lock()
		for kind, n := range pr.report.looked {
			p.Looked[kind] += n
		}
		for _, s := range pr.report.skips {
			p.Skipped += s.Count
		}
		pr.report.mu.Unlock()
	}
	return p
}

// Summary gives the account of one plan; it is whole when Rows has ended.
func (r *Run) Summary(i int) answer.Summary { return r.plans[i].summary() }

// SlotStats are what EXPLAIN ANALYZE says of one slot.
type SlotStats struct {
	In, Out int64         // rows that the module gave, and those that passed the slot's filter
	Elapsed time.Duration // of the scan; 0 for links
}

// Stats gives the figures of a plan by table and slot. They are counted only
// with Options.Analyze.
func (r *Run) Stats(i int) [][]SlotStats {
	var out [][]SlotStats
	for _, t := range r.plans[i].tables {
		stats := make([]SlotStats, len(t.slots))
		for k, s := range t.slots {
			stats[k] = SlotStats{In: s.in.Load(), Out: s.out.Load(), Elapsed: time.Duration(s.elapsed.Load())}
		}
		out = append(out, stats)
	}
	return out
}

// Matches says whether a plan's target is true of this host.
func (e *Engine) Matches(ctx context.Context, p *plan.Plan) (value.Truth, error) {
	if p.Target == nil {
		return value.True, nil
	}
	facts := make([]value.Value, len(p.Facts))
	m, ok := e.cat.Module("host")
	if !ok {
		return value.Unknown, fmt.Errorf("%w: this host has no module host to check the target with", ErrRefused)
	}
	req := &modules.Request{Host: e.opts.Host, Workers: 1, Report: discard{}}
	index := make([]int, len(p.Facts))
	for i, name := range p.Facts {
		index[i] = -1
		if k, ok := m.Schema().Column(name); ok {
			index[i] = k
			req.Columns = append(req.Columns, k)
		}
	}
	err := m.Scan(ctx, req, func(row modules.Row) error {
		for i, k := range index {
			if k < 0 {
				continue
			}
			v, err := row.Column(ctx, k)
			if err != nil {
				return err
			}
			facts[i] = v.Clone()
		}
		return nil
	})
	if err != nil {
		return value.Unknown, fmt.Errorf("engine: facts of this host: %w", err)
	}
	v, err := p.Target.Eval(&env{out: facts, now: e.opts.Host.Now()})
	return value.FromValue(v), err
}

// discard is a report that nobody reads: of facts, where what is unknown is
// null and a target is then not true.
type discard struct{}

func (discard) Looked(string, int64) {}
func (discard) Skip(modules.Skip)    {}
