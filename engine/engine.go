// Package engine runs plans where the data is: on this machine, or inside an
// agent. It is the same engine for both.
//
// A newcomer needs [New], [Engine.Start] and then [Run.Rows], which streams
// the answer; [Run.Summary] gives the account of it afterwards. The way of a
// row is told in scan.go (it is found and filtered), join.go and link.go (it
// meets others), group.go and order.go (it becomes part of a result) and
// logic.go (the host as a whole decides).
//
// A null sorts last, ORDER BY … DESC included; rows with equal keys are in the
// order of their values, so that the answer does not depend on how many
// goroutines made it. Without ORDER BY the order is any, and of rows that are
// equal but look different (1 and 1.0) DISTINCT shows any. What a subquery
// returns as null is equal to nothing, and makes nothing unknown either.
//
// The engine takes plans that planner made or plan.Decode accepted. It parses
// no query and decides nothing about who may ask. A panic while a module is
// called, or calls back, fails one table; one on a goroutine of a module's own
// is beyond its reach.
package engine

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// ErrRefused is the root of errors about plans that this host does not run: it
// does not know a module or a column that the plan names, the plan's target is
// not true of it, or the plan asks for what no planner asks for.
var ErrRefused = errors.New("engine: refused")

// Options say where and how an engine works.
type Options struct {
	Host    modules.Host // the zero Host is the live machine
	Workers int          // goroutines a scan may use; 0: one a processor
	Analyze bool         // count rows at each slot, for Run.Stats
	// Partial leaves to a Merge what a host cannot decide alone: groups come
	// as far as they are known here, without HAVING, ORDER BY and LIMIT; of
	// ordered and cut rows come all that can be among the first.
	Partial bool
	// Facts are those that the module host does not know, such as tags. They
	// are not nil in an agent, even where there are none.
	Facts plan.Facts
	// Permit, where not nil, is asked about every place that a module finds
	// (the column of its locator) before anything else is. What it gives,
	// unless it is "", is the kind of skip that the place is left out as.
	Permit func(module, place string) modules.SkipKind
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

// Start prepares plans to be run together: scans that overlap share their
// work. Nothing happens before Rows is called.
func (e *Engine) Start(ctx context.Context, plans ...*plan.Plan) *Run {
	r := &Run{engine: e, parent: ctx, queue: newQueue(), started: time.Now(), now: e.opts.Host.Now()}
	for i, p := range plans {
		r.plans = append(r.plans, newPlanRun(r, i, p))
	}
	return r
}

// A Run is one execution of plans.
type Run struct {
	engine  *Engine
	parent  context.Context
	plans   []*planRun
	queue   *queue
	started time.Time
	now     time.Time
	begun   atomic.Bool // somebody reads, or has read
	over    atomic.Bool // everything was done that is going to be
	matched atomic.Int64
}

// Rows runs the plans and gives their rows as they are found. It may be called
// once. Breaking out of the loop stops the run and waits for its goroutines.
// An error is the last thing that comes: the context's, or one about a plan
// that was refused or failed. The rows before it are right.
func (r *Run) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if r.begun.Swap(true) {
			yield(Row{}, errors.New("engine: the rows of a run can be read once"))
			return
		}
		ctx, cancel := context.WithCancel(r.parent)
		release := context.AfterFunc(ctx, r.queue.stop)
		var failure error
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer r.queue.close()
			failure = r.execute(ctx)
		}()
		// However the reading ends, by a panic of the reader too, the run
		// ends with it.
		defer func() {
			release()
			r.queue.stop()
			cancel()
			<-done
		}()
		var batch []Row
		for {
			if batch = r.queue.take(batch); len(batch) == 0 {
				break
			}
			for _, row := range batch {
				if ctx.Err() != nil {
					break
				}
				if !yield(row, nil) {
					return
				}
			}
		}
		if <-done; failure != nil {
			yield(Row{}, failure)
		}
	}
}

// execute runs everything and reports what was refused or failed.
func (r *Run) execute(ctx context.Context) error {
	defer func() {
		for _, p := range r.plans {
			p.end()
		}
	}()
	var tables []*tableRun
	for _, p := range r.plans {
		p.begin(ctx)
		switch err := p.accept(); {
		case err == nil:
			tables = append(tables, p.tables...)
		case errors.Is(err, ErrRefused):
			p.fail(answer.Refused, err)
		case ctx.Err() != nil:
			p.over("", cancelled)
		default:
			p.fail(answer.Failed, err)
		}
	}
	for _, unit := range units(tables) {
		r.runUnit(ctx, unit)
	}
	var errs []error
	for _, p := range r.plans {
		p.decide()
		errs = append(errs, p.err)
	}
	r.over.Store(true)
	if r.parent.Err() != nil {
		return context.Cause(r.parent)
	}
	return errors.Join(errs...)
}

// errUnread ends the scans of a run that nobody reads any more.
var errUnread = errors.New("engine: nobody reads the rows")

// send hands a row of so many bytes to the reader.
func (r *Run) send(row Row, size int64) error {
	if !r.queue.put(row, size) {
		return errUnread
	}
	r.matched.Add(1)
	return nil
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
	Lookups int64         // of a link, or of a join by key: keys that were looked up
	Joined  int64         // of a join: rows that met one of earlier slots
	Elapsed time.Duration // of the scan, or of all lookups, which may run side by side
}

// Stats gives the figures of a plan by table and slot, at any time. They are
// counted only with Options.Analyze.
func (r *Run) Stats(i int) [][]SlotStats {
	p := r.plans[i]
	p.mu.Lock()
	tables := p.tables
	p.mu.Unlock()
	var out [][]SlotStats
	for _, t := range tables {
		stats := make([]SlotStats, len(t.slots))
		for k, s := range t.slots {
			stats[k] = SlotStats{
				In: s.in.Load(), Out: s.out.Load(), Lookups: s.looked.Load(), Joined: s.joined.Load(),
				Elapsed: time.Duration(s.elapsed.Load()),
			}
		}
		out = append(out, stats)
	}
	return out
}
