package relay

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// agentCertificateFor is how long an agent's TLS certificate is good: it asks
// for the next one long before.
const agentCertificateFor = 90 * 24 * time.Hour

// kindEnroll is what an identity signs a certificate request as.
const kindEnroll = "enroll"

// enroll takes a new agent in: an administrator's token says that it may be,
// and its identity that it wants this TLS key.
func (r *Relay) enroll(ctx context.Context, s *transport.Stream) {
	s.SetReadDeadline(time.Now().Add(helloWithin))
	body, err := readAs(s, message.TypeEnroll)
	if err != nil {
		return
	}
	cert, who, chain, err := r.mint(ctx, body)
	if err != nil {
		r.meters.refused(refusedEnrolment)
		r.log.Info("enrolment refused", "from", s.Conn().RemoteAddr(), "why", err)
		fail(s, message.FailDenied, err.Error())
		return
	}
	r.log.Info("enrolled", "agent", who.Agent, "host", who.Hostname)
	r.mu.Lock()
	out := message.Enrolled{Certificate: cert, Policy: r.envelope}
	if chain {
		out.Chain = r.newer(0)
	}
	r.mu.Unlock()
	_ = s.WriteFrame(message.TypeEnrolled, message.Marshal(out))
	// The agent hangs up. A stream that this end closes first is kept for
	// minutes, of each of thousands that enrol at once.
	s.SetReadDeadline(time.Now().Add(lastWords))
	_, _, _ = s.ReadFrame(func(byte) int { return -1 })
	_ = s.Close()
}

// mint checks an enrolment and makes the certificate. Chain: all policies are
// wanted that lead to the one in force.
func (r *Relay) mint(ctx context.Context, body []byte) (cert []byte, who signing.Member, chain bool, err error) {
	var q message.Enroll
	if err := message.Unmarshal(body, &q); err != nil {
		return nil, who, false, err
	}
	m, err := signing.DecodeMembership(q.Membership)
	if err != nil {
		return nil, who, false, err
	}
	now := r.now()
	r.mu.Lock()
	who, err = r.policy.Member(m)
	if err == nil {
		err = r.mayEnroll(&who, now)
	}
	if err == nil && !signing.Verify(who.Public, kindEnroll, q.CSR, q.Proof) {
		err = fmt.Errorf("agent %s did not sign the request for its certificate", who.Agent)
	}
	r.mu.Unlock()
	if err != nil {
		return nil, who, false, err
	}
	cert, err = r.ca.AgentCert(q.CSR, who.Agent.String(), now, agentCertificateFor)
	if err != nil {
		return nil, who, false, err
	}
	if err := r.claim(ctx, &who, now); err != nil {
		return nil, who, false, err
	}
	a, known, err := r.enrolled(m, q.Membership, now)
	if err == nil && !known {
		err = r.keepAgent(ctx, a)
	}
	if err != nil {
		return nil, who, false, err
	}
	return cert, who, q.Chain, nil
}

// enrolled gives the agent that has enrolled, and whether it is kept already.
// The policy in force is asked: another one than let it in may be, by now.
func (r *Relay) enrolled(m *signing.Membership, text []byte, now time.Time) (a *agent, known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	who, err := r.policy.Member(m)
	if err != nil {
		return nil, false, err
	}
	if a = r.agents[who.Agent]; a == nil {
		a = &agent{id: who.Agent, member: who, record: agentRecord{Membership: text, Seen: now}}
		r.agents[who.Agent] = a
	}
	return a, a.revision > 0, nil
}

// keyUse stands before a token and an agent that enrolled by it.
const keyUse = "use"

// A tokenUse is who enrolled by a token, at whichever relay.
type tokenUse struct {
	agents map[message.ID]struct{}
	last   uint64 // the sequence of the last of them on the spine
}

// use gives who enrolled by a token; mu is held.
func (r *Relay) use(token signing.ID) *tokenUse {
	u := r.uses[token]
	if u == nil {
		u = &tokenUse{agents: map[message.ID]struct{}{}}
		r.uses[token] = u
	}
	return u
}

// takeUse takes that an agent enrolled by a token.
func (r *Relay) takeUse(key string, sequence uint64) {
	token, agent, _ := strings.Cut(key, ".")
	t, err := signing.ParseID(token)
	a, err2 := signing.ParseID(agent)
	if err != nil || err2 != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.use(t)
	u.agents[a], u.last = struct{}{}, max(u.last, sequence)
}

// claim notes that an agent enrols by its token, unless that has been used up
// by others, at whichever relay: it is noted behind the last one that was seen,
// or looked at again.
func (r *Relay) claim(ctx context.Context, who *signing.Member, now time.Time) error {
	prefix := r.spine.state.prefix + keyUse + "." + who.Token.String() + "."
	for {
		r.mu.Lock()
		err := r.mayEnroll(who, now)
		u := r.use(who.Token)
		_, claimed := u.agents[who.Agent]
		last := u.last
		r.mu.Unlock()
		if err != nil || claimed {
			return err
		}
		msg := &nats.Msg{Subject: prefix + who.Agent.String(), Data: []byte(".")}
		sequence, err := r.spine.publish(ctx, msg, jetstream.WithExpectLastSequenceForSubject(last, prefix+"*"))
		switch {
		case err == nil:
			return r.states.until(ctx, sequence)
		case !isSwapped(err):
			return err
		}
		if err := r.catchUp(ctx, r.spine.state, r.states); err != nil {
			return err
		}
	}
}

// mayEnroll says whether a token lets another agent in now; mu is held.
func (r *Relay) mayEnroll(who *signing.Member, now time.Time) error {
	u := r.use(who.Token)
	_, claimed := u.agents[who.Agent]
	switch {
	case claimed || r.agents[who.Agent] != nil:
		return nil // it lost its certificate
	case !now.Before(who.Expires):
		return fmt.Errorf("token %s expired at %s", who.Token, who.Expires.UTC().Format(time.RFC3339))
	case int64(len(u.agents)) >= int64(who.Uses):
		return fmt.Errorf("token %s was for %d agents, which have enrolled", who.Token, who.Uses)
	}
	return nil
}

// renew gives a connected agent its next certificate.
func (r *Relay) renew(s *transport.Stream, id message.ID) {
	s.SetReadDeadline(time.Now().Add(helloWithin))
	body, err := readAs(s, message.TypeEnroll)
	if err != nil {
		return
	}
	var q message.Enroll
	if err := message.Unmarshal(body, &q); err != nil {
		fail(s, message.FailBad, err.Error())
		return
	}
	r.mu.Lock()
	a := r.agents[id]
	policy := r.envelope
	r.mu.Unlock()
	switch {
	case a == nil:
		fail(s, message.FailDenied, "it is a member no more")
		return
	case !signing.Verify(a.member.Public, kindEnroll, q.CSR, q.Proof) || !bytes.Equal(q.Membership, a.record.Membership):
		fail(s, message.FailDenied, "the request is not signed by the agent's identity")
		return
	}
	cert, err := r.ca.AgentCert(q.CSR, id.String(), r.now(), agentCertificateFor)
	if err != nil {
		fail(s, message.FailBad, err.Error())
		return
	}
	_ = s.WriteFrame(message.TypeEnrolled, message.Marshal(message.Enrolled{Certificate: cert, Policy: policy}))
	_ = s.Close()
}

// firstPolicy reads the policy that Init was given.
func (c *Config) firstPolicy() ([]byte, error) {
	return os.ReadFile(filepath.Join(c.dir, filePolicy))
}
