package relay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Bounds of plans.
const (
	maxPlans   = 10_000 // that are kept
	maxPending = 1_000  // that wait for signatures
	houseEvery = 2 * time.Second
)

// A planRecord is what the spine keeps of a plan beside its envelope.
type planRecord struct {
	Submitted time.Time `json:"submitted"`
	Pending   bool      `json:"pending,omitempty"` // it waits for signatures
	Cancelled time.Time `json:"cancelled,omitzero"`
	Secret    []byte    `json:"secret,omitempty"` // with which it was cancelled
	// Targeted are the agents that the plan was for when it was submitted.
	Targeted []message.ID `json:"targeted"`
}

// A planShare is what one relay adds to it: each writes its own alone.
type planShare struct {
	Targeted []message.ID `json:"targeted"` // agents that it is for, and that appeared here later
	Reached  []message.ID `json:"reached"`  // those that said here that they have it
	Bytes    int64        `json:"bytes"`    // of answers that were stored from here
}

// An investigation is a plan that was accepted. Relay.mu guards it.
type investigation struct {
	id       message.ID
	record   planRecord       // but for Targeted
	revision uint64           // of the record on the spine
	share    planShare        // this relay's
	shared   bool             // it was written, or read back
	told     time.Time        // when it was written, by this machine's own time
	others   map[string]int64 // the bytes of the other relays' shares
	envelope []byte           // shared by everyone that it is sent to
	sum      translog.Sum
	payload  *signing.PlanPayload
	compiled *plan.Plan
	signers  []signing.Fingerprint
	agents   map[message.ID]*delivery
	watchers map[*watcher]struct{}
	gone     bool      // it was deleted
	waits    bool      // somebody would have been offered it, but for the log
	dirty    bool      // the share is not as the spine has it
	taken    time.Time // when this relay learned of it, by this machine's own time
}

// A delivery is how far one agent has come with one plan.
type delivery struct {
	sent    *agentSession // over which connection; nil: none
	reached bool
	next    uint32 // chunks stored
	last    uint64 // the sequence on the spine of the last chunk, or fence
	flying  bool   // the spine was given a chunk, and has not said anything yet
	bytes   int64  // that came since the relay was started
	final   bool
}

// A pendingPlan waits for signatures.
type pendingPlan struct {
	envelope  []byte
	parsed    *signing.Envelope
	submitted time.Time
	expires   time.Time
	revision  uint64 // of the record on the spine
	sequence  uint64 // of the envelope there
}

// over says whether a plan takes no further agent.
func (p *investigation) over(now time.Time) bool {
	return p.gone || !p.record.Cancelled.IsZero() || !now.Before(p.payload.Expires)
}

// graceOfCancel is how long the last chunks of agents that were told to stop
// are waited for.
const graceOfCancel = 30 * time.Second

// closed says whether nothing more will come: the plan is over, and the agents
// that had begun it have ended or had their time.
func (p *investigation) closed(now time.Time, timeout time.Duration) bool {
	if p.gone || !p.over(now) {
		return p.gone
	}
	end := p.payload.Expires.Add(timeout)
	if c := p.record.Cancelled; !c.IsZero() {
		end = c.Add(graceOfCancel)
	}
	if now.After(end) {
		return true
	}
	if len(p.others) > 0 && now.Before(p.endedAt().Add(shareLag)) {
		return false // others may not have told yet who has it
	}
	return !p.busy()
}

// endedAt says since when a plan takes no further agent.
func (p *investigation) endedAt() time.Time {
	if c := p.record.Cancelled; !c.IsZero() && c.Before(p.payload.Expires) {
		return c
	}
	return p.payload.Expires
}

// bytes is how many bytes of answers are stored.
func (p *investigation) bytes() int64 {
	n := p.share.Bytes
	for _, b := range p.others {
		n += b
	}
	return n
}

// stored is how many chunks of all agents are stored.
func (p *investigation) stored() (n uint64) {
	for _, d := range p.agents {
		n += uint64(d.next)
	}
	return n
}

// means says whether a plan is for an agent.
func (r *Relay) means(p *investigation, a *agent) bool {
	return r.isFor(r.facts.matcher(p.compiled, r.now()), a)
}

// isFor is means for many agents, which share the matcher. Of an agent that has
// told no facts yet a target says nothing, but a plan for all is for it.
func (r *Relay) isFor(m *matcher, a *agent) bool {
	p := m.plan
	switch p.Source {
	case "fleet":
	case "host":
		hostname, _ := r.facts.get(a.facts, "hostname")
		name := hostname.RawText()
		if !slices.ContainsFunc(p.Hosts, func(h string) bool { return strings.EqualFold(h, name) || h == a.id.String() }) {
			return false
		}
	case "hits", "misses":
		// Which of them it was, only the agent knows.
		if !slices.ContainsFunc(p.Hosts, func(h string) bool { return r.answered(h, a.id) }) {
			return false
		}
	default:
		return false
	}
	return p.Target == nil || a.facts != nil && m.meets(a.facts, a.record.Software)
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

// revive has agents that come be told of a plan, until nobody has to be: while it
// takes agents, and after it was cancelled while one that has it has not ended.
// There are ten thousand plans that are kept, and few of those. mu is held.
func (r *Relay) revive(p *investigation) { r.live[p.id] = p }

// retire is the end of that, for all plans of which nobody has to hear; mu is
// held.
func (r *Relay) retire() {
	now := r.now()
	for id, p := range r.live {
		if p.over(now) && (p.gone || p.record.Secret == nil || !p.busy()) {
			delete(r.live, id)
		}
	}
}

// busy says whether an agent has a plan and has not ended.
func (p *investigation) busy() bool {
	for _, d := range p.agents {
		if d.reached && !d.final {
			return true
		}
	}
	return false
}

// offerAll offers an agent every plan that is for it and that it has not
// begun, and tells it which of those that it has were cancelled.
func (r *Relay) offerAll(a *agent) {
	now := r.now()
	for _, p := range r.live {
		d := p.agents[a.id]
		switch {
		case d != nil && d.final:
		case p.over(now):
			if d != nil && d.reached {
				a.session.tellCancelled(p)
			}
		case d == nil && !r.means(p, a):
		default:
			if d == nil {
				d = p.appear(a.id)
			}
			r.offer(p, d, a)
		}
	}
}

// target adds an agent to those that a plan is for, if it is not there.
func (p *investigation) target(id message.ID) *delivery {
	d := p.agents[id]
	if d == nil {
		d = &delivery{}
		p.agents[id] = d
		p.notify(id)
	}
	return d
}

// appear is target for an agent of this relay, which tells the others.
func (p *investigation) appear(id message.ID) *delivery {
	p.share.Targeted, p.dirty = append(p.share.Targeted, id), true
	return p.target(id)
}

// reach notes that an agent of this relay has said that it has a plan.
func (r *Relay) reach(p *investigation, id message.ID) {
	r.revive(p)
	if d := p.agents[id]; d != nil && !d.reached {
		d.reached = true
		p.share.Reached, p.dirty = append(p.share.Reached, id), true
		p.notify(id)
	}
}

// presence tells who watches that an agent came or went.
func (r *Relay) presence(a *agent) {
	for p := range r.followed {
		if p.agents[a.id] != nil {
			p.notify(a.id)
		}
	}
}

// submit admits a plan: everything that an agent would refuse for, and that
// can be seen from here, is refused here.
func (r *Relay) submit(ctx context.Context, envelope []byte, mayWait bool) (message.Submitted, *message.Failure) {
	if len(envelope) > MaxEnvelope {
		return message.Submitted{}, &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("a plan of %d bytes; this relay takes %d", len(envelope), MaxEnvelope)}
	}
	e, err := signing.ParseEnvelope(envelope)
	if err != nil {
		return message.Submitted{}, &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	p, refusal := r.accept(e, envelope)
	if refusal != nil {
		if refusal.Code == message.FailPending && mayWait {
			return r.wait(ctx, e, envelope, refusal)
		}
		return message.Submitted{}, refusal
	}
	out := message.Submitted{Plan: p.id}
	r.mu.Lock()
	if len(r.plans) >= maxPlans {
		r.mu.Unlock()
		return out, &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("there are %d investigations; delete some", maxPlans)}
	}
	m := r.facts.matcher(p.compiled, r.now())
	for _, a := range r.agents {
		if !r.isFor(m, a) {
			continue
		}
		p.record.Targeted = append(p.record.Targeted, a.id)
		if a.online() {
			out.Online++
		} else {
			out.Offline++
		}
	}
	r.mu.Unlock()
	if f := r.keepNew(ctx, p.id, envelope, p.record); f != nil {
		return out, f
	}
	r.mu.Lock()
	p = r.plans[p.id]
	r.mu.Unlock()
	if p == nil {
		return out, nil // it was deleted at once
	}
	if err := r.logPlan(ctx, p); err != nil {
		r.mu.Lock()
		p.waits = true // it is tried again, and offered to nobody before
		r.mu.Unlock()
		return out, storeFailure(err)
	}
	r.meters.plans.Inc()
	r.offerNew(ctx, p, &out)
	return out, nil
}

func storeFailure(err error) *message.Failure {
	return &message.Failure{Code: message.FailStore, Reason: "it could not be kept: " + err.Error()}
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
		id: v.Payload().ID, envelope: envelope, sum: translog.SumOf(envelope), payload: v.Payload(), compiled: compiled, signers: v.Signers(),
		record: planRecord{Submitted: r.now()},
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

// wait keeps a plan that needs further signatures. The same plan with further
// signatures takes the place of the one with fewer.
func (r *Relay) wait(ctx context.Context, e *signing.Envelope, envelope []byte, why *message.Failure) (message.Submitted, *message.Failure) {
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		return message.Submitted{}, &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	r.mu.Lock()
	old, n := r.pending[payload.ID], len(r.pending)
	for _, s := range e.Signatures {
		if _, ok := r.policy.Investigator(signing.Fingerprint(s.KeyID)); !ok {
			r.mu.Unlock()
			return message.Submitted{}, &message.Failure{Code: message.FailDenied, Reason: fmt.Sprintf("key %s, which signed it, is no investigator's", s.KeyID)}
		}
	}
	r.mu.Unlock()
	switch {
	case old == nil && n >= maxPending:
		return message.Submitted{}, &message.Failure{Code: message.FailLimit, Reason: fmt.Sprintf("%d plans wait for signatures already", maxPending)}
	case old != nil && !bytes.Equal(old.parsed.Payload, e.Payload):
		return message.Submitted{}, &message.Failure{Code: message.FailExists, Reason: fmt.Sprintf("another plan waits under the name %s", payload.ID)}
	case old != nil && !adds(old.parsed, e):
		return message.Submitted{}, why
	}
	if f := r.keepNew(ctx, payload.ID, envelope, planRecord{Submitted: r.now(), Pending: true}); f != nil {
		return message.Submitted{}, f
	}
	return message.Submitted{Plan: payload.ID, Pending: true}, nil
}

// adds says whether an envelope has all signatures of another, and more.
func adds(old, e *signing.Envelope) bool {
	for _, s := range old.Signatures {
		if !slices.ContainsFunc(e.Signatures, func(x signing.Signature) bool { return bytes.Equal(x.Sig, s.Sig) }) {
			return false
		}
	}
	return len(e.Signatures) > len(old.Signatures)
}

// cancel ends a plan for whoever knows its secret, at all relays.
func (r *Relay) cancel(ctx context.Context, c message.Cancel) *message.Failure {
	for {
		r.mu.Lock()
		p := r.plans[c.Plan]
		if p == nil {
			r.mu.Unlock()
			return &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("there is no investigation %s", c.Plan)}
		}
		done := !p.record.Cancelled.IsZero()
		r.mu.Unlock()
		digest := sha256.Sum256(c.Secret)
		if subtle.ConstantTimeCompare(digest[:], p.payload.Cancel) != 1 {
			return &message.Failure{Code: message.FailDenied, Reason: "the secret does not cancel this plan"}
		}
		if done {
			return nil
		}
		text, revision, err := r.spine.plans.get(ctx, c.Plan.String())
		var record planRecord
		if err == nil {
			err = json.Unmarshal(text, &record)
		}
		if err == nil && record.Cancelled.IsZero() {
			record.Cancelled, record.Secret = r.now(), c.Secret
			if text, err = json.Marshal(record); err == nil {
				revision, err = r.spine.plans.swap(ctx, c.Plan.String(), text, revision)
			}
		}
		switch {
		case err == nil:
			err = r.shares.until(ctx, revision)
		case errors.Is(err, errSwapped), errors.Is(err, jetstream.ErrKeyNotFound):
			err = r.catchUp(ctx, r.spine.plans, r.shares)
		}
		if err != nil {
			return storeFailure(err)
		}
	}
}
