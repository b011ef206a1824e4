package relay

import (
	"context"
	"runtime"
	"slices"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// offer sends a plan to an agent that is connected and has not said that it
// has it, once over each connection.
func (r *Relay) offer(p *investigation, d *delivery, a *agent) {
	if a.session == nil || !a.session.greeted || d.sent == a.session || d.reached {
		return
	}
	if !r.mayOffer(p) {
		p.waits = true
		return
	}
	d.sent = a.session
	a.session.sendDue(message.TypePlan, p.envelope, p.dueFor(a.session))
}

// offerNew offers a plan to those that it is for, as soon as the log allows.
func (r *Relay) offerNew(ctx context.Context, p *investigation, out *message.Submitted) {
	r.mu.Lock()
	rule := r.policy.Log()
	r.mu.Unlock()
	if rule != nil && rule.Required {
		r.ledger.wait(ctx, p.sum, true)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.mayOffer(p) {
		out.Waits = r.ledger.missing()
	}
	r.offerPlan(p)
}

// offerAtOnce is to how many agents a plan is offered before others may have
// the relay's lock: each frame wakes a writer, and behind ten thousand of them
// whoever needs the lock would wait for seconds.
const offerAtOnce = 256

// offerPlan offers a plan to those of its agents who are here, to all but the
// first of many a little later; mu is held.
func (r *Relay) offerPlan(p *investigation) {
	var later []message.ID
	offered := 0
	for id, d := range p.agents {
		a := r.agents[id]
		switch {
		case a == nil || a.session == nil:
		case offered < offerAtOnce:
			r.offer(p, d, a)
			offered++
		default:
			later = append(later, id)
		}
	}
	if len(later) > 0 {
		r.wg.Go(func() { r.offerLater(p, later) })
	}
}

// offerLater offers a plan to further agents, unless it is over by then. Who
// came meanwhile was offered it when he came.
func (r *Relay) offerLater(p *investigation, agents []message.ID) {
	for some := range slices.Chunk(agents, offerAtOnce) {
		runtime.Gosched()
		r.mu.Lock()
		if r.plans[p.id] != p || p.over(r.now()) || r.life.Err() != nil {
			r.mu.Unlock()
			return
		}
		for _, id := range some {
			if a, d := r.agents[id], p.agents[id]; a != nil && d != nil {
				r.offer(p, d, a)
			}
		}
		r.mu.Unlock()
	}
}
