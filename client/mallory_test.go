package client_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// Mallory is a relay that does what a test tells it.
type mallory struct {
	t        *testing.T
	key      *signing.PrivateKey
	policy   *signing.Policy
	envelope []byte // of the policy that is shown
	token    *signing.Token
	listener *transport.Listener
	pin      string
	home     string
	// follow plays the answers to a plan.
	follow func(s *transport.Stream, p *signing.PlanPayload)
	items  func(s *transport.Stream)
	// took says something else of a plan that was taken.
	took func(message.Submitted) message.Submitted
	// cancelled is told what a cancel says; agents are those of the fleet.
	cancelled func(message.Cancel)
	agents    []message.Agent
	chain     [][]byte      // the policies that lead to it
	mute      bool          // it takes connections and says nothing
	wait      time.Duration // that investigators wait
}

func newMallory(t *testing.T) *mallory {
	t.Helper()
	m := &mallory{t: t, home: t.TempDir(), wait: 2 * time.Second, took: func(s message.Submitted) message.Submitted { return s }}
	var err error
	if m.key, err = signing.NewPrivateKey("Ada", "ada@example.org", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	m.envelope, m.policy = m.policyOf(1)
	if m.token, err = signing.NewToken(signing.TokenSpec{Fleet: m.policy.Fleet(), Uses: 3, NotBefore: time.Now().Add(-time.Hour), Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := m.token.Envelope.Sign(t.Context(), m.key); err != nil {
		t.Fatal(err)
	}
	ca, err := transport.NewCA("mallory", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.ServerCert([]string{"127.0.0.1"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if m.listener, err = transport.Listen("127.0.0.1:0", transport.ListenOptions{Certificate: cert, CA: ca.Certificate()}); err != nil {
		t.Fatal(err)
	}
	m.pin = ca.Pin()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.serve(ctx)
	}()
	t.Cleanup(func() { cancel(); m.listener.Close(); <-done })
	return m
}

var testFleet = signing.NewID()

func (m *mallory) policyOf(version int) ([]byte, *signing.Policy) {
	text := signing.NewPolicyText(signing.PolicySpec{
		Fleet: testFleet, Name: "test",
		Administrators: []signing.PrincipalSpec{{Name: "Ada", Key: m.key.Public()}},
		Investigators:  []signing.PrincipalSpec{{Name: "Ada", Key: m.key.Public(), Weight: 1}},
	})
	text = strings.Replace(text, "version = 1", fmt.Sprintf("version = %d", version), 1)
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	if err := e.Sign(m.t.Context(), m.key); err != nil {
		m.t.Fatal(err)
	}
	p, err := signing.ParsePolicy([]byte(text))
	if err != nil {
		m.t.Fatal(err)
	}
	return e.Encode(), p
}

func (m *mallory) serve(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	for {
		c, err := m.listener.Accept(ctx)
		if err != nil {
			return
		}
		work.Go(func() {
			defer c.Close()
			for {
				s, err := c.Accept(ctx)
				if err != nil {
					return
				}
				work.Go(func() { m.stream(s) })
			}
		})
	}
}

func (m *mallory) stream(s *transport.Stream) {
	defer s.Close()
	if m.mute {
		_, _, _ = s.ReadFrame(message.Limit)
		return
	}
	if s.Kind() == message.KindAuth {
		_ = s.WriteFrame(message.TypeChallenge, make([]byte, 32))
		_, _, _ = s.ReadFrame(message.Limit)
		_ = s.WriteFrame(message.TypeGranted, message.Marshal(message.Granted{Relay: "mallory", Time: time.Now(), Policy: m.envelope}))
		return
	}
	if s.Kind() == message.KindSubmit {
		m.take(s)
		return
	}
	_, body, err := s.ReadFrame(message.Limit)
	var q message.Request
	if err != nil || message.Unmarshal(body, &q) != nil {
		return
	}
	switch q.Op {
	case message.OpSubmit:
		m.take(s)
	case message.OpFollow:
		m.follow(s, nil)
	case message.OpList:
		m.items(s)
	case message.OpCancel:
		_, body, _ = s.ReadFrame(message.Limit)
		var c message.Cancel
		if err := message.Unmarshal(body, &c); err != nil {
			m.t.Error(err)
		}
		m.cancelled(c)
	case message.OpPolicy:
		for _, text := range m.chain {
			_ = s.WriteFrame(message.TypePolicy, text)
		}
	case message.OpFleet:
		for _, a := range m.agents {
			_ = s.WriteFrame(message.TypeAgent, a.Append(nil))
		}
	}
	_ = s.WriteFrame(message.TypeEnd, nil)
}

// take takes a plan.
func (m *mallory) take(s *transport.Stream) {
	_, body, _ := s.ReadFrame(message.Limit)
	e, err := signing.ParseEnvelope(body)
	if err != nil {
		m.t.Error(err)
		return
	}
	p, err := signing.DecodePlanPayload(e.Payload)
	if err != nil {
		m.t.Error(err)
		return
	}
	follow := m.follow
	m.follow = func(s *transport.Stream, _ *signing.PlanPayload) { follow(s, p) }
	_ = s.WriteFrame(message.TypeResult, message.Marshal(m.took(message.Submitted{Plan: p.ID, Online: 2})))
}

// An honest agent, as Mallory sees it.
type honest struct {
	id     *signing.Identity
	member *signing.Membership
	host   string
}

func (m *mallory) agent(host string) *honest {
	id, err := signing.NewIdentity()
	if err != nil {
		m.t.Fatal(err)
	}
	return &honest{id: id, member: m.token.Enroll(id.Public(), host, time.Now()), host: host}
}

func (h *honest) described() message.Agent {
	return message.Agent{
		Agent: h.id.ID(), Membership: h.member.Encode(), Online: true, Seen: time.Now(),
		Facts: h.facts("linux", time.Now()),
	}
}

func (h *honest) facts(os string, at time.Time) []byte {
	f := plan.EncodeFacts(plan.Facts{"hostname": value.NewText(h.host), "os": value.NewText(os)})
	return signing.NewStatement(h.id, "facts", at, f).Encode()
}

// chunks gives the agent's answer: a chunk a path, and one with the account.
func (h *honest) chunks(t *testing.T, p *signing.PlanPayload, paths ...string) []message.Chunk {
	t.Helper()
	b := sealing.Binding{Fleet: p.Fleet, Plan: p.ID, Agent: h.id.ID()}
	s, err := sealing.NewSealer(p.ReplyKey, b, func(m []byte) []byte { return h.id.Sign(sealing.Kind, m) }, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []message.Chunk
	add := func(plain []byte, final bool) {
		data, err := s.Seal(plain, final)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, message.Chunk{Agent: h.id.ID(), Plan: p.ID, Seq: uint32(len(out)), Final: final, Data: data})
	}
	for _, path := range paths {
		add(answer.AppendRow(nil, 0, []value.Value{value.NewText(path)}), false)
	}
	add(answer.AppendSummary(nil, answer.Summary{Outcome: answer.Complete, Matched: int64(len(paths)), Looked: map[string]int64{"files": 7}}), true)
	return out
}

func name(s *transport.Stream, a message.Agent) {
	_ = s.WriteFrame(message.TypeAgent, a.Append(nil))
	_ = s.WriteFrame(message.TypeState, (&message.State{Agent: a.Agent, Reached: true, Online: true}).Append(nil))
}

func send(s *transport.Stream, chunks ...message.Chunk) {
	for _, c := range chunks {
		_ = s.WriteFrame(message.TypeChunk, c.Append(nil))
	}
}

// dialMallory connects as an investigator would.
func (m *mallory) dial() (*client.Session, error) { return m.dialContext(m.t.Context()) }

func (m *mallory) dialContext(ctx context.Context) (*client.Session, error) {
	home, err := client.OpenHome(m.home)
	if err != nil {
		m.t.Fatal(err)
	}
	home.Config = client.Config{Relays: []string{m.listener.Addr().String()}, Pin: m.pin, Administrators: []string{string(m.key.Fingerprint())}}
	s, err := client.Dial(ctx, "", client.WithHome(home), client.WithKey(m.key), client.WithRun(client.RunOptions{Follow: client.FollowOptions{Wait: m.wait}}))
	if err == nil {
		m.t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// shown asks and gives what an investigator sees: rows, those of each agent in
// the order in which they came, states, doubts.
func (m *mallory) shown(query string) (rows, states, doubts string) {
	m.t.Helper()
	s, err := m.dial()
	if err != nil {
		m.t.Fatal(err)
	}
	r, err := s.Query(m.t.Context(), query)
	if err != nil {
		m.t.Fatal(err)
	}
	defer r.Close()
	var out []string
	for row, err := range r.All() {
		if err != nil {
			m.t.Fatal(err)
		}
		out = append(out, row.Text("host")+row.Text("path"))
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(a[:1], b[:1]) })
	c, _ := r.Coverage()
	var st []string
	for _, a := range c.Agents {
		m.t.Log(a.Host, a.State, a.Reason)
		st = append(st, a.Host+" "+a.State.String())
	}
	if len(c.Doubts) == 0 != (r.Summary().Outcome == answer.Complete) && !strings.Contains(strings.Join(st, ""), "failed") && !strings.Contains(strings.Join(st, ""), "silent") {
		m.t.Errorf("%s with doubts %q", r.Summary().Outcome, c.Doubts)
	}
	return strings.Join(out, " "), strings.Join(st, ", "), strings.Join(c.Doubts, "; ")
}
