package relay

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

const (
	// sharesEvery is how often a relay tells the others which agents have a plan.
	sharesEvery = 500 * time.Millisecond
	// shareEach is for how long a share that was written is not written again, for
	// each agent in it, and sharesMost at most: written each time, what a round
	// over many agents costs would grow with their square.
	shareEach  = 200 * time.Microsecond
	sharesMost = 2 * time.Second
	// shareLag is how long a plan that is over is watched for what other relays
	// have still to tell of it.
	shareLag = 3 * time.Second
	// earlyFor is how long what came before its plan is held. The plan was kept
	// before, so that it is on its way, or was deleted.
	earlyFor = time.Minute
)

// An early is what came of a plan before the plan: its stream is another one.
type early struct {
	since   time.Time
	shares  map[string]planShare
	answers map[message.ID]delivery
}

// waitFor gives what is held of a plan that is not here; mu is held.
func (r *Relay) waitFor(id message.ID) *early {
	e := r.early[id]
	if e == nil {
		e = &early{since: time.Now(), shares: map[string]planShare{}, answers: map[message.ID]delivery{}}
		r.early[id] = e
	}
	return e
}

// takePlan takes what any relay keeps of a plan: its record, or a relay's share.
func (r *Relay) takePlan(ctx context.Context, key string, m spineMessage) error {
	name, relay, isShare := strings.Cut(key, ".")
	id, err := signing.ParseID(name)
	switch {
	case err != nil:
		r.log.Error("a plan is left out that the spine has", "plan", key, "why", err)
		return nil
	case isShare && (m.gone() || relay == r.me && r.wrote(id)):
		return nil
	case isShare:
		var share planShare
		if err := json.Unmarshal(m.data, &share); err != nil {
			r.log.Error("a plan's share is left out that the spine has", "plan", key, "why", err)
			return nil
		}
		r.takeShare(id, relay, share)
		return nil
	case m.gone():
		r.forget(id)
		return nil
	}
	var record planRecord
	if err := json.Unmarshal(m.data, &record); err != nil {
		r.log.Error("a plan is left out that the spine has", "plan", key, "why", err)
		return nil
	}
	r.mu.Lock()
	p := r.plans[id]
	if p != nil {
		r.change(p, record, m.sequence)
	}
	r.mu.Unlock()
	if p != nil {
		return nil
	}
	return r.takeRecord(ctx, id, record, m.sequence)
}

// wrote says whether this relay's share of a plan is what it wrote, or has read
// back, itself.
func (r *Relay) wrote(id message.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.plans[id]
	return p != nil && p.shared
}

// takeRecord takes a plan that is new here, or that waits for signatures. One
// without an envelope is what a relay left that died over deleting it.
func (r *Relay) takeRecord(ctx context.Context, id message.ID, record planRecord, sequence uint64) error {
	within, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	msg, err := r.spine.sealed.GetLastMsgForSubject(within, "plan."+id.String())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p, e, err := restored(msg.Data)
	if err != nil {
		r.log.Error("a plan is left out that the spine has", "plan", id, "why", err)
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if record.Pending {
		r.pending[id] = &pendingPlan{
			envelope: msg.Data, parsed: e, submitted: record.Submitted, expires: p.payload.Expires, revision: sequence, sequence: msg.Sequence,
		}
		return nil
	}
	delete(r.pending, id)
	r.plans[id], p.taken = p, time.Now()
	r.revive(p)
	for _, agent := range record.Targeted {
		p.target(agent)
	}
	r.change(p, record, sequence)
	if held := r.early[id]; held != nil {
		delete(r.early, id)
		for relay, share := range held.shares {
			r.share(p, relay, share)
		}
		for agent, d := range held.answers {
			p.target(agent).stands(d)
		}
	}
	// Those who are here and whom the relay that took it did not know well
	// enough. An agent that it is for may be the first to say so.
	m := r.facts.matcher(p.compiled, r.now())
	for _, a := range r.agents {
		if a.session != nil && p.agents[a.id] == nil && !p.over(r.now()) && r.isFor(m, a) {
			p.appear(a.id)
		}
	}
	if !p.over(r.now()) {
		r.offerPlan(p)
	}
	return nil
}

// change takes what may change of a plan: that it was cancelled; mu is held.
func (r *Relay) change(p *investigation, record planRecord, sequence uint64) {
	record.Targeted = nil
	fresh := p.record.Cancelled.IsZero() && !record.Cancelled.IsZero()
	p.record, p.revision = record, sequence
	if !fresh {
		return
	}
	r.revive(p)
	body := message.Marshal(message.Cancel{Plan: p.id, Secret: record.Secret})
	for id, d := range p.agents {
		if a := r.agents[id]; !d.final && a != nil && a.session != nil {
			a.session.send(message.TypeCancel, body)
		}
	}
	p.notifyAll()
}

// takeShare takes what a relay adds to a plan.
func (r *Relay) takeShare(id message.ID, relay string, share planShare) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.plans[id]; p != nil {
		r.share(p, relay, share)
		return
	}
	r.waitFor(id).shares[relay] = share
}

// share adds a relay's share to a plan; mu is held.
func (r *Relay) share(p *investigation, relay string, share planShare) {
	if relay == r.me && p.shared {
		return // it is what was written from here
	}
	for _, id := range share.Targeted {
		d := p.target(id)
		if a := r.agents[id]; a != nil && !p.over(r.now()) {
			r.offer(p, d, a)
		}
	}
	for _, id := range share.Reached {
		if d := p.target(id); !d.reached {
			d.reached = true
			r.revive(p)
			p.notify(id)
		}
	}
	if relay == r.me { // of an earlier life
		p.share, p.shared = share, true
		return
	}
	if p.others == nil {
		p.others = map[string]int64{}
	}
	p.others[relay] = share.Bytes
}

// forget drops a plan that was deleted, at whichever relay.
func (r *Relay) forget(id message.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, id)
	delete(r.early, id)
	p := r.plans[id]
	if p == nil {
		return
	}
	p.gone = true
	delete(r.plans, id)
	delete(r.live, id)
	for agent, d := range p.agents {
		if a := r.agents[agent]; !d.final && a != nil && a.session != nil {
			a.session.send(message.TypeAck, message.Marshal(message.Ack{Plan: id, Gone: true}))
		}
	}
	p.notifyAll()
}

// tellShares tells the other relays which agents have which plan.
func (r *Relay) tellShares(ctx context.Context) {
	t := time.NewTicker(sharesEvery)
	defer t.Stop()
	for unkept := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			unkept = r.keepShares(ctx, r.dirty(false), unkept)
		}
	}
}

// sweep deletes what a relay left that died over deleting a plan.
func (r *Relay) sweep(ctx context.Context) {
	var left []message.ID
	r.mu.Lock()
	for id := range r.early {
		left = append(left, id)
	}
	r.mu.Unlock()
	for _, id := range left {
		if err := r.delete(ctx, id); err != nil {
			r.log.Error("what is left of a deleted plan could not be deleted", "plan", id, "why", err)
		}
	}
}

// dropEarly drops what came of plans that never came.
func (r *Relay) dropEarly() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.early {
		if time.Since(e.since) > earlyFor {
			delete(r.early, id)
		}
	}
}
