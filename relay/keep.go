package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// keepNew writes an envelope and its record to the spine.
func (r *Relay) keepNew(ctx context.Context, id message.ID, envelope []byte, record planRecord) *message.Failure {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	if _, err := r.spine.js.Publish(ctx, "plan."+id.String(), envelope); err != nil {
		return storeFailure(err)
	}
	text, err := json.Marshal(record)
	if err == nil {
		err = r.spine.put(ctx, r.spine.plans, id.String(), text)
	}
	if err != nil {
		return storeFailure(err)
	}
	return nil
}

// keepPlan writes a plan's record to the spine. Records are written one after
// the other, so that none overtakes a later one, and none of a plan that was
// deleted.
func (r *Relay) keepPlan(ctx context.Context, p *investigation) error {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	r.mu.Lock()
	if p.gone {
		r.mu.Unlock()
		return nil
	}
	text, err := json.Marshal(p.record)
	p.dirty = false
	r.mu.Unlock()
	if err == nil {
		err = r.spine.put(ctx, r.spine.plans, p.id.String(), text)
	}
	if err != nil {
		r.mu.Lock()
		p.dirty = true
		r.mu.Unlock()
		r.log.Error("a plan was not kept", "plan", p.id, "why", err)
	}
	return err
}

// keepDirty writes the records that changed since they were last written.
func (r *Relay) keepDirty(ctx context.Context) {
	var dirty []*investigation
	r.mu.Lock()
	for _, p := range r.plans {
		if p.dirty {
			dirty = append(dirty, p)
		}
	}
	r.mu.Unlock()
	for _, p := range dirty {
		_ = r.keepPlan(ctx, p) // it was told, and stays dirty
	}
}

// delete forgets a plan and its answers.
func (r *Relay) delete(ctx context.Context, id message.ID) error {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	r.mu.Lock()
	delete(r.pending, id)
	if p := r.plans[id]; p != nil {
		p.gone = true
		delete(r.plans, id)
		for agent, d := range p.agents {
			if a := r.agents[agent]; !d.final && a != nil && a.session != nil {
				a.session.send(message.TypeAck, message.Marshal(message.Ack{Plan: id, Gone: true}))
			}
		}
		p.notifyAll()
	}
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	var errs []error
	errs = append(errs, r.spine.plans.Purge(ctx, id.String()))
	errs = append(errs, r.spine.answers.Purge(ctx, jetstream.WithPurgeSubject("answer."+id.String()+".*")))
	envelopes, err := r.spine.js.Stream(ctx, streamPlans)
	if err == nil {
		err = envelopes.Purge(ctx, jetstream.WithPurgeSubject("plan."+id.String()))
	}
	return errors.Join(append(errs, err)...)
}

// loadPlans reads the plans back, and how far each agent came. A record whose
// envelope is not there is what a relay left that died over deleting it.
func (r *Relay) loadPlans(ctx context.Context) error {
	stream, err := r.spine.js.Stream(ctx, streamPlans)
	if err != nil {
		return fmt.Errorf("relay: plans: %w", err)
	}
	var left []message.ID
	err = r.spine.each(ctx, r.spine.plans, func(key string, text []byte) error {
		msg, err := stream.GetLastMsgForSubject(ctx, "plan."+key)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			id, err := signing.ParseID(key)
			left = append(left, id)
			return err
		}
		if err != nil {
			return fmt.Errorf("plan %s: %w", key, err)
		}
		return r.loadPlan(ctx, msg.Data, text)
	})
	for _, id := range left {
		err = errors.Join(err, r.delete(ctx, id))
	}
	return err
}

func (r *Relay) loadPlan(ctx context.Context, envelope, record []byte) error {
	p, e, err := restored(envelope)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(record, &p.record); err != nil {
		return fmt.Errorf("plan %s: %w", p.id, err)
	}
	if p.record.Pending {
		r.pending[p.id] = &pendingPlan{envelope: envelope, parsed: e, submitted: p.record.Submitted, expires: p.payload.Expires}
		return nil
	}
	for _, id := range p.record.Targeted {
		p.agents[id] = &delivery{}
	}
	for _, id := range p.record.Reached {
		if d := p.agents[id]; d != nil {
			d.reached = true
		}
	}
	r.plans[p.id] = p
	return r.loadAnswers(ctx, p)
}

// restored makes a plan from an envelope that was verified when it came.
func restored(envelope []byte) (*investigation, *signing.Envelope, error) {
	e, err := signing.ParseEnvelope(envelope)
	if err != nil {
		return nil, nil, err
	}
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		return nil, nil, err
	}
	compiled, err := plan.Decode(payload.Compiled)
	if err != nil {
		return nil, nil, err
	}
	p := &investigation{
		id: payload.ID, envelope: envelope, sum: translog.SumOf(envelope), payload: payload, compiled: compiled,
		agents: map[message.ID]*delivery{}, watchers: map[*watcher]struct{}{},
	}
	for _, s := range e.Signatures {
		p.signers = append(p.signers, signing.Fingerprint(s.KeyID))
	}
	return p, e, nil
}

// keepHouse forgets what is too old, or too much.
func (r *Relay) keepHouse(ctx context.Context) {
	t := time.NewTicker(houseEvery)
	defer t.Stop()
	last := r.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		r.keepDirty(ctx)
		r.logPlans()
		r.logReleases()
		if now := r.now(); r.opened(last, now) {
			r.offerUpgrades()
			last = now
		}
		for _, id := range r.stale() {
			if err := r.delete(ctx, id); err != nil && ctx.Err() == nil {
				r.log.Error("an old investigation was not deleted", "plan", id, "why", err)
			}
		}
	}
}

// stale finds what is to be forgotten, and tells who watches a plan that is
// over.
func (r *Relay) stale() []message.ID {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*investigation
	var total int64
	for _, p := range r.plans {
		all = append(all, p)
		if total += p.record.Bytes; p.over(now) {
			p.notifyAll()
		}
	}
	slices.SortFunc(all, func(a, b *investigation) int { return a.record.Submitted.Compare(b.record.Submitted) })
	var out []message.ID
	for id, p := range r.pending {
		if !now.Before(p.expires) {
			out = append(out, id)
		}
	}
	timeout := r.policy.Ceilings().Timeout
	for _, p := range all {
		old := now.After(p.payload.Expires.Add(r.cfg.keepFor))
		if old || total > r.cfg.KeepSize && p.closed(now, timeout) {
			out = append(out, p.id)
			total -= p.record.Bytes
		}
	}
	return out
}
