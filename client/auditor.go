package client

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
)

// An auditor goes through a log from its beginning.
type auditor struct {
	*Audit
	session *Session
	here    map[string]string // plans that were signed here: see Home.signedHere
	logged  map[string]bool   // "PLAN SUM" of what is in the log
	chain   []dated           // policies that stand, in order
}

// A dated policy is one, with the time when the log took it.
type dated struct {
	policy *signing.Policy
	at     time.Time
}

func (a *auditor) problem(format string, args ...any) {
	a.Problems = append(a.Problems, clean(fmt.Sprintf(format, args...)))
}

// policy judges a policy by the one before; the first by the administrators
// whom this home pins, or as the very one that it follows.
func (a *auditor) policy(i int, e translog.Entry, envelope *signing.Envelope) {
	a.Policies++
	var next *signing.Policy
	var err error
	if len(a.chain) == 0 {
		next, err = a.first(envelope, e.At)
	} else {
		next, err = a.chain[len(a.chain)-1].policy.Accept(envelope, e.At)
	}
	if err != nil {
		a.problem("entry %d, policy %s: nobody could have obeyed it: %v", i, e.Name, err)
		return
	}
	if strconv.FormatInt(next.Version(), 10) != e.Name {
		a.problem("entry %d is called policy %s, and holds version %d", i, e.Name, next.Version())
	}
	a.chain = append(a.chain, dated{next, e.At})
}

func (a *auditor) first(envelope *signing.Envelope, at time.Time) (*signing.Policy, error) {
	if mine := a.session.Policy(); bytes.Equal(mine.Text(), envelope.Payload) {
		return mine, nil
	}
	pinned, err := a.session.opts.home.pinned()
	if err != nil {
		return nil, err
	}
	return signing.FirstPolicy(envelope, pinned, at)
}

// plan judges a plan by the policy of its time.
func (a *auditor) plan(i int, e translog.Entry, envelope *signing.Envelope) {
	a.Plans++
	a.logged[e.Name+" "+e.Sum.String()] = true
	v, err := a.verify(i, e, envelope)
	if err != nil {
		a.problem("entry %d, plan %s: agents should not have run it: %v", i, e.Name, err)
		return
	}
	payload := v.Payload()
	if payload.ID.String() != e.Name {
		a.problem("entry %d is called plan %s, and holds plan %s", i, e.Name, payload.ID)
	}
	_, here := a.here[payload.ID.String()]
	if here {
		a.Mine++
	}
	if !here && slices.Contains(v.Signers(), a.session.opts.signer.Fingerprint()) {
		a.problem("entry %d, plan %s: IT IS SIGNED WITH YOUR KEY, AND NOT FROM HERE: taken at %s, purpose %q: %s",
			i, payload.ID, e.At.Format(time.RFC3339), payload.Purpose, payload.Query)
	}
}

// release judges a release or a stage of one by the policy of its time.
func (a *auditor) release(i int, e translog.Entry, envelope *signing.Envelope) {
	a.Releases++
	name := ""
	err := a.byPolicy(i, e, func(p *signing.Policy) error {
		if e.Kind == translog.KindRelease {
			r, err := p.VerifyRelease(envelope, e.At)
			if err == nil {
				name = r.Release
			}
			return err
		}
		r, err := p.AdmitRollOut(envelope, e.At)
		if err == nil {
			name = fmt.Sprintf("%s/%d", r.Release, r.Number)
		}
		return err
	})
	switch {
	case err != nil:
		a.problem("entry %d, %s %s: agents should not have installed it: %v", i, e.Kind, e.Name, err)
	case name != e.Name:
		a.problem("entry %d is called %s %s, and holds %s", i, e.Kind, e.Name, name)
	}
}

// verify gives the plan as the policy of its time verifies it.
func (a *auditor) verify(i int, e translog.Entry, envelope *signing.Envelope) (v signing.Verified, err error) {
	err = a.byPolicy(i, e, func(p *signing.Policy) (err error) {
		v, err = p.Verify(envelope, signing.VerifyOptions{At: e.At})
		return err
	})
	return v, err
}

// byPolicy asks the policy that an entry was taken under: the last before it in
// the log, or an earlier one where what it is about is older than the log. That
// it is older is the relay's word, which nobody can check.
func (a *auditor) byPolicy(i int, e translog.Entry, judge func(*signing.Policy) error) error {
	err := errors.New("no policy stands before it")
	last := len(a.chain) - 1
	for n := last; n >= 0; n-- {
		p := a.chain[n].policy
		problem := judge(p)
		if problem == nil && n < last {
			a.Unchecked = append(a.Unchecked, fmt.Sprintf("entry %d, %s %s: good by policy version %d, and not by version %d behind which it stands: that it was taken before that is the relay's word",
				i, e.Kind, e.Name, p.Version(), a.chain[last].policy.Version()))
		}
		if problem == nil {
			return nil
		}
		if n == last {
			err = problem
		}
		if !a.chain[n].at.After(e.At) {
			break
		}
	}
	return err
}
