package relay_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Only who is in the policy, and signs this connection's challenge, gets in.
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for name, c := range map[string]struct {
		as     signing.Fingerprint
		by     *signing.PrivateKey
		change func(challenge, exported []byte) []byte
	}{
		"a stranger":              {f.stranger.Fingerprint(), f.stranger, nil},
		"another's name":          {f.alice.Fingerprint(), f.stranger, nil},
		"of another connection":   {f.alice.Fingerprint(), f.alice, func(c, e []byte) []byte { return message.AuthMessage(c, make([]byte, len(e))) }},
		"of another challenge":    {f.alice.Fingerprint(), f.alice, func(c, e []byte) []byte { return message.AuthMessage(make([]byte, len(c)), e) }},
		"a plan's signature":      {f.alice.Fingerprint(), f.alice, func(c, e []byte) []byte { return signing.PAE(signing.TypePlan, c) }},
		"without a known message": {f.alice.Fingerprint(), f.alice, func(c, e []byte) []byte { return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			_, l := f.prove(c.as, c.by, c.change)
			l.wantFailure(message.FailDenied)
		})
	}
	f.login(f.alice)
	f.login(f.admin)
	l := f.open(f.dial(nil), message.KindRequest)
	l.wantFailure(message.FailBad)
}

// What agents would refuse is refused here.
func TestSubmitRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	good := f.plan("")
	i.submit(f.signed(good, f.alice))
	a.wantPlan(good.ID)
	changed := func(change func(p *signing.PlanPayload)) []byte {
		p := f.plan("")
		change(p)
		return f.signed(p, f.alice)
	}
	for name, c := range map[string]struct {
		envelope []byte
		code     string
	}{
		"no envelope":     {[]byte("{}"), message.FailBad},
		"twice":           {f.signed(good, f.alice), message.FailExists},
		"a stranger's":    {f.signed(f.plan(""), f.stranger), message.FailDenied},
		"unsigned":        {f.signed(f.plan("")), message.FailDenied},
		"another fleet's": {changed(func(p *signing.PlanPayload) { p.Fleet = signing.NewID() }), message.FailDenied},
		"expired": {changed(func(p *signing.PlanPayload) {
			p.Planned, p.NotBefore, p.Expires = p.Planned.Add(-2*time.Hour), p.NotBefore.Add(-2*time.Hour), p.NotBefore.Add(-time.Hour)
		}), message.FailExpired},
		"not a plan inside": {changed(func(p *signing.PlanPayload) { p.Compiled = []byte("x") }), message.FailBad},
		"a policy":          {f.sealedPolicy(f.policy, f.admin), message.FailBad},
	} {
		t.Run(name, func(t *testing.T) {
			l := i.send(message.OpSubmit, message.TypeEnvelope, c.envelope)
			l.wantFailure(c.code)
		})
	}
	a.wantNone()
}

// Who has no key hands in a plan whose signatures are enough, one alone.
func TestStranger(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	hand := func(envelope []byte) *line {
		l := f.open(f.dial(nil), message.KindSubmit)
		l.say(message.TypeEnvelope, envelope)
		return l
	}
	p := f.plan("")
	l := hand(f.signed(p, f.alice))
	if s := read[message.Submitted](t, l.want(message.TypeResult)); s.Plan != p.ID || s.Online != 1 {
		t.Errorf("submitted %+v", s)
	}
	l.want(message.TypeEnd)
	a.wantPlan(p.ID)
	hand(f.signed(f.plan(""), f.stranger)).wantFailure(message.FailDenied)
	hand(f.signed(f.plan(""))).wantFailure(message.FailDenied)
	weak := f.plan("")
	weak.Modules = []string{"file"}
	hand(f.signed(weak, f.alice)).wantFailure(message.FailPending)
	if waiting := f.login(f.alice).items(message.OpPending); len(waiting) != 0 {
		t.Errorf("a stranger made plans wait: %+v", waiting)
	}
	a.wantNone()

	// Those who say nothing take all places, and give them back.
	full := func() bool {
		kind, body := hand(f.signed(f.plan(""), f.alice)).hear()
		return kind == message.TypeFailure && read[message.Failure](t, body).Code == message.FailLimit
	}
	var silent []*line
	eventually(t, "the silent are counted", func() bool {
		// One that came while the question took a place was refused itself.
		silent = append(silent, f.open(f.dial(nil), message.KindSubmit))
		return full()
	})
	for _, l := range silent {
		l.Close()
	}
	eventually(t, "and forgotten", func() bool { return !full() })
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// A plan that lacks weight waits for the second signer.
func TestPending(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	p.Modules = []string{"file"}
	if s := i.submit(f.signed(p, f.alice)); !s.Pending {
		t.Errorf("submitted %+v", s)
	}
	a.wantNone()
	waiting := i.items(message.OpPending)
	if len(waiting) != 1 || waiting[0].Plan != p.ID {
		t.Fatalf("waiting: %+v", waiting)
	}
	b := f.login(f.bob)
	e := must(signing.ParseEnvelope(waiting[0].Envelope))(t)
	if err := e.Sign(t.Context(), f.bob); err != nil {
		t.Fatal(err)
	}
	if s := b.submit(e.Encode()); s.Pending || s.Online != 1 {
		t.Errorf("submitted %+v", s)
	}
	a.wantPlan(p.ID)
	if left := i.items(message.OpPending); len(left) != 0 {
		t.Errorf("waiting: %+v", left)
	}
}

// Who knows the secret cancels; agents that have the plan hear it.
func TestCancel(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i, b := f.login(f.alice), f.login(f.bob)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	b.send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: p.ID, Secret: []byte("a guess")}).wantFailure(message.FailDenied)
	b.send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: signing.NewID(), Secret: secret}).wantFailure(message.FailUnknown)
	b.send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: p.ID, Secret: secret}).want(message.TypeEnd)
	if c := read[message.Cancel](t, a.want(message.TypeCancel)); c.Plan != p.ID || !bytes.Equal(c.Secret, secret) {
		t.Errorf("the agent heard %+v", c)
	}
	f.agent("web-2", "linux").wantNone()
	f.restart()
	if l := f.login(f.alice).items(message.OpList); len(l) != 1 || !l[0].Cancelled {
		t.Errorf("after a restart: %+v", l)
	}
}

// Signers delete; others do not. What was deleted stays away.
func TestDelete(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i, b := f.login(f.alice), f.login(f.bob)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	a.say(message.TypeChunk, a.chunk(p.ID, 0, false, "x"))
	a.wantAck(a.line, p.ID, 1)
	b.request(message.Request{Op: message.OpDelete, Plan: p.ID}).wantFailure(message.FailDenied)
	i.request(message.Request{Op: message.OpDelete, Plan: p.ID}).want(message.TypeEnd)
	if ack := read[message.Ack](t, a.want(message.TypeAck)); !ack.Gone || ack.Plan != p.ID {
		t.Errorf("the agent heard %+v", ack)
	}
	i.request(message.Request{Op: message.OpFollow, Plan: p.ID}).wantFailure(message.FailUnknown)
	f.restart()
	if l := f.login(f.alice).items(message.OpList); len(l) != 0 {
		t.Errorf("after a restart: %+v", l)
	}
}

func (f *fleet) nextPolicy(version int, change func(string) string) string {
	text := strings.Replace(f.policy, "version = 1", fmt.Sprintf("version = %d", version), 1)
	if change != nil {
		text = change(text)
	}
	return text
}

// A policy only grows, and administrators sign it; agents get it.
func TestPublish(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.admin)
	publish := func(text string, by *signing.PrivateKey) *line {
		return i.send(message.OpPublish, message.TypePolicy, f.sealedPolicy(text, by))
	}
	publish(f.nextPolicy(3, nil), f.alice).wantFailure(message.FailDenied)
	third := f.sealedPolicy(f.nextPolicy(3, nil), f.admin)
	i.send(message.OpPublish, message.TypePolicy, third).want(message.TypeEnd)
	if !bytes.Equal(a.want(message.TypePolicy), third) {
		t.Error("the agent got another policy")
	}
	publish(f.nextPolicy(2, nil), f.admin).wantFailure(message.FailDenied)
	publish(f.nextPolicy(3, func(s string) string { return s + "\n# another text\n" }), f.admin).wantFailure(message.FailDenied)
	f.restart()
	got := f.login(f.alice).request(message.Request{Op: message.OpPolicy, After: 1})
	if !bytes.Equal(got.want(message.TypePolicy), third) {
		t.Error("another policy after a restart")
	}
	a.hello(nil)
	a.want(message.TypeWelcome)
	if !bytes.Equal(a.want(message.TypePolicy), third) {
		t.Error("an agent with an old policy did not get the new one")
	}
}

// A revoked agent is told so and put out, and does not come back.
func TestRevokedAgent(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.agent("web-1", "linux"), f.agent("web-2", "linux")
	a.settle()
	b.settle()
	text := f.nextPolicy(2, nil)
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "agents = [") {
			text = strings.Replace(text, line, fmt.Sprintf("agents = [%q]", a.id.ID()), 1)
		}
	}
	p := must(signing.ParsePolicy([]byte(text)))(t)
	if len(p.RevokedAgents()) != 1 {
		t.Fatal("the test does not revoke:\n", text)
	}
	f.login(f.admin).send(message.OpPublish, message.TypePolicy, f.sealedPolicy(text, f.admin)).want(message.TypeEnd)
	a.want(message.TypePolicy) // it learns why
	a.wantGoodbye()
	a.wantEnd()
	// So does one that was away, and once it knows it is told no more.
	a.hello(nil)
	a.want(message.TypeWelcome)
	a.want(message.TypePolicy)
	a.wantGoodbye()
	a.hello(func(h *message.Hello) { h.Policy = 2 })
	a.wantFailure(message.FailDenied)
	l, _ := a.ask(f.dial(nil), message.KindEnroll, nil)
	l.wantFailure(message.FailDenied)
	b.want(message.TypePolicy)
	if err := f.relay.Enrolled(a.mem); err == nil {
		t.Error("one that was revoked while it enrolled is let in")
	}
	if err := f.relay.Enrolled(b.mem); err != nil {
		t.Error(err)
	}
}

// One that says too much is put out; the others notice nothing.
func TestFloodingAgent(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	good, bad := f.agent("web-1", "linux"), f.agent("web-2", "linux")
	good.settle()
	bad.settle()
	flood := map[string]func() error{
		"facts": func() error {
			return bad.WriteFrame(message.TypeFacts, signing.NewStatement(bad.id, "facts", time.Now(), []byte("QFA1\x00")).Encode())
		},
		"strays":            func() error { return bad.WriteFrame(message.TypeChunk, bad.chunk(signing.NewID(), 0, true, "x")) },
		"frames of no type": func() error { return bad.WriteFrame(200, make([]byte, 1<<10)) },
	}
	for name, do := range flood {
		t.Run(name, func(t *testing.T) {
			bad.up("linux")
			for n := 0; n < 200_000 && do() == nil; n++ {
				if n%1000 == 999 && bad.Flush() != nil {
					break
				}
			}
			bad.wantEnd()
		})
	}
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	good.wantPlan(p.ID)
	good.say(message.TypeChunk, good.chunk(p.ID, 0, true, "well"))
	good.wantAck(good.line, p.ID, 1)
}

// A follower that takes nothing holds nobody, and has everything when it goes
// on.
func TestSlowFollower(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	slow, fast := f.login(f.alice), f.login(f.alice)
	p := f.plan("")
	slow.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	sleepy := slow.request(message.Request{Op: message.OpFollow, Plan: p.ID})
	const chunks = 160
	data := strings.Repeat("x", 128<<10) // 20 MB: more than any window
	answer := f.open(a.conn, message.KindAnswer)
	go func() {
		for n := range uint32(chunks) {
			if answer.WriteFrame(message.TypeChunk, a.chunk(p.ID, n, n == chunks-1, data)) != nil {
				return
			}
		}
	}()
	a.wantAck(answer, p.ID, chunks)
	if s := fast.stored(p.ID); len(s.chunks[a.id.ID()]) != chunks {
		t.Errorf("the fast one got %d chunks", len(s.chunks[a.id.ID()]))
	}
	s := newStory()
	for len(s.chunks[a.id.ID()]) < chunks {
		s.hear(sleepy)
	}
}
