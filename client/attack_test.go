package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

const attacked = `FROM fleet WHERE os = linux FIND file /etc/* RETURN path`

// TestRelayAttacks are what whoever owns the relay can do to answers. Rows of
// an agent that were verified before the attack are right and stay.
func TestRelayAttacks(t *testing.T) {
	flipped := func(c message.Chunk, i int) message.Chunk {
		c.Data = bytes.Clone(c.Data)
		c.Data[i] ^= 1
		return c
	}
	for _, c := range []struct {
		attack               string
		rows, states, doubts string
		play                 func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload)
	}{
		{"none", "a/1 a/2 b/3", "a matched, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			send(s, a.chunks(m.t, p, "/1", "/2")...)
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"an answer is dropped", "b/3", "a silent, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"an answer is cut", "a/1 b/3", "a silent, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			send(s, a.chunks(m.t, p, "/1", "/2")[0])
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"a chunk in the middle is dropped", "a/1 b/3", "a failed, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			x := a.chunks(m.t, p, "/1", "/2")
			send(s, x[0], x[2])
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"a chunk is doubled", "a/1 a/2 b/3", "a matched, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			x := a.chunks(m.t, p, "/1", "/2")
			send(s, x[0], x[0], x[1], x[1], x[2], x[2], x[0])
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"chunks are reordered", "b/3", "a failed, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			x := a.chunks(m.t, p, "/1", "/2")
			send(s, x[1], x[0], x[2])
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"a bit is changed", "a/1 b/3", "a failed, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			x := a.chunks(m.t, p, "/1", "/2")
			send(s, x[0], flipped(x[1], 40), x[2])
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"answers are swapped between agents", "", "a failed, b failed", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			x, y := a.chunks(m.t, p, "/1")[0], b.chunks(m.t, p, "/3")[0]
			x.Agent, y.Agent = y.Agent, x.Agent
			send(s, x, y)
		}},
		{"an answer to another plan is spliced in", "b/3", "a failed, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			other := *p
			other.ID = signing.NewID()
			x := a.chunks(m.t, &other, "/1")
			for i := range x {
				x[i].Plan = p.ID
			}
			send(s, x...)
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"an agent is invented", "a/1 b/3", "a matched, b matched", "which is none", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			token, err := signing.NewToken(m.token.Spec())
			if err != nil {
				m.t.Fatal(err)
			}
			id, _ := signing.NewIdentity()
			forged := &honest{id: id, member: token.Enroll(id.Public(), "c", time.Now()), host: "c"}
			name(s, forged.described())
			send(s, forged.chunks(m.t, p, "/invented")...)
			send(s, a.chunks(m.t, p, "/1")...)
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"an answer comes of nobody who was named", "a/1 b/3", "a matched, b matched", "nobody was named", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			send(s, m.agent("d").chunks(m.t, p, "/unnamed")...)
			send(s, a.chunks(m.t, p, "/1")...)
			send(s, b.chunks(m.t, p, "/3")...)
		}},
		{"the account says what is not so", "a/1 b/3", "a silent, b matched", "", func(m *mallory, a, b *honest, s *transport.Stream, p *signing.PlanPayload) {
			x := a.chunks(m.t, p, "/1")
			send(s, x[0])
			_ = s.WriteFrame(message.TypeState, (&message.State{Agent: a.id.ID(), Reached: true, Done: true, Online: true, Chunks: 2}).Append(nil))
			send(s, b.chunks(m.t, p, "/3")...)
		}},
	} {
		t.Run(c.attack, func(t *testing.T) {
			m := newMallory(t)
			a, b := m.agent("a"), m.agent("b")
			m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
				name(s, a.described())
				name(s, b.described())
				c.play(m, a, b, s, p)
				_ = s.WriteFrame(message.TypeCaughtUp, nil)
				_, _, _ = s.ReadFrame(message.Limit) // until the investigator has had enough
			}
			rows, states, doubts := m.shown(attacked)
			if rows != c.rows || states != c.states || (doubts == "") != (c.doubts == "") || !strings.Contains(doubts, c.doubts) {
				t.Errorf("rows %q, states %q, doubts %q\nwant %q, %q, %q", rows, states, doubts, c.rows, c.states, c.doubts)
			}
		})
	}
}

// A relay that hides an agent is noticed by who has seen it before.
func TestHiddenAgent(t *testing.T) {
	m := newMallory(t)
	a, b := m.agent("a"), m.agent("b")
	show := []*honest{a, b}
	play := func(s *transport.Stream, p *signing.PlanPayload) {
		for _, h := range show {
			name(s, h.described())
			send(s, h.chunks(t, p)...)
		}
		_ = s.WriteFrame(message.TypeCaughtUp, nil)
		_, _, _ = s.ReadFrame(message.Limit)
	}
	m.follow = play
	if _, states, doubts := m.shown(attacked); states != "a empty, b empty" || doubts != "" {
		t.Fatal(states, doubts)
	}
	show = show[:1]
	m.follow = play
	if _, states, doubts := m.shown(attacked); states != "a empty" || !strings.Contains(doubts, "does not name 1 agent") || !strings.Contains(doubts, "b") {
		t.Errorf("%s; %s", states, doubts)
	}
}

// More agents of a token than it is for: somebody else counts, too.
func TestTokenUsedTooOften(t *testing.T) {
	m := newMallory(t)
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		for i := range 4 { // the token is for three
			h := m.agent(fmt.Sprint("h", i))
			name(s, h.described())
			send(s, h.chunks(t, p)...)
		}
		_ = s.WriteFrame(message.TypeCaughtUp, nil)
		_, _, _ = s.ReadFrame(message.Limit)
	}
	if _, _, doubts := m.shown(attacked); !strings.Contains(doubts, "4 agents have enrolled") {
		t.Errorf("doubts %q", doubts)
	}
}

// An agent that sends what its plan has no place for is found out, and the
// others are not hurt. What it writes does not reach a terminal as it is.
func TestHostileAgent(t *testing.T) {
	for _, c := range []struct {
		what  string
		plain []byte
	}{
		{"rows of another table", answer.AppendRow(nil, 5, []value.Value{value.NewText("x")})},
		{"too many columns", answer.AppendRow(nil, 0, []value.Value{value.NewText("x"), value.NewText("y")})},
		{"a number for a path", answer.AppendRow(nil, 0, []value.Value{value.NewInt(1)})},
		{"garbage", []byte("garbage")},
	} {
		m := newMallory(t)
		a, b := m.agent("a\x1b[31m"), m.agent("b")
		m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
			name(s, a.described())
			name(s, b.described())
			sealer, err := sealing.NewSealer(p.ReplyKey, sealing.Binding{Fleet: p.Fleet, Plan: p.ID, Agent: a.id.ID()}, func(m []byte) []byte { return a.id.Sign(sealing.Kind, m) }, 0)
			if err != nil {
				t.Error(err)
			}
			data, err := sealer.Seal(c.plain, true)
			if err != nil {
				t.Error(err)
			}
			send(s, message.Chunk{Agent: a.id.ID(), Plan: p.ID, Final: true, Data: data})
			send(s, b.chunks(t, p, "/3")...)
			_ = s.WriteFrame(message.TypeCaughtUp, nil)
			_, _, _ = s.ReadFrame(message.Limit)
		}
		rows, states, _ := m.shown(attacked)
		if rows != "b/3" || !strings.HasSuffix(states, "b matched") || !strings.Contains(states, " failed") || strings.Contains(states, "\x1b") {
			t.Errorf("%s: rows %q, states %q", c.what, rows, states)
		}
	}
}

// A relay that shows an older policy, or one that no administrator signed.
func TestPolicyRolledBack(t *testing.T) {
	m := newMallory(t)
	old := m.envelope
	m.envelope, _ = m.policyOf(2)
	if _, err := m.dial(); err != nil {
		t.Fatal(err)
	}
	m.envelope = old
	s, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	if s.Policy().Version() != 2 || len(s.Doubts()) != 1 || !strings.Contains(s.Doubts()[0], "older policy") {
		t.Errorf("version %d, doubts %q", s.Policy().Version(), s.Doubts())
	}
	stranger, err := signing.NewPrivateKey("Mallory", "m@example.org", time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	_, p := m.policyOf(3)
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: p.Text()}
	if err := e.Sign(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	m.envelope = e.Encode()
	if _, err := m.dial(); !errors.Is(err, signing.ErrRefused) {
		t.Errorf("a policy of nobody: %v", err)
	}
}

// A relay that is not the pinned one is not even spoken to.
func TestOtherRelay(t *testing.T) {
	m, other := newMallory(t), newMallory(t)
	m.pin = other.pin
	if _, err := m.dial(); !errors.Is(err, transport.ErrPin) {
		t.Errorf("%v", err)
	}
}

// A plan in a relay's list is believed for its signatures alone, and a
// co-signer compiles its query again.
func TestPlansOfOthers(t *testing.T) {
	m := newMallory(t)
	s, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Compile(lang.Source{Name: "query", Text: attacked})
	if err != nil {
		t.Fatal(err)
	}
	e, err := s.Sign(t.Context(), c.Queries[0], client.SignOptions{Purpose: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	swapped := *payload
	swapped.Query = `FROM fleet FIND file /home/** CONTAINS "secret"`
	other := &signing.Envelope{PayloadType: e.PayloadType, Payload: swapped.Encode(), Signatures: e.Signatures}
	stripped := &signing.Envelope{PayloadType: e.PayloadType, Payload: e.Payload}
	show := func(x *signing.Envelope, id signing.ID) client.Investigation {
		m.items = func(s *transport.Stream) {
			_ = s.WriteFrame(message.TypeItem, message.Marshal(message.Investigation{Plan: id, Envelope: x.Encode()}))
		}
		all, err := s.Investigations(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0]
	}
	if i := show(e, payload.ID); i.Problem != nil || i.Signed.Problem != nil || len(i.Signed.Signers) != 1 {
		t.Errorf("the true one: %+v", i)
	}
	if i := show(other, payload.ID); i.Signed == nil || i.Signed.Problem == nil || len(i.Signed.Signers) != 0 {
		t.Errorf("another query under the same signature: %+v", i)
	}
	if i := show(stripped, payload.ID); i.Signed == nil || i.Signed.Problem == nil || len(i.Signed.Signers) != 0 {
		t.Errorf("without its signature: %+v", i)
	}
	if i := show(e, signing.NewID()); i.Problem == nil {
		t.Errorf("under another name: %+v", i)
	}
	local, err := quaestor.LocalWith(quaestor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Replan(payload, local); err != nil {
		t.Errorf("the true plan: %v", err)
	}
	if _, err := client.Replan(&swapped, local); !errors.Is(err, client.ErrDiffers) {
		t.Errorf("a plan that is not what its query says: %v", err)
	}
	other.Signatures = nil
	if err := s.Cosign(t.Context(), other); !errors.Is(err, client.ErrDiffers) || len(other.Signatures) > 0 {
		t.Errorf("it was cosigned: %v", err)
	}
}
