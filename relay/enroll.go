package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

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
	r.mu.Lock()
	known := r.agents[who.Agent] != nil
	if err = r.mayEnroll(&who, now); err == nil && !known {
		r.uses[who.Token]++
		r.agents[who.Agent] = &agent{id: who.Agent, member: who, record: agentRecord{Membership: q.Membership, Seen: now}}
	}
	r.mu.Unlock()
	if err != nil {
		return nil, who, false, err
	}
	if !known {
		text, err := json.Marshal(agentRecord{Membership: q.Membership, Seen: now})
		if err == nil {
			err = r.spine.put(ctx, r.spine.agents, who.Agent.String(), text)
		}
		if err != nil {
			return nil, who, false, err
		}
	}
	return cert, who, q.Chain, nil
}

// mayEnroll says whether a token lets another agent in now.
func (r *Relay) mayEnroll(who *signing.Member, now time.Time) error {
	switch {
	case r.agents[who.Agent] != nil:
		return nil // it lost its certificate
	case !now.Before(who.Expires):
		return fmt.Errorf("token %s expired at %s", who.Token, who.Expires.UTC().Format(time.RFC3339))
	case r.uses[who.Token] >= who.Uses:
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
