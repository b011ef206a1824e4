package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/relay/outbox"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// maxAhead is how many chunks of one stream, each of another plan, wait for the
// spine at once, before the agent has to wait.
const maxAhead = 16

// headerStanding is how far an agent's answer is stored with a message: how
// many chunks, and "final" behind it where that was the last. Who wants to know
// that alone takes no data.
const headerStanding = "Quaestor-Standing"

func subjectOf(plan, agent message.ID) string {
	return "answer." + plan.String() + "." + agent.String()
}

func standingOf(next uint32, final bool) string {
	s := strconv.FormatUint(uint64(next), 10)
	if final {
		s += " final"
	}
	return s
}

// readStanding gives how far an answer is with a message.
func readStanding(header string, sequence uint64) (delivery, bool) {
	count, final := strings.CutSuffix(header, " final")
	n, err := strconv.ParseUint(count, 10, 32)
	return delivery{next: uint32(n), final: final, last: sequence, reached: n > 0}, err == nil
}

// stands takes how far the spine says that an answer is, and says whether that
// is news to who follows.
func (d *delivery) stands(s delivery) (news bool) {
	if s.last <= d.last {
		return false
	}
	reached := d.reached || s.reached
	news = s.final != d.final || reached != d.reached
	d.next, d.final, d.last, d.reached = s.next, s.final, s.last, reached
	return news
}

// takeAnswer takes that any relay has stored a chunk, or a fence.
func (r *Relay) takeAnswer(_ context.Context, m spineMessage) error {
	parts := strings.Split(m.subject, ".")
	plan, err := signing.ParseID(parts[1])
	agent, err2 := signing.ParseID(parts[len(parts)-1])
	s, ok := readStanding(m.header.Get(headerStanding), m.sequence)
	if err != nil || err2 != nil || !ok {
		r.log.Error("a chunk is left out that the spine has", "subject", m.subject)
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.plans[plan]
	if p == nil {
		held := r.waitFor(plan)
		d := held.answers[agent]
		d.stands(s)
		held.answers[agent] = d
		return nil
	}
	if p.target(agent).stands(s) {
		r.revive(p)
		p.notify(agent)
	}
	return nil
}

// look asks the spine how far an answer is.
func (r *Relay) look(ctx context.Context, plan, agent message.ID, d *delivery) error {
	ctx, cancel := context.WithTimeout(ctx, spineTimeout)
	defer cancel()
	msg, err := r.spine.answers.GetLastMsgForSubject(ctx, subjectOf(plan, agent))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		r.mu.Lock()
		*d = delivery{sent: d.sent, reached: d.reached, bytes: d.bytes}
		r.mu.Unlock()
		return nil
	}
	if err != nil {
		return err
	}
	s, ok := readStanding(msg.Header.Get(headerStanding), msg.Sequence)
	if !ok {
		return fmt.Errorf("relay: message %d of the answers is none", msg.Sequence)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d.stands(s)
	return nil
}

// A chunkLine takes the chunks of one stream of an agent, in order, and
// acknowledges what the spine has stored. It has no goroutine: most agents are
// idle, and who tells that a chunk is stored tells of those of others, too.
type chunkLine struct {
	session *agentSession
	stream  replies       // where acknowledgements go,
	outbox  outbox.Box    // by this, so that an agent that takes none holds nobody
	landed  chan struct{} // of capacity one, made with the first chunk: the spine has said something
	ahead   atomic.Int32  // chunks that the spine was given and said nothing of
	work    sync.WaitGroup
	// offered: what comes was offered, whatever this relay would say by the facts
	// that it has. A relay that offers may die before it tells.
	offered bool
}

// A stored is a chunk that the spine was given.
type stored struct {
	chunk message.Chunk // without its data
	d     *delivery
	size  int64
	given time.Time
}

// Replies are the way back to who sent something: a *transport.Stream.
type replies interface {
	WriteFrame(t message.Type, body []byte) error
	Offer(t message.Type, body []byte) bool
	Kind() string
	Close() error
}

func newChunkLine(s *agentSession, stream replies) *chunkLine {
	return &chunkLine{session: s, stream: stream, outbox: outbox.Box{Work: &s.relay.wg, Stream: stream, Most: maxOutbox}}
}

// close waits until everything that was taken is stored or not.
func (l *chunkLine) close() { l.work.Wait() }

// serveAnswer takes a large answer on a stream of its own.
func (s *agentSession) serveAnswer(ctx context.Context, stream *transport.Stream) {
	defer stream.Close()
	l := newChunkLine(s, stream)
	defer l.close()
	for {
		body, err := readAs(stream, message.TypeChunk)
		if err != nil {
			return
		}
		s.speaks()
		if err := l.take(ctx, body); err != nil {
			fail(stream, message.FailBad, err.Error())
			return
		}
	}
}

// take hands a chunk to the spine, if it is the one that is next. One that
// was there already, or that leaves a gap, is answered with where the answer
// stands.
func (l *chunkLine) take(ctx context.Context, body []byte) error {
	c, err := message.DecodeChunk(body)
	if err != nil {
		return err
	}
	if c.Agent != l.session.agent.id {
		return fmt.Errorf("a chunk of agent %s", c.Agent)
	}
	size := int64(len(c.Data))
	d, after, ack := l.expect(ctx, &c, size)
	if d == nil {
		if ack.Gone {
			if l.session.stray++; l.session.stray > maxStray {
				return fmt.Errorf("%w: chunks of plans that are not here", errFlood)
			}
		}
		l.acknowledge(ack)
		return nil
	}
	r := l.session.relay
	if err := r.inFlight.Acquire(ctx, size); err != nil {
		r.landed(d)
		return err
	}
	if l.landed == nil {
		l.landed = make(chan struct{}, 1)
	}
	for l.ahead.Load() >= maxAhead {
		l.wait(context.WithoutCancel(ctx)) // the spine says something, whatever happens
	}
	msg := nats.NewMsg(subjectOf(c.Plan, c.Agent))
	msg.Header.Set(headerStanding, standingOf(c.Seq+1, c.Final))
	msg.Data = body
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(after, 10))
	c.Data = nil
	l.ahead.Add(1)
	l.work.Add(1)
	given := &stored{c, d, size, time.Now()}
	err = r.spine.chunks.put(commitment{msg, func(sequence uint64, err error) { l.settle(ctx, given, sequence, err) }})
	if err != nil {
		r.landed(d)
		l.acknowledge(r.unstored(&c, d))
		l.finish(size)
	}
	return nil
}

// settle takes that the spine has stored a chunk, or not.
func (l *chunkLine) settle(ctx context.Context, s *stored, sequence uint64, err error) {
	r := l.session.relay
	r.meters.kept(storedChunk, s.given, err)
	if err == nil {
		l.acknowledge(r.store(&s.chunk, s.d, s.size, sequence))
		l.finish(s.size)
		return
	}
	r.wg.Go(func() { l.mend(ctx, s, err) })
}

// mend looks what there is of an answer of which a chunk was not stored.
func (l *chunkLine) mend(ctx context.Context, s *stored, err error) {
	r := l.session.relay
	if isSwapped(err) {
		err = r.look(ctx, s.chunk.Plan, s.chunk.Agent, s.d)
	}
	r.landed(s.d)
	if err != nil {
		r.log.Error("a chunk was not stored", "plan", s.chunk.Plan, "agent", s.chunk.Agent, "why", err)
	}
	l.acknowledge(r.unstored(&s.chunk, s.d))
	if l.stream.Kind() == message.KindAnswer {
		// The agent sends it again, over another stream, from what is
		// acknowledged.
		written(&l.outbox)
		fail(l.stream, message.FailStore, "a chunk could not be kept")
	}
	l.finish(s.size)
}

// written waits for lastWords until what was pushed is written.
func written(o *outbox.Box) {
	select {
	case <-o.Written():
	case <-time.After(lastWords):
	}
}

// finish lets the next chunk go ahead.
func (l *chunkLine) finish(size int64) {
	l.session.relay.inFlight.Release(size)
	l.ahead.Add(-1)
	select {
	case l.landed <- struct{}{}:
	default:
	}
	l.work.Done()
}

// acknowledge never waits for the agent. One that takes no acknowledgement
// loses its connection.
func (l *chunkLine) acknowledge(a message.Ack) {
	l.session.relay.meters.acks.Inc()
	l.session.push(&l.outbox, outbox.Frame{Type: message.TypeAck, Body: message.Marshal(a)})
}

// expect waits until nothing else of an answer is on its way, and says whether a
// chunk is the one that is next: then it gives the delivery, and behind which
// message the chunk is to be stored. Else it gives what the agent is told.
func (l *chunkLine) expect(ctx context.Context, c *message.Chunk, size int64) (*delivery, uint64, message.Ack) {
	r := l.session.relay
	looked := false
	for {
		r.mu.Lock()
		p := r.plans[c.Plan]
		if p == nil || r.agents[c.Agent] == nil {
			r.mu.Unlock()
			return nil, 0, message.Ack{Plan: c.Plan, Gone: true}
		}
		d := p.agents[c.Agent]
		if d == nil {
			if !l.offered && !r.means(p, l.session.agent) {
				r.mu.Unlock()
				return nil, 0, message.Ack{Plan: c.Plan, Gone: true}
			}
			d = p.appear(c.Agent)
		}
		if !d.reached {
			d.reached = true
			r.revive(p)
			p.notify(c.Agent)
		}
		limit := r.policy.Ceilings().Bytes
		switch {
		case d.bytes+size > limit+limit/2+message.MaxChunk:
			// More than any agent sends that obeys the policy.
			r.mu.Unlock()
			return nil, 0, message.Ack{Plan: c.Plan, Gone: true}
		case d.flying:
			next := d.next
			r.mu.Unlock()
			if !l.wait(ctx) {
				return nil, 0, message.Ack{Plan: c.Plan, Next: next}
			}
			continue
		case c.Seq > d.next && !d.final && !looked:
			// Another relay took those before it, or they got lost.
			r.mu.Unlock()
			looked = true
			if err := r.look(ctx, c.Plan, c.Agent, d); err != nil {
				r.log.Error("the spine does not say how far an answer is", "plan", c.Plan, "agent", c.Agent, "why", err)
			}
			continue
		case c.Seq != d.next || d.final:
			next := d.next
			r.mu.Unlock()
			return nil, 0, message.Ack{Plan: c.Plan, Next: next}
		}
		d.flying = true
		after := d.last
		r.mu.Unlock()
		return d, after, message.Ack{}
	}
}

// wait waits until the spine has said something of what it was given.
func (l *chunkLine) wait(ctx context.Context) bool {
	t := time.NewTimer(landStep)
	defer t.Stop()
	select {
	case <-l.landed: // nil where it was given nothing over this stream
	case <-t.C: // it came over another stream of the agent
	case <-ctx.Done():
		return false
	}
	return true
}

// landStep is how long it takes at most until it is noticed that a chunk has
// been stored that came over another stream of the same agent.
const landStep = 5 * time.Millisecond

// landed says that the spine has a chunk no more on its way.
func (r *Relay) landed(d *delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.flying = false
}

// store notes that the spine has a chunk.
func (r *Relay) store(c *message.Chunk, d *delivery, size int64, sequence uint64) message.Ack {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.flying = false
	p := r.plans[c.Plan]
	if p == nil {
		return message.Ack{Plan: c.Plan, Gone: true}
	}
	d.stands(delivery{next: c.Seq + 1, final: c.Final, last: sequence, reached: true})
	d.bytes += size
	p.share.Bytes += size
	r.meters.took(size, c.Final)
	p.dirty = true
	if c.Final {
		p.notify(c.Agent)
	}
	return message.Ack{Plan: c.Plan, Next: d.next}
}

// unstored says how far an answer is of which a chunk was not stored: the agent
// sends it again.
func (r *Relay) unstored(c *message.Chunk, d *delivery) message.Ack {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.plans[c.Plan] == nil {
		return message.Ack{Plan: c.Plan, Gone: true}
	}
	return message.Ack{Plan: c.Plan, Next: d.next}
}
