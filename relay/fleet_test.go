package relay_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor/internal/abreast"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// Tests wait here, for disks and for servers that choose who leads, and compute
// little: more of them run at once than there are processors.
func TestMain(m *testing.M) {
	if err := abreast.AtLeast(3); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// long is more than anything here takes on a busy machine. Who waits so long
// has found a fault.
const long = 45 * time.Second

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A fleet is a relay on loopback, with its people.
type fleet struct {
	t           testing.TB
	id          signing.ID
	dir, addr   string
	nats        string // the spine, where it is not in the relay
	admin       *signing.PrivateKey
	alice, bob  *signing.PrivateKey
	stranger    *signing.PrivateKey
	policy      string // the text in force
	relay       *relay.Relay
	stop        context.CancelFunc
	done        chan error
	mu          *sync.Mutex
	now         func() time.Time
	dialers     map[*tls.Certificate]*transport.Dialer
	connections []*transport.Conn
}

func person(t testing.TB, name string) *signing.PrivateKey {
	t.Helper()
	return must(signing.NewPrivateKey(name, name+"@example.org", time.Now().Add(-time.Hour)))(t)
}

// people makes those of a fleet, and its policy: alice and bob weigh 1 each, and
// module file needs 2.
func people(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{
		t: t, id: signing.NewID(), now: time.Now, mu: &sync.Mutex{},
		admin: person(t, "root"), alice: person(t, "alice"), bob: person(t, "bob"), stranger: person(t, "mallory"),
	}
	f.policy = strings.Replace(signing.NewPolicyText(signing.PolicySpec{
		Fleet: f.id, Name: "test", Administrators: []signing.PrincipalSpec{{Name: "root", Key: f.admin.Public()}},
		Investigators: []signing.PrincipalSpec{{Name: "alice", Key: f.alice.Public()}, {Name: "bob", Key: f.bob.Public()}},
	}), "[module.file]\nweight = 1", "[module.file]\nweight = 2", 1)
	return f
}

// newFleet starts a relay.
func newFleet(t testing.TB) *fleet {
	t.Helper()
	f := people(t)
	f.dir = t.TempDir()
	err := relay.Init(f.dir, relay.InitOptions{Name: "test", Listen: "127.0.0.1:0", Hosts: []string{"127.0.0.1"}, Policy: f.sealedPolicy(f.policy, f.admin)})
	if err != nil {
		t.Fatal(err)
	}
	f.start()
	t.Cleanup(func() { f.hangUp(); f.halt() })
	return f
}

func (f *fleet) sealedPolicy(text string, by *signing.PrivateKey) []byte {
	f.t.Helper()
	e := &signing.Envelope{PayloadType: signing.TypePolicy, Payload: []byte(text)}
	if err := e.Sign(f.t.Context(), by); err != nil {
		f.t.Fatal(err)
	}
	return e.Encode()
}

// logger shows what relays say, where somebody looks for a fault.
func logger(dir string) *slog.Logger {
	if os.Getenv("RELAY_TEST_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("dir", filepath.Base(dir))
}

func (f *fleet) start() {
	f.t.Helper()
	f.relay = must(relay.Open(context.Background(), f.dir, relay.Options{NATS: f.nats, Logger: logger(f.dir), Now: func() time.Time {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.now()
	}}))(f.t)
	ctx, stop := context.WithCancel(context.Background())
	f.addr, f.stop, f.done = f.relay.Addr().String(), stop, make(chan error, 1)
	r := f.relay
	go func() { f.done <- r.Serve(ctx) }()
}

// halt ends the relay, and fails when it ends with an error or not at all.
func (f *fleet) halt() {
	f.t.Helper()
	if f.stop == nil {
		return
	}
	f.stop()
	f.stop = nil
	select {
	case err := <-f.done:
		if err != nil {
			f.t.Error("the relay ended with", err)
		}
	case <-time.After(long):
		f.t.Fatal("the relay does not end")
	}
}

// restart ends the relay and opens its folder again.
func (f *fleet) restart() { f.t.Helper(); f.halt(); f.start() }

func (f *fleet) hangUp() {
	for _, c := range f.connections {
		c.Close()
	}
}

// later has the relay's clock go ahead.
func (f *fleet) later(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = func() time.Time { return time.Now().Add(d) }
}

// dial connects, with a certificate or without.
func (f *fleet) dial(cert *tls.Certificate) *transport.Conn {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	// One that came before goes on with the session that it had, as agents do.
	d := f.dialers[cert]
	if d == nil || d.Addrs[0] != f.addr {
		d = &transport.Dialer{Addrs: []string{f.addr}, Pin: f.relay.Pin(), Certificate: cert}
		if f.dialers == nil {
			f.dialers = map[*tls.Certificate]*transport.Dialer{}
		}
		f.dialers[cert] = d
	}
	c := must(d.Dial(ctx))(f.t)
	f.connections = append(f.connections, c)
	return c
}

// An agent is a fake one: what it says is what tests have it say.
type agent struct {
	f    *fleet
	id   *signing.Identity
	host string
	mem  []byte
	cert *tls.Certificate
	conn *transport.Conn
	*line
}

func (f *fleet) token(uses int) *signing.Token {
	f.t.Helper()
	tok := must(signing.NewToken(signing.TokenSpec{Fleet: f.id, Tags: map[string]string{"team": "web"}, Uses: uses,
		NotBefore: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour)}))(f.t)
	if err := tok.Envelope.Sign(f.t.Context(), f.admin); err != nil {
		f.t.Fatal(err)
	}
	return tok
}

// newAgent makes an agent that has not enrolled.
func (f *fleet) newAgent(host string, tok *signing.Token) *agent {
	f.t.Helper()
	a := &agent{f: f, host: host, id: must(signing.NewIdentity())(f.t)}
	a.mem = tok.Enroll(a.id.Public(), host, time.Now()).Encode()
	return a
}

// ask asks for a certificate on a stream of a kind.
func (a *agent) ask(c *transport.Conn, kind string, change func(*message.Enroll)) (*line, []byte) {
	a.f.t.Helper()
	key := must(transport.NewTLSKey())(a.f.t)
	csr := must(transport.CSR(key, a.id.ID().String()))(a.f.t)
	e := message.Enroll{Membership: a.mem, CSR: csr, Proof: a.id.Sign("enroll", csr)}
	if change != nil {
		change(&e)
	}
	l := a.f.open(c, kind)
	l.say(message.TypeEnroll, e)
	return l, key
}

// enroll makes the fake a member.
func (a *agent) enroll() *agent {
	a.f.t.Helper()
	c := a.f.dial(nil)
	defer c.Close()
	l, key := a.ask(c, message.KindEnroll, nil)
	a.take(key, read[message.Enrolled](a.f.t, l.want(message.TypeEnrolled)))
	return a
}

func (a *agent) take(key []byte, e message.Enrolled) {
	a.f.t.Helper()
	pair := must(transport.AgentPair(key, e.Certificate))(a.f.t)
	cert := must(pair.TLS())(a.f.t)
	a.cert = &cert
}

// hello opens a session without waiting for the welcome.
func (a *agent) hello(change func(*message.Hello)) *agent {
	a.f.t.Helper()
	a.conn = a.f.dial(a.cert)
	a.line = a.f.open(a.conn, message.KindAgent)
	h := message.Hello{Version: 1, Agent: a.id.ID(), Membership: a.mem, Software: "1.0.0", Policy: 1}
	if change != nil {
		change(&h)
	}
	a.say(message.TypeHello, h)
	return a
}

// up opens a session and tells the agent's system.
func (a *agent) up(os string) *agent {
	a.f.t.Helper()
	a.hello(nil).want(message.TypeWelcome)
	a.tell(os, time.Now())
	return a
}

func (a *agent) tell(os string, at time.Time) {
	a.f.t.Helper()
	facts := plan.EncodeFacts(plan.Facts{"os": value.NewText(os), "hostname": value.NewText(a.host)})
	a.say(message.TypeFacts, signing.NewStatement(a.id, "facts", at, facts).Encode())
}

// agent gives an agent that enrolled and is connected.
func (f *fleet) agent(host, os string) *agent {
	f.t.Helper()
	return f.newAgent(host, f.token(1)).enroll().up(os)
}

func (a *agent) chunk(p signing.ID, seq uint32, final bool, data string) []byte {
	return (&message.Chunk{Agent: a.id.ID(), Plan: p, Seq: seq, Final: final, Data: []byte(data)}).Append(nil)
}

func (a *agent) wantAck(on *line, p signing.ID, next uint32) {
	a.f.t.Helper()
	for {
		ack := read[message.Ack](a.f.t, on.want(message.TypeAck))
		if ack.Plan != p || ack.Gone {
			a.f.t.Fatalf("acknowledged %+v, want plan %s", ack, p)
		}
		if ack.Next == next {
			return
		}
		if ack.Next > next {
			a.f.t.Fatalf("acknowledged %d, want %d", ack.Next, next)
		}
	}
}

// wantPlan takes the next plan and says that it came.
func (a *agent) wantPlan(id signing.ID) {
	a.f.t.Helper()
	if got := planOf(a.f.t, a.want(message.TypePlan)); got.ID != id {
		a.f.t.Fatalf("got plan %s, want %s", got.ID, id)
	}
	a.say(message.TypeReceipt, id)
}

// settle returns when the relay has dealt with what the agent said before: it
// takes an agent's frames in order, and answers this one.
func (a *agent) settle() {
	a.f.t.Helper()
	stray := signing.NewID()
	a.say(message.TypeChunk, a.chunk(stray, 0, true, "x"))
	for {
		t, body := a.hear()
		if t == message.TypePlan {
			a.f.t.Fatalf("agent %s got plan %s", a.host, planOf(a.f.t, body).ID)
		}
		if t == message.TypeAck && read[message.Ack](a.f.t, body).Plan == stray {
			return
		}
	}
}

// wantNone says that the relay has sent no plan and sends none for what the
// agent said: one that is for this agent alone comes first.
func (a *agent) wantNone() {
	a.f.t.Helper()
	a.settle()
	p := a.f.plan("")
	p.Compiled = (&plan.Plan{Source: "host", Hosts: []string{a.id.ID().String()}, Tables: tables()}).Encode()
	i := a.f.login(a.f.alice)
	i.submit(a.f.signed(p, a.f.alice))
	a.wantPlan(p.ID)
	i.end(message.Request{Op: message.OpDelete, Plan: p.ID})
	a.want(message.TypeAck) // it is gone
}

// end makes a request that has no answer but its end.
func (i *investigator) end(q message.Request) {
	i.f.t.Helper()
	l := i.request(q)
	defer l.Close()
	l.want(message.TypeEnd)
}

func tables() []*plan.Table {
	return []*plan.Table{{Name: "host", Slots: []*plan.Slot{{Module: "host", Alias: "host"}}, Limit: -1}}
}

func planOf(t testing.TB, envelope []byte) *signing.PlanPayload {
	t.Helper()
	e := must(signing.ParseEnvelope(envelope))(t)
	return must(signing.DecodePlanPayload(e.Payload))(t)
}

var secret = []byte("the secret that cancels")

// plan gives the payload of a plan for hosts with a system; "" is all.
func (f *fleet) plan(os string) *signing.PlanPayload {
	p := &plan.Plan{Source: "fleet", Tables: tables()}
	if os != "" {
		p.Facts = []string{"os"}
		p.Target = &plan.Cmp{Op: plan.Eq, X: &plan.Out{Index: 0, Name: "os"}, Y: &plan.Const{Value: value.NewText(os)}}
	}
	sum := sha256.Sum256(secret)
	now := time.Now().UTC().Truncate(time.Second)
	return &signing.PlanPayload{
		Version: signing.Version, ID: signing.NewID(), Fleet: f.id, Query: "FROM fleet FIND host", Compiled: p.Encode(),
		Planned: now, NotBefore: now, Expires: now.Add(time.Hour), Purpose: "a test", ReplyKey: []byte("key"),
		Cancel: sum[:], Modules: []string{"host"},
	}
}

func (f *fleet) signed(p *signing.PlanPayload, by ...*signing.PrivateKey) []byte {
	f.t.Helper()
	e := &signing.Envelope{PayloadType: signing.TypePlan, Payload: p.Encode()}
	for _, k := range by {
		if err := e.Sign(f.t.Context(), k); err != nil {
			f.t.Fatal(err)
		}
	}
	return e.Encode()
}
