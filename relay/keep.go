package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// keepNew writes an envelope and its record to the spine, and returns when this
// relay knows of it. Of several relays that take the same plan at once one does.
func (r *Relay) keepNew(ctx context.Context, id message.ID, envelope []byte, record planRecord) *message.Failure {
	r.mu.Lock()
	var sequence, revision uint64
	if waits := r.pending[id]; waits != nil {
		sequence, revision = waits.sequence, waits.revision
	}
	r.mu.Unlock()
	err := r.keepEnvelope(ctx, id, envelope, sequence)
	if err == nil {
		var text []byte
		if text, err = json.Marshal(record); err == nil {
			revision, err = r.spine.plans.swap(ctx, id.String(), text, revision)
		}
	}
	if err == nil {
		err = r.shares.until(ctx, revision)
	}
	switch {
	case errors.Is(err, errSwapped):
		return &message.Failure{Code: message.FailExists, Reason: fmt.Sprintf("plan %s was submitted already", id)}
	case err != nil:
		return storeFailure(err)
	}
	return nil
}

// keepEnvelope writes an envelope in the place of the one that has a sequence;
// 0 is none. One without a record is what a relay left that died over it, and
// is written over.
func (r *Relay) keepEnvelope(ctx context.Context, id message.ID, envelope []byte, sequence uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 2*spineTimeout)
	defer cancel()
	for {
		msg := &nats.Msg{Subject: "plan." + id.String(), Data: envelope}
		_, err := r.spine.publish(ctx, msg, jetstream.WithExpectLastSequencePerSubject(sequence))
		if !isSwapped(err) {
			return err
		}
		have, err := r.spine.sealed.GetLastMsgForSubject(ctx, msg.Subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			sequence = 0
			continue
		case err != nil:
			return err
		case bytes.Equal(have.Data, envelope):
			return nil
		}
		if err := r.catchUp(ctx, r.spine.plans, r.shares); err != nil {
			return err
		}
		r.mu.Lock()
		known := r.plans[id] != nil || r.pending[id] != nil
		r.mu.Unlock()
		if known {
			return errSwapped
		}
		sequence = have.Sequence
	}
}

// keepShare writes this relay's share of a plan to the spine. Shares are
// written one after the other, so that none overtakes a later one, and none of
// a plan that was deleted.
func (r *Relay) keepShare(ctx context.Context, p *investigation) error {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	r.mu.Lock()
	if p.gone {
		r.mu.Unlock()
		return nil
	}
	share := p.share // what is in it is added to, and never changed
	p.dirty, p.shared, p.told = false, true, time.Now()
	r.mu.Unlock()
	text, err := json.Marshal(share)
	if err == nil {
		_, err = r.spine.plans.put(ctx, p.id.String()+"."+r.me, text)
	}
	if err != nil {
		r.mu.Lock()
		p.dirty = true
		r.mu.Unlock()
	}
	return err
}

// dirty gives the plans whose shares changed since they were last written: all,
// or those whose turn it is. Of one that is over the others wait to hear.
func (r *Relay) dirty(all bool) (dirty []*investigation) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.plans {
		if p.dirty && (all || p.over(now) || time.Since(p.told) >= p.share.pause()) {
			dirty = append(dirty, p)
		}
	}
	return dirty
}

// pause is for how long a share that was written is not written again.
func (s *planShare) pause() time.Duration {
	return min(time.Duration(len(s.Targeted)+len(s.Reached))*shareEach, sharesMost)
}

// keepShares writes the shares of plans. It is told whether it could not the
// time before, and says whether it can.
func (r *Relay) keepShares(ctx context.Context, of []*investigation, unkept bool) bool {
	for _, p := range of {
		if err := r.keepShare(ctx, p); err != nil {
			if ctx.Err() == nil && !unkept {
				r.log.Error("it is not kept which agents have a plan", "plan", p.id, "why", err)
			}
			return true
		}
	}
	return false
}

// delete forgets a plan and its answers, at all relays.
func (r *Relay) delete(ctx context.Context, id message.ID) error {
	r.keeping.Lock()
	defer r.keeping.Unlock()
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	key := id.String()
	// The record comes first: without it there is no plan, whatever is left.
	// Servers that are choosing who leads are asked again.
	if err := patiently(ctx, func(ctx context.Context) error { return r.spine.plans.Purge(ctx, key) }); err != nil {
		return err
	}
	r.forget(id)
	return errors.Join(
		purge(ctx, r.spine.plans.stream, r.spine.plans.prefix+key+".*"),
		purge(ctx, r.spine.answers, "answer."+key+".*"),
		purge(ctx, r.spine.sealed, "plan."+key),
	)
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
		r.logPlans()
		r.logReleases()
		if now := r.now(); r.opened(last, now) {
			r.offerUpgrades()
			last = now
		}
		r.dropEarly()
		for _, id := range r.stale() {
			if err := r.delete(ctx, id); err != nil && ctx.Err() == nil {
				r.log.Error("an old investigation was not deleted", "plan", id, "why", err)
			}
		}
	}
}

// stale finds what is to be forgotten, and of which plans agents have to hear no
// more, and tells who watches a plan that is over.
func (r *Relay) stale() []message.ID {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*investigation
	var total int64
	for _, p := range r.plans {
		all = append(all, p)
		if total += p.bytes(); p.over(now) {
			p.notifyAll()
		} else {
			r.revive(p) // whatever the clock said before
		}
	}
	r.retire()
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
			total -= p.bytes()
		}
	}
	return out
}

// purge removes what a stream has of a subject.
func purge(ctx context.Context, from stream, subject string) error {
	return patiently(ctx, func(ctx context.Context) error { return from.Purge(ctx, jetstream.WithPurgeSubject(subject)) })
}
