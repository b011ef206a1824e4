package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// DefaultWindow is how long a plan may run where nobody says: agents that come
// back within it are asked, too.
const DefaultWindow = time.Hour

// SignOptions say what a plan is to be beside its query.
type SignOptions struct {
	Window  time.Duration // how long agents may begin it; 0: DefaultWindow, or the policy's ceiling
	Purpose string        // for who owns the endpoints to read
	// NoWrap leaves the copy of the reply key out that is encrypted to the
	// signers: answers can then be opened here and nowhere else.
	NoWrap bool
	// Share names further investigators who can open the answers.
	Share []signing.Fingerprint
}

// Sign makes a plan of a query and signs it. The private half of its reply key
// is on the disk before anything is signed.
func (s *Session) Sign(ctx context.Context, q quaestor.Query, o SignOptions) (*signing.Envelope, error) {
	policy := s.Policy()
	payload, err := s.payload(q, policy, o)
	if err != nil {
		return nil, err
	}
	reply, err := sealing.NewReplyKey()
	if err != nil {
		return nil, err
	}
	digest := reply.CancelDigest()
	payload.ReplyKey, payload.Cancel = reply.Public(), digest[:]
	if !o.NoWrap {
		if payload.Wrapped, err = wrap(policy, reply, append([]signing.Fingerprint{s.opts.signer.Fingerprint()}, o.Share...)); err != nil {
			return nil, err
		}
	}
	if err := s.opts.home.keepReply(payload.ID, reply); err != nil {
		return nil, err
	}
	e := &signing.Envelope{PayloadType: signing.TypePlan, Payload: payload.Encode()}
	if _, err := signing.DecodePlanPayload(e.Payload); err != nil {
		return nil, fmt.Errorf("client: the query makes no plan that can be sent: %w", err)
	}
	return e, e.Sign(ctx, s.opts.signer)
}

func (s *Session) payload(q quaestor.Query, policy *signing.Policy, o SignOptions) (*signing.PlanPayload, error) {
	if q.Plan.Source == "local" || q.Plan.Source == "case" {
		return nil, fmt.Errorf("client: the query %q asks %s and no fleet", q.Name, q.Plan.Source)
	}
	if q.Plan.Source == "hits" || q.Plan.Source == "misses" {
		for _, h := range q.Plan.Hosts {
			if _, err := signing.ParseID(h); err != nil {
				return nil, fmt.Errorf("client: %s(%q): %w\nhint: quaestor investigations lists them", q.Plan.Source, h, err)
			}
		}
	}
	needs, err := engine.NeedsOf(s.opts.local.Catalogue(), q.Plan)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	open := o.Window
	if open == 0 {
		open = min(DefaultWindow, policy.Ceilings().Window)
	}
	if every := q.Plan.Every; every > 0 && every >= open {
		return nil, fmt.Errorf("client: the query %q is to be asked EVERY %s, and its window of %s holds one round\nhint: --window gives it a longer one", q.Name, value.FormatDuration(every), value.FormatDuration(open))
	}
	now := s.opts.now()
	p := &signing.PlanPayload{
		Version: signing.Version, ID: signing.NewID(), Fleet: policy.Fleet(),
		Query: q.Plan.Query, Params: q.Inputs.Params, Compiled: q.Plan.Encode(),
		Planned: q.Inputs.At, NotBefore: now, Expires: now.Add(open), Purpose: o.Purpose,
		Modules: needs.Modules, Content: needs.Content,
	}
	if p.Planned.After(now) || p.Planned.IsZero() {
		p.Planned = now
	}
	p.Lists = shortLists(q.Inputs.Lists, q.Plan)
	if slices.ContainsFunc(p.Lists, func(l signing.List) bool { return l.Set > 0 }) {
		if _, err := Replan(p, s.opts.local); err != nil {
			p.Lists = nil // a co-signer would find another plan: they are sent as they are
			for _, l := range q.Inputs.Lists {
				p.Lists = append(p.Lists, signing.List{Name: l.Name, Data: l.Data})
			}
		}
	}
	return p, nil
}

// wrap encrypts a reply key to investigators.
func wrap(policy *signing.Policy, reply *sealing.ReplyKey, to []signing.Fingerprint) ([]byte, error) {
	var keys []*signing.PublicKey
	for _, f := range to {
		p, ok := policy.Investigator(f)
		if !ok {
			return nil, fmt.Errorf("client: key %s is no investigator's in policy version %d, and the answers cannot be shared with it", f, policy.Version())
		}
		keys = append(keys, p.Key)
	}
	wrapped, err := signing.Encrypt(reply.Seed(), keys)
	if err != nil {
		return nil, fmt.Errorf("client: wrapping the reply key: %w\nhint: --no-wrap leaves the copy out", err)
	}
	return wrapped, nil
}

// Submit hands a signed plan to the relay. Where the policy asks for more
// signatures than it has, it waits for them there: Submitted.Pending.
func (s *Session) Submit(ctx context.Context, e *signing.Envelope) (message.Submitted, error) {
	var out message.Submitted
	err := s.call(ctx, message.Request{Op: message.OpSubmit}, message.TypeResult, func(body []byte) error {
		return message.Unmarshal(body, &out)
	}, frame{message.TypeEnvelope, e.Encode()})
	if err == nil {
		err = tookIt(e, out)
	}
	if err != nil {
		return message.Submitted{}, err
	}
	if len(out.Waits) > 0 {
		s.doubt(fmt.Sprintf("the plan had to wait for the log, whose checkpoint was not signed by %s", clean(strings.Join(out.Waits, ", "))))
	}
	if !out.Pending && s.Policy().Log() != nil {
		err = s.opts.home.keepSubmitted(out.Plan, e.Encode())
	}
	return out, err
}

// tookIt says whether a relay took the plan that it was handed: by what it says
// of another, that would be noted down as handed in from here.
func tookIt(e *signing.Envelope, said message.Submitted) error {
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	if said.Plan != payload.ID {
		return misnamed(payload.ID, said.Plan)
	}
	return nil
}

// A Signed is a plan and what is known of it.
type Signed struct {
	Payload *signing.PlanPayload
	Plan    *plan.Plan
	Signers []signing.Fingerprint // whose signatures count
	Weight  int
	// Problem says why agents would refuse it now; nil where they would not.
	Problem error
}

// Examine reads a signed plan and verifies who signed it by the policy. The
// error says that it cannot be read.
func Examine(e *signing.Envelope, policy *signing.Policy, at time.Time) (*Signed, error) {
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil || e.PayloadType != signing.TypePlan {
		return nil, errors.Join(fmt.Errorf("client: this is no plan but %q", e.PayloadType), err)
	}
	compiled, err := plan.Decode(payload.Compiled)
	if err != nil {
		return nil, fmt.Errorf("client: the compiled plan: %w", err)
	}
	out := &Signed{Payload: payload, Plan: compiled}
	v, err := policy.Verify(e, signing.VerifyOptions{At: at})
	if out.Problem = err; err == nil {
		out.Signers, out.Weight = v.Signers(), v.Weight()
		return out, nil
	}
	// Who signed is of interest even when the window is over: whose signature
	// counted at its very end, however late in it he signed.
	if last := payload.Expires.Add(-time.Nanosecond); at.After(last) {
		at = last
	}
	if at.Before(payload.NotBefore) {
		at = payload.NotBefore
	}
	if v, err := policy.Verify(e, signing.VerifyOptions{At: at}); err == nil {
		out.Signers, out.Weight = v.Signers(), v.Weight()
	}
	return out, nil
}

// ErrDiffers says that a plan is not what its query compiles to.
var ErrDiffers = errors.New("client: the plan is not what its query says")

// Replan compiles a plan's query again and compares: the query's text, its
// parameters and its lists must make exactly the plan that is signed. The
// error wraps ErrDiffers where they do not.
func Replan(payload *signing.PlanPayload, local *quaestor.LocalSession) (*plan.Plan, error) {
	signed, err := plan.Decode(payload.Compiled)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDiffers, err)
	}
	in := quaestor.Inputs{Params: payload.Params, At: payload.Planned}
	if in.Lists, err = Lists(payload, signed); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDiffers, err)
	}
	p, err := local.Recompile(payload.Query, in)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not compile here:\n%w", ErrDiffers, err)
	}
	needs, err := engine.NeedsOf(local.Catalogue(), p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDiffers, err)
	}
	switch {
	case !bytes.Equal(p.Encode(), payload.Compiled):
		return nil, fmt.Errorf("%w:\n%s", ErrDiffers, difference(p, payload.Compiled))
	case !slices.Equal(needs.Modules, payload.Modules) || !slices.Equal(needs.Content, payload.Content):
		return nil, fmt.Errorf("%w: it needs %v %v and says %v %v", ErrDiffers, needs.Modules, needs.Content, payload.Modules, payload.Content)
	}
	return p, nil
}

// difference shows the lines in which two plans differ, as EXPLAIN draws them.
func difference(ours *plan.Plan, theirs []byte) string {
	other, err := plan.Decode(theirs)
	if err != nil {
		return "what was signed cannot be read: " + err.Error()
	}
	a, b := strings.Split(ours.String(), "\n"), strings.Split(other.String(), "\n")
	var out []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			out = append(out, "- "+clean(line))
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			out = append(out, "+ "+clean(line))
		}
	}
	if len(out) == 0 {
		out = []string{"they look the same and differ in values or limits"}
	}
	return strings.Join(out, "\n") + "\n(-: what the query says, +: what was signed)"
}

// Cosign adds the session's signature to a plan that another signed, after
// Replan found that it is what it says.
func (s *Session) Cosign(ctx context.Context, e *signing.Envelope) error {
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	if fleet := s.Policy().Fleet(); payload.Fleet != fleet {
		return fmt.Errorf("client: plan %s is for fleet %s, and this is fleet %s: a signature would count there", payload.ID, payload.Fleet, fleet)
	}
	if _, err := Replan(payload, s.opts.local); err != nil {
		return err
	}
	if err := e.Sign(ctx, s.opts.signer); err != nil {
		return err
	}
	return s.opts.home.keepAsked(payload.ID)
}

// replyKey finds the key that opens a plan's answers: here, or wrapped to the
// signer in the plan.
func (s *Session) replyKey(ctx context.Context, payload *signing.PlanPayload) (*sealing.ReplyKey, error) {
	key, err := s.opts.home.reply(payload.ID)
	if err == nil && key == nil {
		key, err = s.unwrap(ctx, payload)
	}
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(key.Public(), payload.ReplyKey) {
		return nil, fmt.Errorf("client: the reply key that is kept here, or wrapped, for plan %s is not its own", payload.ID)
	}
	return key, nil
}

// unwrap takes the reply key out of a plan that was asked from elsewhere.
func (s *Session) unwrap(ctx context.Context, payload *signing.PlanPayload) (*sealing.ReplyKey, error) {
	d, ok := s.opts.signer.(signing.Decrypter)
	if len(payload.Wrapped) == 0 || !ok {
		return nil, fmt.Errorf("client: plan %s was asked from elsewhere, and no copy of its reply key is in it", payload.ID)
	}
	seed, err := d.Decrypt(ctx, payload.Wrapped)
	if err != nil {
		return nil, fmt.Errorf("client: the answers to plan %s cannot be opened with key %s: %w\nhint: whoever asks can let others open them with --share", payload.ID, s.opts.signer.Fingerprint(), err)
	}
	return sealing.ParseReplyKey(seed)
}
