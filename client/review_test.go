package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// signed gives a plan of the query attacked that was signed here.
func (m *mallory) signed(s *client.Session, o client.SignOptions) (*signing.Envelope, *signing.PlanPayload) {
	m.t.Helper()
	c, err := s.Compile(lang.Source{Name: "query", Text: attacked})
	if err != nil {
		m.t.Fatal(err)
	}
	e, err := s.Sign(m.t.Context(), c.Queries[0], o)
	if err != nil {
		m.t.Fatal(err)
	}
	p, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		m.t.Fatal(err)
	}
	return e, p
}

// within fails the test if f takes a time that no machine needs.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal(what + " hangs")
	}
}

// A relay that shows another investigation under the name of the one that was
// asked for: its answers are not taken for those, and its cancel secret stays here.
func TestInvestigationSwapped(t *testing.T) {
	m := newMallory(t)
	a := m.agent("a")
	s, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	other, payload := m.signed(s, client.SignOptions{})
	asked := signing.NewID()
	m.items = func(s *transport.Stream) {
		_ = s.WriteFrame(message.TypeItem, message.Marshal(message.Investigation{Plan: asked, Envelope: other.Encode()}))
	}
	m.follow = func(s *transport.Stream, _ *signing.PlanPayload) {
		name(s, a.described())
		send(s, a.chunks(t, payload, "/of the other")...)
	}
	if _, err := s.Follow(t.Context(), asked, client.FollowOptions{Stored: true}); err == nil || !strings.Contains(err.Error(), payload.ID.String()) {
		t.Errorf("followed: %v", err)
	}
	var secret []byte
	m.cancelled = func(c message.Cancel) { secret = c.Secret }
	if err := s.Cancel(t.Context(), asked); err == nil || secret != nil {
		t.Errorf("cancelled: %v; the relay was told %x", err, secret)
	}
}

// A relay that never says that it has named everyone is waited for as long as
// was asked, and what is missing is said.
func TestNeverCaughtUp(t *testing.T) {
	m := newMallory(t)
	a := m.agent("a")
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		name(s, a.described())
		send(s, a.chunks(t, p, "/1")...)
		_, _, _ = s.ReadFrame(message.Limit)
	}
	within(t, "waiting", func() {
		rows, states, doubts := m.shown(attacked)
		if rows != "a/1" || states != "a matched" || !strings.Contains(doubts, "had not named every agent") {
			t.Errorf("rows %q, states %q, doubts %q", rows, states, doubts)
		}
	})
}

// A relay that says nothing where it should is left when the caller wants to.
func TestSilentRelay(t *testing.T) {
	m := newMallory(t)
	m.mute = true
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	within(t, "dialling", func() {
		if _, err := m.dialContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// A query that needs no further rows ends before everybody was named: nobody
// is called hidden for that.
func TestNobodyIsHiddenEarly(t *testing.T) {
	m := newMallory(t)
	a, b := m.agent("a"), m.agent("b")
	late := false
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		name(s, a.described())
		if !late {
			name(s, b.described())
		}
		send(s, a.chunks(t, p, "/1")...)
		if !late {
			send(s, b.chunks(t, p)...)
			_ = s.WriteFrame(message.TypeCaughtUp, nil)
		}
		_, _, _ = s.ReadFrame(message.Limit)
	}
	play := m.follow
	m.shown(attacked)
	m.follow, late = play, true
	if _, _, doubts := m.shown(attacked + " LIMIT 1"); strings.Contains(doubts, "does not name") {
		t.Error(doubts)
	}
}

// A relay that first names an agent without its facts, or with old ones, hides
// it no better than one that does not.
func TestFactsRolledBack(t *testing.T) {
	for what, older := range map[string]func(*honest) message.Agent{
		"none": func(h *honest) message.Agent {
			a := h.described()
			a.Facts = nil
			return a
		},
		"old": func(h *honest) message.Agent {
			a := h.described()
			a.Facts = h.facts("windows", time.Now().Add(-time.Hour))
			return a
		},
	} {
		m := newMallory(t)
		a, b := m.agent("a"), m.agent("b")
		show := []message.Agent{a.described(), b.described()}
		m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
			for i, d := range show {
				name(s, d)
				send(s, []*honest{a, b}[i].chunks(t, p)...)
			}
			_ = s.WriteFrame(message.TypeCaughtUp, nil)
			_, _, _ = s.ReadFrame(message.Limit)
		}
		play := m.follow
		m.shown(attacked)
		show[1] = older(b)
		m.follow = play
		m.shown(attacked)
		show = show[:1]
		m.follow = play
		if _, _, doubts := m.shown(attacked); !strings.Contains(doubts, "does not name 1 agent") {
			t.Errorf("%s: doubts %q", what, doubts)
		}
	}
}

// The connection breaks in the middle of an answer, again and again: no row is
// lost and none comes twice.
func TestConnectionBreaks(t *testing.T) {
	m := newMallory(t)
	a, b := m.agent("a"), m.agent("b")
	var x, y []message.Chunk
	calls := 0
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		if calls++; x == nil {
			x, y = a.chunks(t, p, "/1", "/2", "/3"), b.chunks(t, p, "/4", "/5", "/6")
		}
		name(s, a.described())
		name(s, b.described())
		n := min(calls, len(x))
		send(s, x[:n]...)
		send(s, y[:n]...)
		if _ = s.Flush(); n < len(x) {
			_ = s.Conn().Close()
			return
		}
		_ = s.WriteFrame(message.TypeCaughtUp, nil)
	}
	m.wait = 20 * time.Second
	rows, states, doubts := m.shown(attacked)
	if got := strings.Fields(rows); len(got) != 6 || states != "a matched, b matched" || doubts != "" || calls != 4 {
		t.Errorf("%d connections: rows %q, states %q, doubts %q", calls, rows, states, doubts)
	}
}

// A relay that is going says so, and the next connection goes on.
func TestRelayGoes(t *testing.T) {
	m := newMallory(t)
	a := m.agent("a")
	calls := 0
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		name(s, a.described())
		if calls++; calls == 1 {
			_ = s.WriteFrame(message.TypeFailure, message.Marshal(message.Failure{Code: message.FailShutdown, Reason: "the relay is going"}))
			return
		}
		send(s, a.chunks(t, p, "/1")...)
		_ = s.WriteFrame(message.TypeCaughtUp, nil)
	}
	m.wait = 20 * time.Second
	if rows, states, _ := m.shown(attacked); rows != "a/1" || states != "a matched" {
		t.Errorf("rows %q, states %q", rows, states)
	}
}

// A frame that is larger than any of its kind, and one that makes no sense, end
// the answer with an error and are not asked for again.
func TestFramesOutOfBounds(t *testing.T) {
	for what, send := range map[string]func(s *transport.Stream){
		"too large":            func(s *transport.Stream) { _ = s.WriteFrame(message.TypeState, make([]byte, message.MaxControl+1)) },
		"of an unknown type":   func(s *transport.Stream) { _ = s.WriteFrame(200, nil) },
		"a chunk of nothing":   func(s *transport.Stream) { _ = s.WriteFrame(message.TypeChunk, nil) },
		"no agent":             func(s *transport.Stream) { _ = s.WriteFrame(message.TypeAgent, []byte("[")) },
		"a failure of no kind": func(s *transport.Stream) { _ = s.WriteFrame(message.TypeFailure, []byte("[")) },
	} {
		m := newMallory(t)
		calls := 0
		m.follow = func(s *transport.Stream, p *signing.PlanPayload) { calls++; send(s); _ = s.Flush() }
		m.wait = time.Minute
		s, err := m.dial()
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Query(t.Context(), attacked)
		if err != nil {
			t.Fatal(err)
		}
		within(t, what, func() {
			var failed error
			for _, err := range r.All() {
				failed = errors.Join(failed, err)
			}
			if failed == nil || calls != 1 {
				t.Errorf("%s: %v after %d requests", what, failed, calls)
			}
		})
		r.Close()
	}
}

// What two signed, the second an hour after the first, can be read when its
// window is over; and from another machine of the same signer, unless the copy
// of the reply key was left out.
func TestComeBackLater(t *testing.T) {
	m := newMallory(t)
	a := m.agent("a")
	for what, noWrap := range map[string]bool{"wrapped": false, "not wrapped": true} {
		s, err := m.dial()
		if err != nil {
			t.Fatal(err)
		}
		e, payload := m.signed(s, client.SignOptions{NoWrap: noWrap})
		m.items = func(s *transport.Stream) {
			_ = s.WriteFrame(message.TypeItem, message.Marshal(message.Investigation{Plan: payload.ID, Envelope: e.Encode()}))
		}
		m.follow = func(s *transport.Stream, _ *signing.PlanPayload) {
			name(s, a.described())
			send(s, a.chunks(t, payload, "/1")...)
			_ = s.WriteFrame(message.TypeCaughtUp, nil)
		}
		here := m.home
		m.home = t.TempDir()
		elsewhere, err := m.dial()
		m.home = here
		if err != nil {
			t.Fatal(err)
		}
		r, err := elsewhere.Follow(t.Context(), payload.ID, client.FollowOptions{Stored: true})
		if noWrap {
			if err == nil || !strings.Contains(err.Error(), "no copy of its reply key") {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for row, err := range r.All() {
			if n++; err != nil || row.Text("path") != "/1" {
				t.Errorf("%v %v", row.Text("path"), err)
			}
		}
		if r.Close(); n != 1 || r.Summary().Outcome != answer.Complete {
			t.Errorf("%d rows; %+v", n, r.Summary())
		}
	}
}

// A co-signer who took his time signed a plan that counts as long as it is
// spoken of.
func TestExamineAfterTheWindow(t *testing.T) {
	m := newMallory(t)
	second, err := signing.NewPrivateKey("Bob", "bob@example.org", time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	text := signing.NewPolicyText(signing.PolicySpec{
		Fleet: testFleet, Name: "test", Administrators: []signing.PrincipalSpec{{Name: "Ada", Key: m.key.Public()}},
		Investigators: []signing.PrincipalSpec{{Name: "Ada", Key: m.key.Public(), Weight: 1}, {Name: "Bob", Key: second.Public(), Weight: 1}},
	})
	policy, err := signing.ParsePolicy([]byte(strings.Replace(text, "[module.file]\nweight = 1", "[module.file]\nweight = 2", 1)))
	if err != nil || policy.Rule("file").Weight != 2 {
		t.Fatal(err, policy.Rule("file"))
	}
	s, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	e, payload := m.signed(s, client.SignOptions{})
	second.Clock = func() time.Time { return payload.NotBefore.Add(30 * time.Minute) }
	if err := e.Sign(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	for at, problem := range map[time.Time]bool{payload.NotBefore.Add(40 * time.Minute): false, payload.Expires.Add(time.Hour): true} {
		known, err := client.Examine(e, policy, at)
		if err != nil || len(known.Signers) != 2 || (known.Problem != nil) != problem {
			t.Errorf("at %v: %+v, %v", at, known, err)
		}
	}
}

// Two programs use a home at the same time: neither forgets whom the other saw.
func TestRosterOfTwo(t *testing.T) {
	m := newMallory(t)
	first, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	a, b := m.agent("a"), m.agent("b")
	fleet := func(s *client.Session, h ...*honest) []client.FleetAgent {
		m.agents = nil
		for _, x := range h {
			m.agents = append(m.agents, x.described())
		}
		list, err := s.Fleet(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	second, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	fleet(first, a)
	fleet(second, b)
	second.Close()
	first.Close()
	third, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	if list := fleet(third); len(list) != 2 || list[0].Problem == nil || list[1].Problem == nil {
		t.Errorf("%+v", list)
	}
}
