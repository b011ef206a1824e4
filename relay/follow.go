package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// maxHeld is how many chunks of one agent are held until those before them
// come: the spine keeps the order but where it failed to store one.
const maxHeld = 8 * maxAhead

// A watcher is told which agents of a plan moved. What moved twice before it
// looks is told once, so that a slow one costs nothing.
type watcher struct {
	mu    sync.Mutex
	moved map[message.ID]struct{}
	bell  chan struct{} // of capacity one
}

func (w *watcher) ring(id message.ID) {
	w.later(id)
	w.wake()
}

// later has an agent be looked at with the next that ring.
func (w *watcher) later(id message.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.moved[id] = struct{}{}
}

// wake rings without a name: the plan itself may be over.
func (w *watcher) wake() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

func (w *watcher) take() map[message.ID]struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	moved := w.moved
	w.moved = map[message.ID]struct{}{}
	return moved
}

func (p *investigation) notify(id message.ID) {
	for w := range p.watchers {
		w.ring(id)
	}
}

// notifyAll says that the plan itself changed.
func (p *investigation) notifyAll() {
	for w := range p.watchers {
		w.wake()
	}
}

// watched has somebody be told of a plan; mu is held.
func (r *Relay) watched(p *investigation, w *watcher) {
	p.watchers[w] = struct{}{}
	r.followed[p] = struct{}{}
}

func (r *Relay) unwatched(p *investigation, w *watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(p.watchers, w)
	if len(p.watchers) == 0 {
		delete(r.followed, p)
	}
}

// follow sends what is stored of an investigation and then what comes. Two
// goroutines write: one reads chunks from the spine, the other tells how far
// agents are.
func (r *Relay) follow(ctx context.Context, s *transport.Stream, q message.Request, who signing.Principal) *message.Failure {
	w := &watcher{moved: map[message.ID]struct{}{}, bell: make(chan struct{}, 1)}
	r.mu.Lock()
	p := r.plans[q.Plan]
	if p == nil {
		r.mu.Unlock()
		return &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("there is no investigation %s", q.Plan)}
	}
	r.watched(p, w)
	for id := range p.agents {
		w.later(id)
	}
	r.mu.Unlock()
	defer r.unwatched(p, w)
	if err := s.WriteFrame(message.TypeEnvelope, p.envelope); err != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.SetReadDeadline(time.Time{})
	var listening sync.WaitGroup
	listening.Go(func() {
		// An investigator says nothing more: this ends when he hangs up.
		_, _, _ = s.ReadFrame(func(byte) int { return -1 })
		cancel()
	})
	defer listening.Wait()
	defer s.SetReadDeadline(time.Unix(1, 0))
	f := &follower{who: who, relay: r, plan: p, stream: s, watcher: w, known: map[message.ID]heard{}, sent: make(chan struct{})}
	var chunks sync.WaitGroup
	var failed error
	chunks.Go(func() {
		defer cancel()
		failed = f.chunks(ctx, q.Stored)
	})
	f.states(ctx, q.Stored)
	cancel()
	_ = s.Flush()
	chunks.Wait()
	if failed != nil && !errors.Is(failed, context.Canceled) {
		return &message.Failure{Code: message.FailStore, Reason: failed.Error()}
	}
	return nil
}

// A follower is one follow request.
type follower struct {
	who     signing.Principal
	relay   *Relay
	plan    *investigation
	stream  *transport.Stream
	watcher *watcher
	sent    chan struct{} // closed when everything that was stored has been sent
	passed  atomic.Uint64 // chunks that were sent

	mu    sync.Mutex           // held while an agent is described, so that its chunks come after
	known map[message.ID]heard // agents that were described
}

// A heard is what somebody who follows has heard of an agent.
type heard int

const (
	heardName heard = iota + 1
	heardAll        // its whole answer
)

// namesWait is how long naming all agents waits for each of them, and at most:
// who answers first is named with his answer, and nobody reads a thousand
// names before the first row.
const (
	namesWait    = 200 * time.Microsecond
	maxNamesWait = 200 * time.Millisecond
	// statesWait is how long states of agents are gathered. Most have answered by
	// then, and who has an answer needs to hear no more of its agent.
	statesWait = 100 * time.Millisecond
	// busyEvery is how often it is told of agents that they have not come to the
	// plan since they are busy with others before it, and mostBusy of how many: an
	// investigator waits for all as long as one of them may still come to it.
	busyEvery = 5 * time.Second
	mostBusy  = 16
)

// states tells how far agents are, until the plan is over and all that was
// stored has been sent.
func (f *follower) states(ctx context.Context, stored bool) {
	f.relay.mu.Lock()
	wait := min(maxNamesWait, time.Duration(len(f.plan.agents))*namesWait)
	f.relay.mu.Unlock()
	names := time.NewTimer(wait)
	defer names.Stop()
	named, up := names.C, false
	sent := f.sent
	busy := time.NewTicker(busyEvery)
	defer busy.Stop()
	bell := (<-chan struct{})(nil) // not before the names
	gathered := (<-chan time.Time)(nil)
	for {
		f.relay.mu.Lock()
		over := f.plan.closed(f.relay.now(), f.relay.policy.Ceilings().Timeout) && (f.plan.gone || f.passed.Load() >= f.plan.stored())
		welcome := f.relay.names(f.who)
		f.relay.mu.Unlock()
		if !welcome {
			return
		}
		if up && (over || stored) {
			_ = f.tell(true)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-named:
			named, bell = nil, f.watcher.bell
			if f.tell(false) != nil {
				return
			}
		case <-sent:
			sent = nil
		case <-bell:
			bell, gathered = nil, time.After(statesWait)
		case <-gathered:
			bell, gathered = f.watcher.bell, nil
			if f.tell(false) != nil {
				return
			}
		case <-busy.C:
			if f.findBusy() && bell != nil && f.tell(false) != nil {
				return
			}
		}
		if named == nil && sent == nil && !up {
			up = true
			if f.tell(true) != nil || f.stream.WriteFrame(message.TypeCaughtUp, nil) != nil {
				return
			}
		}
	}
}

// findBusy has some agents be looked at again that were handed the plan, have not
// said that they have it, and say other things: a hundred questions at once are
// judged one after the other, and who waits for the last would take an agent that
// works for one that is silent. It says whether there are any.
func (f *follower) findBusy() bool {
	f.relay.mu.Lock()
	defer f.relay.mu.Unlock()
	n := 0
	for id, d := range f.plan.agents {
		a := f.relay.agents[id]
		if d.reached || d.final || d.sent == nil || a == nil || a.session != d.sent || !d.sent.spoke(busyEvery) {
			continue
		}
		f.watcher.later(id)
		if n++; n == mostBusy {
			break
		}
	}
	return n > 0
}

// describe names an agent that has not been named yet, and says what was heard
// of it before.
func (f *follower) describe(id message.ID) (before heard, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if before = f.known[id]; before > 0 {
		return before, nil
	}
	f.relay.mu.Lock()
	a := f.relay.agents[id]
	var described message.Agent
	if a != nil {
		described = a.described()
	}
	f.relay.mu.Unlock()
	if a == nil {
		return 0, nil
	}
	f.known[id] = heardName
	return 0, f.stream.WriteSoon(message.TypeAgent, described.Append(nil))
}

// tell sends the agents that moved, each described when it is first named, but
// those whose answer was sent: that says all. Where it is on its way the agent
// is looked at again, unless this is to be all.
func (f *follower) tell(all bool) error {
	for _, state := range f.moved() {
		before, err := f.describe(state.Agent)
		if err != nil {
			return err
		}
		switch {
		case before == heardAll:
			continue
		case before == 0 && !state.Reached:
			continue // its name says whether it is online, and there is nothing else
		case state.Done && !all:
			f.watcher.later(state.Agent)
			continue
		}
		if err := f.stream.WriteSoon(message.TypeState, state.Append(nil)); err != nil {
			return err
		}
	}
	return nil
}

// moved gives the states of the agents that moved.
func (f *follower) moved() (all []message.State) {
	f.relay.mu.Lock()
	defer f.relay.mu.Unlock()
	for id := range f.watcher.take() {
		d := f.plan.agents[id]
		if d == nil {
			continue
		}
		state := message.State{Agent: id, Reached: d.reached, Done: d.final, Chunks: d.next}
		if a := f.relay.agents[id]; a != nil {
			state.Online = a.online()
		}
		all = append(all, state)
	}
	return all
}

// readAhead is how many chunks are taken from the spine before the investigator
// has taken them.
const readAhead = 32

// An inOrder brings one agent's chunks into their order.
type inOrder struct {
	next  uint32
	ended bool
	held  map[uint32]heldChunk
}

// A heldChunk came before those before it.
type heldChunk struct {
	body  []byte
	final bool
}

// take gives what may be sent now that a chunk came: nothing, or it and those
// that waited for it.
func (o *inOrder) take(c *message.Chunk, body []byte) (out [][]byte) {
	switch {
	case o.ended || c.Seq < o.next:
		return nil
	case c.Seq > o.next:
		if o.held == nil {
			o.held = map[uint32]heldChunk{}
		}
		if _, ok := o.held[c.Seq]; !ok && len(o.held) < maxHeld {
			o.held[c.Seq] = heldChunk{body, c.Final}
		}
		return nil
	}
	for h, ok := (heldChunk{body, c.Final}), true; ok && !o.ended; {
		out = append(out, h.body)
		o.next++
		o.ended = h.final
		h, ok = o.held[o.next]
		delete(o.held, o.next)
	}
	return out
}

// pass sends a chunk on, and those that waited for it.
func (f *follower) pass(line map[message.ID]*inOrder, body []byte) error {
	c, err := message.DecodeChunk(body)
	if err != nil {
		return nil // not ours; the investigator will miss it
	}
	o := line[c.Agent]
	if o == nil {
		o = &inOrder{}
		line[c.Agent] = o
	}
	out := o.take(&c, body)
	if len(out) == 0 {
		return nil
	}
	if _, err := f.describe(c.Agent); err != nil {
		return errGoneReader
	}
	for _, body := range out {
		if err := f.stream.WriteSoon(message.TypeChunk, body); err != nil {
			return errGoneReader
		}
		f.passed.Add(1)
	}
	if o.ended {
		f.mu.Lock()
		f.known[c.Agent] = heardAll
		f.mu.Unlock()
		f.watcher.wake() // the plan may be over with it
	}
	return nil
}
