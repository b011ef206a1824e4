package relay_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A folder is a relay's once, and a misspelt setting is not passed over.
func TestInit(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if err := relay.Init(f.dir, relay.InitOptions{Policy: f.sealedPolicy(f.policy, f.admin)}); err == nil {
		t.Error("a relay was made over another one")
	}
	if pin, err := relay.Pin(f.dir); err != nil || pin != f.relay.Pin() {
		t.Errorf("pin %q, %v, want %q", pin, err, f.relay.Pin())
	}
	for name, policy := range map[string][]byte{
		"no envelope": []byte("x"), "signed by nobody who may": f.sealedPolicy(f.policy, f.stranger),
	} {
		if err := relay.Init(t.TempDir(), relay.InitOptions{Policy: policy}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	f.halt()
	name := filepath.Join(f.dir, "relay.toml")
	text := must(os.ReadFile(name))(t)
	if err := os.WriteFile(name, append(text, "\nreplica = 3\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := relay.Open(t.Context(), f.dir, relay.Options{}); err == nil {
		r.Close()
		t.Error("a setting that is not known was passed over")
	}
}

// The chain, the token's uses and the proof decide who enrols.
func TestEnroll(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	tok := f.token(1)
	refused := func(what string, a *agent, change func(*message.Enroll)) {
		t.Helper()
		l, _ := a.ask(f.dial(nil), message.KindEnroll, change)
		if why := l.wantFailure(message.FailDenied); why.Reason == "" {
			t.Errorf("%s: no reason", what)
		}
	}
	first := f.newAgent("web-1", tok)
	other := must(signing.NewIdentity())(t)
	refused("proof of another", first, func(e *message.Enroll) { e.Proof = other.Sign("enroll", e.CSR) })
	refused("proof of another kind", first, func(e *message.Enroll) { e.Proof = first.id.Sign("facts", e.CSR) })
	forged := must(signing.NewToken(signing.TokenSpec{Fleet: f.id, Uses: 9, NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour)}))(t)
	if err := forged.Envelope.Sign(t.Context(), f.alice); err != nil {
		t.Fatal(err)
	}
	refused("token of an investigator", f.newAgent("web-2", forged), nil)
	first.enroll()
	refused("a second agent by a token for one", f.newAgent("web-3", tok), nil)
	first.enroll() // it lost its certificate, and is the same agent
	f.restart()
	refused("a second agent after a restart", f.newAgent("web-4", tok), nil)

	late := f.newAgent("web-5", f.token(1))
	f.later(2 * time.Hour)
	refused("by a token that has expired", late, nil)
}

// A certificate can be renewed over the session, by the identity alone.
func TestRenew(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	l, key := a.ask(a.conn, message.KindRenew, nil)
	a.take(key, read[message.Enrolled](t, l.want(message.TypeEnrolled)))
	other := must(signing.NewIdentity())(t)
	l, _ = a.ask(a.conn, message.KindRenew, func(e *message.Enroll) { e.Proof = other.Sign("enroll", e.CSR) })
	l.wantFailure(message.FailDenied)
	a.up("linux") // with the new certificate
}

// Whoever is not who he says is told so, and let go.
func TestHelloRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.newAgent("web-1", f.token(1)).enroll(), f.newAgent("web-2", f.token(1)).enroll()
	for name, change := range map[string]func(*message.Hello){
		"another's name":       func(h *message.Hello) { h.Agent = b.id.ID() },
		"another's membership": func(h *message.Hello) { h.Membership = b.mem },
		"both of another":      func(h *message.Hello) { h.Agent, h.Membership = b.id.ID(), b.mem },
		"no membership":        func(h *message.Hello) { h.Membership = nil },
		"another version":      func(h *message.Hello) { h.Version = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			a.hello(change)
			a.wantFailure(message.FailDenied)
		})
	}
	// Without a certificate there is no agent.
	l := f.open(f.dial(nil), message.KindAgent)
	l.wantFailure(message.FailBad)
}

// A plan goes to those whose facts meet its target, and to nobody else.
func TestRoute(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	linux, windows := f.agent("web-1", "linux"), f.agent("pc-1", "windows")
	linux.settle() // their facts have arrived
	windows.settle()
	i := f.login(f.alice)
	p := f.plan("linux")
	s := i.submit(f.signed(p, f.alice))
	if s.Plan != p.ID || s.Online != 1 || s.Offline != 0 || s.Pending {
		t.Errorf("submitted %+v", s)
	}
	linux.wantPlan(p.ID)
	windows.wantNone()
	got := i.stored(p.ID)
	if len(got.agents) != 1 || got.agents[linux.id.ID()].Agent != linux.id.ID() || got.up != 1 {
		t.Errorf("told of %v, caught up %d times", got.agents, got.up)
	}
	// What the agent gets is what was signed, byte for byte.
	again := f.plan("")
	envelope := f.signed(again, f.alice)
	i.submit(envelope)
	if !bytes.Equal(windows.want(message.TypePlan), envelope) {
		t.Error("the envelope was changed on its way")
	}
}

// An agent that has told no facts yet is meant by a plan for all, and by no
// other until it has.
func TestRouteBeforeFacts(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.newAgent("web-1", f.token(1)).enroll().hello(nil)
	a.settle()
	i := f.login(f.alice)
	linux, all := f.plan("linux"), f.plan("")
	if s := i.submit(f.signed(linux, f.alice)); s.Online != 0 {
		t.Errorf("by a target: %+v", s)
	}
	if s := i.submit(f.signed(all, f.alice)); s.Online != 1 {
		t.Errorf("by none: %+v", s)
	}
	a.wantPlan(all.ID)
	a.tell("linux", time.Now())
	a.wantPlan(linux.ID)
}

// An agent cannot relabel itself: the administrator's tags stand.
func TestTagsOfToken(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	l := i.request(message.Request{Op: message.OpFleet})
	got := decoded(t, message.DecodeAgent, l.want(message.TypeAgent))
	l.want(message.TypeEnd)
	m := must(signing.DecodeMembership(got.Membership))(t)
	st := must(signing.DecodeStatement(got.Facts))(t)
	if m.AgentID() != a.id.ID() || st.Verify(a.id.Public()) != nil || !got.Online || got.Software != "1.0.0" {
		t.Errorf("the fleet is %+v", got)
	}
}

// Facts are the agent's own word: those of another are refused, and cost the
// session.
func TestFactsOfAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.agent("web-1", "linux"), f.newAgent("web-2", f.token(1)).enroll()
	a.say(message.TypeFacts, signing.NewStatement(b.id, "facts", time.Now(), nil).Encode())
	a.wantFailure(message.FailBad)
	a.wantEnd()
}

// An agent that was away gets its plan when it comes, until that expires.
func TestOfflineAgent(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	a.conn.Close()
	other := f.newAgent("web-2", f.token(1)).enroll()
	i := f.login(f.alice)
	waitFor(t, "the relay notices that the agent left", func() bool { return !i.online(a.id.ID()) })
	p, short := f.plan("linux"), f.plan("linux")
	short.Expires = short.NotBefore.Add(2 * time.Minute)
	for _, p := range []*signing.PlanPayload{p, short} {
		if s := i.submit(f.signed(p, f.alice)); s.Online != 0 || s.Offline != 1 {
			t.Errorf("submitted %+v", s)
		}
	}
	f.later(signing.Leeway - 2*time.Minute)
	a.up("linux")
	a.wantPlan(p.ID)
	a.wantNone()
	// One whose facts nobody knew gets it, too.
	other.up("linux").wantPlan(p.ID)
}

func (i *investigator) online(id signing.ID) bool {
	i.f.t.Helper()
	l := i.request(message.Request{Op: message.OpFleet})
	defer l.Close()
	for {
		switch t, body := l.hear(); t {
		case message.TypeAgent:
			if a := decoded(i.f.t, message.DecodeAgent, body); a.Agent == id {
				l.want(message.TypeEnd)
				return a.Online
			}
		case message.TypeEnd:
			return false
		}
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in vain: ", what)
		}
	}
}

// Chunks are acknowledged when stored; doubled ones count once, and one that
// leaves a gap is not stored.
func TestChunks(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	l := f.open(a.conn, message.KindAnswer)
	l.say(message.TypeChunk, a.chunk(p.ID, 0, false, "a"))
	a.wantAck(l, p.ID, 1)
	l.say(message.TypeChunk, a.chunk(p.ID, 0, false, "A"))
	l.say(message.TypeChunk, a.chunk(p.ID, 1, false, "b"))
	a.wantAck(l, p.ID, 2)
	gap := f.open(a.conn, message.KindAnswer)
	gap.say(message.TypeChunk, a.chunk(p.ID, 9, true, "z"))
	gap.hear() // refused, or told where the answer stands
	last := f.open(a.conn, message.KindAnswer)
	last.say(message.TypeChunk, a.chunk(p.ID, 2, true, "c"))
	a.wantAck(last, p.ID, 3)
	s := i.stored(p.ID)
	if got := s.data(a.id.ID()); got != "abc" {
		t.Errorf("stored %q", got)
	}
	if !s.whole(a.id.ID()) {
		t.Errorf("the end is not stored")
	}
	all := i.items(message.OpList)
	if len(all) != 1 || all[0].Agents != 1 || all[0].Reached != 1 || all[0].Done != 1 || all[0].Bytes < 3 {
		t.Errorf("listed %+v", all)
	}
}

// Nobody answers in another's name, or what he was not asked.
func TestChunkOfAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, b := f.agent("web-1", "linux"), f.agent("pc-1", "windows")
	a.settle()
	b.settle()
	i := f.login(f.alice)
	p := f.plan("linux")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	b.say(message.TypeChunk, b.chunk(p.ID, 0, true, "I was not asked"))
	if ack := read[message.Ack](t, b.want(message.TypeAck)); !ack.Gone {
		t.Errorf("the answer of who was not asked: %+v", ack)
	}
	b.say(message.TypeChunk, a.chunk(p.ID, 0, true, "in another's name"))
	b.wantEnd()
	if got := i.stored(p.ID).chunks; len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

// What was acknowledged is there after a restart: plan, states, answers, facts,
// and an answer goes on where it was.
func TestRestart(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a, away := f.agent("web-1", "linux"), f.agent("web-2", "linux")
	a.settle()
	away.settle()
	away.conn.Close()
	i := f.login(f.alice)
	waitFor(t, "the relay notices that the agent left", func() bool { return !i.online(away.id.ID()) })
	p := f.plan("linux")
	envelope := f.signed(p, f.alice)
	i.submit(envelope)
	a.wantPlan(p.ID)
	a.say(message.TypeChunk, a.chunk(p.ID, 0, false, "before "))
	a.wantAck(a.line, p.ID, 1)
	f.restart()
	i = f.login(f.alice)
	list := i.items(message.OpList)
	if len(list) != 1 || !bytes.Equal(list[0].Envelope, envelope) || list[0].Agents != 2 || list[0].Reached != 1 || list[0].Done != 0 {
		t.Fatalf("listed %+v", list)
	}
	a.hello(func(h *message.Hello) { h.Open = []message.Open{{Plan: p.ID}} })
	a.wantAck(a.line, p.ID, 1)
	a.say(message.TypeChunk, a.chunk(p.ID, 1, true, "after"))
	a.wantAck(a.line, p.ID, 2)
	away.up("linux")
	away.wantPlan(p.ID)
	s := i.stored(p.ID)
	if got := s.data(a.id.ID()); got != "before after" {
		t.Errorf("stored %q", got)
	}
	f.restart()
	if got := f.login(f.alice).stored(p.ID); got.data(a.id.ID()) != "before after" || !got.whole(a.id.ID()) {
		t.Errorf("after the second restart: %q", got.data(a.id.ID()))
	}
}

// An agent has one session: a new one ends the old, and plans go to the new.
func TestDuplicateSession(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	a.settle()
	old := a.line
	a.up("linux")
	a.wantNone()
	old.wantEnd()
	i := f.login(f.alice)
	p := f.plan("")
	if s := i.submit(f.signed(p, f.alice)); s.Online != 1 {
		t.Errorf("submitted %+v", s)
	}
	a.wantPlan(p.ID)
}

// An agent that is killed and started anew goes on where the relay says, while
// chunks of before are still on their way to the disk: what is stored is what
// was acknowledged.
func TestStartedAnew(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.agent("web-1", "linux")
	i := f.login(f.alice)
	for round := range 20 {
		p := f.plan("")
		i.submit(f.signed(p, f.alice))
		a.wantPlan(p.ID)
		l := f.open(a.conn, message.KindAnswer)
		for seq := range uint32(round) {
			l.say(message.TypeChunk, a.chunk(p.ID, seq, false, strings.Repeat("x", 10_000)))
		}
		a.hello(func(h *message.Hello) { h.Open = []message.Open{{Plan: p.ID}} })
		ack := message.Ack{}
		for ack.Plan != p.ID {
			if kind, body := a.hear(); kind == message.TypeAck {
				ack = read[message.Ack](t, body)
			}
		}
		a.say(message.TypeChunk, a.chunk(p.ID, ack.Next, true, "end"))
		a.wantAck(a.line, p.ID, ack.Next+1)
		s := i.stored(p.ID)
		if got := s.data(a.id.ID()); len(got) != int(ack.Next)*10_000+len("end") || !strings.HasSuffix(got, "end") {
			t.Errorf("round %d: of %d chunks and an end %d bytes are stored", round, ack.Next, len(got))
		}
	}
}

// An agent that has as many answers as its spool holds is welcome with them.
func TestSpoolfulOfAnswers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.newAgent("web-1", f.token(1)).enroll()
	const many = 1024 + 256
	a.hello(func(h *message.Hello) {
		for range many {
			h.Open = append(h.Open, message.Open{Plan: signing.NewID()})
		}
	}).want(message.TypeWelcome)
	for range many {
		if ack := read[message.Ack](t, a.want(message.TypeAck)); !ack.Gone {
			t.Fatalf("%+v of a plan that is not here", ack)
		}
	}
}

// An agent that came to work once is let go when it has nothing left.
func TestOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	a := f.newAgent("web-1", f.token(1)).enroll()
	once := func(h *message.Hello) { h.Once = true }
	a.hello(once).want(message.TypeWelcome)
	a.tell("linux", time.Now())
	a.say(message.TypeIdle, nil)
	a.wantGoodbye()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.hello(once).want(message.TypeWelcome)
	a.tell("linux", time.Now())
	a.wantPlan(p.ID)
	a.say(message.TypeChunk, a.chunk(p.ID, 0, true, "x"))
	a.wantAck(a.line, p.ID, 1)
	a.say(message.TypeIdle, nil)
	a.wantGoodbye()
}

// wantGoodbye waits until the relay lets the agent go.
func (l *line) wantGoodbye() {
	l.t.Helper()
	for {
		if t, _ := l.hear(); t == message.TypeGoodbye {
			return
		}
	}
}

// Close and Serve end together, whoever is first, and more than once.
func TestClose(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.agent("web-1", "linux").settle()
	f.halt()
	if err := f.relay.Close(); err != nil {
		t.Error(err)
	}
	r := must(relay.Open(context.Background(), f.dir, relay.Options{}))(t)
	if err := r.Close(); err != nil {
		t.Error("a relay that never served:", err)
	}
}
