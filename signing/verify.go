package signing

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Verified plan may be looked at further: only Policy.Verify makes one, and
// the zero value holds nothing.
type Verified struct {
	payload *PlanPayload
	signers []Fingerprint
	weight  int
}

// Payload gives the plan, nil for the zero value. It must not be changed.
func (v Verified) Payload() *PlanPayload { return v.payload }

// Signers lists the primary keys whose signatures counted.
func (v Verified) Signers() []Fingerprint { return slices.Clone(v.signers) }

// Weight is what the signers weigh together.
func (v Verified) Weight() int { return v.weight }

// VerifyOptions say what Verify needs to know.
type VerifyOptions struct {
	At time.Time // now
	// Seen says, with an error, that a plan ran already; nil asks nobody.
	Seen func(ID) error
}

// Verify decides whether a plan may be looked at, in this order: it can be
// read, is of a known type and version, of this fleet, within its window, was
// not seen before, signatures count, and they weigh enough for every module.
// The first that fails ends it. The error is a Refusal.
//
// A signature that does not count is as good as none: it takes nothing from
// the others.
func (p *Policy) Verify(e *Envelope, o VerifyOptions) (Verified, error) {
	plan, err := readPlan(e)
	if err != nil {
		return Verified{}, err
	}
	if plan.Fleet != p.fleet {
		return Verified{}, refuse(CodeFleet, "the plan is for fleet %s, and this is fleet %s", plan.Fleet, p.fleet)
	}
	if err := p.checkWindow(plan, o.At); err != nil {
		return Verified{}, err
	}
	if o.Seen != nil {
		if err := o.Seen(plan.ID); err != nil {
			return Verified{}, refuse(CodeSeen, "plan %s ran here already: %w", plan.ID, err)
		}
	}
	b := ballot{
		principals: p.investigators, role: fmt.Sprintf("an investigator of policy version %d", p.version), at: o.At,
		after: plan.Planned.Add(-Leeway), before: plan.Expires,
	}
	signers := b.count(e)
	if len(signers) == 0 {
		if len(b.faults) == 0 {
			b.fault("there is no signature")
		}
		return Verified{}, refuse(CodeSignature, "nobody's signature of plan %s counts%s", plan.ID, b.why())
	}
	v := Verified{payload: plan}
	for _, s := range signers {
		v.signers = append(v.signers, s.Key.Fingerprint())
		v.weight += s.Weight
	}
	if err := p.checkWeight(plan, signers, v.weight); err != nil {
		err.Reason += b.why()
		return Verified{}, err
	}
	return v, nil
}

// StillVerified decides about a plan that an earlier policy verified, and that
// runs: its signers are investigators of this policy, with keys that are good
// now, and weigh enough. The error is a Refusal.
func (p *Policy) StillVerified(v Verified, at time.Time) error {
	if v.payload == nil {
		return refuse(CodeMalformed, "the plan was not verified")
	}
	if v.payload.Fleet != p.fleet {
		return refuse(CodeFleet, "the plan is for fleet %s, and this is fleet %s", v.payload.Fleet, p.fleet)
	}
	b := ballot{}
	var signers []Principal
	weight := 0
	for _, f := range v.signers {
		q, ok := p.Investigator(f)
		if !ok {
			b.fault("key %s is no investigator's of policy version %d", f, p.version)
			continue
		}
		if err := q.Key.Usable(at); err != nil {
			b.fault("%q: %v", q.Name, err)
			continue
		}
		signers, weight = append(signers, q), weight+q.Weight
	}
	if len(signers) == 0 {
		return refuse(CodeSignature, "nobody's signature of plan %s counts any more%s", v.payload.ID, b.why())
	}
	if err := p.checkWeight(v.payload, signers, weight); err != nil {
		err.Reason += b.why()
		return err
	}
	return nil
}

func readPlan(e *Envelope) (*PlanPayload, error) {
	if e.PayloadType != TypePlan {
		return nil, refuse(CodeType, "no plan but %q", e.PayloadType)
	}
	plan, err := DecodePlanPayload(e.Payload)
	if errors.Is(err, errVersion) {
		return nil, refuse(CodeType, "%w", err)
	}
	if err != nil {
		return nil, refuse(CodeMalformed, "%w", err)
	}
	return plan, nil
}

// checkWindow gives no leeway at the end: a journal forgets plans from then on.
func (p *Policy) checkWindow(plan *PlanPayload, at time.Time) error {
	switch open := plan.Expires.Sub(plan.NotBefore); {
	case open > p.ceilings.Window:
		return refuse(CodeWindow, "the plan may run for %s, from %s to %s, and the policy allows %s",
			open, stamp(plan.NotBefore), stamp(plan.Expires), p.ceilings.Window)
	case at.Add(Leeway).Before(plan.NotBefore):
		return refuse(CodeWindow, "the plan may not run before %s, and it is %s", stamp(plan.NotBefore), stamp(at))
	case !at.Before(plan.Expires):
		return refuse(CodeWindow, "the plan expired at %s, and it is %s", stamp(plan.Expires), stamp(at))
	case at.Add(Leeway).Before(plan.Planned):
		return refuse(CodeWindow, "the plan says that it was made at %s, and it is %s", stamp(plan.Planned), stamp(at))
	}
	return nil
}

// checkWeight names the first module whose rule asks for more, what is missing,
// and who could give it.
func (p *Policy) checkWeight(plan *PlanPayload, signers []Principal, weight int) *Refusal {
	for _, m := range plan.Modules {
		need, what := p.weightOf(plan, m)
		if weight >= need {
			continue
		}
		var others []string
		for _, q := range p.investigators {
			if _, signed := find(signers, string(q.Key.Fingerprint())); !signed {
				others = append(others, fmt.Sprintf("%q (%d)", q.Name, q.Weight))
			}
		}
		if len(others) > 8 {
			others = append(others[:8], fmt.Sprintf("%d more", len(others)-8))
		}
		could := "nobody else could sign"
		if len(others) > 0 {
			could = "these could sign: " + strings.Join(others, ", ")
		}
		return refuse(CodeWeight, "%s needs weight %d and the signatures of %s weigh %d: %d is missing; %s",
			what, need, names(signers), weight, need-weight, could)
	}
	return nil
}

// weightOf gives the weight that a plan needs for a module, and what for.
func (p *Policy) weightOf(plan *PlanPayload, module string) (need int, what string) {
	r := p.Rule(module)
	need, what = r.Weight, "module "+module
	if r.Module == "" {
		what += " (by the default rule)"
	}
	for _, c := range plan.Content {
		if strings.HasPrefix(c, module+".") && r.ContentWeight > need {
			need, what = r.ContentWeight, "column "+c
		}
	}
	return need, what
}

// Needs is what a plan takes when it runs: found by whoever runs it, in the
// compiled plan, and not taken from the payload's word.
type Needs struct {
	Modules []string
	Content []string // "module.column"
	Timeout time.Duration
	Rows    int64 // limits of the plan; 0: the agent's own
	Bytes   int64 // of the answer
	Memory  int64
	Workers int64
	CPU     int64 // percent of one processor
	Read    int64 // bytes of content
	Files   int64 // open at once
	IO      int64 // the place in IOClasses, from 1
	// FollowLinks: it follows symbolic links.
	FollowLinks bool
	// Every is the time between two looks of a plan that stands; 0: it looks
	// once.
	Every time.Duration
	// Watch: it looks all the time.
	Watch bool
	// Named lists those of Modules that the default rule is not for: they do
	// what nobody asks for by leaving something out, such as sending packets.
	Named []string
	// Paths: whoever runs it asks PathAllowed before every path. Without that,
	// modules with rules about paths are refused.
	Paths bool
}

// Permit decides whether a verified plan may run: it says truly what it needs,
// rules allow its columns and paths, and its limits are below the ceilings. The
// error is a Refusal.
func (p *Policy) Permit(v Verified, n Needs) error {
	if v.payload == nil {
		return refuse(CodeMalformed, "the plan was not verified")
	}
	if want := sorted(n.Modules); !slices.Equal(want, v.payload.Modules) {
		return refuse(CodeMalformed, "the plan looks with modules %v and says %v", want, v.payload.Modules)
	}
	if want := sorted(n.Content); !slices.Equal(want, v.payload.Content) {
		return refuse(CodeMalformed, "the plan returns the content of %v and says %v", want, v.payload.Content)
	}
	for _, m := range n.Named {
		if p.Rule(m).Module == "" {
			return refuse(CodeModule, "module %s sends packets to others, and is for fleets whose policy names it: policy version %d would need a rule [module.%s], and its default rule is not one", m, p.version, m)
		}
	}
	for _, c := range v.payload.Content {
		module, column, _ := strings.Cut(c, ".")
		if !slices.Contains(p.Rule(module).Content, column) {
			return refuse(CodeContent, "column %s holds content, and no rule of policy version %d lets it leave an endpoint: [module.%s] would need %q in its list content", c, p.version, module, column)
		}
	}
	for _, m := range v.payload.Modules {
		r := p.Rule(m)
		switch {
		case n.Every > 0 && r.Standing == 0:
			return refuse(CodeLimit, "the plan stands, and policy version %d lets none stand that looks with module %s: its rule would need standing = \"1h\", the least time between two looks", p.version, m)
		case n.Watch && !r.Watch:
			return refuse(CodeLimit, "the plan watches, and policy version %d lets none watch with module %s: its rule would need watch = true", p.version, m)
		case n.Every > 0 && n.Every < r.Standing:
			return refuse(CodeLimit, "the plan looks every %s, and policy version %d allows module %s every %s", n.Every, p.version, m, r.Standing)
		case !r.hasPaths():
		case !n.Paths:
			return refuse(CodePath, "policy version %d has rules about the paths of module %s, which are not checked here", p.version, m)
		case n.FollowLinks && !r.FollowLinks:
			return refuse(CodePath, "the plan follows links, which could lead out of the paths that policy version %d allows to module %s: its rule would need follow_links = true", p.version, m)
		}
	}
	return p.checkLimits(n)
}

func (p *Policy) checkLimits(n Needs) error {
	if n.Timeout > p.ceilings.Timeout {
		return refuse(CodeLimit, "the plan may take %s, and the ceiling of timeout is %s", n.Timeout, p.ceilings.Timeout)
	}
	for _, l := range []struct {
		name      string
		asked, ok int64
	}{
		{"rows", n.Rows, p.ceilings.Rows},
		{"bytes", n.Bytes, p.ceilings.Bytes},
		{"memory", n.Memory, p.ceilings.Memory},
		{"workers", n.Workers, p.ceilings.Workers},
		{"percent of a processor", n.CPU, cmp.Or(p.ceilings.CPU, math.MaxInt64)},
		{"bytes read", n.Read, cmp.Or(p.ceilings.Read, math.MaxInt64)},
		{"open files", n.Files, cmp.Or(p.ceilings.OpenFiles, math.MaxInt64)},
	} {
		if l.asked > l.ok {
			return refuse(CodeLimit, "the plan asks for %d %s, and the ceiling is %d", l.asked, l.name, l.ok)
		}
		if l.asked < 0 {
			return refuse(CodeLimit, "the plan asks for %d %s", l.asked, l.name)
		}
	}
	if n.IO > p.ceilings.IO {
		return refuse(CodeLimit, "the plan asks for better I/O than the ceiling, which is %s", IOClasses()[p.ceilings.IO-1])
	}
	return nil
}

// Authenticate says which investigator or administrator of the policy made a
// signature of msg just now, within Leeway. The error is a Refusal. msg must
// hold what nobody could have had signed before.
func (p *Policy) Authenticate(f Fingerprint, msg, sig []byte, at time.Time) (Principal, error) {
	q, ok := p.Investigator(f)
	if !ok {
		q, ok = p.Administrator(f)
	}
	if !ok {
		return Principal{}, refuse(CodeSignature, "key %.80s is nobody's in policy version %d", f, p.version)
	}
	b := ballot{at: at, after: at.Add(-Leeway)}
	if err := b.counts(q, msg, sig); err != nil {
		return Principal{}, refuse(CodeSignature, "%q: %w", q.Name, err)
	}
	return q, nil
}
