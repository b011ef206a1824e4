package relay

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// An answer's subject has chunks and fences. A fence is put there when an agent
// comes back: each message is stored behind the one that its relay saw last, or
// not at all, so that nothing that is still on its way from an earlier
// connection, over whichever relay, comes behind it.

// standings fences the answers that an agent has begun, and gives how far each
// is stored. What is not known here is gone only if no relay knows it.
func (r *Relay) standings(ctx context.Context, sess *agentSession, open []message.Open) ([]message.Ack, error) {
	if len(open) > maxOpen {
		return nil, fmt.Errorf("an agent with %d answers at once", len(open))
	}
	r.mu.Lock()
	unknown := slices.ContainsFunc(open, func(o message.Open) bool { return r.plans[o.Plan] == nil })
	r.mu.Unlock()
	if unknown {
		if err := r.catchUp(ctx, r.spine.plans, r.shares); err != nil {
			return nil, err
		}
	}
	out := make([]message.Ack, len(open))
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	room := make(chan struct{}, maxFencing)
	var fencing sync.WaitGroup
	for i, o := range open {
		d := r.begun(sess, o.Plan)
		if d == nil {
			out[i] = message.Ack{Plan: o.Plan, Gone: true}
			continue
		}
		room <- struct{}{} // until a fence stands, or is given up
		fencing.Go(func() {
			defer func() { <-room }()
			if err := r.fence(ctx, o.Plan, sess.agent.id, d); err != nil {
				giveUp(err)
				return
			}
			// Of an answer that is whole nothing more is wanted. An agent that was
			// killed before it heard that does not know its end, and would make
			// another.
			r.mu.Lock()
			out[i] = message.Ack{Plan: o.Plan, Next: d.next, Gone: d.final}
			r.mu.Unlock()
		})
	}
	fencing.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return out, nil
}

// maxOpen is how many answers an agent may have begun: as many as its spool holds.
// One that was refused for them would never get rid of any.
const maxOpen = 1280

// maxFencing is how many fences of one agent are put at once: each alone waits
// for the disk, behind the answers of all others, and an agent that comes back
// with a hundred answers would have hung up before the last one stood.
const maxFencing = 64

// begun gives how far the answer to a plan is that an agent has begun; nil: the
// plan is gone.
func (r *Relay) begun(sess *agentSession, plan message.ID) *delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.plans[plan]
	if p == nil {
		return nil
	}
	// It was offered, though the relay that did so may not have told yet.
	d := p.agents[sess.agent.id]
	if d == nil {
		d = p.appear(sess.agent.id)
	}
	r.reach(p, sess.agent.id) // it has begun it, and need not be offered it again
	return d
}

// fence puts a fence behind what is stored of an answer.
func (r *Relay) fence(ctx context.Context, plan, agent message.ID, d *delivery) error {
	ctx, cancel := context.WithTimeout(ctx, 2*spineTimeout)
	defer cancel()
	for {
		r.mu.Lock()
		s := *d
		r.mu.Unlock()
		if s.final {
			return nil // nothing comes behind that
		}
		msg := nats.NewMsg(subjectOf(plan, agent))
		msg.Header.Set(headerStanding, standingOf(s.next, false))
		msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(s.last, 10))
		sequence, err := r.spine.fence(ctx, msg)
		if err == nil {
			s.last = sequence
			r.mu.Lock()
			d.stands(s)
			r.mu.Unlock()
			return nil
		}
		if !isSwapped(err) {
			return err
		}
		if err := r.look(ctx, plan, agent, d); err != nil {
			return err
		}
	}
}
