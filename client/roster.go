package client

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// verified is what came of verifying an agent's membership and facts: it holds
// for the same bytes under the same policy and rules, and for nothing else. It is kept
// beside them, as the policy itself is, in a folder that is its owner's alone.
type verified struct {
	Policy []byte // as sumUnder gives it
	Public ed25519.PublicKey
	Host   string
	Token  signing.ID
	Uses   int
}

// recognise gives what is known of an agent that a relay names, where nothing
// about it has changed since it was verified; else it verifies, and remembers.
// The error says why it is no agent.
func (h *Home) recognise(m message.Agent, policy *signing.Policy, now time.Time) (*verified, error) {
	sum := h.sumOf(policy)
	m.Facts = h.latest(m, now)
	if v := h.unchanged(m, sum, now); v != nil {
		return v, nil
	}
	d := describe(m, policy)
	if d.Problem != nil {
		return nil, d.Problem
	}
	v := &verified{Policy: sum, Public: d.Member.Public, Host: hostOrID(d), Token: d.Member.Token, Uses: d.Member.Uses}
	h.saw(m, v, now)
	return v, nil
}

// unchanged gives what was verified of an agent, if it says the same.
func (h *Home) unchanged(m message.Agent, policy []byte, now time.Time) *verified {
	h.mu.Lock()
	defer h.mu.Unlock()
	have, ok := h.roster[m.Agent]
	switch {
	case !ok || have.By == nil || !bytes.Equal(have.By.Policy, policy):
		return nil
	case !bytes.Equal(have.Membership, m.Membership) || !bytes.Equal(have.Facts, m.Facts):
		return nil
	case signing.IDOf(have.By.Public) != m.Agent:
		return nil // nobody writes that here
	}
	if now.Sub(have.Seen) > freshness {
		have.Seen = now
		h.roster[m.Agent], h.changed = have, true
	}
	return have.By
}

// verifyRules is the version of the rules by which agents are verified. Whoever
// changes what describe, or what it calls of package signing, takes for an agent
// adds one: what older rules let pass is then verified anew, and not believed
// because an older program did.
const verifyRules = 1

// sumUnder gives the SHA-256 of what verifying depends on beside the agent: the
// version of the rules and the policy's text.
func sumUnder(rules int, policy *signing.Policy) []byte {
	sum := sha256.Sum256(append(fmt.Appendf(nil, "rules %d\n", rules), policy.Text()...))
	return sum[:]
}

// sumOf gives sumUnder of a policy and the rules of this program. There is one
// policy in force, and many agents.
func (h *Home) sumOf(policy *signing.Policy) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.summed != policy {
		h.summed, h.sum = policy, sumUnder(verifyRules, policy)
	}
	return h.sum
}

// latest gives the later of the facts that a relay shows of an agent and those
// that are known of it: by older ones, or none, a relay could make it one that
// no target means, or show its rows under a name that it has no more. Facts that
// a wrong clock dates into the future outdo no others.
func (h *Home) latest(m message.Agent, now time.Time) []byte {
	h.mu.Lock()
	have := h.roster[m.Agent].Facts
	h.mu.Unlock()
	if bytes.Equal(m.Facts, have) {
		return m.Facts
	}
	shown, then := said(m.Facts), said(have)
	if len(m.Facts) > 0 && shown.IsZero() || !then.After(shown) || then.After(now.Add(signing.Leeway)) {
		return m.Facts // what is no statement at all is for whoever verifies it
	}
	return have
}

// saw remembers an agent whose chain and facts were verified. What is kept is
// no part of the relay's message, which may be larger.
func (h *Home) saw(a message.Agent, v *verified, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	have, ok := h.roster[a.Agent]
	if !ok && len(h.roster) >= maxRoster {
		return
	}
	same := ok && bytes.Equal(a.Facts, have.Facts) && bytes.Equal(a.Membership, have.Membership) && v.equal(have.By)
	if !same || at.Sub(have.Seen) > freshness {
		h.roster[a.Agent], h.changed = known{Membership: bytes.Clone(a.Membership), Facts: bytes.Clone(a.Facts), Seen: at, By: v}, true
	}
}

func (v *verified) equal(o *verified) bool {
	return v == o || v != nil && o != nil && v.Host == o.Host && bytes.Equal(v.Policy, o.Policy)
}

// freshness is how exactly it is remembered when an agent was seen.
const freshness = time.Hour

// said gives when an agent stated its facts; zero for none.
func said(facts []byte) time.Time {
	st, err := signing.DecodeStatement(facts)
	if err != nil {
		return time.Time{}
	}
	return st.At
}
