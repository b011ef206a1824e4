package client

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// A census is a fleet of one agent, with policies.
type census struct {
	t     *testing.T
	key   *signing.PrivateKey
	fleet signing.ID
	token *signing.Token
	id    *signing.Identity
}

func newCensus(t *testing.T) *census {
	t.Helper()
	c := &census{t: t, fleet: signing.NewID()}
	var err error
	if c.key, err = signing.NewPrivateKey("Ada", "ada@example.org", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if c.token, err = signing.NewToken(signing.TokenSpec{Fleet: c.fleet, Uses: 3, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := c.token.Envelope.Sign(t.Context(), c.key); err != nil {
		t.Fatal(err)
	}
	if c.id, err = signing.NewIdentity(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *census) policy(change ...string) *signing.Policy {
	c.t.Helper()
	text := signing.NewPolicyText(signing.PolicySpec{
		Fleet: c.fleet, Name: "test",
		Administrators: []signing.PrincipalSpec{{Name: "Ada", Key: c.key.Public()}},
		Investigators:  []signing.PrincipalSpec{{Name: "Ada", Key: c.key.Public(), Weight: 1}},
	})
	p, err := signing.ParsePolicy([]byte(strings.NewReplacer(change...).Replace(text)))
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c *census) agent(host string) message.Agent {
	facts := plan.EncodeFacts(plan.Facts{"hostname": value.NewText(host)})
	return message.Agent{
		Agent: c.id.ID(), Membership: c.token.Enroll(c.id.Public(), host, time.Now()).Encode(),
		Facts: signing.NewStatement(c.id, "facts", time.Now(), facts).Encode(), Online: true,
	}
}

// TestRecognise: what was verified is believed again for the same bytes and the
// same policy alone, in this process and in the next.
func TestRecognise(t *testing.T) {
	c := newCensus(t)
	home, err := OpenHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	policy, now := c.policy(), time.Now()
	a := c.agent("web-1")
	who, err := home.recognise(a, policy, now)
	if err != nil || who.Host != "web-1" || !bytes.Equal(who.Public, c.id.Public()) || who.Uses != 3 {
		t.Fatalf("%+v, %v", who, err)
	}
	if err := home.saveRoster(); err != nil {
		t.Fatal(err)
	}
	later, err := OpenHome(home.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*Home{home, later} {
		if v := h.unchanged(a, h.sumOf(policy), now); v == nil || v.Host != "web-1" {
			t.Errorf("the same agent is verified again: %+v", v)
		}
		for i := range a.Membership {
			b := a
			b.Membership = bytes.Clone(a.Membership)
			b.Membership[i] ^= 1
			if h.unchanged(b, h.sumOf(policy), now) != nil {
				t.Fatalf("a membership with byte %d changed is the same", i)
			}
		}
		b := a
		b.Facts = bytes.Clone(a.Facts)
		b.Facts[len(b.Facts)-10] ^= 1
		if _, err := h.recognise(b, policy, now); err == nil {
			t.Error("facts that nobody signed are recognised")
		}
		if b.Facts = nil; h.unchanged(b, h.sumOf(policy), now) != nil {
			t.Error("an agent without facts is the one with")
		}
	}
}

// An agent that a later policy revokes is recognised no more, and one that says
// something new is known by that.
func TestRecogniseAnew(t *testing.T) {
	c := newCensus(t)
	home, err := OpenHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	policy, now := c.policy(), time.Now()
	a := c.agent("web-1")
	if _, err := home.recognise(a, policy, now); err != nil {
		t.Fatal(err)
	}
	if who, err := home.recognise(c.agent("web-2"), policy, now); err != nil || who.Host != "web-2" {
		t.Errorf("%+v, %v", who, err)
	}
	revoked := c.policy("version = 1", "version = 2", "[revoked]\nagents = []", "[revoked]\nagents = [\""+c.id.ID().String()+"\"]")
	if who, err := home.recognise(a, revoked, now); err == nil {
		t.Errorf("a revoked agent is recognised: %+v", who)
	}
	// A file that says of an agent that its key is another's is not believed.
	other, err := signing.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	home.roster[a.Agent].By.Public = other.Public()
	if who, err := home.recognise(home.named(a.Agent), policy, now); err != nil || !bytes.Equal(who.Public, c.id.Public()) {
		t.Errorf("%+v, %v", who, err)
	}
}

// What is remembered of an agent is no part of the relay's message, in which more
// may stand than is known.
func TestRosterKeepsNoMessages(t *testing.T) {
	c := newCensus(t)
	home, err := OpenHome(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a := c.agent("web-1")
	a.Software = strings.Repeat("x", 1<<20)
	body := a.Append(nil)
	named, err := message.DecodeAgent(body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := home.recognise(named, c.policy(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = 0
	}
	k := home.roster[a.Agent]
	if !bytes.Equal(k.Membership, a.Membership) || !bytes.Equal(k.Facts, a.Facts) {
		t.Error("what is remembered is the message")
	}
}

// Facts that are dated into the future outdo none that a right clock dates.
func TestFactsOfAWrongClock(t *testing.T) {
	c := newCensus(t)
	now := time.Now()
	facts := func(at time.Time) []byte {
		return signing.NewStatement(c.id, "facts", at, plan.EncodeFacts(plan.Facts{"hostname": value.NewText(at.Format(time.DateTime))})).Encode()
	}
	for name, x := range map[string]struct{ known, shown, want time.Time }{
		"later":                {now.Add(-time.Hour), now, now},
		"earlier":              {now, now.Add(-time.Hour), now},
		"from the future":      {now.Add(time.Hour), now, now},
		"a clock a bit ahead":  {now.Add(time.Minute), now, now.Add(time.Minute)},
		"both from the future": {now.Add(2 * time.Hour), now.Add(time.Hour), now.Add(time.Hour)},
	} {
		home := &Home{roster: map[message.ID]known{c.id.ID(): {Facts: facts(x.known)}}}
		if got := home.latest(message.Agent{Agent: c.id.ID(), Facts: facts(x.shown)}, now); !bytes.Equal(got, facts(x.want)) {
			t.Errorf("%s: %s", name, said(got))
		}
	}
}

// What a program with other rules of verifying believed is verified anew.
func TestRecogniseByOtherRules(t *testing.T) {
	c := newCensus(t)
	policy, now := c.policy(), time.Now()
	plain := sha256.Sum256(policy.Text())
	for name, sum := range map[string][]byte{"without a version": plain[:], "older": sumUnder(verifyRules-1, policy), "newer": sumUnder(verifyRules+1, policy)} {
		home, err := OpenHome(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		a := c.agent("web-1")
		if _, err := home.recognise(a, policy, now); err != nil {
			t.Fatal(err)
		}
		home.roster[a.Agent].By.Policy, home.roster[a.Agent].By.Host = sum, "believed"
		if who, err := home.recognise(a, policy, now); err != nil || who.Host != "web-1" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		if v := home.unchanged(a, home.sumOf(policy), now); v == nil || v.Host != "web-1" {
			t.Errorf("%s: what was verified anew is not remembered: %+v", name, v)
		}
	}
}

// named is what a relay says of an agent that is known.
func (h *Home) named(id message.ID) message.Agent {
	return message.Agent{Agent: id, Membership: h.roster[id].Membership, Facts: h.roster[id].Facts}
}
