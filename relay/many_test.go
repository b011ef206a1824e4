package relay_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/relay"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// all waits until every relay knows as many agents, and sees them connected.
func (c *cluster) all(agents int) {
	c.t.Helper()
	for _, f := range c.relays {
		i := f.login(f.alice)
		waitFor(c.t, "all agents are connected", func() bool { return i.connected() == agents })
	}
}

func (i *investigator) connected() (n int) {
	i.f.t.Helper()
	l := i.request(message.Request{Op: message.OpFleet})
	defer l.Close()
	for {
		t, body := l.hear()
		if t == message.TypeEnd {
			return n
		}
		if decoded(i.f.t, message.DecodeAgent, body).Online {
			n++
		}
	}
}

// What is asked at one relay is answered by agents of another, followed at a
// third, and cancelled and deleted at any.
func TestManyRelays(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	a, b, d := c.relays[0], c.relays[1], c.relays[2]
	near, far := a.agent("web-1", "linux"), b.agent("web-2", "linux")
	near.settle()
	far.settle()
	c.all(2)
	i := d.login(d.alice)
	p := d.plan("linux")
	if s := i.submit(d.signed(p, d.alice)); s.Online != 2 || s.Offline != 0 {
		t.Errorf("submitted: %+v", s)
	}
	near.wantPlan(p.ID)
	far.wantPlan(p.ID)
	l := i.request(message.Request{Op: message.OpFollow, Plan: p.ID})
	s := newStory()
	for s.hear(l) != message.TypeCaughtUp {
	}
	far.say(message.TypeChunk, far.chunk(p.ID, 0, true, "from afar"))
	far.wantAck(far.line, p.ID, 1)
	for !s.whole(far.id.ID()) {
		s.hear(l)
	}
	if s.data(far.id.ID()) != "from afar" {
		t.Errorf("the third relay shows %q", s.data(far.id.ID()))
	}
	waitFor(t, "it is known everywhere who has it", func() bool {
		list := a.login(a.bob).items(message.OpList)
		return len(list) == 1 && list[0].Reached == 2 && list[0].Done == 1 && list[0].Bytes == int64(len("from afar"))
	})
	if f := b.login(b.alice).send(message.OpSubmit, message.TypeEnvelope, d.signed(p, d.alice)).wantFailure(message.FailExists); f.Reason == "" {
		t.Error("no reason")
	}
	b.login(b.alice).send(message.OpCancel, message.TypeCancel, message.Cancel{Plan: p.ID, Secret: secret}).want(message.TypeEnd)
	near.want(message.TypeCancel)
	near.say(message.TypeChunk, near.chunk(p.ID, 0, true, "stopped"))
	for s.hear(l) != message.TypeEnd {
	}
	if s.data(near.id.ID()) != "stopped" {
		t.Errorf("after the cancel: %q", s.data(near.id.ID()))
	}
	b.login(b.alice).end(message.Request{Op: message.OpDelete, Plan: p.ID})
	waitFor(t, "it is deleted everywhere", func() bool {
		return len(a.login(a.bob).items(message.OpList))+len(d.login(d.bob).items(message.OpList)) == 0
	})
}

// move has an agent connect to another relay.
func (a *agent) move(to *fleet, open ...message.ID) {
	a.f = to
	a.hello(func(h *message.Hello) {
		for _, p := range open {
			h.Open = append(h.Open, message.Open{Plan: p})
		}
	})
}

// An agent whose relay is gone goes on at another one where it was, whatever is
// still on its way; the one that comes back has everything.
func TestAgentMoves(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	a, b, d := c.relays[0], c.relays[1], c.relays[2]
	w := a.agent("web-1", "linux")
	w.settle()
	c.all(1)
	for round := range 8 {
		p := d.plan("")
		d.login(d.alice).submit(d.signed(p, d.alice))
		w.wantPlan(p.ID)
		from, to := a, b
		if round%2 == 1 {
			from, to = b, a
		}
		l := from.open(w.conn, message.KindAnswer)
		for seq := range uint32(1 + round*3) {
			l.say(message.TypeChunk, w.chunk(p.ID, seq, false, strings.Repeat("x", 10_000)))
		}
		if round == 4 {
			from.halt()
		}
		w.move(to, p.ID)
		ack := message.Ack{}
		for ack.Plan != p.ID {
			if kind, body := w.hear(); kind == message.TypeAck {
				ack = read[message.Ack](t, body)
			}
		}
		if ack.Gone {
			t.Fatalf("round %d: the other relay does not know the plan", round)
		}
		w.say(message.TypeChunk, w.chunk(p.ID, ack.Next, true, "end"))
		w.wantAck(w.line, p.ID, ack.Next+1)
		w.tell("linux", time.Now())
		s := d.login(d.bob).stored(p.ID)
		if got := s.data(w.id.ID()); len(got) != int(ack.Next)*10_000+len("end") || !strings.HasSuffix(got, "end") {
			t.Errorf("round %d: of %d chunks and an end %d bytes are stored", round, ack.Next, len(got))
		}
		if round == 4 {
			from.start()
			if got := len(from.login(from.alice).items(message.OpList)); got != 5 {
				t.Errorf("the relay that came back has %d plans", got)
			}
		}
	}
}

// A token for one agent lets one in, at whichever relays they come.
func TestTokenAtSeveral(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	for range 5 {
		tok := c.relays[0].token(1)
		var got atomic.Int32
		var wg sync.WaitGroup
		for k, f := range c.relays {
			a := f.newAgent(fmt.Sprint("web-", k), tok)
			l, _ := a.ask(f.dial(nil), message.KindEnroll, nil)
			wg.Go(func() {
				if kind, _, err := l.next(long); err == nil && kind == message.TypeEnrolled {
					got.Add(1)
				}
			})
		}
		if wg.Wait(); got.Load() != 1 {
			t.Errorf("%d agents enrolled by a token for one", got.Load())
		}
	}
}

// A policy that is published at one relay is obeyed at all within five seconds;
// of two that are published at once one counts, everywhere the same.
func TestPolicyAtSeveral(t *testing.T) {
	c := newCluster(t, 3, nil)
	a, b, d := c.relays[0], c.relays[1], c.relays[2]
	w := d.agent("web-1", "linux")
	w.settle()
	bob := d.login(d.bob)
	without := strings.Replace(a.nextPolicy(2, nil), string(a.bob.Public().Armor()), string(a.stranger.Public().Armor()), 1)
	begun := time.Now()
	a.login(a.admin).send(message.OpPublish, message.TypePolicy, a.sealedPolicy(without, a.admin)).want(message.TypeEnd)
	w.want(message.TypePolicy)
	waitFor(t, "who is revoked is refused at another relay", func() bool {
		l := bob.request(message.Request{Op: message.OpList})
		defer l.Close()
		kind, _ := l.hear()
		return kind == message.TypeFailure
	})
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	var wg sync.WaitGroup
	var good atomic.Int32
	for k, f := range []*fleet{a, b, d} {
		l := f.login(f.admin).send(message.OpPublish, message.TypePolicy,
			f.sealedPolicy(strings.Replace(without, "version = 2", "version = 3", 1)+fmt.Sprintf("\n# of relay %d\n", k), f.admin))
		wg.Go(func() {
			if kind, _, err := l.next(long); err == nil && kind == message.TypeEnd {
				good.Add(1)
			}
		})
	}
	if wg.Wait(); good.Load() != 1 {
		t.Errorf("%d policies of one version were published", good.Load())
	}
	third := w.want(message.TypePolicy)
	for _, f := range c.relays {
		waitFor(t, "all have the same", func() bool {
			l := f.login(f.alice).request(message.Request{Op: message.OpPolicy, After: 2})
			defer l.Close()
			kind, body := l.hear()
			return kind == message.TypePolicy && bytes.Equal(body, third)
		})
	}
}

// Several relays append to one log at the same time, and it stays one.
func TestLogOfSeveral(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	a := c.relays[0]
	key := must(relay.LogKey(a.dir))(t)
	text := strings.Replace(a.nextPolicy(2, nil), "[revoked]", fmt.Sprintf("[log]\nrequired = true\nkey = %q\nwitnesses = []\nthreshold = 0\n\n[revoked]", key), 1)
	a.login(a.admin).send(message.OpPublish, message.TypePolicy, a.sealedPolicy(text, a.admin)).want(message.TypeEnd)
	agents := make([]*agent, len(c.relays))
	for k, f := range c.relays {
		agents[k] = f.agent(fmt.Sprint("web-", k), "linux")
		agents[k].settle()
	}
	c.all(len(agents))
	const each = 12
	var wg sync.WaitGroup
	for _, f := range c.relays {
		var plans [][]byte
		for range each {
			plans = append(plans, f.signed(f.plan(""), f.alice))
		}
		i := f.login(f.alice)
		wg.Go(func() {
			for _, p := range plans {
				i.submit(p)
			}
		})
	}
	wg.Wait()
	keys := must(translog.ParseKeys(key, nil, 0))(t)
	var first translog.Checkpoint
	for k, f := range c.relays {
		var now translog.Checkpoint
		waitFor(t, "the log has all, and two policies", func() bool { now = f.shows(keys); return now.Size == int64(2+each*len(c.relays)) })
		if k == 0 {
			first = now
		}
		if now != first {
			t.Errorf("relay %d shows another log", k)
		}
	}
	for _, w := range agents {
		for range each * len(c.relays) {
			w.want(message.TypePlan)
		}
	}
	c.loseLog(1, func(f *fleet) bool { return f.shows(keys) == first })
}

// loseLog removes the folder of a relay's log: it makes it anew of what the
// spine has, and the same.
func (c *cluster) loseLog(k int, same func(*fleet) bool) {
	c.t.Helper()
	f := c.relays[k]
	f.halt()
	if err := os.RemoveAll(filepath.Join(f.dir, "log")); err != nil {
		c.t.Fatal(err)
	}
	f.start()
	if !same(f) {
		c.t.Error("the log that was made anew is another one")
	}
}

// shows gives the checkpoint that a relay shows.
func (f *fleet) shows(keys *translog.Keys) translog.Checkpoint {
	f.t.Helper()
	l := f.login(f.alice).request(message.Request{Op: message.OpLogHead, Log: &message.LogQuery{}})
	defer l.Close()
	head := read[translog.Head](f.t, l.want(message.TypeHead))
	return must(keys.Open(head.Checkpoint))(f.t).Checkpoint
}

// A relay that comes back gets its part of the agents.
func TestSharedOut(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	var all []*agent
	for k := range 9 {
		a := c.relays[0].agent(fmt.Sprint("web-", k), "linux")
		a.settle()
		all = append(all, a)
	}
	gone := make(chan struct{}, len(all))
	var wg sync.WaitGroup
	for _, a := range all {
		wg.Go(func() {
			for {
				kind, _, err := a.next(long)
				if kind == message.TypeGoodbye {
					gone <- struct{}{}
				}
				if err != nil {
					return
				}
			}
		})
	}
	select {
	case <-gone:
	case <-time.After(long):
		t.Error("one relay keeps all the agents")
	}
	for _, a := range all {
		a.conn.Close()
	}
	wg.Wait()
}

// Two processes under one name would overwrite each other: the later one stays.
func TestTwin(t *testing.T) {
	t.Parallel()
	srv := natsServer(t)
	f := newFleet(t)
	f.nats = srv.ClientURL()
	f.restart()
	twin := *f
	twin.connections = nil
	twin.start()
	select {
	case err := <-f.done:
		if !errors.Is(err, relay.ErrTwin) {
			t.Errorf("it ended with %v", err)
		}
		f.stop()
		f.stop = nil
	case <-time.After(long):
		t.Error("both go on")
	}
	twin.halt()
}

// Settings of a cluster that cannot be are refused before anything is made.
func TestClusterSettings(t *testing.T) {
	f := people(t)
	policy := f.sealedPolicy(f.policy, f.admin)
	good := relay.Cluster{Name: "c", Listen: "127.0.0.1:1", Routes: []string{"127.0.0.1:2", "127.0.0.1:3"}}
	for name, change := range map[string]func(*relay.InitOptions){
		"no name":            func(o *relay.InitOptions) { o.Cluster.Name = "" },
		"no routes":          func(o *relay.InitOptions) { o.Cluster.Routes = nil },
		"no place":           func(o *relay.InitOptions) { o.Cluster.Listen = "" },
		"more copies":        func(o *relay.InitOptions) { o.Replicas = 5 },
		"half of a pair":     func(o *relay.InitOptions) { o.Cluster.Key = "key.pem" },
		"no port":            func(o *relay.InitOptions) { o.Cluster.Routes[0] = "127.0.0.1" },
		"like nobody":        func(o *relay.InitOptions) { o.Like = t.TempDir() },
		"copies with nobody": func(o *relay.InitOptions) { o.Cluster, o.Replicas = relay.Cluster{}, 3 },
	} {
		o := relay.InitOptions{Policy: policy, Cluster: good}
		o.Cluster.Routes = slices.Clone(good.Routes)
		change(&o)
		dir := filepath.Join(t.TempDir(), "relay")
		if err := relay.Init(dir, o); err == nil {
			t.Errorf("%s: taken", name)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: a folder was made", name)
		}
	}
}

// A relay whose disk was lost takes everything from the others, under the name
// that it had.
func TestDiskLost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	a, lost := c.relays[0], c.relays[2]
	w := a.agent("web-1", "linux")
	w.settle()
	p := a.plan("")
	a.login(a.alice).submit(a.signed(p, a.alice))
	w.wantPlan(p.ID)
	w.say(message.TypeChunk, w.chunk(p.ID, 0, true, "rows"))
	w.wantAck(w.line, p.ID, 1)
	lost.halt()
	if err := os.RemoveAll(filepath.Join(lost.dir, "cluster")); err != nil {
		t.Fatal(err)
	}
	lost.start()
	c.relays[1].halt() // the first and the one that lost its disk are enough
	waitFor(t, "it has what it had", func() bool {
		l := lost.login(lost.alice).request(message.Request{Op: message.OpFollow, Plan: p.ID, Stored: true})
		defer l.Close()
		s := newStory()
		for {
			kind, body, err := l.next(long)
			if err != nil || kind == message.TypeFailure {
				return false
			}
			if kind == message.TypeChunk {
				x := must(message.DecodeChunk(body))(t)
				s.chunks[x.Agent] = append(s.chunks[x.Agent], x)
			}
			if kind == message.TypeEnd {
				return s.data(w.id.ID()) == "rows"
			}
		}
	})
}
