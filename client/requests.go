package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// clean makes a stranger's text fit for a line of a terminal.
func clean(s string) string { return value.EscapeText(s) }

// An Investigation is a plan that was submitted, as the relay tells it; what
// is in Signed was verified.
type Investigation struct {
	Plan      signing.ID
	Signed    *Signed // nil where Problem says why
	Problem   error
	Submitted time.Time
	Expires   time.Time
	Agents    int
	Reached   int
	Done      int
	Bytes     int64
	Cancelled bool
}

// Investigations lists what was asked, the latest first.
func (s *Session) Investigations(ctx context.Context) ([]Investigation, error) {
	return s.items(ctx, message.OpList)
}

// Pending lists the plans that wait for further signatures.
func (s *Session) Pending(ctx context.Context) ([]Investigation, error) {
	return s.items(ctx, message.OpPending)
}

// Bounds of what a relay may list.
const (
	maxItems  = 100_000   // investigations
	maxPlans  = 256 << 20 // bytes of their plans, in all; the plans of further ones are not kept
	maxFleet  = maxRoster // agents
	maxDetail = 1 << 30   // bytes of what it says of them, in all
)

var errTooMany = fmt.Errorf("%w: the relay lists more than there can be", message.ErrMalformed)

func (s *Session) items(ctx context.Context, op string) ([]Investigation, error) {
	var out []Investigation
	plans := 0
	err := s.call(ctx, message.Request{Op: op}, message.TypeItem, func(body []byte) error {
		if len(out) == maxItems {
			return errTooMany
		}
		var i message.Investigation
		if err := message.Unmarshal(body, &i); err != nil {
			return err
		}
		item := Investigation{
			Plan: i.Plan, Submitted: i.Submitted, Expires: i.Expires, Agents: i.Agents,
			Reached: i.Reached, Done: i.Done, Bytes: i.Bytes, Cancelled: i.Cancelled,
		}
		if plans += len(i.Envelope); plans <= maxPlans || len(i.Envelope) < 64<<10 {
			item.Signed, item.Problem = s.examine(i.Plan, i.Envelope)
		} else {
			item.Problem = errors.New("the plans of so many investigations are too large to be shown together")
		}
		out = append(out, item)
		return nil
	})
	return out, err
}

// examine verifies what a relay says that a plan is.
func (s *Session) examine(id signing.ID, envelope []byte) (*Signed, error) {
	e, err := signing.ParseEnvelope(envelope)
	if err != nil {
		return nil, err
	}
	signed, err := Examine(e, s.Policy(), s.opts.now())
	if err != nil {
		return nil, err
	}
	if signed.Payload.ID != id {
		return nil, misnamed(signed.Payload.ID, id)
	}
	return signed, nil
}

func misnamed(plan, name signing.ID) error {
	return fmt.Errorf("client: the relay calls plan %s by the name of %s", plan, name)
}

// Envelope gives the signed plan of an investigation, or one that waits for
// signatures. It is that plan, whatever the relay calls by its name; who signed
// it is for Examine to say.
func (s *Session) Envelope(ctx context.Context, id signing.ID) (*signing.Envelope, error) {
	var found *signing.Envelope
	for _, op := range []string{message.OpPending, message.OpList} {
		err := s.call(ctx, message.Request{Op: op}, message.TypeItem, func(body []byte) error {
			var i message.Investigation
			if err := message.Unmarshal(body, &i); err != nil || i.Plan != id {
				return err
			}
			e, err := signing.ParseEnvelope(i.Envelope)
			if err != nil {
				return err
			}
			payload, err := signing.DecodePlanPayload(e.Payload)
			if err != nil {
				return err
			}
			if payload.ID != id {
				return misnamed(payload.ID, id)
			}
			found = e
			return nil
		})
		if err != nil || found != nil {
			return found, err
		}
	}
	return nil, &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("there is no investigation %s", id)}
}

// signed gives the plan of an investigation that investigators signed, be its
// window over or not.
func (s *Session) signed(ctx context.Context, id signing.ID) (*Signed, error) {
	e, err := s.Envelope(ctx, id)
	if err != nil {
		return nil, err
	}
	signed, err := Examine(e, s.Policy(), s.opts.now())
	if err != nil {
		return nil, err
	}
	if len(signed.Signers) == 0 {
		return nil, fmt.Errorf("client: plan %s: %w", id, signed.Problem)
	}
	return signed, nil
}

// Cancel ends an investigation on the agents. Whoever can open its answers
// can. A key that is not kept here is taken out of a plan whose signatures count
// and no other: a relay that writes the key of another plan into one of its own
// would be told the secret of that one.
func (s *Session) Cancel(ctx context.Context, id signing.ID) error {
	key, err := s.opts.home.reply(id)
	if err == nil && key == nil {
		var signed *Signed
		if signed, err = s.signed(ctx, id); err == nil {
			key, err = s.replyKey(ctx, signed.Payload)
		}
	}
	if err != nil {
		return err
	}
	return s.call(ctx, message.Request{Op: message.OpCancel}, 0, nil,
		frame{message.TypeCancel, message.Marshal(message.Cancel{Plan: id, Secret: key.CancelSecret()})})
}

// Delete makes the relay forget an investigation with its answers, and this
// home its reply key.
func (s *Session) Delete(ctx context.Context, id signing.ID) error {
	if err := s.call(ctx, message.Request{Op: message.OpDelete, Plan: id}, 0, nil); err != nil {
		return err
	}
	key, err := s.opts.home.reply(id)
	if err == nil && key != nil {
		err = s.opts.home.keepAsked(id) // an audit is to know it still
	}
	return errors.Join(err, s.opts.home.forgetReply(id))
}

// Publish hands the next policy to the relay, which hands it to the agents,
// and follows it here.
func (s *Session) Publish(ctx context.Context, envelope []byte) (*signing.Policy, error) {
	if err := s.call(ctx, message.Request{Op: message.OpPublish}, 0, nil, frame{message.TypePolicy, envelope}); err != nil {
		return nil, err
	}
	next, err := s.opts.home.TakePolicy(envelope, s.opts.now())
	if err == nil {
		s.obey(next)
	}
	return next, err
}

// A FleetAgent is an agent as the relay tells it; Member and Facts were
// verified, unless Problem says why not.
type FleetAgent struct {
	ID       signing.ID
	Host     string // the name that it gave itself
	Member   signing.Member
	Facts    plan.Facts
	FactsAt  time.Time
	Online   bool
	Seen     time.Time
	Software string
	Policy   int64
	Problem  error
}

// Fleet lists the agents. Those that were seen from here before, and that the
// relay does not name, come last, with a Problem.
func (s *Session) Fleet(ctx context.Context) ([]FleetAgent, error) {
	policy := s.Policy()
	named := map[message.ID]bool{}
	var out []FleetAgent
	detail := 0
	err := s.call(ctx, message.Request{Op: message.OpFleet}, message.TypeAgent, func(body []byte) error {
		if detail += len(body); len(out) == maxFleet || detail > maxDetail {
			return errTooMany
		}
		a, err := message.DecodeAgent(body)
		if err != nil {
			return err
		}
		if named[a.Agent] {
			return nil
		}
		named[a.Agent] = true
		a.Facts = s.opts.home.latest(a, s.opts.now())
		f := describe(a, policy)
		if f.Problem == nil {
			s.opts.home.saw(a, &verified{Policy: s.opts.home.sumOf(policy), Public: f.Member.Public, Host: hostOrID(f), Token: f.Member.Token, Uses: f.Member.Uses}, s.opts.now())
		}
		out = append(out, f)
		return nil
	})
	for id, k := range s.opts.home.remembered() {
		if named[id] || err != nil {
			continue
		}
		f := describe(message.Agent{Agent: id, Membership: k.Membership, Facts: k.Facts, Seen: k.Seen}, policy)
		if f.Problem != nil {
			continue // it is a member no more
		}
		f.Problem = fmt.Errorf("the relay does not name it, and it was seen from here on %s", k.Seen.Format("2006-01-02"))
		out = append(out, f)
	}
	return out, err
}

// describe verifies what a relay says of an agent.
func describe(a message.Agent, policy *signing.Policy) FleetAgent {
	f := FleetAgent{ID: a.Agent, Online: a.Online, Seen: a.Seen, Software: clean(a.Software), Policy: a.Policy}
	m, err := signing.DecodeMembership(a.Membership)
	if err == nil {
		f.Member, err = policy.Member(m)
	}
	if err == nil && f.Member.Agent != a.Agent {
		err = fmt.Errorf("its chain is that of agent %s", f.Member.Agent)
	}
	if err != nil {
		f.Problem = err
		return f
	}
	f.Host = clean(f.Member.Hostname)
	if f.Problem = f.learn(a); f.Problem == nil {
		if name := f.Facts["hostname"].RawText(); name != "" {
			f.Host = clean(name)
		}
	}
	return f
}

// learn takes the facts that an agent signed.
func (f *FleetAgent) learn(a message.Agent) error {
	f.Facts = plan.Facts{}
	if len(a.Facts) > 0 {
		st, err := signing.DecodeStatement(a.Facts)
		if err != nil {
			return err
		}
		if err := st.Verify(f.Member.Public); err != nil {
			return err
		}
		if st.Kind != "facts" {
			return fmt.Errorf("%w: a statement of %q for its facts", message.ErrMalformed, st.Kind)
		}
		if f.Facts, err = plan.DecodeFacts(st.Payload); err != nil {
			return err
		}
		f.FactsAt = st.At
	}
	for tag, text := range f.Member.Tags {
		f.Facts["tags."+tag] = value.NewText(text)
	}
	f.Facts["last_seen"] = value.NewTime(a.Seen)
	return nil
}

// Meets says whether the target of a plan is true of an agent, by its facts.
func (f *FleetAgent) Meets(p *plan.Plan, now time.Time) value.Truth {
	switch p.Source {
	case "host":
		if !isNamed(p.Hosts, f) {
			return value.False
		}
	case "hits", "misses":
		return value.Unknown // the agent alone knows
	}
	truth, err := p.Meets(f.Facts, now)
	if err != nil {
		return value.Unknown
	}
	return truth
}
