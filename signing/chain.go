package signing

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxChain is how many policies are looked at to come from an old one to the
// newest. Only those that change the administrators are needed, and the newest.
const MaxChain = 1000

// Accept takes the next policy. It is for the same fleet, its version is higher,
// and at least Threshold administrators of this policy signed it; so did as
// many administrators of the new one as that asks for. The policy itself comes
// back when the text is the one in force. The error is a Refusal, and wraps
// ErrRollback for an older version, or another text of this one.
//
// Signatures of policies count by the time that they give: a key that was good
// then, and has expired since, still leads from one policy to the next, however
// late an agent comes. An administrator who put off the expiry of his key is
// known by the copy in the new policy, since he could sign nothing else.
//
// Whoever missed several policies takes them by CatchUp.
func (p *Policy) Accept(e *Envelope, at time.Time) (*Policy, error) {
	if e.PayloadType != TypePolicy {
		return nil, refuse(CodeType, "no policy but %q", e.PayloadType)
	}
	if bytes.Equal(e.Payload, p.text) {
		return p, nil
	}
	// Signatures first: what is not from an administrator is not even read.
	if _, err := p.signedByThreshold(e, at, (*PublicKey).unexpiring); err != nil {
		return nil, err
	}
	next, err := ParsePolicy(e.Payload)
	if err != nil {
		return nil, refuse(CodeMalformed, "the policy: %w", err)
	}
	switch {
	case next.fleet != p.fleet:
		return nil, refuse(CodeFleet, "the policy is that of fleet %s, and this is fleet %s", next.fleet, p.fleet)
	case next.version < p.version:
		return nil, refuse(CodePolicy, "%w: version %d, and %d is in force", ErrRollback, next.version, p.version)
	case next.version == p.version:
		return nil, refuse(CodePolicy, "%w: another text with the same version, %d: versions only grow", ErrRollback, p.version)
	}
	if _, err := p.signedByThreshold(e, at, func(k *PublicKey) *PublicKey {
		if later, ok := next.Administrator(k.Fingerprint()); ok {
			return k.renewedBy(later.Key)
		}
		return k
	}); err != nil {
		return nil, err
	}
	if _, err := next.signedByThreshold(e, at, nil); err != nil {
		return nil, err
	}
	return next, nil
}

// CatchUp takes what it can of policies in the order in which they were in
// force, each as Accept does, and gives the newest with its envelope; those
// that are known already are passed over. A policy that is not good is, too,
// since a later one may still follow: the error is the last such Refusal, and
// comes with how far it went. Without anything new, the policy itself comes
// back, and no envelope.
func (p *Policy) CatchUp(chain []*Envelope, at time.Time) (*Policy, *Envelope, error) {
	var newest *Envelope
	var bad error
	for i, e := range chain {
		if i == MaxChain {
			return p, newest, refuse(CodePolicy, "more than %d policies, where only those that change the administrators are needed", MaxChain)
		}
		next, err := p.Accept(e, at)
		if errors.Is(err, ErrRollback) {
			continue
		}
		if bad = err; err == nil && next != p {
			p, newest = next, e
		}
	}
	return p, newest, bad
}

// EnterChain takes the newest policy that a chain leads to from one that
// FirstPolicy takes: of a fleet whose administrators have changed since the
// pins were written down.
func EnterChain(chain []*Envelope, pinned []Fingerprint, at time.Time) (*Policy, *Envelope, error) {
	if len(chain) == 0 {
		return nil, nil, refuse(CodePolicy, "there is no policy")
	}
	if len(chain) > MaxChain {
		return nil, nil, refuse(CodePolicy, "a chain of %d policies is longer than %d", len(chain), MaxChain)
	}
	var bad error
	for i, e := range slices.Backward(chain) {
		p, err := FirstPolicy(e, pinned, at)
		if err != nil {
			if bad == nil {
				bad = err
			}
			continue
		}
		last, newest, err := p.CatchUp(chain[i+1:], at)
		if newest == nil {
			newest = e
		}
		return last, newest, err
	}
	return nil, nil, bad
}

// SameAdministrators says whether the next policy after either is signed by the
// same people: where they differ, the later one is a step that nobody can pass
// over who catches up.
func (p *Policy) SameAdministrators(q *Policy) bool {
	return p.threshold == q.threshold && slices.EqualFunc(p.administrators, q.administrators, func(a, b Principal) bool {
		return a.Retired.Equal(b.Retired) && bytes.Equal(a.Key.raw, b.Key.raw)
	})
}

// unexpiring gives the key as if it never expired.
func (k *PublicKey) unexpiring() *PublicKey {
	c := &PublicKey{raw: k.raw, name: k.name, parts: slices.Clone(k.parts)}
	for i := range c.parts {
		c.parts[i].expires = time.Time{}
	}
	return c
}

// renewedBy gives the key with what a later copy of it knows: the latest
// certification of each part says when it expires, and a revocation in either
// counts.
func (k *PublicKey) renewedBy(later *PublicKey) *PublicKey {
	c := &PublicKey{raw: later.raw, name: later.name, parts: slices.Clone(k.parts)}
	for _, new := range later.parts {
		i := slices.IndexFunc(c.parts, func(old component) bool { return old.fingerprint == new.fingerprint })
		if i < 0 {
			c.parts = append(c.parts, new)
			continue
		}
		old := c.parts[i]
		if new.certified.After(old.certified) {
			c.parts[i] = new
		}
		c.parts[i].compromised = old.compromised || new.compromised
		c.parts[i].retired = earliest(old.retired, new.retired)
	}
	return c
}

// earliest gives the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// verifyMade is VerifyMessage for what is kept: the key was good when the
// signature says that it was made, which is not after the given moment. What
// has expired since does not count against it.
func (k *PublicKey) verifyMade(msg, sig []byte, at time.Time) (made time.Time, err error) {
	s, err := k.verify(msg, sig)
	switch {
	case err != nil:
		return time.Time{}, err
	case s.CreationTime.After(at.Add(Leeway)):
		return time.Time{}, fmt.Errorf("%w: the signature says that it was made at %s, after %s", ErrUnusable, stamp(s.CreationTime), stamp(at))
	case s.SigLifetimeSecs != nil && *s.SigLifetimeSecs > 0 && !at.Before(s.CreationTime.Add(time.Duration(*s.SigLifetimeSecs)*time.Second)):
		return time.Time{}, fmt.Errorf("%w: the signature itself has expired", ErrUnusable)
	}
	return s.CreationTime, nil
}
