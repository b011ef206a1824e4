package relay_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/relay/leaf"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A site is a leaf with the wire that it reaches its relay by. Agents that it
// makes connect to the leaf.
type site struct {
	*fleet
	centre *fleet
	wire   *wire
	leaf   *leaf.Leaf
	folder string
	end    func()
}

func newSite(t testing.TB, centre *fleet) *site { t.Helper(); return newSiteAt(t, centre, "") }

// newSiteAt is one whose leaf can be watched at an address.
func newSiteAt(t testing.TB, centre *fleet, metrics string) *site {
	t.Helper()
	at := *centre
	s := &site{fleet: &at, centre: centre, wire: newWire(t, centre.addr), folder: t.TempDir()}
	must(0, relay.NewLeaf(centre.dir, s.folder, relay.LeafOptions{Name: "site", Listen: freeAddr(t), Hosts: []string{"127.0.0.1"}, Relays: []string{s.wire.addr()}, Metrics: metrics}))(t)
	s.up()
	t.Cleanup(func() { s.fleet.hangUp(); s.down() })
	return s
}

// up opens the leaf of the site's folder, and waits until it has a line where
// there can be one.
func (s *site) up() {
	s.t.Helper()
	if !relay.IsLeaf(s.folder) || relay.IsLeaf(s.centre.dir) {
		s.t.Fatal("it is not known what is a leaf")
	}
	l := must(relay.OpenLeaf(s.folder, logger("leaf")))(s.t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx) }()
	s.leaf, s.addr = l, l.Addr()
	s.end = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error("the leaf ended with", err)
		}
	}
}

func (s *site) down() {
	if s.end != nil {
		s.end()
		s.end = nil
	}
}

func (s *site) line(is bool) {
	s.t.Helper()
	waitFor(s.t, fmt.Sprintf("the line is up: %v", is), func() bool { return s.leaf.State().Line == is })
}

// kill has the leaf's folder go on as it is at this moment, as after kill -9,
// and gives the new one. Agents lose their connections.
func (s *site) kill() {
	s.t.Helper()
	copied := s.t.TempDir()
	must(0, os.CopyFS(copied, os.DirFS(s.folder)))(s.t)
	s.down()
	s.folder = copied
	s.up()
}

func (s *site) online(i *investigator, p signing.ID) (online, done int) {
	told := i.stored(p)
	for id, a := range told.agents {
		st, moved := told.states[id]
		if moved && st.Online || !moved && a.Online {
			online++
		}
		if told.whole(id) {
			done++
		}
	}
	return online, done
}

// Agents behind a leaf are agents: they enrol, are known by their facts, get
// plans, answer on both kinds of streams, renew, are cancelled and told that an
// answer is wanted no more.
func TestLeaf(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := newSite(t, f)
	s.line(true)
	a, b := s.agent("site-1", "linux"), s.agent("site-2", "windows")
	i := f.login(f.alice)
	waitFor(t, "both are connected", func() bool { return i.connected() == 2 })
	p := f.plan("linux")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	b.wantNoPlan()
	a.say(message.TypeChunk, a.chunk(p.ID, 0, false, "first, "))
	a.wantAck(a.line, p.ID, 1)
	answer := s.open(a.conn, message.KindAnswer)
	answer.say(message.TypeChunk, a.chunk(p.ID, 1, true, "last"))
	a.wantAck(answer, p.ID, 2)
	waitFor(t, "the relay has the answer", func() bool { return i.stored(p.ID).data(a.id.ID()) == "first, last" })
	waitFor(t, "nothing waits at the leaf", func() bool { st := s.leaf.State(); return st.Answers == 0 && st.Bytes == 0 && st.Agents == 2 })

	proof := s.open(a.conn, message.KindLog)
	proof.say(message.TypeLogQuery, message.LogQuery{})
	proof.wantFailure(message.FailUnknown) // the relay says that there is no log
	l, key := a.ask(a.conn, message.KindRenew, nil)
	a.take(key, read[message.Enrolled](t, l.want(message.TypeEnrolled)))

	q := f.plan("")
	i.submit(f.signed(q, f.alice))
	a.wantPlan(q.ID)
	b.wantPlan(q.ID)
	c := i.send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: q.ID, Secret: secret})
	c.want(message.TypeEnd)
	a.want(message.TypeCancel)
	b.want(message.TypeCancel)
	i.end(message.Request{Op: message.OpDelete, Plan: q.ID})
	for _, x := range []*agent{a, b} {
		if ack := read[message.Ack](t, x.want(message.TypeAck)); ack.Plan != q.ID || !ack.Gone {
			t.Errorf("%+v", ack)
		}
	}
	// One that is deleted while its answer is on its way is gone, too.
	b.say(message.TypeChunk, b.chunk(q.ID, 0, true, "late"))
	for {
		if ack := read[message.Ack](t, b.want(message.TypeAck)); ack.Gone {
			break
		}
	}
	waitFor(t, "it is not kept", func() bool { return s.leaf.State().Answers == 0 })

	s.newAgent("no-token", f.token(1)).ask(s.dial(nil), message.KindEnroll, func(e *message.Enroll) { e.Proof = []byte("x") })
	s.open(s.dial(nil), message.KindAuth).wantFailure(message.FailDenied)
	a.conn.Close()
	waitFor(t, "it has left", func() bool { return i.connected() == 1 })
}

// wantNoPlan says that nothing that came so far is a plan.
func (a *agent) wantNoPlan() {
	a.f.t.Helper()
	for {
		t, _, err := a.next(300 * time.Millisecond)
		if err != nil {
			return
		}
		if t == message.TypePlan {
			a.f.t.Fatal("a plan for others came")
		}
	}
}

// A struck is a plan that agents behind a leaf have begun to answer.
type struck struct {
	*site
	all []*agent
	i   *investigator
	p   *signing.PlanPayload
}

// begun has four agents send their first chunks, which the relay has.
func begun(t *testing.T) *struck {
	f := newFleet(t)
	x := &struck{site: newSite(t, f), p: f.plan("")}
	x.line(true)
	for n := range 4 {
		x.all = append(x.all, x.agent(fmt.Sprintf("site-%d", n), "linux"))
	}
	x.i = f.login(f.alice)
	waitFor(t, "all are connected", func() bool { return x.i.connected() == len(x.all) })
	x.i.submit(f.signed(x.p, f.alice))
	for _, a := range x.all {
		a.wantPlan(x.p.ID)
		a.say(message.TypeChunk, a.chunk(x.p.ID, 0, false, "0 "))
		a.wantAck(a.line, x.p.ID, 1)
	}
	waitFor(t, "the first chunks are there", func() bool {
		chunks := 0
		for _, c := range x.i.stored(x.p.ID).chunks {
			chunks += len(c)
		}
		return chunks == len(x.all)
	})
	return x
}

// cutOff cuts the line, and has all agents but the last end their answers, which
// the leaf acknowledges and nobody sees.
func (x *struck) cutOff(t *testing.T) {
	x.wire.cut(true)
	x.line(false)
	for n, a := range x.all[:3] {
		for seq := range uint32(3) {
			a.say(message.TypeChunk, a.chunk(x.p.ID, seq+1, seq == 2, fmt.Sprintf("%d.%d ", n, seq)))
		}
		a.wantAck(a.line, x.p.ID, 4)
	}
	waitFor(t, "nobody is reached", func() bool { online, done := x.online(x.i, x.p.ID); return online == 0 && done == 0 })
	if st := x.i.stored(x.p.ID); len(st.states) != len(x.all) {
		t.Errorf("%d of %d agents are told of", len(st.states), len(x.all))
	}
	late, _ := x.newAgent("late", x.token(1)).ask(x.dial(nil), message.KindEnroll, nil)
	if why := late.wantFailure(message.FailShutdown); !strings.Contains(why.Reason, "no line") {
		t.Errorf("%+v", why)
	}
}

// strike does something while the line is cut.
func (x *struck) strike(t *testing.T, what string) {
	switch what {
	case leafKilled:
		x.kill()
		if st := x.leaf.State(); st.Answers < 3 {
			t.Errorf("%d answers are left", st.Answers)
		}
	case relayAnew:
		x.centre.hangUp()
		x.centre.halt()
		x.centre.start()
		x.wire.lead(x.centre.addr)
		x.i = x.centre.login(x.centre.alice)
	}
}

// What happens while the line is cut.
const (
	leafKilled = "the leaf is killed"
	relayAnew  = "the relay is started anew"
)

// The line is cut in the middle of answers. What the leaf acknowledges meanwhile
// is not lost, whether it is killed or the relay started anew; who asks sees
// agents that cannot be reached, and nothing that passes for an answer; and when
// the line is back everything is there once.
func TestLeafLineCut(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"nothing else", leafKilled, relayAnew} {
		t.Run(what, func(t *testing.T) {
			x := begun(t)
			x.cutOff(t)
			x.strike(t, what)
			x.wire.cut(false)
			x.line(true)
			waitFor(t, "three answers are whole", func() bool { _, done := x.online(x.i, x.p.ID); return done == 3 })
			st := x.i.stored(x.p.ID)
			for n, a := range x.all[:3] {
				if got, want := st.data(a.id.ID()), fmt.Sprintf("0 %d.0 %d.1 %d.2 ", n, n, n); got != want {
					t.Errorf("%q, want %q", got, want)
				}
			}
			waitFor(t, "nothing waits", func() bool { return x.leaf.State().Answers == 0 })
			last := x.all[3]
			if what == leafKilled {
				// Who lost the connection comes again, and goes on from where it was.
				last.hello(func(h *message.Hello) { h.Open = []message.Open{{Plan: x.p.ID}} }).want(message.TypeWelcome)
				last.wantAck(last.line, x.p.ID, 1)
			} else {
				waitFor(t, "all are connected again", func() bool { return x.i.connected() == len(x.all) })
			}
			last.say(message.TypeChunk, last.chunk(x.p.ID, 1, true, "end"))
			last.wantAck(last.line, x.p.ID, 2)
			waitFor(t, "all answers are whole", func() bool { _, done := x.online(x.i, x.p.ID); return done == len(x.all) })
		})
	}
}

// What is sent to a hundred agents crosses the line of a leaf once; what each
// answers crosses it as it is.
func TestLeafBytes(t *testing.T) {
	t.Parallel()
	const agents = 100
	measure := func(direct bool) (idle, asked int64) {
		f := newFleet(t)
		s := newSite(t, f)
		s.line(true)
		wire := s.wire
		to := s.fleet
		if direct {
			wire = newWire(t, f.addr)
			at := *f
			to = &at
			to.addr = wire.addr()
		}
		tok := f.token(agents)
		var all []*agent
		for n := range agents {
			all = append(all, to.newAgent(fmt.Sprintf("site-%d", n), tok).enroll())
		}
		before := wire.bytes.Load()
		for _, a := range all {
			a.up("linux")
		}
		i := f.login(f.alice)
		waitFor(t, "all are connected", func() bool { return i.connected() == agents })
		waitFor(t, "it is quiet", func() bool { n := wire.bytes.Load(); time.Sleep(300 * time.Millisecond); return n == wire.bytes.Load() })
		idle = wire.bytes.Load() - before
		before = wire.bytes.Load()
		p := f.plan("linux")
		p.Query += strings.Repeat(" ", 2000) // as long as one with a list
		i.submit(f.signed(p, f.alice))
		for _, a := range all {
			a.wantPlan(p.ID)
			a.say(message.TypeChunk, a.chunk(p.ID, 0, true, strings.Repeat("x", 200)))
			a.wantAck(a.line, p.ID, 1)
		}
		waitFor(t, "all answers are whole", func() bool { _, done := s.online(i, p.ID); return done == agents })
		waitFor(t, "it is quiet", func() bool { n := wire.bytes.Load(); time.Sleep(300 * time.Millisecond); return n == wire.bytes.Load() })
		asked = wire.bytes.Load() - before
		to.hangUp()
		return idle, asked
	}
	idleDirect, direct := measure(true)
	idleLeaf, leaf := measure(false)
	t.Logf("%d agents: connecting takes %d bytes one by one and %d by a leaf, a plan with its answers %d and %d", agents, idleDirect, idleLeaf, direct, leaf)
	if leaf*4 > direct {
		t.Errorf("a plan takes %d bytes by a leaf, and %d without", leaf, direct)
	}
	if idleLeaf > idleDirect {
		t.Errorf("connecting takes %d bytes by a leaf, and %d without", idleLeaf, idleDirect)
	}
}

// A leaf gets no key of the CA, its certificate lets it do nothing but be one,
// and settings that are no leaf's are refused.
func TestLeafFolder(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := newSite(t, f)
	s.line(true)
	err := filepath.WalkDir(s.folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (d.Name() == "ca.key" || d.Name() == "log.key") {
			t.Errorf("the leaf has %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	name := filepath.Join(s.folder, "relay.toml")
	text := must(os.ReadFile(name))(t)
	must(0, os.WriteFile(name, append(text, "\nreplicas = 3\n"...), 0o600))(t)
	if _, err := relay.OpenLeaf(s.folder, nil); err == nil || !strings.Contains(err.Error(), "replicas") {
		t.Errorf("a setting of relays: %v", err)
	}
	if err := relay.NewLeaf(f.dir, t.TempDir(), relay.LeafOptions{Name: "x", Hosts: []string{"h"}}); err == nil {
		t.Error("a leaf without a relay was made")
	}
	if err := relay.NewLeaf(t.TempDir(), t.TempDir(), relay.LeafOptions{Name: "x", Hosts: []string{"h"}, Relays: []string{"h:1"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the CA's key: %v", err)
	}
}

// Who owns a leaf gains nothing that is not said of it, and who is none is none.
func TestLeafAttacks(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := newSite(t, f)
	s.down()
	pem := filepath.Join(s.folder, "leaf.pem")
	cert := must(tls.LoadX509KeyPair(pem, pem))(t)
	a := f.agent("web-1", "linux")
	a.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)

	posing := f.open(f.dial(&cert), message.KindAgent)
	posing.say(message.TypeHello, message.Hello{Version: 1, Agent: a.id.ID(), Membership: a.mem})
	posing.wantFailure(message.FailDenied)
	for name, who := range map[string]*tls.Certificate{"an agent": a.cert, "nobody": nil} {
		if why := f.open(f.dial(who), message.KindLeaf).wantFailure(message.FailBad); !strings.Contains(why.Reason, "leaf") {
			t.Errorf("%s: %+v", name, why)
		}
	}
	greeted := func() *line {
		l := f.open(f.dial(&cert), message.KindLeaf)
		l.say(message.TypeLeaf, message.Leaf{Version: 1, Name: "site"})
		l.want(message.TypeLeaf)
		return l
	}
	stranger := greeted()
	stranger.say(message.TypeMember, []byte("no membership"))
	stranger.say(message.TypeChunk, a.chunk(p.ID, 0, true, "made up"))
	all := must(message.DecodeStored(stranger.want(message.TypeStored)))(t)
	if len(all) != 1 || !all[0].Gone || all[0].Agent != a.id.ID() {
		t.Errorf("%+v", all)
	}
	if got := i.stored(p.ID).data(a.id.ID()); got != "" {
		t.Errorf("%q is stored", got)
	}
	for name, say := range map[string]func(l *line){
		"an odd frame":    func(l *line) { l.say(message.TypeGranted, nil) },
		"half a chunk":    func(l *line) { l.say(message.TypeChunk, []byte("x")) },
		"half an opening": func(l *line) { l.say(message.TypeOpen, []byte("x")) },
		"half a frame":    func(l *line) { l.say(message.TypeCarry, []byte("x")) },
		"a channel, twice": func(l *line) {
			o := message.Opened{Channel: 1, Kind: message.KindEnroll}
			l.say(message.TypeOpen, o.Append(nil))
			l.say(message.TypeOpen, o.Append(nil))
		},
		"a large hello": func(l *line) { l.say(message.TypeOpen, make([]byte, 8<<10)) },
	} {
		l := greeted()
		say(l)
		l.wantEnd()
		t.Log(name)
	}
	early := f.open(f.dial(&cert), message.KindLeaf)
	early.say(message.TypeLeaf, message.Leaf{Version: 2, Name: "newer"})
	early.wantEnd()
	// A channel of an agent that is not here is closed, and one of nobody's may
	// enrol and nothing else.
	l := greeted()
	for n, o := range []message.Opened{{Channel: 1, Agent: a.id.ID(), Kind: message.KindRenew}, {Channel: 2, Kind: message.KindAuth}} {
		l.say(message.TypeOpen, o.Append(nil))
		if got := must(message.DecodeShut(l.want(message.TypeShut)))(t); got != uint32(n+1) {
			t.Errorf("channel %d is closed", got)
		}
	}
	a.say(message.TypeChunk, a.chunk(p.ID, 0, true, "true"))
	a.wantAck(a.line, p.ID, 1)
}

// doctor says what a folder is and what is wrong with it, whether the program
// runs or not.
func TestExamine(t *testing.T) {
	t.Parallel()
	f := watchedFleet(t)
	s := newSite(t, f)
	s.line(true)
	want := func(dir, what, says string, wrong bool) {
		t.Helper()
		for _, x := range relay.Examine(t.Context(), dir) {
			if x.What == what && strings.Contains(x.Says, says) && x.Wrong == wrong {
				return
			}
		}
		t.Errorf("no %s says %q: %+v", what, says, relay.Examine(t.Context(), dir))
	}
	want(f.dir, "settings", "a relay called watched", false)
	want(f.dir, "CA", f.relay.Pin(), false)
	want(f.dir, "now", "no relay answers", true) // at port 0
	want(s.folder, "settings", "the leaf site", false)
	want(s.folder, "certificate", "good until", false)
	want(s.folder, "line", "can be reached at "+s.wire.addr(), false)
	want(s.folder, "spool", "nothing waits", false)
	a := s.agent("site-1", "linux")
	i := f.login(f.alice)
	waitFor(t, "it is connected", func() bool { return i.connected() == 1 })
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	a.wantPlan(p.ID)
	s.wire.cut(true)
	s.line(false)
	a.say(message.TypeChunk, a.chunk(p.ID, 0, true, "x"))
	a.wantAck(a.line, p.ID, 1)
	want(s.folder, "spool", "1 answers", false)
	want(s.folder, "line", "dial", true)
	must(0, os.WriteFile(filepath.Join(s.folder, "relay.toml"), []byte("leaf = [\"x:1\"]\nreplicas = 3\n"), 0o600))(t)
	want(s.folder, "settings", "replicas", true)
	want(t.TempDir(), "settings", "relay.toml", true)
}
