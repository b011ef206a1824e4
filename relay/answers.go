package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// maxAhead is how many chunks of one stream wait for the spine at once, before
// the agent has to wait.
const maxAhead = 16

// standing gives how far an agent's answer is stored.
func (r *Relay) standing(plan, agent message.ID) message.Ack {
	p := r.plans[plan]
	if p == nil || p.agents[agent] == nil {
		return message.Ack{Plan: plan, Gone: true}
	}
	d := p.agents[agent]
	d.ahead = d.next // what was on its way over another connection comes again
	// Of an answer that is whole nothing more is wanted. An agent that was killed
	// before it heard that does not know its end, and would make another.
	return message.Ack{Plan: plan, Next: d.next, Gone: d.final}
}

// A chunkLine takes the chunks of one stream of an agent, in order, and
// acknowledges what the spine has stored.
type chunkLine struct {
	session *agentSession
	stream  replies     // where acknowledgements go
	waiting chan stored // made with the first chunk: most agents are idle
	done    sync.WaitGroup
}

// Replies are the way back to who sent something: a *transport.Stream.
type replies interface {
	WriteFrame(t message.Type, body []byte) error
	Kind() string
	Close() error
}

// A stored is a chunk that the spine was given.
type stored struct {
	chunk  message.Chunk // without its data
	size   int64
	future jetstream.PubAckFuture
}

func newChunkLine(s *agentSession, stream replies) *chunkLine {
	return &chunkLine{session: s, stream: stream}
}

// close waits until everything that was taken is stored or not.
func (l *chunkLine) close() {
	if l.waiting != nil {
		close(l.waiting)
	}
	l.done.Wait()
}

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
	ack, ok := l.session.relay.expect(&c, int64(len(c.Data)))
	if !ok {
		if ack.Gone {
			if l.session.stray++; l.session.stray > maxStray {
				return fmt.Errorf("%w: chunks of plans that are not here", errFlood)
			}
		}
		_ = l.session.relay.mend(c.Plan, c.Agent) // it was told, and stays torn
		return l.acknowledge(ack)
	}
	size := int64(len(c.Data))
	if err := l.session.relay.inFlight.Acquire(ctx, size); err != nil {
		return err
	}
	future, err := l.session.relay.spine.js.PublishAsync(subjectOf(c.Plan, c.Agent), body)
	if err != nil {
		l.session.relay.inFlight.Release(size)
		return l.acknowledge(l.session.relay.unstored(&c))
	}
	if l.waiting == nil {
		l.waiting = make(chan stored, maxAhead)
		l.done.Go(l.settle)
	}
	c.Data = nil
	l.waiting <- stored{c, size, future} // settle takes it, whatever happens
	return nil
}

// settle acknowledges chunks as the spine stores them.
func (l *chunkLine) settle() {
	r := l.session.relay
	for s := range l.waiting {
		select {
		case ack := <-s.future.Ok():
			_ = l.acknowledge(r.store(&s.chunk, s.size, ack.Sequence))
		case err := <-s.future.Err():
			r.log.Error("a chunk was not stored", "plan", s.chunk.Plan, "agent", s.chunk.Agent, "why", err)
			_ = l.acknowledge(r.unstored(&s.chunk))
			if l.stream.Kind() == message.KindAnswer {
				// The agent sends it again, over another stream, from what is
				// acknowledged.
				fail(l.stream, message.FailStore, "a chunk could not be kept")
			}
		}
		r.inFlight.Release(s.size)
	}
}

func (l *chunkLine) acknowledge(a message.Ack) error {
	body := message.Marshal(a)
	return l.stream.WriteFrame(message.TypeAck, body)
}

// expect says whether a chunk is the one that is next, and counts it as on its
// way.
func (r *Relay) expect(c *message.Chunk, size int64) (message.Ack, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.plans[c.Plan]
	if p == nil || p.agents[c.Agent] == nil {
		return message.Ack{Plan: c.Plan, Gone: true}, false
	}
	d := p.agents[c.Agent]
	d.reached = true
	switch limit := r.policy.Ceilings().Bytes; {
	case d.bytes+size > limit+limit/2+message.MaxChunk:
		// More than any agent sends that obeys the policy.
		return message.Ack{Plan: c.Plan, Gone: true}, false
	case c.Seq != d.ahead || d.final || d.torn:
		return message.Ack{Plan: c.Plan, Next: d.next}, false
	}
	d.ahead++
	d.flying++
	return message.Ack{}, true
}

// store notes that the spine has a chunk, under a number of its own.
func (r *Relay) store(c *message.Chunk, size int64, number uint64) message.Ack {
	r.mu.Lock()
	p := r.plans[c.Plan]
	if p == nil || p.agents[c.Agent] == nil {
		r.mu.Unlock()
		return message.Ack{Plan: c.Plan, Gone: true}
	}
	d := p.agents[c.Agent]
	if d.flying--; !d.torn && c.Seq == d.next {
		d.last = number
		p.takeIn(c.Agent, size, c.Final)
	}
	r.mu.Unlock()
	return r.mended(c)
}

// takeIn counts the next chunk of an agent's answer as stored.
func (p *investigation) takeIn(agent message.ID, size int64, final bool) {
	d := p.agents[agent]
	d.next++
	d.bytes += size
	p.record.Bytes += size
	p.dirty = true
	d.final = d.final || final
	d.ahead = max(d.ahead, d.next)
	p.notify(agent)
}

// unstored notes that a chunk was not stored, as far as can be told: the agent
// sends it again.
func (r *Relay) unstored(c *message.Chunk) message.Ack {
	r.mu.Lock()
	if p := r.plans[c.Plan]; p != nil && p.agents[c.Agent] != nil {
		d := p.agents[c.Agent]
		d.flying--
		d.torn = true
	}
	r.mu.Unlock()
	return r.mended(c)
}

// mended gives how far an answer is stored, once what is torn is mended.
func (r *Relay) mended(c *message.Chunk) message.Ack {
	if err := r.mend(c.Plan, c.Agent); err != nil {
		r.log.Error("what is stored of an answer cannot be told", "plan", c.Plan, "agent", c.Agent, "why", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.plans[c.Plan]; p != nil && p.agents[c.Agent] != nil {
		return message.Ack{Plan: c.Plan, Next: p.agents[c.Agent].next}
	}
	return message.Ack{Plan: c.Plan, Gone: true}
}

// loadAnswers finds out what is stored of a plan's answers. The last chunk
// tells, where there are as many as its number says.
func (r *Relay) loadAnswers(ctx context.Context, p *investigation) error {
	prefix := subjectPrefix(p.id)
	info, err := r.spine.answers.Info(ctx, jetstream.WithSubjectFilter(prefix+"*"))
	if err != nil {
		return fmt.Errorf("answers to plan %s: %w", p.id, err)
	}
	for subject, count := range info.State.Subjects {
		msg, err := r.spine.answers.GetLastMsgForSubject(ctx, subject)
		if err != nil {
			return fmt.Errorf("answers to plan %s: %w", p.id, err)
		}
		last, err := message.DecodeChunk(msg.Data)
		if err != nil || strings.TrimPrefix(subject, prefix) != last.Agent.String() {
			return errors.Join(fmt.Errorf("answers to plan %s: a chunk that is none", p.id), err)
		}
		d := p.agents[last.Agent]
		if d == nil {
			d = &delivery{}
			p.agents[last.Agent] = d
			p.record.Targeted = append(p.record.Targeted, last.Agent)
		}
		d.reached = true
		if count != uint64(last.Seq)+1 {
			d.torn = true
			if err := r.mend(p.id, last.Agent); err != nil {
				return err
			}
			continue
		}
		d.next, d.ahead, d.final, d.last = last.Seq+1, last.Seq+1, last.Final, msg.Sequence
	}
	return nil
}
