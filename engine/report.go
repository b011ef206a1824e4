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
	memory atomic.Int64 // held for joins, groups, order and logic
	rows   atomic.Int64

	mu      sync.Mutex
	limits  map[string]bool // the bounds that cut the answer
	outcome answer.Outcome  // Refused or Failed, else zero
	reason  string
	err     error
}

// defaultMemory bounds what one plan holds on a host, where it does not say.
const defaultMemory = 256 << 20

func newPlanRun(r *Run, i int, p *plan.Plan) *planRun {
	pr := &planRun{run: r, index: i, plan: p, limits: map[string]bool{}}
	pr.report = &report{plan: pr, looked: map[string]int64{}, skips: map[modules.SkipKind]*answer.Skipped{}}
	pr.cancel = func(error) {}
	return pr
}

// errStopped ends a plan's scans when one of its bounds is reached.
var errStopped = errors.New("engine: a bound of the plan is reached")

func (p *planRun) begin(ctx context.Context) {
	cancelTimeout := func() {}
	if t := p.plan.Limits.Timeout; t > 0 {
		ctx, cancelTimeout = context.WithTimeoutCause(ctx, t, errTimeout)
	}
	var cancel context.CancelCauseFunc
	p.ctx, cancel = context.WithCancelCause(ctx)
	p.cancel = func(err error) { cancel(err); cancelTimeout() }
}

var errTimeout = errors.New("engine: the plan's time is over")

// stop ends the plan's scans because a bound is reached.
func (p *planRun) stop(limit string) {
	p.mu.Lock()
	p.limits[limit] = true
	p.mu.Unlock()
	p.cancel(errStopped)
}

// over notes that a bound is reached, and lets the scans go on.
func (p *planRun) over(limit string) {
	p.mu.Lock()
	p.limits[limit] = true
	p.mu.Unlock()
}

// hold accounts for memory that the plan keeps. It says no when the bound is
// reached, which the summary then tells.
func (p *planRun) hold(bytes int64) bool {
	limit := p.plan.Limits.Memory
	if limit == 0 {
		limit = defaultMemory
	}
	if p.memory.Add(bytes) <= limit {
		return true
	}
	p.memory.Add(-bytes)
	p.over("memory")
	return false
}

func (p *planRun) fail(o answer.Outcome, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.outcome, p.reason, p.err = o, err.Error(), err
	}
}

// ended takes the error that a scan of the plan ended with.
func (p *planRun) ended(name string, err error) {
	if p.ctx.Err() != nil {
		switch cause := context.Cause(p.ctx); {
		case errors.Is(cause, errTimeout):
			p.over("timeout")
		case !errors.Is(cause, errStopped):
			p.over("cancelled")
		}
		return
	}
	if err != nil && !errors.Is(err, modules.ErrEnough) {
		p.fail(answer.Failed, fmt.Errorf("engine: %s: %w", name, err))
	}
}

func (p *planRun) summary() answer.Summary {
	p.report.mu.Lock()
	s := answer.Summary{Looked: maps.Clone(p.report.looked), Matched: p.rows.Load()}
	left := false
	for kind, skip := range p.report.skips {
		c := *skip
		c.First = slices.Clone(skip.First)
		slices.SortFunc(c.First, func(a, b modules.Skip) int { return cmp.Compare(a.Where, b.Where) })
		s.Skipped = append(s.Skipped, c)
		left = left || !kind.Informative()
	}
	p.report.mu.Unlock()
	slices.SortFunc(s.Skipped, func(a, b answer.Skipped) int { return cmp.Compare(a.Kind, b.Kind) })
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Limits = slices.Sorted(maps.Keys(p.limits))
	s.Reason = p.reason
	switch {
	case p.outcome != 0:
		s.Outcome = p.outcome
	case len(s.Limits) > 0:
		s.Outcome = answer.Partial
		s.Reason = joinReasons("stopped by "+strings.Join(s.Limits, ", "), p.reason)
	case left || p.reason != "":
		s.Outcome = answer.Partial
		s.Reason = joinReasons(p.reason, "not everything could be looked at")
	default:
		s.Outcome = answer.Complete
	}
	return s
}

func joinReasons(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
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
type lookupReport struct{ *tableReport }

// Skip passes on all but what was looked for and is not there.
func (r lookupReport) Skip(s modules.Skip) {
	if s.Kind != modules.SkipNotFound {
		r.tableReport.Skip(s)
	}
}

// Looked adds to what was looked at, and stops the plan where that is enough.
func (r *tableReport) Looked(kind string, n int64) {
	r.mu.Lock()
	r.looked[kind] += n
	total := r.looked[kind]
	r.mu.Unlock()
	if limit := r.plan.plan.Limits.Bytes; kind == "bytes" && limit > 0 && total >= limit {
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
	if int64(len(c.First)) < r.plan.plan.Limits.Errors {
		c.First = append(c.First, s)
	}
}
