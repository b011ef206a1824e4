package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/value"
)

// A permit says that a plan may run here, now, once. The gate alone makes one,
// and execute takes nothing else; the zero permit is refused there.
type permit struct {
	sum      translog.Sum // of the envelope
	verified signing.Verified
	payload  *signing.PlanPayload
	plan     *plan.Plan
	policy   *signing.Policy
	facts    plan.Facts
	proof    []byte            // that the plan is in the log, where the policy asks for that
	own      map[string]string // bounds that are this host's own: see hold
}

// An arrival is an envelope as it came, with its sum, which is computed once.
type arrival struct {
	raw []byte
	sum translog.Sum
}

func arrived(raw []byte) arrival { return arrival{raw, translog.SumOf(raw)} }

// limit gives the plan its limits.
func (p *permit) limit(c config) {
	setLimits(p.plan, p.policy.Ceilings())
	p.own = c.hold(p.plan)
}

// admit is the gate: it decides about what a relay calls a plan. The checks
// stand in the order of docs/threat-model.md, and the first that fails ends it.
// What is permitted is in the journal when admit returns, and does not pass a
// second time. The error is a *signing.Refusal.
func (a *Agent) admit(ctx context.Context, in arrival) (*permit, error) {
	p := &permit{policy: a.Policy(), sum: in.sum}
	env, err := checkStructure(in.raw)
	if err != nil {
		return nil, err
	}
	verified, err := a.checkSigned(p.policy, env)
	if err != nil {
		return nil, err
	}
	p.verified, p.payload = verified, verified.Payload()
	if p.plan, err = checkPlan(p.payload); err != nil {
		return nil, err
	}
	if err := a.checkAllowed(p, verified); err != nil {
		return nil, err
	}
	p.limit(a.conf)
	_ = a.check.wait(ctx) // whom it finds unfit ends
	p.facts = a.ownFacts()
	p.facts["last_seen"] = value.NewTime(a.opts.Now())
	if err := a.checkSource(ctx, p); err != nil {
		return nil, err
	}
	if err := a.checkTarget(ctx, p); err != nil {
		return nil, err
	}
	if err := a.checkMember(); err != nil {
		return nil, err
	}
	if err := a.checkLogged(ctx, p); err != nil {
		return nil, err
	}
	if err := a.checkOnce(verified, p.proof); err != nil {
		return nil, err
	}
	return p, nil
}

// checkStructure: what came is an envelope, within the bounds of one.
func checkStructure(raw []byte) (*signing.Envelope, error) {
	env, err := signing.ParseEnvelope(raw)
	if err != nil {
		return nil, refusal(signing.CodeMalformed, "no envelope: %w", err)
	}
	return env, nil
}

// checkSigned: type and version are known, the fleet is ours, the window is
// open, the plan is not in the journal, the clock was not set back, signatures
// count, and they weigh enough for every module.
func (a *Agent) checkSigned(p *signing.Policy, env *signing.Envelope) (signing.Verified, error) {
	now := a.opts.Now()
	var clock error
	verified, err := p.Verify(env, signing.VerifyOptions{At: now, Seen: func(id signing.ID) error {
		if a.journal.Seen(id) {
			return errors.New("it is in the journal")
		}
		clock = a.journal.Clock(now)
		return clock
	}})
	if clock != nil {
		return verified, refusal(signing.CodeClock, "this machine's clock cannot be trusted: %w", clock)
	}
	return verified, err
}

// checkPlan: the compiled plan can be read.
func checkPlan(payload *signing.PlanPayload) (*plan.Plan, error) {
	p, err := plan.Decode(payload.Compiled)
	if err != nil {
		return nil, refusal(signing.CodeMalformed, "the compiled plan: %w", err)
	}
	return p, nil
}

// checkAllowed: the plan says truly what it needs, this agent has the modules,
// and the policy allows the columns, the paths and the limits.
func (a *Agent) checkAllowed(p *permit, verified signing.Verified) error {
	needs, err := engine.NeedsOf(a.opts.Catalogue, p.plan)
	if err != nil {
		return refusal(signing.CodeType, "this agent, version %s, cannot run it: %w", a.opts.Software, err)
	}
	l := p.plan.Limits
	if err := a.checkHeld(l); err != nil {
		return err
	}
	return p.policy.Permit(verified, signing.Needs{
		Modules: needs.Modules, Content: needs.Content, Named: needs.Sends, FollowLinks: needs.FollowLinks, Paths: true,
		Timeout: l.Timeout, Rows: l.Rows, Bytes: l.Sent, Memory: l.Memory, Workers: l.Workers, CPU: l.CPU,
		Read: l.Bytes, Files: l.OpenFiles, IO: int64(l.IO),
		Every: p.plan.Every, Watch: p.plan.Watch,
	})
}

// checkSource: what stands after FROM means this machine.
func (a *Agent) checkSource(ctx context.Context, p *permit) error {
	switch p.plan.Source {
	case "fleet":
		return nil
	case "host":
		return a.checkNamed(ctx, p.plan.Hosts)
	case "hits", "misses":
		return a.checkEarlier(p.plan)
	}
	return refusal(signing.CodeTarget, "the plan is FROM %s, and agents answer FROM fleet, host, hits and misses", p.plan.Source)
}

// checkNamed: one of the names is this machine's, or the agent's ID.
func (a *Agent) checkNamed(ctx context.Context, hosts []string) error {
	facts, err := a.runner.Facts(ctx)
	if err != nil {
		return refusal(signing.CodeTarget, "this machine's name cannot be told: %w", err)
	}
	name, id := "", a.id.ID().String()
	if v := facts["hostname"]; v.Type() == value.Text {
		name = v.Text()
	}
	if slices.ContainsFunc(hosts, func(h string) bool {
		return name != "" && strings.EqualFold(h, name) || strings.EqualFold(h, id)
	}) {
		return nil
	}
	return refusal(signing.CodeTarget, "the plan is for other hosts: this is %q, agent %s", name, id)
}

// checkEarlier: an earlier plan matched here, or looked at everything and did
// not. The journal knows, and nobody else is asked.
func (a *Agent) checkEarlier(p *plan.Plan) error {
	if len(p.Hosts) != 1 {
		return refusal(signing.CodeMalformed, "FROM %s names %d plans", p.Source, len(p.Hosts))
	}
	earlier, err := signing.ParseID(p.Hosts[0])
	if err != nil {
		return refusal(signing.CodeTarget, "FROM %s names no plan: %w", p.Source, err)
	}
	end, known := a.journal.Ended(earlier)
	switch {
	case !known:
		return refusal(signing.CodeTarget, "plan %s did not run here to its end", earlier)
	case end.Outcome == journal.Unknown:
		return refusal(signing.CodeTarget, "how plan %s ended here is not known, which makes it neither hit nor miss", earlier)
	case !end.Matched && end.Outcome != answer.Complete.String():
		return refusal(signing.CodeTarget, "plan %s did not look at everything here, and found nothing in the rest: its outcome was %q, which makes it neither hit nor miss", earlier, end.Outcome)
	case end.Matched != (p.Source == "hits"):
		return refusal(signing.CodeTarget, "plan %s is none of this host's %s", earlier, p.Source)
	}
	return nil
}

// checkTarget: the target is true of this machine as it is now.
func (a *Agent) checkTarget(ctx context.Context, p *permit) error {
	truth, err := a.runner.Matches(ctx, p.plan, p.facts)
	switch {
	case err != nil:
		return refusal(signing.CodeTarget, "the target: %w", err)
	case truth == value.False:
		return refusal(signing.CodeTarget, "the target is not true of this host")
	case truth != value.True:
		return refusal(signing.CodeTarget, "whether the target is true of this host cannot be told from its facts")
	}
	return nil
}

// checkMember: the policy takes this agent for one of the fleet. Nobody would
// believe its answer else.
func (a *Agent) checkMember() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.outcast != nil {
		return refusal(signing.CodePolicy, "this agent is no member of the fleet: %w", a.outcast)
	}
	return nil
}

// checkOnce: the plan is in the journal now, for good, and was not before.
func (a *Agent) checkOnce(verified signing.Verified, proof []byte) error {
	payload := verified.Payload()
	e := journal.Entry{
		Plan: payload.ID, At: a.opts.Now(), Expires: payload.Expires, Query: payload.Query, Purpose: payload.Purpose,
		Proof: proof,
	}
	for _, f := range verified.Signers() {
		e.Signers = append(e.Signers, string(f))
	}
	err := a.journal.Begin(e)
	if errors.Is(err, journal.ErrSeen) {
		return refusal(signing.CodeSeen, "plan %s ran here already: %w", payload.ID, err)
	}
	if err == nil {
		err = a.journal.Sync()
	}
	if err != nil {
		return refusal(signing.CodePolicy, "the journal of this host cannot be written, and nothing runs that is not in it: %w", err)
	}
	return nil
}

func refusal(code, format string, args ...any) error {
	return &signing.Refusal{Code: code, Reason: fmt.Errorf(format, args...).Error()}
}

// refusalOf gives code and reason of what the gate said.
func refusalOf(err error) (code, reason string) {
	var r *signing.Refusal
	if errors.As(err, &r) {
		return r.Code, r.Reason
	}
	return signing.CodeMalformed, err.Error()
}

// offers remembers the latest envelopes that were refused, so that a relay
// that repeats itself is not answered again and again.
type offers struct {
	mu   sync.Mutex
	seen map[translog.Sum]bool
	ring [maxOffers]translog.Sum
	next int
}

const maxOffers = 1024

// again says whether an envelope was refused before.
func (o *offers) again(sum translog.Sum) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[sum]
}

// note notes that an envelope is refused, and says whether it was before.
func (o *offers) note(sum translog.Sum) (again bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[sum] {
		return true
	}
	if o.seen == nil {
		o.seen = map[translog.Sum]bool{}
	}
	delete(o.seen, o.ring[o.next])
	o.ring[o.next] = sum
	o.seen[sum] = true
	o.next = (o.next + 1) % maxOffers
	return false
}
