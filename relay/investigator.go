package relay

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Bounds of what investigators may do.
const (
	// proofWithin leaves time to find a smartcard.
	proofWithin   = 2 * time.Minute
	requestWithin = time.Minute
	challengeLen  = 32
	// maxStrangers submit plans at once, of whom nothing is known but what
	// they hand in.
	maxStrangers = 2
)

// serveInvestigator serves a connection whose first stream is a proof.
func (r *Relay) serveInvestigator(ctx context.Context, c *transport.Conn, s *transport.Stream) {
	who, err := r.authenticate(c, s)
	if err != nil {
		r.meters.refused(refusedInvestigator)
		r.log.Info("investigator refused", "from", c.RemoteAddr(), "why", err)
		fail(s, message.FailDenied, err.Error())
		return
	}
	r.mu.Lock()
	granted := message.Granted{Relay: r.cfg.Name, Time: r.now(), Policy: r.envelope}
	r.mu.Unlock()
	if s.WriteFrame(message.TypeGranted, message.Marshal(granted)) != nil {
		return
	}
	_ = s.Close()
	var streams sync.WaitGroup
	defer streams.Wait()
	defer c.Close()
	for {
		stream, err := c.Accept(ctx)
		if err != nil {
			return
		}
		if stream.Kind() != message.KindRequest {
			fail(stream, message.FailBad, fmt.Sprintf("an investigator opens no stream of kind %.32q", stream.Kind()))
			continue
		}
		streams.Go(func() {
			defer stream.Close()
			r.request(ctx, stream, who)
		})
	}
}

// serveStranger takes one plan from somebody who proves nothing: the plan's own
// signatures say whether it is good, as they do to agents.
func (r *Relay) serveStranger(ctx context.Context, s *transport.Stream) {
	if !r.strangers.TryAcquire(1) {
		fail(s, message.FailLimit, fmt.Sprintf("%d others hand in plans at this moment; try again", maxStrangers))
		return
	}
	s.SetReadDeadline(time.Now().Add(requestWithin))
	failure := r.doSubmit(ctx, s, false)
	r.strangers.Release(1) // before the end is told, so that the next one finds a place
	if failure != nil {
		r.log.Info("plan of a stranger refused", "why", failure.Reason)
		fail(s, failure.Code, failure.Reason)
		return
	}
	_ = s.WriteFrame(message.TypeEnd, nil)
	_ = s.Close()
}

// authenticate asks for a signature that is good for this connection alone.
func (r *Relay) authenticate(c *transport.Conn, s *transport.Stream) (signing.Principal, error) {
	challenge := make([]byte, challengeLen)
	if _, err := rand.Read(challenge); err != nil {
		return signing.Principal{}, err
	}
	exported, err := c.Export(message.AuthLabel, 32)
	if err != nil {
		return signing.Principal{}, err
	}
	if err := s.WriteFrame(message.TypeChallenge, challenge); err != nil {
		return signing.Principal{}, err
	}
	s.SetReadDeadline(time.Now().Add(proofWithin))
	body, err := readAs(s, message.TypeProof)
	if err != nil {
		return signing.Principal{}, err
	}
	s.SetReadDeadline(time.Time{})
	var proof message.Proof
	if err := message.Unmarshal(body, &proof); err != nil {
		return signing.Principal{}, err
	}
	f, err := signing.ParseFingerprint(proof.Fingerprint)
	if err != nil {
		return signing.Principal{}, err
	}
	r.mu.Lock()
	policy := r.policy
	r.mu.Unlock()
	return policy.Authenticate(f, message.AuthMessage(challenge, exported), proof.Signature, r.now())
}

// request does one thing for an investigator.
func (r *Relay) request(ctx context.Context, s *transport.Stream, who signing.Principal) {
	s.SetReadDeadline(time.Now().Add(requestWithin))
	body, err := readAs(s, message.TypeRequest)
	if err != nil {
		return
	}
	if !r.still(who) {
		fail(s, message.FailDenied, fmt.Sprintf("%q is in the policy no more", who.Name))
		return
	}
	var q message.Request
	if err := message.Unmarshal(body, &q); err != nil {
		fail(s, message.FailBad, err.Error())
		return
	}
	var failure *message.Failure
	switch q.Op {
	case message.OpSubmit:
		failure = r.doSubmit(ctx, s, true)
	case message.OpFollow:
		failure = r.follow(ctx, s, q, who)
	case message.OpCancel:
		failure = r.doCancel(ctx, s)
	case message.OpDelete:
		failure = r.doDelete(ctx, q.Plan, who)
	case message.OpList:
		failure = r.list(s)
	case message.OpPending:
		failure = r.listPending(s)
	case message.OpFleet:
		failure = r.fleet(s)
	case message.OpPolicy:
		r.policies(s, q.After)
	case message.OpLogHead, message.OpLogTile, message.OpLogEnvelope:
		failure = r.doLog(ctx, s, q)
	case message.OpRelease:
		failure = r.doRelease(ctx, s)
	case message.OpRollOut:
		failure = r.doRollOut(ctx, s)
	case message.OpReleases:
		failure = r.listReleases(s)
	case message.OpWithdraw:
		failure = r.withdraw(ctx, q.Release, who)
	case message.OpPublish:
		failure = r.publish(ctx, s)
	default:
		failure = &message.Failure{Code: message.FailBad, Reason: fmt.Sprintf("there is no request %.32q", q.Op)}
	}
	if failure != nil {
		fail(s, failure.Code, failure.Reason)
		return
	}
	_ = s.WriteFrame(message.TypeEnd, nil)
}

// still says whether the policy in force names somebody.
func (r *Relay) still(who signing.Principal) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names(who)
}

// names is still where mu is held.
func (r *Relay) names(who signing.Principal) bool {
	_, asks := r.policy.Investigator(who.Key.Fingerprint())
	_, decides := r.policy.Administrator(who.Key.Fingerprint())
	return asks || decides
}

// take reads what follows a request.
func take(s *transport.Stream, t message.Type) ([]byte, *message.Failure) {
	body, err := readAs(s, t)
	if err != nil {
		return nil, &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	return body, nil
}

// doSubmit takes a plan. What lacks signatures waits for them where mayWait
// says so: a stranger fills no list of those that wait.
func (r *Relay) doSubmit(ctx context.Context, s *transport.Stream, mayWait bool) *message.Failure {
	envelope, failure := take(s, message.TypeEnvelope)
	if failure != nil {
		return failure
	}
	out, failure := r.submit(ctx, envelope, mayWait)
	if failure != nil {
		r.meters.refused(refusedPlan)
		return failure
	}
	_ = s.WriteFrame(message.TypeResult, message.Marshal(out))
	return nil
}

func (r *Relay) doCancel(ctx context.Context, s *transport.Stream) *message.Failure {
	body, failure := take(s, message.TypeCancel)
	if failure != nil {
		return failure
	}
	var c message.Cancel
	if err := message.Unmarshal(body, &c); err != nil {
		return &message.Failure{Code: message.FailBad, Reason: err.Error()}
	}
	return r.cancel(ctx, c)
}

// doDelete forgets an investigation for one of its signers, or an
// administrator.
func (r *Relay) doDelete(ctx context.Context, id message.ID, who signing.Principal) *message.Failure {
	r.mu.Lock()
	p := r.plans[id]
	pending := r.pending[id]
	_, isAdmin := r.policy.Administrator(who.Key.Fingerprint())
	r.mu.Unlock()
	switch {
	case p == nil && pending == nil:
		return &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("there is no investigation %s", id)}
	case p == nil && !isAdmin && !slices.ContainsFunc(pending.parsed.Signatures, func(s signing.Signature) bool { return s.KeyID == string(who.Key.Fingerprint()) }):
		return &message.Failure{Code: message.FailDenied, Reason: fmt.Sprintf("plan %s is that of others: who signed it and administrators delete it", id)}
	case p != nil && !isAdmin && !slices.Contains(p.signers, who.Key.Fingerprint()):
		return &message.Failure{Code: message.FailDenied, Reason: fmt.Sprintf("investigation %s is that of others: its signers and administrators delete it", id)}
	}
	if err := r.delete(ctx, id); err != nil {
		return &message.Failure{Code: message.FailStore, Reason: err.Error()}
	}
	return nil
}

// list sends all investigations, the latest first.
func (r *Relay) list(s *transport.Stream) *message.Failure {
	r.mu.Lock()
	var all []message.Investigation
	for _, p := range r.plans {
		i := message.Investigation{
			Plan: p.id, Envelope: p.envelope, Submitted: p.record.Submitted, Expires: p.payload.Expires,
			Agents: len(p.agents), Bytes: p.bytes(), Cancelled: !p.record.Cancelled.IsZero(),
		}
		for _, d := range p.agents {
			if d.reached {
				i.Reached++
			}
			if d.final {
				i.Done++
			}
		}
		all = append(all, i)
	}
	r.mu.Unlock()
	return sendItems(s, all)
}

func (r *Relay) listPending(s *transport.Stream) *message.Failure {
	r.mu.Lock()
	var all []message.Investigation
	for id, p := range r.pending {
		all = append(all, message.Investigation{Plan: id, Envelope: p.envelope, Submitted: p.submitted, Expires: p.expires})
	}
	r.mu.Unlock()
	return sendItems(s, all)
}

func sendItems(s *transport.Stream, all []message.Investigation) *message.Failure {
	slices.SortFunc(all, func(a, b message.Investigation) int { return b.Submitted.Compare(a.Submitted) })
	for _, i := range all {
		if err := s.WriteFrame(message.TypeItem, message.Marshal(i)); err != nil {
			return nil
		}
	}
	return nil
}

// fleet sends all agents.
func (r *Relay) fleet(s *transport.Stream) *message.Failure {
	r.mu.Lock()
	all := make([]message.Agent, 0, len(r.agents))
	for _, a := range r.agents {
		all = append(all, a.described())
	}
	r.mu.Unlock()
	for _, a := range all {
		if err := s.WriteFrame(message.TypeAgent, a.Append(nil)); err != nil {
			return nil
		}
	}
	return nil
}
