package cli

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/value"
)

type policyAddCommand struct {
	Investigator  policyAddInvestigatorCommand  `cmd:"" help:"Let somebody ask."`
	Administrator policyAddAdministratorCommand `cmd:"" help:"Let somebody sign policies and tokens."`
}

type policyRemoveCommand struct {
	Investigator  policyRemoveInvestigatorCommand  `cmd:"" help:"Let somebody ask no more."`
	Administrator policyRemoveAdministratorCommand `cmd:"" help:"Let somebody sign no more policies and tokens. Agents that enrolled with his tokens stay."`
}

type policyReplaceCommand struct {
	Investigator  policyReplaceInvestigatorCommand  `cmd:"" help:"Put another key in the place of one that asks, or a later copy of the same."`
	Administrator policyReplaceAdministratorCommand `cmd:"" help:"Put another key in the place of an administrator's, or a later copy of the same."`
}

type policyAddInvestigatorCommand struct {
	Key       string `arg:"" placeholder:"KEY[=WEIGHT]" help:"A file, a fingerprint or gpg:FINGERPRINT, with =WEIGHT behind it where it is not 1."`
	Name      string `placeholder:"NAME" help:"Who it is (default: as the key says)."`
	draftFlag `embed:""`
}

type policyAddAdministratorCommand struct {
	Key           string `arg:"" placeholder:"KEY" help:"A file, a fingerprint or gpg:FINGERPRINT."`
	Name          string `placeholder:"NAME" help:"Who it is (default: as the key says)."`
	thresholdFlag `embed:""`
	draftFlag     `embed:""`
}

type policyRemoveInvestigatorCommand struct {
	Who       string `arg:"" help:"The name, or the fingerprint or its end."`
	draftFlag `embed:""`
}

type policyRemoveAdministratorCommand struct {
	Who           string `arg:"" help:"The name, or the fingerprint or its end."`
	Disown        bool   `help:"Let nothing count that he ever signed: agents that enrolled with his tokens are members no more."`
	thresholdFlag `embed:""`
	draftFlag     `embed:""`
}

type policyReplaceInvestigatorCommand struct {
	Who       string `arg:"" help:"The name, or the fingerprint or its end."`
	Key       string `arg:"" help:"The new key: a file, a fingerprint or gpg:FINGERPRINT."`
	draftFlag `embed:""`
}

type policyReplaceAdministratorCommand struct {
	Who       string `arg:"" help:"The name, or the fingerprint or its end."`
	Key       string `arg:"" help:"The new key: a file, a fingerprint or gpg:FINGERPRINT."`
	draftFlag `embed:""`
}

// thresholdFlag changes how many administrators must sign.
type thresholdFlag struct {
	Threshold int `placeholder:"N" help:"How many administrators must sign from then on (default: as it is)."`
}

var thresholdLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^(\s*threshold\s*=\s*)\d+`) })

// raised gives a policy with the threshold of the flag, by a change that needs
// it: more people first, fewer last.
func (t thresholdFlag) raised(p *signing.Policy, change func(*signing.Policy) (*signing.Policy, error)) (*signing.Policy, error) {
	set := func(p *signing.Policy) (*signing.Policy, error) {
		text, err := withThreshold(p.Text(), t.Threshold)
		if err != nil {
			return nil, err
		}
		return signing.ParsePolicy(text)
	}
	steps := []func(*signing.Policy) (*signing.Policy, error){change, set}
	if t.Threshold > 0 && t.Threshold < p.Threshold() {
		steps = []func(*signing.Policy) (*signing.Policy, error){set, change}
	}
	var err error
	for _, step := range steps {
		if p, err = step(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// one finds the one person of a reference.
func (a *app) one(ref, name string) (signing.PrincipalSpec, error) {
	list, err := a.principals([]string{ref}, nil)
	if err != nil {
		return signing.PrincipalSpec{}, err
	}
	if name != "" {
		list[0].Name = name
	}
	return list[0], nil
}

// Run adds an investigator.
func (c *policyAddInvestigatorCommand) Run(a *app) error {
	p, err := c.draft(a)
	if err != nil {
		return err
	}
	q, err := a.one(c.Key, c.Name)
	if err != nil {
		return err
	}
	next, err := investigator.add(p, q)
	if err != nil {
		return err
	}
	return c.write(a, next, fmt.Sprintf("%s may ask, with weight %d", q.Name, max(1, q.Weight)))
}

// Run adds an administrator.
func (c *policyAddAdministratorCommand) Run(a *app) error {
	p, err := c.draft(a)
	if err != nil {
		return err
	}
	q, err := a.one(c.Key, c.Name)
	if err != nil {
		return err
	}
	if q.Weight != 0 {
		return errors.New("administrators have no weight: the threshold counts them\nhint: --threshold N")
	}
	next, err := c.raised(p, func(p *signing.Policy) (*signing.Policy, error) { return administrator.add(p, q) })
	if err != nil {
		return err
	}
	return c.write(a, next, fmt.Sprintf("%s is an administrator, and %d of %d must sign", q.Name, next.Threshold(), inOffice(next)))
}

// Run removes an investigator.
func (c *policyRemoveInvestigatorCommand) Run(a *app) error {
	p, err := c.draft(a)
	if err != nil {
		return err
	}
	i, err := investigator.who(p, c.Who)
	if err != nil {
		return err
	}
	next, err := investigator.remove(p, i)
	if err != nil {
		return err
	}
	return c.write(a, next, p.Investigators()[i].Name+" may ask no more")
}

// Run retires an administrator, or leaves him out.
func (c *policyRemoveAdministratorCommand) Run(a *app) error {
	p, err := c.draft(a)
	if err != nil {
		return err
	}
	i, err := administrator.who(p, c.Who)
	if err != nil {
		return err
	}
	q := p.Administrators()[i]
	if !q.Retired.IsZero() && !c.Disown {
		return fmt.Errorf("%q retired at %s already\nhint: --disown lets nothing count that he ever signed", q.Name, q.Retired.UTC().Format(time.RFC3339))
	}
	threshold := p.Threshold()
	if c.Threshold > 0 {
		threshold = c.Threshold
	}
	if left := inOffice(p) - 1; q.Retired.IsZero() && left < threshold {
		return fmt.Errorf("%d administrators must sign, and %d would be left\nhint: quaestor policy replace administrator puts another in his place, --threshold %d asks for fewer", threshold, left, max(1, left))
	}
	next, err := c.raised(p, func(p *signing.Policy) (*signing.Policy, error) {
		if c.Disown {
			return administrator.remove(p, i)
		}
		return retire(p, i, time.Now().Truncate(time.Second))
	})
	if err != nil {
		return err
	}
	what := q.Name + " signs nothing more that counts; agents that enrolled with his tokens stay"
	if c.Disown {
		what = q.Name + " is left out, and agents that enrolled with his tokens are members no more"
	}
	return c.write(a, next, what)
}

// Run gives an investigator another key.
func (c *policyReplaceInvestigatorCommand) Run(a *app) error {
	p, err := c.draft(a)
	if err != nil {
		return err
	}
	r, err := a.another(p, investigator, c.Who, c.Key)
	if err != nil {
		return err
	}
	if r.key.Weight == 0 {
		r.key.Weight = r.was.Weight
	}
	next, err := changed(p, r.at, signing.InvestigatorText(r.key))
	if err != nil {
		return err
	}
	return c.write(a, next, replaced(r.was, r.key.Key))
}

// A replacement is a person of a policy, with the key that is to be his.
type replacement struct {
	i   int // in the list of his like
	at  span
	was signing.Principal
	key signing.PrincipalSpec
}

// another finds the person, and the key of the reference under his name.
func (a *app) another(p *signing.Policy, k role, who, ref string) (r replacement, err error) {
	if r.i, err = k.who(p, who); err != nil {
		return r, err
	}
	r.was = k.of(p)[r.i]
	if r.key, err = a.one(ref, r.was.Name); err != nil {
		return r, err
	}
	r.at, err = k.table(p, r.i)
	return r, err
}

// replaced says what became of somebody's key.
func replaced(was signing.Principal, key *signing.PublicKey) string {
	if was.Key.Fingerprint() == key.Fingerprint() {
		until := "never expires"
		if end := key.Expires(); !end.IsZero() {
			until = "expires at " + end.UTC().Format(time.RFC3339)
		}
		return fmt.Sprintf("the key of %s is a later copy, which %s", was.Name, until)
	}
	return fmt.Sprintf("the key of %s is %s, and was %s", was.Name, key.Fingerprint(), was.Key.Fingerprint())
}

// Run gives an administrator another key. What he signed with the one before
// stays good: it is kept, retired.
func (c *policyReplaceAdministratorCommand) Run(a *app) error {
	p, err := c.draft(a)
	if err != nil {
		return err
	}
	r, err := a.another(p, administrator, c.Who, c.Key)
	if err != nil {
		return err
	}
	var next *signing.Policy
	switch {
	case r.key.Key.Fingerprint() == r.was.Key.Fingerprint():
		next, err = changed(p, r.at, signing.AdministratorText(r.key))
	default:
		if next, err = administrator.add(p, r.key); err == nil && r.was.Retired.IsZero() {
			next, err = retire(next, r.i, time.Now().Truncate(time.Second))
		}
	}
	if err != nil {
		return err
	}
	return c.write(a, next, replaced(r.was, r.key.Key))
}

// needed says whose signatures a policy needs beside those that it has: of the
// administrators of the policy in force, and of its own. "" is enough.
func needed(e *signing.Envelope, inForce, next *signing.Policy) string {
	out := ""
	for _, p := range []*signing.Policy{inForce, next} {
		if p == nil || p == next && inForce != nil && inForce.SameAdministrators(next) {
			continue
		}
		have, missing := 0, ""
		for _, q := range p.Administrators() {
			switch {
			case !q.Retired.IsZero():
			case e != nil && hasSigned(e, q):
				have++
			default:
				missing += fmt.Sprintf(", %q", q.Name)
			}
		}
		if have < p.Threshold() {
			if out != "" {
				out += "; "
			}
			out += fmt.Sprintf("%d more of version %d's administrators must sign (of%s)", p.Threshold()-have, p.Version(), missing[1:])
		}
	}
	return value.EscapeText(out)
}

func hasSigned(e *signing.Envelope, q signing.Principal) bool {
	for _, s := range e.Signatures {
		if s.KeyID == string(q.Key.Fingerprint()) {
			return true
		}
	}
	return false
}
