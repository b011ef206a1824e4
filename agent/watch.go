package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// firstAccount is how long a plan that watches is given before its first
// account: until then most directories are watched.
const firstAccount = 5 * time.Second

// policyEvery is how often a plan that watches looks whether another policy is
// in force.
const policyEvery = time.Minute

// errPolicy ends a watching that another policy may not allow, or not so.
var errPolicy = errors.New("another policy is in force")

// watch tells of changes until the plan's window ends, or it is cancelled. It
// takes no place in the queue: most of the time it waits. When the agent
// stops, a later life goes on, and says from when to when nobody watched.
func (a *Agent) watch(ctx context.Context, s *standing) {
	if s.resumed {
		s.gap = fmt.Sprintf("changes from %s to %s were not seen: the agent was not running", stamp(s.left()), stamp(a.opts.Now()))
	}
	a.setResting(s.running, true) // it keeps no one from leaving
	sum, again := a.watchRun(ctx, s)
	for again {
		if err := a.permitAgain(s); err != nil {
			sum = ended(err)
			break
		}
		why := errPolicy.Error()
		if sum.Outcome == answer.Failed {
			why = sum.Reason
		}
		s.gap = join(s.gap, "changes at "+stamp(a.opts.Now())+" may not have been seen: "+why)
		sum, again = a.watchRun(ctx, s)
	}
	if errors.Is(context.Cause(ctx), errStopped) {
		_ = s.w.stop() // what was not sealed was not seen
		s.began = a.opts.Now()
		a.keepRound(s)
		return
	}
	sum = summarize(ctx, sum, s.w)
	a.endStanding(s.running, s.w, s.accountOf(sum))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// left gives when an earlier life watched last.
func (s *standing) left() time.Time {
	if s.began.IsZero() {
		return s.out.head.Made
	}
	return s.began
}

// watchRun hands changes on as they come, and an account now and then. Again:
// it ended because another policy is in force, or what watched died.
func (a *Agent) watchRun(ctx context.Context, s *standing) (sum answer.Summary, again bool) {
	defer func() {
		if v := recover(); v != nil {
			a.log.Error("a plan panicked", "plan", s.permit.payload.ID, "panic", v)
			sum = answer.Summary{Outcome: answer.Failed, Reason: fmt.Sprintf("a fault of the agent: %v", v)}
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := s.permit
	if left := p.payload.Expires.Sub(a.opts.Now()); p.plan.Limits.Timeout == 0 || p.plan.Limits.Timeout > left {
		p.plan.Limits.Timeout = max(left, time.Nanosecond) // the good end of watching
	}
	run, deaths := a.scan(ctx, p, &sandbox.Turn{}), a.journal.Deaths(p.payload.ID)
	done, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		a.tellAccounts(s, run, done, cancel)
	}()
	defer func() { close(done); <-told }()
	for row, err := range run.Rows() {
		if err != nil {
			break // the summary tells it
		}
		if err := s.w.row(row.Table, row.Values); err != nil {
			cancel(err)
			break
		}
	}
	sum, now := run.Summary(), a.journal.Deaths(p.payload.ID)
	return sum, errors.Is(context.Cause(ctx), errPolicy) || now > deaths && now < sandbox.MaxDeaths
}

// tellAccounts says from time to time how the watching goes, so that silence is
// told from quiet.
func (a *Agent) tellAccounts(s *standing, run sandbox.Scan, done <-chan struct{}, cancel context.CancelCauseFunc) {
	t, look := time.NewTimer(firstAccount), time.NewTicker(policyEvery)
	defer t.Stop()
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case <-look.C:
			if a.Policy().Version() != s.permit.policy.Version() {
				cancel(errPolicy)
			}
			continue
		case <-t.C:
		}
		t.Reset(plan.WatchAccount)
		s.number++
		s.began = a.opts.Now()
		if err := s.w.round(s.accountOf(run.Summary())); err != nil {
			return // the next row meets it
		}
		a.keepRound(s)
	}
}

// accountOf adds what the engine cannot know.
func (s *standing) accountOf(sum answer.Summary) answer.Summary {
	sum.Round, sum.At = max(s.number, 1), s.began.UTC()
	if s.began.IsZero() {
		sum.At = s.started.UTC()
	}
	if s.gap != "" {
		if sum.Outcome == answer.Complete {
			sum.Outcome = answer.Partial
		}
		sum.Reason = join(sum.Reason, s.gap)
	}
	return sum
}
