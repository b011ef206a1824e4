package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// A planRun is one plan while it runs: its tables, its bounds, its account.
type planRun struct {
	run    *Run
	index  int
	plan   *plan.Plan
	tables []*tableRun
	subs   []*subRun
	gate   *gate
	report *report
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer  // of the timeout, once it runs
	memory atomic.Int64 // held for joins, groups, order and logic
	making sync.Mutex   // of room: held by who forgets what can be looked up again
	rows   atomic.Int64
	shared modules.Memory // what modules keep from one scan to the next

	mu      sync.Mutex
	limits  map[string]bool // the bounds that cut the answer
	outcome answer.Outcome  // Refused or Failed, else zero
	reasons []string        // why it is not complete, beside bounds and gaps
	err     error           // of what was refused or failed first
}

// defaultMemory bounds what one plan holds on a host, where it does not say.
const defaultMemory = 256 << 20

func newPlanRun(r *Run, i int, p *plan.Plan) *planRun {
	pr := &planRun{run: r, index: i, plan: p, limits: map[string]bool{}}
	pr.report = &report{plan: pr, looked: map[string]int64{}, skips: map[modules.SkipKind]*answer.Skipped{}}
	return pr
}

// errStopped ends a plan's scans when one of its bounds is reached.
var errStopped = errors.New("engine: a bound of the plan is reached")

func (p *planRun) begin(ctx context.Context) {
	p.ctx, p.cancel = context.WithCancelCause(ctx)
}

// wake starts the plan's time, with the first of its scans: those of other
// plans, which it had to wait for, do not count.
func (p *planRun) wake() {
	if t := p.plan.Limits.Timeout; t > 0 && p.timer == nil {
		p.timer = time.AfterFunc(t, func() { p.cancel(errTimeout) })
	}
}

// end ends what the plan still has going.
func (p *planRun) end() {
	if p.timer != nil {
		p.timer.Stop()
	}
	p.cancel(nil)
}

// cancelled is the reason of an answer that nobody waited for.
const cancelled = "cancelled before its end"

var errTimeout = errors.New("engine: the plan's time is over")

// awaited says whether somebody still wants what the plan found: it goes on,
// or one of its own bounds has ended it.
func (p *planRun) awaited() bool {
	cause := context.Cause(p.ctx)
	return cause == nil || errors.Is(cause, errTimeout) || errors.Is(cause, errStopped)
}

// stop ends the plan's scans because a bound is reached.
func (p *planRun) stop(limit string) {
	p.over(limit, "")
	p.cancel(errStopped)
}

// over notes a bound that is reached, or another reason why the answer is not
// complete, and lets the scans go on.
func (p *planRun) over(limit, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if limit != "" {
		p.limits[limit] = true
	}
	if reason != "" && !slices.Contains(p.reasons, reason) {
		p.reasons = append(p.reasons, reason)
	}
}

// hold accounts for memory that the plan keeps. It says no when the bound is
// reached, which the summary then tells.
func (p *planRun) hold(bytes int64) bool {
	if p.fits(bytes) {
		return true
	}
	// One at a time makes room: who comes second finds nothing to forget any more.
	p.making.Lock()
	defer p.making.Unlock()
	for freed := true; freed; {
		freed = p.forgetLookups()
		if p.fits(bytes) {
			return true
		}
	}
	p.over("memory", "")
	return false
}

// fits holds memory where there is room for it.
func (p *planRun) fits(bytes int64) bool {
	limit := p.plan.Limits.Memory
	if limit == 0 {
		limit = defaultMemory
	}
	for {
		held := p.memory.Load()
		if bytes > 0 && held+bytes > limit {
			return false
		}
		// What does not fit is never added, not for a moment: others would be refused.
		if p.memory.CompareAndSwap(held, held+bytes) {
			return true
		}
	}
}

// forgetLookups makes room by forgetting what can be looked up again, and says
// whether there was anything.
func (p *planRun) forgetLookups() bool {
	bytes := int64(0)
	for _, t := range p.tables {
		bytes += t.forgetLookups()
	}
	for _, s := range p.subs {
		bytes += s.table.forgetLookups()
	}
	return bytes > 0
}

// fail notes that the plan was refused, or that a part of it failed: its other
// tables go on.
func (p *planRun) fail(o answer.Outcome, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.outcome, p.err = o, err
	}
}

// ended takes the error with which a scan ended. Where the plan had ended
// before, the scan only followed.
func (p *planRun) ended(t *tableRun, err error) {
	if failure := t.failure(); failure != nil {
		err = failure
	} else if p.ctx.Err() != nil {
		switch cause := context.Cause(p.ctx); {
		case errors.Is(cause, errTimeout) && p.plan.Watch: // it was to end then
		case errors.Is(cause, errTimeout):
			p.over("timeout", "")
		case !errors.Is(cause, errStopped):
			p.over("", cancelled)
		}
		return
	}
	if err != nil {
		p.fail(answer.Failed, fmt.Errorf("engine: %s: %w", t.plan.Name, err))
	}
}

func (p *planRun) summary() answer.Summary {
	p.report.mu.Lock()
	s := answer.Summary{Looked: maps.Clone(p.report.looked), Matched: p.rows.Load()}
	gaps := false
	for kind, skip := range p.report.skips {
		c := *skip
		c.First = slices.Clone(skip.First)
		s.Skipped = append(s.Skipped, c)
		gaps = gaps || !kind.Informative()
	}
	p.report.mu.Unlock()
	slices.SortFunc(s.Skipped, func(a, b answer.Skipped) int { return cmp.Compare(a.Kind, b.Kind) })
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Limits = slices.Sorted(maps.Keys(p.limits))
	reasons := slices.Clone(p.reasons)
	if len(s.Limits) > 0 {
		reasons = append(reasons, "stopped by "+strings.Join(s.Limits, ", "))
	}
	if gaps {
		reasons = append(reasons, answer.NotLookedAt)
	}
	switch {
	case p.outcome != 0:
		// A stack is for the error; a reason is one sentence.
		first, _, _ := strings.Cut(p.err.Error(), "\n")
		s.Outcome, reasons = p.outcome, append([]string{first}, reasons...)
	case !p.run.over.Load() && !p.plan.Watch: // watching has looked, whenever it is asked
		s.Outcome, reasons = answer.Partial, append(reasons, "it has not ended")
	case len(reasons) > 0:
		s.Outcome = answer.Partial
	default:
		s.Outcome = answer.Complete
	}
	s.Reason = strings.Join(reasons, "; ")
	return s
}

// A report gathers what the scans of a plan say of themselves.
type report struct {
	plan   *planRun
	mu     sync.Mutex
	looked map[string]int64
	skips  map[modules.SkipKind]*answer.Skipped
}

// A tableReport is the report of one table, so that host-level logic knows
// which of the tables was looked at whole.
type tableReport struct {
	*report
	left atomic.Bool // something was left out
}

// A lookupReport is that of single things that a link or a join names, where
// "nothing there" is an answer and not a gap.
type lookupReport struct {
	*tableReport
	gaps atomic.Bool // something was left out of this lookup
}

// Skip passes on all but what was looked for and is not there.
func (r *lookupReport) Skip(s modules.Skip) {
	if s.Kind == modules.SkipNotFound {
		return
	}
	r.gaps.Store(true)
	r.tableReport.Skip(s)
}

// Looked adds to what was looked at, and stops the plan where that is enough.
func (r *tableReport) Looked(kind string, n int64) {
	r.mu.Lock()
	r.looked[kind] += n
	total := r.looked[kind]
	r.mu.Unlock()
	if limit := r.plan.plan.Limits.Bytes; kind == "bytes" && limit > 0 && total > limit {
		r.plan.stop("bytes")
	}
}

// Skip counts what was left out and names the first few of each kind.
func (r *tableReport) Skip(s modules.Skip) {
	if !s.Kind.Informative() {
		r.left.Store(true)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.skips[s.Kind]
	if c == nil {
		c = &answer.Skipped{Kind: s.Kind}
		r.skips[s.Kind] = c
	}
	c.Count++
	// The first are those in the order of their names, whoever came first.
	limit := r.plan.plan.Limits.Errors
	i, known := slices.BinarySearchFunc(c.First, s, compareSkips)
	if known || int64(i) >= limit {
		return
	}
	c.First = slices.Insert(c.First, i, s)
	if int64(len(c.First)) > limit {
		c.First = c.First[:limit]
	}
}

func compareSkips(a, b modules.Skip) int {
	return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.Detail, b.Detail))
}
