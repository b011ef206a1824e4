package relay_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/relay/watch"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// comes has an agent come anew, with an answer that it has begun.
func (x *struck) comes(a *agent, once bool) *agent {
	return a.hello(func(h *message.Hello) { h.Open, h.Once = []message.Open{{Plan: x.p.ID}}, once })
}

// welcomedBy has an agent welcomed by whom says so.
func (a *agent) welcomedBy(whom string) {
	a.f.t.Helper()
	if w := read[message.Welcome](a.f.t, a.want(message.TypeWelcome)); !strings.Contains(w.Relay, whom) {
		a.f.t.Errorf("welcomed by %q, want %q", w.Relay, whom)
	}
}

// A leaf that starts while its line is down takes its agents in: an answer of
// which it holds something goes on, and is kept; one of which it does not know
// how far it is stays with the agent; and whoever asks sees nobody online, and
// nothing that passes for an answer. When the line is back they come again.
func TestLeafAlone(t *testing.T) {
	t.Parallel()
	x := begun(t)
	waitFor(t, "the leaf holds nothing", func() bool { return x.leaf.State().Answers == 0 })
	x.wire.cut(true)
	x.line(false)
	a, b := x.all[0], x.all[1]
	a.say(message.TypeChunk, a.chunk(x.p.ID, 1, false, "1 "))
	a.wantAck(a.line, x.p.ID, 2)
	x.kill() // the leaf starts, and there is no line
	x.comes(a, false).welcomedBy("site, which has no line")
	a.wantAck(a.line, x.p.ID, 2)
	a.say(message.TypeChunk, a.chunk(x.p.ID, 2, true, "end"))
	a.wantAck(a.line, x.p.ID, 3)
	x.comes(b, false).welcomedBy("no line")
	b.wantNoAck()
	proof := x.open(a.conn, message.KindLog)
	proof.say(message.TypeLogQuery, message.LogQuery{})
	proof.wantFailure(message.FailShutdown)
	x.comes(x.all[2], true).wantFailure(message.FailShutdown) // it would leave, and believe that nothing waits for it
	if st := x.leaf.State(); st.Line || st.Agents != 2 || st.Answers != 1 {
		t.Errorf("%+v", st)
	}
	if online, done := x.online(x.i, x.p.ID); online != 0 || done != 0 {
		t.Errorf("%d are online, %d are done", online, done)
	}
	x.kill() // and once more, with all of an answer
	x.comes(a, false).welcomedBy("no line")
	if ack := read[message.Ack](t, a.want(message.TypeAck)); !ack.Gone || ack.Next != 3 {
		t.Errorf("of an answer that is kept to its end it says %+v", ack)
	}
	x.comes(b, false).welcomedBy("no line")
	x.wire.cut(false)
	x.line(true)
	for _, who := range []*agent{a, b} {
		if why := who.wantFailure(message.FailShutdown); why.Wait <= 0 || !strings.Contains(why.Reason, "again") {
			t.Errorf("%+v", why)
		}
	}
	x.comes(b, false).welcomedBy("test")
	b.wantAck(b.line, x.p.ID, 1)
	b.say(message.TypeChunk, b.chunk(x.p.ID, 1, true, "end"))
	b.wantAck(b.line, x.p.ID, 2)
	waitFor(t, "both answers are whole", func() bool { _, done := x.online(x.i, x.p.ID); return done == 2 })
	if got := x.i.stored(x.p.ID).data(a.id.ID()); got != "0 1 end" {
		t.Errorf("%q", got)
	}
	waitFor(t, "nothing waits", func() bool { return x.leaf.State().Answers == 0 })
}

// wantNoAck says that nothing that came so far is an acknowledgement.
func (a *agent) wantNoAck() {
	a.f.t.Helper()
	for {
		t, body, err := a.next(300 * time.Millisecond)
		if err != nil {
			return
		}
		if t == message.TypeAck {
			a.f.t.Fatalf("acknowledged is %s", body)
		}
	}
}

// Who is no member any more gets nothing by a leaf that has no line: what he
// hands in is wanted by nobody when there is one.
func TestLeafAloneStranger(t *testing.T) {
	t.Parallel()
	x := begun(t)
	waitFor(t, "the leaf holds nothing", func() bool { return x.leaf.State().Answers == 0 })
	x.wire.cut(true)
	x.line(false)
	a := x.all[0]
	gone := strings.Replace(strings.Replace(x.policy, "version = 1", "version = 2", 1), "agents = []", fmt.Sprintf("agents = [%q]", a.id.ID()), 1)
	x.i.send(message.OpPublish, message.TypePolicy, x.sealedPolicy(gone, x.admin)).want(message.TypeEnd)
	x.kill()
	x.comes(a, false).welcomedBy("no line")
	other := signing.NewID()
	a.say(message.TypeChunk, a.chunk(other, 0, true, "filler"))
	a.wantAck(a.line, other, 1)
	x.wire.cut(false)
	x.line(true)
	waitFor(t, "nothing of it is kept", func() bool { st := x.leaf.State(); return st.Answers == 0 && st.Bytes == 0 })
	x.comes(a, false).wantEnd()
}

// A leaf that ends says so, and within which time to come again.
func TestLeafFarewell(t *testing.T) {
	t.Parallel()
	s := newSite(t, newFleet(t))
	s.line(true)
	a := s.agent("site-1", "linux")
	s.down()
	if why := a.wantFailure(message.FailShutdown); why.Wait <= 0 {
		t.Errorf("%+v", why)
	}
}

// A second leaf of one folder does not start, and leaves alone what the first is
// writing.
func TestLeafTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t, newFleet(t))
	name := filepath.Join(s.folder, "spool", signing.NewID().String()+"."+signing.NewID().String())
	half := []byte("\x00\x00\x00\xffhalf of a record")
	must(0, os.WriteFile(name, half, 0o600))(t)
	if l, err := relay.OpenLeaf(s.folder, nil); err == nil {
		t.Errorf("it listens on %s", l.Addr())
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != string(half) {
		t.Errorf("%q, %v", got, err)
	}
}

// A plan that an agent had when the line broke, and that was cancelled before it
// was back, is cancelled there, too: also where the relay has the agent's facts,
// and so offers what there is before it hears what the agent has.
func TestLeafCancelWhileCut(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	s := newSite(t, f)
	s.line(true)
	a := s.newAgent("site-1", f.token(1)).enroll()
	a.hello(nil).want(message.TypeWelcome)
	facts := signing.NewStatement(a.id, "facts", time.Now(), plan.EncodeFacts(plan.Facts{"os": value.NewText("linux"), "hostname": value.NewText("site-1")})).Encode()
	a.say(message.TypeFacts, facts)
	a.settle()
	a.conn.Close()
	a.hello(func(h *message.Hello) { h.Facts = translog.SumOf(facts) })
	if w := read[message.Welcome](t, a.want(message.TypeWelcome)); !w.Facts {
		t.Fatalf("%+v", w)
	}
	i := f.login(f.alice)
	p := f.plan("linux")
	i.submit(f.signed(p, f.alice))
	a.want(message.TypePlan)
	s.wire.cut(true)
	s.line(false)
	a.say(message.TypeReceipt, p.ID)
	i.send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: p.ID, Secret: secret}).want(message.TypeEnd)
	s.wire.cut(false)
	s.line(true)
	if c := read[message.Cancel](t, a.want(message.TypeCancel)); c.Plan != p.ID {
		t.Errorf("%+v", c)
	}
}

// What a leaf counts is what happened, its page names nobody, and what is wrong
// with it is said.
func TestLeafWatched(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	at := freeAddr(t)
	s := newSiteAt(t, f, at)
	if addr, err := relay.MetricsAddress(s.folder); err != nil || addr != at {
		t.Errorf("%s, %v", addr, err)
	}
	s.line(true)
	a, b := s.agent("a-host-of-its-own", "linux"), s.agent("site-2", "linux")
	i := f.login(f.alice)
	waitFor(t, "both are connected", func() bool { return i.connected() == 2 })
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	for _, x := range []*agent{a, b} {
		x.wantPlan(p.ID)
		x.say(message.TypeChunk, x.chunk(p.ID, 0, x == b, "12345678"))
		x.wantAck(x.line, p.ID, 1)
	}
	size := float64(len(a.chunk(p.ID, 0, false, "12345678")))
	numbersAt(t, at, map[string]float64{
		"quaestor_leaf_line_up": 1, "quaestor_leaf_lines_total": 1, "quaestor_leaf_connected_agents": 2, "quaestor_leaf_joined_agents": 2,
		"quaestor_leaf_chunks_total": 2, "quaestor_leaf_chunk_bytes_total": 2 * size, "quaestor_leaf_passed_chunks_total": 2,
		"quaestor_leaf_waiting_answers": 0, "quaestor_leaf_waiting_bytes": 0, "quaestor_leaf_store_seconds_count": 2,
	})
	before := must(watch.Read(t.Context(), at))(t)
	if sent, _ := before.Scrape.Value("quaestor_leaf_line_sent_bytes_total"); sent < 2*size {
		t.Errorf("over the line went %v bytes", sent)
	}
	if got := getFrom(t, at, "/plans", http.StatusOK); got != "[]\n" {
		t.Error(got)
	}
	getFrom(t, at, "/debug/pprof/heap", http.StatusOK)
	s.wire.cut(true)
	s.line(false)
	a.say(message.TypeChunk, a.chunk(p.ID, 1, true, "12345678"))
	a.wantAck(a.line, p.ID, 2)
	late, _ := s.newAgent("late", f.token(1)).ask(s.dial(nil), message.KindEnroll, nil)
	late.wantFailure(message.FailShutdown)
	numbersAt(t, at, map[string]float64{
		"quaestor_leaf_line_up": 0, "quaestor_leaf_connected_agents": 2, "quaestor_leaf_joined_agents": 0, "quaestor_leaf_waiting_answers": 1,
		"quaestor_leaf_waiting_bytes": size + 8, "quaestor_leaf_refusals_total|reason=line": 1,
	})
	pageTellsNobody(t, getFrom(t, at, "/metrics", http.StatusOK), "quaestor_leaf_", map[string]string{
		"host": "a-host-of-its-own", "agent": a.id.ID().String(), "plan": p.ID.String(), "folder": s.folder, "fleet": f.id.String(), "relay": s.wire.addr(),
	})
	shown := watch.Compare(before, must(watch.Read(t.Context(), at))(t))
	if table := shown.Table(); !strings.HasPrefix(table, "leaf site, up ") || !strings.Contains(table, "2 connected, 0 of them served by a relay") {
		t.Error(table)
	}
	found := false
	for _, x := range relay.Examine(t.Context(), s.folder) {
		found = found || x.What == "now"
	}
	if !found {
		t.Error("doctor does not ask the leaf that runs")
	}
}
