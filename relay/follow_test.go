package relay_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/transport/message"
)

// Stored and live have no seam: every chunk comes once, in order.
func TestFollow(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	i := f.login(f.alice)
	var all []*agent
	for n := range 4 {
		a := f.agent(fmt.Sprint("web-", n), "linux")
		a.settle()
		all = append(all, a)
	}
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	const chunks = 40
	for _, a := range all {
		a.wantPlan(p.ID)
	}
	var followers []*line
	for n := range uint32(chunks) {
		if n%10 == 5 {
			followers = append(followers, i.request(message.Request{Op: message.OpFollow, Plan: p.ID}))
		}
		for _, a := range all {
			a.say(message.TypeChunk, a.chunk(p.ID, n, n == chunks-1, fmt.Sprint(n, " ")))
		}
	}
	for k, l := range followers {
		s := newStory()
		for finished := 0; finished < len(all); {
			if s.hear(l) != message.TypeChunk {
				continue
			}
			finished = 0
			for _, a := range all {
				if len(s.chunks[a.id.ID()]) == chunks {
					finished++
				}
			}
		}
		if len(s.agents) != len(all) {
			t.Errorf("follower %d was told of %d agents", k, len(s.agents))
		}
	}
	if s := i.stored(p.ID); len(s.chunks[all[0].id.ID()]) != chunks {
		t.Errorf("%d chunks stored", len(s.chunks[all[0].id.ID()]))
	}
}

// Who follows hears of an agent what its answer does not say: that it has the
// plan, comes and goes. Of one whose answer was sent he hears no more.
func TestFollowTellsStates(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	quick, slow, away := f.agent("web-1", "linux"), f.agent("web-2", "linux"), f.agent("web-3", "linux")
	for _, a := range []*agent{quick, slow, away} {
		a.settle()
	}
	i := f.login(f.alice)
	away.conn.Close()
	waitFor(t, "the relay notices that the agent left", func() bool { return !i.online(away.id.ID()) })
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	quick.wantPlan(p.ID)
	slow.wantPlan(p.ID)
	waitFor(t, "the receipts arrive", func() bool { return i.items(message.OpList)[0].Reached == 2 })
	quick.say(message.TypeChunk, quick.chunk(p.ID, 0, true, "x"))
	quick.wantAck(quick.line, p.ID, 1)
	s := i.stored(p.ID)
	if st := s.states[slow.id.ID()]; len(s.states) != 1 || !st.Reached || !st.Online || st.Done {
		t.Errorf("states %+v", s.states)
	}
	if len(s.agents) != 3 || !s.agents[slow.id.ID()].Online || s.agents[away.id.ID()].Online || !s.whole(quick.id.ID()) {
		t.Errorf("agents %+v", s.agents)
	}
	l := i.request(message.Request{Op: message.OpFollow, Plan: p.ID})
	s = newStory()
	for s.hear(l) != message.TypeCaughtUp {
	}
	until := func(what string, so func() bool) {
		t.Helper()
		for !so() {
			if s.hear(l) == message.TypeEnd {
				t.Fatal("in vain: ", what)
			}
		}
	}
	quick.conn.Close()
	slow.conn.Close()
	until("it is told that the agent went", func() bool { return !s.states[slow.id.ID()].Online })
	away.up("linux")
	until("it is told that the agent came", func() bool { return s.states[away.id.ID()].Online })
	away.wantPlan(p.ID)
	until("it is told that the agent has the plan", func() bool { return s.states[away.id.ID()].Reached })
	away.say(message.TypeChunk, away.chunk(p.ID, 0, true, "x"))
	until("the answer comes", func() bool { return s.whole(away.id.ID()) })
	if st, told := s.states[quick.id.ID()]; told {
		t.Errorf("of an agent whose answer was sent it is told %+v", st)
	}
}

// Who follows hears again and again of an agent that has not come to the plan,
// as long as it says other things: it is no silent one.
func TestFollowTellsBusy(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	busy, silent := f.agent("web-1", "linux"), f.agent("web-2", "linux")
	busy.settle()
	silent.settle()
	i := f.login(f.alice)
	p := f.plan("")
	i.submit(f.signed(p, f.alice))
	busy.want(message.TypePlan) // and does not say that it has it
	silent.want(message.TypePlan)
	l := i.request(message.Request{Op: message.OpFollow, Plan: p.ID})
	s := newStory()
	for s.hear(l) != message.TypeCaughtUp {
	}
	if len(s.states) != 0 {
		t.Fatalf("states %+v", s.states)
	}
	for range 2 {
		delete(s.states, busy.id.ID())
		for range 3 { // it is heard of in each of the spans in which it is looked
			time.Sleep(2 * time.Second)
			busy.settle()
		}
		for len(s.states) == 0 {
			s.hear(l)
		}
	}
	if st, told := s.states[busy.id.ID()]; !told || st.Reached || !st.Online || len(s.states) != 1 {
		t.Errorf("states %+v", s.states)
	}
}
