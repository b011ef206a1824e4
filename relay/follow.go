package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// maxHeld is how many chunks of one agent are held until those before them
// come: the spine keeps the order but where it failed to store one.
const maxHeld = 2 * maxAhead

// A watcher is told which agents of a plan moved. What moved twice before it
// looks is told once, so that a slow one costs nothing.
type watcher struct {
	mu    sync.Mutex
	moved map[message.ID]struct{}
	bell  chan struct{} // of capacity one
}

func (w *watcher) ring(id message.ID) {
	w.mu.Lock()
	w.moved[id] = struct{}{}
	w.mu.Unlock()
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

// notifyAll rings without a name: the plan itself changed.
func (p *investigation) notifyAll() {
	for w := range p.watchers {
		w.ring(message.ID{})
	}
}

// follow sends what is stored of an investigation and then what comes. Two
// goroutines write: one reads chunks from the spine, the other tells how far
// agents are.
func (r *Relay) follow(ctx context.Context, s *transport.Stream, q message.Request) *message.Failure {
	w := &watcher{moved: map[message.ID]struct{}{}, bell: make(chan struct{}, 1)}
	r.mu.Lock()
	p := r.plans[q.Plan]
	if p == nil {
		r.mu.Unlock()
		return &message.Failure{Code: message.FailUnknown, Reason: fmt.Sprintf("there is no investigation %s", q.Plan)}
	}
	p.watchers[w] = struct{}{}
	for id := range p.agents {
		w.ring(id)
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(p.watchers, w)
		r.mu.Unlock()
	}()
	if err := s.WriteFrame(message.TypeEnvelope, p.envelope); err != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &follower{relay: r, plan: p, stream: s, watcher: w, known: map[message.ID]bool{}}
	if err := f.tell(); err != nil {
		return nil
	}
	var chunks sync.WaitGroup
	caughtUp := make(chan struct{})
	var failed error
	chunks.Go(func() {
		defer cancel()
		failed = f.chunks(ctx, q.Stored, caughtUp)
	})
	f.states(ctx, caughtUp, q.Stored)
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
	relay   *Relay
	plan    *investigation
	stream  *transport.Stream
	watcher *watcher
	known   map[message.ID]bool // agents that were described
}

// states tells how far agents are, until the plan is over and all that was
// stored has been sent.
func (f *follower) states(ctx context.Context, caughtUp <-chan struct{}, stored bool) {
	up := false
	for {
		f.relay.mu.Lock()
		over := f.plan.over(f.relay.now())
		f.relay.mu.Unlock()
		if up && (over || stored) {
			_ = f.tell()
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-caughtUp:
			up, caughtUp = true, nil
		case <-f.watcher.bell:
			if f.tell() != nil {
				return
			}
		}
	}
}

// tell sends the agents that moved, each described when it is first named.
func (f *follower) tell() error {
	type news struct {
		agent *message.Agent
		state message.State
	}
	var all []news
	f.relay.mu.Lock()
	for id := range f.watcher.take() {
		d := f.plan.agents[id]
		if d == nil {
			continue
		}
		n := news{state: message.State{Agent: id, Reached: d.reached, Done: d.final, Chunks: d.next}}
		if a := f.relay.agents[id]; a != nil {
			n.state.Online = a.session != nil
			if !f.known[id] {
				f.known[id] = true
				described := a.described()
				n.agent = &described
			}
		}
		all = append(all, n)
	}
	f.relay.mu.Unlock()
	for _, n := range all {
		if n.agent != nil {
			if err := f.stream.WriteFrame(message.TypeAgent, message.Marshal(n.agent)); err != nil {
				return err
			}
		}
		if err := f.stream.WriteFrame(message.TypeState, message.Marshal(n.state)); err != nil {
			return err
		}
	}
	return nil
}

// chunks sends every chunk of the plan, those that are stored first. It reads
// no faster than the investigator takes them.
func (f *follower) chunks(ctx context.Context, stored bool, caughtUp chan struct{}) error {
	consumer, err := f.relay.spine.answers.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"answer." + f.plan.id.String() + ".*"},
	})
	if err != nil {
		return err
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return err
	}
	left := info.NumPending
	up := func() error {
		err := f.stream.WriteFrame(message.TypeCaughtUp, nil)
		close(caughtUp)
		return err
	}
	if left == 0 {
		if err := up(); err != nil || stored {
			return err
		}
	}
	messages, err := consumer.Messages(jetstream.PullMaxBytes(4<<20), jetstream.PullExpiry(30*time.Second))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	line := map[message.ID]*inOrder{}
	for {
		msg, err := messages.Next()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, jetstream.ErrMsgIteratorClosed) {
				return nil
			}
			return err
		}
		if err := f.pass(line, msg.Data()); err != nil {
			return nil // the investigator has gone
		}
		if left > 0 {
			if left--; left == 0 {
				if err := up(); err != nil || stored {
					return nil
				}
			}
		}
	}
}

// An inOrder brings one agent's chunks into their order.
type inOrder struct {
	next uint32
	held map[uint32][]byte
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
	switch {
	case c.Seq < o.next:
		return nil
	case c.Seq > o.next:
		if o.held == nil {
			o.held = map[uint32][]byte{}
		}
		if len(o.held) < maxHeld {
			o.held[c.Seq] = body
		}
		return nil
	}
	for body != nil {
		if err := f.stream.WriteFrame(message.TypeChunk, body); err != nil {
			return err
		}
		o.next++
		body = o.held[o.next]
		delete(o.held, o.next)
	}
	return nil
}
