package leaf

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/relay/outbox"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A session is an agent that is connected here, whether there is a line or not.
type session struct {
	leaf   *Leaf
	id     message.ID
	conn   *transport.Conn
	stream *transport.Stream
	out    outbox.Box
	gone   chan struct{} // closed when all that it said is dealt with

	members sync.Mutex // held while the membership is kept
	kept    bool

	mu       sync.Mutex
	hello    message.Hello
	welcome  bool // it was welcomed, and is not welcomed again
	facts    []byte
	receipts receipts
	line     *line // over which it is joined; nil: none
	channel  uint32
	last     bool // the relay said goodbye to it for good
	going    bool // the relay goes, and the agent stays
}

// serveAgent serves an agent until it leaves.
func (l *Leaf) serveAgent(ctx context.Context, c *transport.Conn, stream *transport.Stream) {
	defer stream.Close()
	stream.SetReadDeadline(time.Now().Add(helloWithin))
	t, body, err := stream.ReadFrame(agentLimit)
	if err != nil || t != message.TypeHello {
		return
	}
	stream.SetReadDeadline(time.Time{})
	s := &session{leaf: l, conn: c, stream: stream, out: l.outboxOf(stream), gone: make(chan struct{})}
	if err := message.Unmarshal(body, &s.hello); err != nil {
		fail(stream, message.FailBad, err.Error())
		return
	}
	if s.id = s.hello.Agent; s.id.String() != c.Peer() {
		fail(stream, message.FailBad, fmt.Sprintf("the certificate is that of agent %.64q", c.Peer()))
		return
	}
	n, before := l.admit(s)
	if n == nil {
		fail(stream, message.FailShutdown, down)
		return
	}
	if before != nil {
		_ = before.conn.Close()
		<-before.gone
	}
	defer l.leave(s)
	s.join(n)
	var streams sync.WaitGroup
	streams.Go(func() { s.acceptStreams(ctx) })
	for err == nil {
		if t, body, err = stream.ReadFrame(agentLimit); err == nil {
			err = s.said(t, body)
		}
	}
	_ = c.Close()
	streams.Wait()
}

// admit notes an agent, and gives the line and the session that it had before;
// no line is that there is none, and the agent is not noted.
func (l *Leaf) admit(s *session) (*line, *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line == nil {
		return nil, nil
	}
	before := l.sessions[s.id]
	l.sessions[s.id] = s
	return l.line, before
}

func (l *Leaf) leave(s *session) {
	l.mu.Lock()
	if l.sessions[s.id] == s {
		delete(l.sessions, s.id)
	}
	l.mu.Unlock()
	l.spool.left(s.id)
	s.mu.Lock()
	n, channel := s.line, s.channel
	s.line, s.last = nil, true
	s.mu.Unlock()
	if n != nil {
		n.close(channel)
	}
	close(s.gone)
}

// join says over a line who is here, with what the relay needs to know that
// another line took: the receipts first, so that no plan is offered again that
// the agent has, then the facts, by which plans are offered.
func (s *session) join(n *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last || s.line != nil {
		return
	}
	hello := s.hello
	if s.welcome {
		hello.Open = nil // that was asked and answered
	}
	channel, err := n.open(s.id, message.KindAgent, s)
	if err == nil {
		err = n.carry(channel, message.TypeHello, message.Marshal(hello))
	}
	for _, id := range s.receipts.order {
		if err == nil {
			err = n.carry(channel, message.TypeReceipt, message.Marshal(id))
		}
	}
	if err == nil && s.facts != nil {
		err = n.carry(channel, message.TypeFacts, s.facts)
	}
	if err == nil {
		s.line, s.channel = n, channel
	}
}

// said takes a frame of the agent's.
func (s *session) said(t message.Type, body []byte) error {
	switch t {
	case message.TypeChunk:
		return s.chunk(body, s.say)
	case message.TypeGoodbye:
		return errors.New("it said goodbye")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch t {
	case message.TypeFacts:
		s.facts = body
	case message.TypeReceipt:
		if err := s.receipts.add(body); err != nil {
			return err
		}
	}
	if s.line != nil {
		if err := s.line.carry(s.channel, t, body); errors.Is(err, errLarge) {
			return err
		} // else the line is down, and it is said again
	}
	return nil
}

// chunk keeps a chunk, and acknowledges as far as the answer is on the disk.
func (s *session) chunk(body []byte, answer func(message.Type, []byte)) error {
	c, err := message.DecodeChunk(body)
	if err != nil {
		return err
	}
	if c.Agent != s.id {
		return fmt.Errorf("a chunk of agent %s", c.Agent)
	}
	if err := s.keepMember(); err != nil {
		return err
	}
	next, err := s.leaf.spool.put(&c, body)
	if errors.Is(err, errFlood) {
		return err // it comes anew, and sends from where it was acknowledged
	}
	if err != nil {
		s.leaf.o.Logger.Error("a chunk was not kept", "plan", c.Plan, "agent", s.id, "why", err)
	}
	answer(message.TypeAck, message.Marshal(message.Ack{Plan: c.Plan, Next: next}))
	return nil
}

// keepMember keeps the agent's membership before its first chunk is, which could
// not be sent without it. Most agents are idle, and nothing is written of them.
func (s *session) keepMember() error {
	s.members.Lock()
	defer s.members.Unlock()
	if s.kept {
		return nil
	}
	s.mu.Lock()
	welcome := s.welcome
	s.mu.Unlock()
	if !welcome {
		return errors.New("a chunk of an agent that was not welcomed")
	}
	if err := s.leaf.spool.keepMember(s.id, s.hello.Membership); err != nil {
		s.leaf.o.Logger.Error("an agent's membership was not kept", "agent", s.id, "why", err)
		_ = s.conn.Close() // it keeps what it has, and comes again
		return err
	}
	s.kept = true
	return nil
}

// carried takes what the relay says to the agent.
func (s *session) carried(t message.Type, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch t {
	case message.TypeWelcome:
		if s.line != nil {
			s.line.introduced(s.id)
		}
		if s.welcome {
			s.again(body)
			return
		}
		s.welcome = true
	case message.TypeGoodbye, message.TypeFailure:
		var f message.Failure
		if message.Unmarshal(body, &f) == nil && f.Code == message.FailShutdown && s.welcome {
			s.going = true
			return
		}
		s.last = true
	case message.TypeAck:
		body = s.merge(body)
	}
	s.say(t, body)
}

// again takes that the agent is welcomed again, over another line. It told no
// facts here, since the relay of the first had them: to a relay that has not it
// must come itself, or it would be offered nothing; mu is held.
func (s *session) again(welcome []byte) {
	var w message.Welcome
	if message.Unmarshal(welcome, &w) == nil && !w.Facts && s.facts == nil {
		s.leaf.wg.Go(func() { _ = s.conn.Close() })
	}
}

// merge makes of how far the relay has an answer how far it is held here. Of one
// that is whole here nothing more is wanted, as it is at a relay.
func (s *session) merge(body []byte) []byte {
	var a message.Ack
	if message.Unmarshal(body, &a) != nil || a.Gone {
		return body
	}
	next, final := s.leaf.spool.next(key{a.Plan, s.id})
	a.Next, a.Gone = max(a.Next, next), final
	return message.Marshal(a)
}

// shut ends what joins a session to the relay. The agent stays where the line is
// down, or the relay goes, and is joined again. Else the relay did not want it
// any more, as where it is connected elsewhere: it comes again if it lives.
func (s *session) shut(down bool) {
	s.mu.Lock()
	s.line = nil
	last := s.last || !s.welcome || !down && !s.going
	s.going = false
	s.mu.Unlock()
	if last {
		s.leaf.wg.Go(func() {
			<-s.out.Written()
			_ = s.stream.Close()
			_ = s.conn.Close()
		})
		return
	}
	s.leaf.wg.Go(func() {
		select {
		case <-s.gone:
		case <-time.After(comeAgain):
			s.leaf.mu.Lock()
			n := s.leaf.line
			s.leaf.mu.Unlock()
			if n != nil {
				s.join(n)
			}
		}
	})
}

// say hands a frame to the agent. One that takes nothing is cut off, and finds
// everything again when it comes back.
func (s *session) say(t message.Type, body []byte) {
	if !s.out.Push(outbox.Frame{Type: t, Body: body}) {
		s.leaf.wg.Go(func() { _ = s.conn.Close() })
	}
}

// acceptStreams serves an agent's further streams: answers are kept here, and
// everything else is the relay's.
func (s *session) acceptStreams(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		stream, err := s.conn.Accept(ctx)
		if err != nil {
			return
		}
		switch stream.Kind() {
		case message.KindAnswer:
			wg.Go(func() { s.answer(stream) })
		case message.KindLog, message.KindProgram, message.KindRenew:
			wg.Go(func() { s.leaf.pipe(ctx, stream, s.id) })
		default:
			fail(stream, message.FailBad, fmt.Sprintf("an agent opens no stream of kind %.32q", stream.Kind()))
		}
	}
}

// answer takes a large answer on a stream of its own.
func (s *session) answer(stream *transport.Stream) {
	defer stream.Close()
	for {
		_, body, err := stream.ReadFrame(func(t byte) int {
			if t == message.TypeChunk {
				return message.Limit(t)
			}
			return -1
		})
		if err == nil {
			err = s.chunk(body, func(t message.Type, b []byte) { _ = stream.WriteFrame(t, b) })
		}
		if err != nil {
			return
		}
	}
}

// A pipe hands what the relay says to a stream that it answers.
type pipe struct {
	out  outbox.Box
	done chan struct{}
	once sync.Once
}

func (p *pipe) carried(t message.Type, body []byte) {
	if !p.out.Push(outbox.Frame{Type: t, Body: body}) {
		p.shut(false)
	}
}

func (p *pipe) shut(bool) { p.once.Do(func() { close(p.done) }) }

// pipe has the relay answer a stream, where there is a line.
func (l *Leaf) pipe(ctx context.Context, stream *transport.Stream, agent message.ID) {
	defer stream.Close()
	l.mu.Lock()
	n := l.line
	l.mu.Unlock()
	if n == nil {
		fail(stream, message.FailShutdown, down)
		return
	}
	p := &pipe{out: l.outboxOf(stream), done: make(chan struct{})}
	channel, err := n.open(agent, stream.Kind(), p)
	if err != nil {
		fail(stream, message.FailShutdown, down)
		return
	}
	defer n.close(channel)
	l.wg.Go(func() { // until the stream ends, which it does when this returns
		defer p.shut(false)
		for {
			t, body, err := stream.ReadFrame(askLimit(stream.Kind()))
			if err != nil || n.carry(channel, t, body) != nil {
				return
			}
		}
	})
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	<-p.out.Written()
}

// outboxOf gives one for what is said on a stream.
func (l *Leaf) outboxOf(s *transport.Stream) outbox.Box {
	return outbox.Box{Work: &l.wg, Stream: s, Most: maxOutbox}
}
