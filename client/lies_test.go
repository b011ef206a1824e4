package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A relay makes up an investigation of the reply key of another, which it has
// with every plan. Who cancels it from elsewhere tells nobody's secret.
func TestCancelOfAPlanThatNobodySigned(t *testing.T) {
	m := newMallory(t)
	here, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	e, payload := m.signed(here, client.SignOptions{})
	m.home = t.TempDir()
	elsewhere, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	var secret []byte
	m.cancelled = func(c message.Cancel) { secret = c.Secret }
	show := func(e *signing.Envelope, id signing.ID) {
		m.items = func(s *transport.Stream) {
			_ = s.WriteFrame(message.TypeItem, message.Marshal(message.Investigation{Plan: id, Envelope: e.Encode()}))
		}
	}
	invented := *payload
	invented.ID = signing.NewID()
	show(&signing.Envelope{PayloadType: e.PayloadType, Payload: invented.Encode(), Signatures: e.Signatures}, invented.ID)
	if err := elsewhere.Cancel(t.Context(), invented.ID); !errors.Is(err, signing.ErrRefused) || secret != nil {
		t.Errorf("cancelled: %v; the relay was told %x", err, secret)
	}
	show(e, payload.ID)
	if err := elsewhere.Cancel(t.Context(), payload.ID); err != nil || len(secret) != 32 {
		t.Errorf("the true one: %v; the relay was told %x", err, secret)
	}
	// Here its key is known, and the relay is not even asked for the plan.
	secret, m.items = nil, func(*transport.Stream) {}
	if err := here.Cancel(t.Context(), payload.ID); err != nil || len(secret) != 32 {
		t.Errorf("where it was asked: %v; the relay was told %x", err, secret)
	}
}

// A relay that says that it took another plan than the one that it was handed,
// or says nothing, has not taken it: what it names would be noted as asked from
// here, and an audit would not tell of it.
func TestAnotherPlanTaken(t *testing.T) {
	m := newMallory(t)
	s, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	e, payload := m.signed(s, client.SignOptions{})
	to := client.Relay{Addrs: []string{m.listener.Addr().String()}, Pin: m.pin}
	for what, other := range map[string]signing.ID{"another": signing.NewID(), "none": {}} {
		m.took = func(s message.Submitted) message.Submitted { s.Plan = other; return s }
		if out, err := s.Submit(t.Context(), e); err == nil || !strings.Contains(err.Error(), payload.ID.String()) {
			t.Errorf("%s: %+v, %v", what, out, err)
		}
		if out, err := client.HandOver(t.Context(), to, e); err == nil || !strings.Contains(err.Error(), payload.ID.String()) {
			t.Errorf("%s, handed over: %+v, %v", what, out, err)
		}
	}
}

// Whoever signs in two fleets is not shown a plan of the one as if it were of
// the other: his signature would count there.
func TestCosignForAnotherFleet(t *testing.T) {
	m := newMallory(t)
	s, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	_, payload := m.signed(s, client.SignOptions{})
	payload.Fleet = signing.NewID()
	e := &signing.Envelope{PayloadType: signing.TypePlan, Payload: payload.Encode()}
	if err := s.Cosign(t.Context(), e); err == nil || !strings.Contains(err.Error(), payload.Fleet.String()) || len(e.Signatures) > 0 {
		t.Errorf("it was signed: %v", err)
	}
}

// showing plays agents, each with the facts of its time, who found nothing.
func (m *mallory) showing(agents []message.Agent, of ...*honest) {
	m.follow = func(s *transport.Stream, p *signing.PlanPayload) {
		for i, h := range of {
			name(s, agents[i])
			send(s, h.chunks(m.t, p, "/"+fmt.Sprint(i))...)
		}
		_ = s.WriteFrame(message.TypeCaughtUp, nil)
		_, _, _ = s.ReadFrame(message.Limit)
	}
}

// A relay that lets more agents in than a token is for, and shows some of them
// to one query and others to the next, is found out by who remembers both.
func TestTokenUsedInHalves(t *testing.T) {
	m := newMallory(t)
	var all []*honest
	var described []message.Agent
	for i := range 4 { // the token is for three
		all = append(all, m.agent(fmt.Sprint("h", i)))
		described = append(described, all[i].described())
	}
	m.showing(described[:2], all[:2]...)
	if _, _, doubts := m.shown(attacked); doubts != "" {
		t.Fatal(doubts)
	}
	m.showing(described[2:], all[2:]...)
	if _, _, doubts := m.shown(attacked); !strings.Contains(doubts, "4 agents have enrolled") {
		t.Errorf("doubts %q", doubts)
	}
}

// A relay that names an agent with the facts of last year shows its rows under
// no name that it has no more.
func TestRowsUnderAnOldName(t *testing.T) {
	m := newMallory(t)
	a := m.agent("new")
	m.showing([]message.Agent{a.described()}, a)
	if rows, _, _ := m.shown(attacked); rows != "new/0" {
		t.Fatal(rows)
	}
	old := a.described()
	a.host = "old"
	old.Facts = a.facts("linux", time.Now().Add(-time.Hour))
	m.showing([]message.Agent{old}, a)
	if rows, states, doubts := m.shown(attacked); rows != "new/0" || states != "new matched" || doubts != "" {
		t.Errorf("rows %q, states %q, doubts %q", rows, states, doubts)
	}
	m.agents = []message.Agent{old, old}
	s, err := m.dial()
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.Fleet(t.Context()); err != nil || len(list) != 1 || list[0].Host != "new" {
		t.Errorf("an agent that is named twice: %+v, %v", list, err)
	}
}
