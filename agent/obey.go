package agent

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// obeyedAfter is how long an agent waits for further policies before it tells
// the relay which one it obeys: who catches up takes several.
const obeyedAfter = time.Second

// takePolicy takes a policy from a relay: the next one is obeyed from now on,
// and anything else is refused and noted. A relay hands those that an agent
// missed in order, and each is a step that the one before allows.
//
// It says whether the relay sent it in vain.
func (a *Agent) takePolicy(raw []byte) (vain bool) {
	next, err := a.acceptPolicy(raw)
	if err != nil {
		code, reason := refusalOf(err)
		a.log.Error("policy refused", "code", code, "reason", reason)
		if a.offered.note(translog.SumOf(raw)) {
			return true // it is in the journal
		}
		if err := a.journal.Refuse(journal.Entry{At: a.opts.Now(), Verdict: journal.Refused, Code: signing.CodePolicy, Reason: "a policy: " + reason}); err != nil {
			a.log.Error("the journal cannot be written", "error", err)
		}
		return true
	}
	if next == nil {
		return true
	}
	if err := a.obey(next); err != nil {
		a.log.Error("policy not obeyed", "error", err)
		return false
	}
	a.log.Info("policy in force", "version", next.Version())
	return false
}

// acceptPolicy verifies a policy and keeps it; nil for the one in force.
func (a *Agent) acceptPolicy(raw []byte) (*signing.Policy, error) {
	env, err := signing.ParseEnvelope(raw)
	if err != nil {
		return nil, err
	}
	now := a.opts.Now()
	if err := a.journal.Clock(now); err != nil {
		return nil, err
	}
	current := a.Policy()
	next, err := current.Accept(env, now)
	if err != nil {
		return nil, err
	}
	if next.Version() == current.Version() {
		return nil, nil
	}
	return next, wholefile.Keep(a.path(policyFile), 0o600, raw)
}

// obey takes a policy that was verified.
func (a *Agent) obey(p *signing.Policy) error {
	m, err := signing.DecodeMembership(a.chain)
	if err != nil {
		return fmt.Errorf("%s: %w", membershipFile, err)
	}
	if m.AgentID() != a.id.ID() {
		return fmt.Errorf("%s: it is the chain of agent %s, and this is %s", membershipFile, m.AgentID(), a.id.ID())
	}
	self, outcast := p.Member(m)
	a.mu.Lock()
	a.policy, a.self, a.outcast = p, self, outcast
	a.state.Policy = p.Version()
	a.mu.Unlock()
	if outcast != nil {
		a.log.Error("the policy takes this agent for no member: it answers nothing", "error", outcast)
		a.noteOutcast(outcast)
	}
	a.queue.resize(int(min(int64(a.conf.Concurrent), max(1, p.Ceilings().Concurrent))))
	a.endForbidden(p)
	if outcast != nil && slices.Contains(p.Wiped(), a.id.ID()) {
		if err := a.retire(p); err != nil {
			return fmt.Errorf("this agent is to remove its keys: %w", err)
		}
	}
	a.touch()
	select {
	case a.obeyed <- struct{}{}:
	default:
	}
	return nil
}

// noteOutcast has the history say why nothing is answered any more. At the
// start it is there already.
func (a *Agent) noteOutcast(why error) {
	if a.journal == nil {
		return
	}
	e := journal.Entry{At: a.opts.Now(), Verdict: journal.Refused, Code: signing.CodePolicy, Reason: "from now on nothing is answered: " + why.Error()}
	if err := a.journal.Refuse(e); err != nil {
		a.log.Error("the journal cannot be written", "error", err)
	}
}

// endForbidden ends the plans that run, wait or stand and that a new policy
// would not let begin: who asked may ask no more, or not that. What was found
// until then has left; nothing further does. A plan that stands takes the limits
// that it left open from the new policy at its next round; one that looks once has
// those of the old one, and ends where they are more than may be asked for now.
func (a *Agent) endForbidden(p *signing.Policy) {
	a.mu.Lock()
	running := make([]*running, 0, len(a.running))
	for _, r := range a.running {
		running = append(running, r)
	}
	a.mu.Unlock()
	for _, r := range running {
		err := p.StillVerified(r.permit.verified, a.opts.Now())
		if err == nil {
			err = a.stillAllowed(p, r.permit)
		}
		if err == nil {
			err = a.checkMember()
		}
		if err != nil {
			sum := ended(err)
			a.log.Warn("plan ended", "plan", r.permit.payload.ID, "reason", sum.Reason)
			r.cancel(errors.New(sum.Reason))
		}
	}
}

// stillAllowed is checkAllowed for a plan that was permitted, by another policy.
func (a *Agent) stillAllowed(policy *signing.Policy, was *permit) error {
	asks := was.plan
	if asks.Standing() {
		var err error
		if asks, err = checkPlan(was.payload); err != nil {
			return err
		}
	}
	return a.checkAllowed(&permit{policy: policy, plan: asks}, was.verified)
}
