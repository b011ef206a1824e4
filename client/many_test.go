package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// crowd is how many agents answer at once in these tests: enough that answers
// of each lane wait behind others.
const crowd = 600

// newCrowd is a fleet of many agents of one token.
func newCrowd(t *testing.T) (*mallory, []*honest) {
	t.Helper()
	m := newMallory(t)
	m.wait = 0
	token, err := signing.NewToken(signing.TokenSpec{Fleet: m.policy.Fleet(), Uses: crowd, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Envelope.Sign(t.Context(), m.key); err != nil {
		t.Fatal(err)
	}
	m.token = token
	agents := make([]*honest, crowd)
	for i := range agents {
		agents[i] = m.agent(fmt.Sprintf("host-%04d", i))
	}
	return m, agents
}

// sealed is one chunk of whatever an agent says.
func (h *honest) sealed(t *testing.T, p *signing.PlanPayload, plain []byte) message.Chunk {
	t.Helper()
	b := sealing.Binding{Fleet: p.Fleet, Plan: p.ID, Agent: h.id.ID()}
	s, err := sealing.NewSealer(p.ReplyKey, b, func(m []byte) []byte { return h.id.Sign(sealing.Kind, m) }, 0)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.Seal(plain, true)
	if err != nil {
		t.Fatal(err)
	}
	return message.Chunk{Agent: h.id.ID(), Plan: p.ID, Final: true, Data: data}
}

// one is an answer of one row, in one chunk with the account.
func (h *honest) one(t *testing.T, p *signing.PlanPayload, values ...value.Value) message.Chunk {
	t.Helper()
	return h.sealed(t, p, answer.AppendSummary(answer.AppendRow(nil, 0, values), answer.Summary{Outcome: answer.Complete, Matched: 1, Looked: map[string]int64{"files": 1}}))
}

// ended says that everyone was named and that nothing more comes.
func ended(s *transport.Stream) {
	_ = s.WriteFrame(message.TypeCaughtUp, nil)
	_ = s.WriteFrame(message.TypeEnd, nil)
}

// answers is what agent i of a crowd sends, of which some is odd.
func (h *honest) answers(t *testing.T, p *signing.PlanPayload, i int) []message.Chunk {
	c := h.one(t, p, value.NewText("/etc/x"))
	switch i {
	case 100:
		c.Data = bytes.Clone(c.Data)
		c.Data[len(c.Data)/2] ^= 1
	case 200:
		return []message.Chunk{c, c, c} // the second and third say nothing new
	case 300:
		c = h.one(t, p, value.NewText("/etc/x"), value.NewText("a column that nobody asked for"))
	case 400:
		c = h.sealed(t, p, answer.AppendRow(nil, 0, []value.Value{value.NewText("/etc/x")}))
	case 500:
		return nil // it is silent
	}
	return []message.Chunk{c}
}

// TestFewLiarsAmongMany: of many answers that are opened side by side those that
// are not whole are named, each for what it is, and no other is.
func TestFewLiarsAmongMany(t *testing.T) {
	m, agents := newCrowd(t)
	want := map[string]string{"host-0100": "changed on the way", "host-0300": "no place for", "host-0400": "no account", "host-0500": "has not ended"}
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		for i, a := range agents {
			name(s, a.described())
			send(s, a.answers(t, p, i)...)
		}
		ended(s)
	}
	session, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := session.Query(t.Context(), attacked)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := map[string]int{}
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		seen[row.Text("host")]++
	}
	c, _ := rows.Coverage()
	if len(c.Agents) != crowd || len(c.Doubts) > 0 || !slices.IsSortedFunc(c.Agents, func(a, b quaestor.Agent) int { return strings.Compare(a.Host, b.Host) }) {
		t.Errorf("%d agents, in order or not; doubts %q", len(c.Agents), c.Doubts)
	}
	for _, a := range c.Agents {
		reason, odd := want[a.Host]
		if (a.State != quaestor.Matched) != odd || !strings.Contains(a.Reason, reason) {
			t.Errorf("%s is %s: %s", a.Host, a.State, a.Reason)
		}
		if n := seen[a.Host]; !odd && n != 1 || a.Rows != int64(n) {
			t.Errorf("%s: %d rows came, and coverage says %d", a.Host, n, a.Rows)
		}
	}
	tally, _ := rows.Tally()
	if tally != c.Tally() || tally.Targeted() != crowd || tally.Answered() != crowd-4 || tally.Count(quaestor.Silent) != 1 {
		t.Errorf("counted %v, named %v", tally, c.Tally())
	}
	if sum := rows.Summary(); sum.Outcome != answer.Partial || sum.Looked["files"] != crowd-4 || sum.Reason != "596 of 600 agents answered in full" {
		t.Errorf("%+v", sum)
	}
}

// Whatever the order in which answers come, groups and accounts are the same.
func TestManyAreAddedUp(t *testing.T) {
	m, agents := newCrowd(t)
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		for i, a := range agents {
			name(s, a.described())
			send(s, a.one(t, p, value.NewText(fmt.Sprintf("/etc/%d", i%7)), value.NewInt(1), value.NewInt(1)))
		}
		ended(s)
	}
	session, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := session.Query(t.Context(), `FROM fleet WHERE os = linux FIND file /etc/* STACK path`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	total, groups := int64(0), 0
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		groups++
		hosts, _ := row.Value("hosts")
		total += hosts.Int()
	}
	if sum := rows.Summary(); groups != 7 || total != crowd || sum.Outcome != answer.Complete || sum.Matched != 7 {
		t.Errorf("%d groups of %d hosts: %+v", groups, total, sum)
	}
}

// Who stops reading in the middle of many answers, or whose context ends, is
// let go, and leaves nothing behind: TestMain counts goroutines.
func TestManyAreLeft(t *testing.T) {
	for _, how := range []string{"break", "close", "cancel", "not begun"} {
		t.Run(how, func(t *testing.T) {
			m, agents := newCrowd(t)
			m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
				for _, a := range agents {
					described := a.described()
					if s.WriteFrame(message.TypeAgent, described.Append(nil)) != nil {
						return
					}
					send(s, a.one(t, p, value.NewText("/etc/x")))
				}
				_, _, _ = s.ReadFrame(message.Limit) // until he hangs up
			}
			session, err := m.dial()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			rows, err := session.Query(ctx, attacked)
			if err != nil {
				t.Fatal(err)
			}
			n, failed := 0, error(nil)
			for _, err := range rows.All() {
				if how == "not begun" {
					break
				}
				if failed = err; err != nil {
					break
				}
				if n++; n < 10 {
					continue
				}
				switch how {
				case "close":
					rows.Close()
				case "cancel":
					cancel()
				}
				if how == "break" {
					break
				}
			}
			if how != "break" && how != "not begun" && !errors.Is(failed, context.Canceled) {
				t.Errorf("after %d rows: %v", n, failed)
			}
			rows.Close()
			if c, _ := rows.Coverage(); c.Targeted() > crowd {
				t.Errorf("%d agents", c.Targeted())
			}
		})
	}
}

// A session whose rows nobody reads ends with them.
func TestNobodyReads(t *testing.T) {
	m, agents := newCrowd(t)
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		for _, a := range agents[:100] {
			name(s, a.described())
			send(s, a.one(t, p, value.NewText("/etc/x")))
		}
		_, _, _ = s.ReadFrame(message.Limit)
	}
	session, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := session.Query(t.Context(), attacked)
	if err != nil {
		t.Fatal(err)
	}
	rows.Close()
}
