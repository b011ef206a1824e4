package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
)

// mainsEvery is how often a plan that waits for mains looks for them.
const mainsEvery = time.Minute

// errBattery ends the waiting with the window of the plan.
var errBattery = errors.New("this host ran on its battery until the plan's window closed, and the policy has heavy scans wait for mains")

// costly says whether a plan asks for what lies inside of things, and so for
// work that grows with all there is: contents, hashes, and what costs as much.
func costly(cat *modules.Catalogue, p *plan.Plan) bool {
	return slices.ContainsFunc(slices.Concat(p.Tables, p.Subs), func(t *plan.Table) bool {
		return slices.ContainsFunc(t.Slots, func(s *plan.Slot) bool {
			schema, ok := cat.Schema(s.Module)
			return len(s.Questions) > 0 || ok && slices.ContainsFunc(s.Columns, func(name string) bool {
				i, ok := schema.Column(name)
				return ok && schema.Columns[i].Cost == modules.Scan
			})
		})
	})
}

// awaitMains waits, where the policy says so, while the machine lives on its
// battery and the plan is costly. The error is errBattery, or why ctx ended.
// Where nobody can say what the machine lives on, nothing waits.
func (a *Agent) awaitMains(ctx context.Context, r *running, p *permit) error {
	if !p.policy.Ceilings().Mains || p.plan.Watch || !costly(a.opts.Catalogue, p.plan) {
		return nil
	}
	defer a.setWaits(r, "")
	for {
		supply, err := a.runner.Supply(ctx)
		if err != nil {
			a.log.Warn("nobody can say what this machine lives on", "error", err)
		}
		if supply != sandbox.Battery || err != nil {
			return nil
		}
		left := p.payload.Expires.Sub(a.opts.Now())
		if left <= 0 {
			return errBattery
		}
		a.setWaits(r, "for mains: this machine runs on its battery")
		select {
		case <-time.After(min(left, a.mainsEvery)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// setWaits says for what a plan waits, which the status shows.
func (a *Agent) setWaits(r *running, what string) {
	a.mu.Lock()
	changed := r.waits != what
	r.waits = what
	a.mu.Unlock()
	if changed {
		a.touch()
	}
}

// enqueue gives a plan that looks once its place in the queue, when it need
// not wait for mains.
func (a *Agent) enqueue(ctx context.Context, r *running) {
	err := a.awaitMains(ctx, r, r.permit)
	if err == nil || ctx.Err() != nil { // what was cancelled ends by itself
		err = a.queue.submit(func(turn *sandbox.Turn) { a.execute(ctx, r.permit, r.out, turn) })
	}
	if err == nil {
		return
	}
	w, werr := a.newWriter(ctx, r.out, 0)
	if werr != nil {
		w = nil
	}
	a.finish(r.permit, r.out, w, answer.Summary{Outcome: answer.Refused, Reason: signing.CodeLimit + ": " + err.Error()})
}
