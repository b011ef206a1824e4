package relay

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of plans.
const (
	maxPlans   = 10_000 // that are kept
	maxPending = 1_000  // that wait for signatures
	houseEvery = 10 * time.Second
)

// A planRecord is what the spine keeps of a plan beside its envelope.
type planRecord struct {
	Submitted time.Time `json:"submitted"`
	Cancelled bool      `json:"cancelled"`
	// Targeted are the agents that the plan was for when it was submitted or
	// when they appeared.
	Targeted []message.ID `json:"targeted"`
}

// An investigation is a plan that was accepted. Relay.mu guards it.
type investigation struct {
	id       message.ID
	record   planRecord
	envelope []byte // shared by everyone that it is sent to
	payload  *signing.PlanPayload
	compiled *plan.Plan
	signers  []signing.Fingerprint
	agents   map[message.ID]*delivery
	bytes    int64 // of answers, stored
	watchers map[*watcher]struct{}
	gone     bool // it was deleted
}

// A delivery is how far one agent has come with one plan.
type delivery struct {
	sent    bool // over the present connection
	reached bool
	next    uint32 // chunks stored
	ahead   uint32 // chunks handed to the spine; not below next
	bytes   int64
	final   bool
}

// A pendingPlan waits for signatures.
type pendingPlan struct {
	envelope  []byte
	submitted time.Time
	expires   time.Time
}

// over says whether a plan takes no further agent.
func (p *investigation) over(now time.Time) bool {
	return p.gone || p.record.Cancelled || !now.Before(p.payload.Expires)
}

// means says whether a plan is for an agent.
func (r *Relay) means(p *investigation, a *agent) bool {
	switch p.compiled.Source {
	case "fleet":
	case "host":
		name := a.facts["hostname"].RawText()
		if !slices.ContainsFunc(p.compiled.Hosts, func(h string) bool { return strings.EqualFold(h, name) || h == a.id.String() }) {
			return false
		}
	case "hits", "misses":
		// Which of them it was, only the agent knows.
		if !slices.ContainsFunc(p.compiled.Hosts, func(h string) bool { return r.answered(h, a.id) }) {
			return false
		}
	default:
		return false
	}
	facts := maps.Clone(a.facts)
	facts["last_seen"] = value.NewTime(r.now())
	facts["agent_version"] = value.NewVersion(a.record.Software, value.Semver)
	truth, err := p.compiled.Meets(facts, r.now())
	return err == nil && truth == value.True
}

// answered says whether an agent answered an earlier plan.
func (r *Relay) answered(earlier string, id message.ID) bool {
	e, err := signing.ParseID(earlier)
	if err != nil || r.plans[e] == nil {
		return false
	}
	d := r.plans[e].agents[id]
	return d != nil && d.final
}

// offerAll offers an agent every plan that is for it and that it has not
// begun, and tells it which of those that it has were cancelled.
func (r *Relay) offerAll(a *agent) {
	now := r.now()
	for _, p := range r.plans {
		d := p.agents[a.id]
		switch {
		case d != nil && d.final:
		case p.over(now):
			if d != nil && d.reached && p.record.Cancelled {
				a.session.send(message.TypeCancel, message.Marshal(message.Cancel{Plan: p.id}))
			}
		case d == nil && !r.means(p, a):
		default:
			if d == nil {
				d = p.target(a.id)
				r.wg.Go(func() { r.keepPlan(context.Background(), p) })
			}
			d.sent = false
			r.offer(p, d, a)
		}
	}
}

// target adds an agent to those that a plan is for.
func (p *investigation) target(id message.ID) *delivery {
	d := &delivery{}
	p.agents[id] = d
	p.record.Targeted = append(p.record.Targeted, id)
	p.notify(id)
	return d
}

// offer sends a plan to an agent that is connected.
func (r *Relay) offer(p *investigation, d *delivery, a *agent) {
	if a.session == nil || d.sent {
		return
	}
	d.sent = true
	a.session.send(message.TypePlan, p.envelope)
}

// presence tells who watches that an agent came or went.
func (r *Relay) presence(a *agent) {
	for _, p := range r.plans {
		if len(p.watchers) > 0 && p.agents[a.id] != nil {
			p.notify(a.id)
		}
	}
}

// submit admits a plan: everything that an agent would refuse for, and that
// can be seen from here, is refused here.
func (r *Relay) submit(ctx context.Context, envelope []byte) (message.Submitted, *message.Failure) {
	if len(envelope) > MaxEnvelope {
		return message.Submitted{}, &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("a plan of %d bytes; this relay takes %d", len(envelope), MaxEnvelope)}
	}
	e, err := signing.ParseEnvelope(envelope)
	if err != nil {
		return message.Submitted{}, &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	p, refusal := r.accept(e, envelope)
	if refusal != nil {
		if refusal.Code == message.FailPending {
			return r.wait(e, envelope, refusal)
		}
		return message.Submitted{}, refusal
	}
	if _, err := r.spine.js.Publish(ctx, "plan."+p.id.String(), envelope); err != nil {
		return message.Submitted{}, &message.Failure{Code: message.FailStore, Reason: "the plan could not be kept: " + err.Error()}
	}
	out := message.Submitted{Plan: p.id}
	r.mu.Lock()
	switch {
	case r.plans[p.id] != nil:
		r.mu.Unlock()
		return out, &message.Failure{Code: message.FailExists, Reason: fmt.Sprintf("plan %s was submitted already", p.id)}
	case len(r.plans) >= maxPlans:
		r.mu.Unlock()
		return out, &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("there are %d investigations; delete some", maxPlans)}
	}
	r.plans[p.id] = p
	delete(r.pending, p.id)
	for _, a := range r.agents {
		if a.facts == nil || !r.means(p, a) {
			continue
		}
		if p.target(a.id); a.session != nil {
			out.Online++
		} else {
			out.Offline++
		}
	}
	r.mu.Unlock()
	if err := r.keepPlan(ctx, p); err != nil {
		return out, &message.Failure{Code: message.FailStore, Reason: "the plan could not be kept: " + err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, d := range p.agents {
		r.offer(p, d, r.agents[id])
	}
	return out, nil
}

// accept checks a plan that was handed in.
func (r *Relay) accept(e *signing.Envelope, envelope []byte) (*investigation, *message.Failure) {
	r.mu.Lock()
	policy := r.policy
	r.mu.Unlock()
	v, err := policy.Verify(e, signing.VerifyOptions{At: r.now(), Seen: func(id signing.ID) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.plans[id] != nil {
			return errors.New("it was submitted already")
		}
		return nil
	}})
	if err != nil {
		return nil, failureOf(err)
	}
	compiled, err := plan.Decode(v.Payload().Compiled)
	if err != nil {
		return nil, &message.Failure{Code: message.FailBad, Reason: "the compiled plan: " + err.Error()}
	}
	return &investigation{
		id: v.Payload().ID, envelope: envelope, payload: v.Payload(), compiled: compiled, signers: v.Signers(),
		record: planRecord{Submitted: r.now()}, agents: map[message.ID]*delivery{}, watchers: map[*watcher]struct{}{},
	}, nil
}

// failureOf gives what an investigator is told of a refusal.
func failureOf(err error) *message.Failure {
	code := message.FailDenied
	var refusal *signing.Refusal
	if errors.As(err, &refusal) {
		switch refusal.Code {
		case signing.CodeWeight:
			code = message.FailPending
		case signing.CodeSeen:
			code = message.FailExists
		case signing.CodeWindow:
			code = message.FailExpired
		case signing.CodeMalformed, signing.CodeType:
			code = message.FailBad
		}
	}
	return &message.Failure{Code: code, Reason: err.Error()}
}

// wait keeps a plan that needs further signatures. One with more signatures
// takes the place of one with fewer.
func (r *Relay) wait(e *signing.Envelope, envelope []byte, why *message.Failure) (message.Submitted, *message.Failure) {
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		return message.Submitted{}, &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.pending[payload.ID]; old != nil {
		if o, err := signing.ParseEnvelope(old.envelope); err == nil && len(o.Signatures) >= len(e.Signatures) {
			return message.Submitted{}, why
		}
	} else if len(r.pending) >= maxPending {
		return message.Submitted{}, &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("%d plans wait for signatures already", maxPending)}
	}
	r.pending[payload.ID] = &pendingPlan{envelope: envelope, submitted: r.now(), expires: payload.Expires}
	return message.Submitted{Plan: payload.ID, Pending: true}, nil
}

func (r *Relay) keepPlan(ctx context.Context, p *investigation) error {
	r.mu.Lock()
	text, err := json.Marshal(p.record)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if err := r.spine.put(ctx, r.spine.plans, p.id.String(), text); err != nil {
		r.log.Error("a plan was not kept", "plan", p.id, "why", err)
		return err
	}
	return nil
}

// cancel ends a plan for whoever knows its secret.
func (r *Relay) cancel(ctx context.Context, c message.Cancel) *message.Failure {
	r.mu.Lock()
	p := r.plans[c.Plan]
	if p == nil {
		r.mu.Unlock()
		return &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("there is no investigation %s", c.Plan)}
	}
	digest := sha256.Sum256(c.Secret)
	if subtle.ConstantTimeCompare(digest[:], p.payload.Cancel) != 1 {
		r.mu.Unlock()
		return &message.Failure{Code: message.FailDenied, Reason: "the secret does not cancel this plan"}
	}
	p.record.Cancelled = true
	body := message.Marshal(c)
	for id, d := range p.agents {
		if a := r.agents[id]; !d.final && a != nil && a.session != nil {
			a.session.send(message.TypeCancel, body)
		}
	}
	p.notifyAll()
	r.mu.Unlock()
	if err := r.keepPlan(ctx, p); err != nil {
		return &message.Failure{Code: message.FailStore, Reason: err.Error()}
	}
	return nil
}

// delete forgets a plan and its answers.
func (r *Relay) delete(ctx context.Context, id message.ID) error {
	r.mu.Lock()
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

// loadPlans reads the plans back, and how far each agent came.
func (r *Relay) loadPlans(ctx context.Context) error {
	stream, err := r.spine.js.Stream(ctx, streamPlans)
	if err != nil {
		return fmt.Errorf("relay: plans: %w", err)
	}
	return r.spine.each(ctx, r.spine.plans, func(key string, text []byte) error {
		msg, err := stream.GetLastMsgForSubject(ctx, "plan."+key)
		if err != nil {
			return fmt.Errorf("plan %s: %w", key, err)
		}
		p, err := restored(msg.Data)
		if err != nil {
			return fmt.Errorf("plan %s: %w", key, err)
		}
		if err := json.Unmarshal(text, &p.record); err != nil {
			return fmt.Errorf("plan %s: %w", key, err)
		}
		for _, id := range p.record.Targeted {
			p.agents[id] = &delivery{}
		}
		r.plans[p.id] = p
		return r.loadAnswers(ctx, p)
	})
}

// restored makes a plan from an envelope that was verified when it came.
func restored(envelope []byte) (*investigation, error) {
	e, err := signing.ParseEnvelope(envelope)
	if err != nil {
		return nil, err
	}
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		return nil, err
	}
	compiled, err := plan.Decode(payload.Compiled)
	if err != nil {
		return nil, err
	}
	p := &investigation{
		id: payload.ID, envelope: envelope, payload: payload, compiled: compiled,
		agents: map[message.ID]*delivery{}, watchers: map[*watcher]struct{}{},
	}
	for _, s := range e.Signatures {
		p.signers = append(p.signers, signing.Fingerprint(s.KeyID))
	}
	return p, nil
}

// keepHouse forgets what is too old, or too much.
func (r *Relay) keepHouse(ctx context.Context) {
	t := time.NewTicker(houseEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
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
		if total += p.bytes; p.over(now) {
			p.notifyAll()
		}
	}
	for id, p := range r.pending {
		if !now.Before(p.expires) {
			delete(r.pending, id)
		}
	}
	slices.SortFunc(all, func(a, b *investigation) int { return a.record.Submitted.Compare(b.record.Submitted) })
	var out []message.ID
	for _, p := range all {
		old := now.After(p.payload.Expires.Add(r.cfg.keepFor))
		if old || total > r.cfg.KeepSize {
			out = append(out, p.id)
			total -= p.bytes
		}
	}
	return out
}
