package leaf

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

	telling sync.Mutex // held while something of the agent's is said over the line, in its order; before mu

	mu       sync.Mutex
	hello    message.Hello
	welcome  bool // it was welcomed, and is not welcomed again
	alone    bool // by this leaf, since there was no line: it comes again when there is one
	facts    []byte
	well     []byte // what it said of the release that it tries, until a relay has heard it
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
	n, before, ok := l.admit(s)
	if !ok {
		fail(stream, message.FailShutdown, down)
		return
	}
	if before != nil {
		_ = before.conn.Close()
		<-before.gone
	}
	defer l.leave(s)
	if n != nil {
		s.join(n)
	} else {
		s.greet()
	}
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

// admit notes an agent, and gives the line, nil where there is none, and the
// session that it had before. One that only comes to take what waits is not
// noted where there is no line: it would leave, and believe that nothing did.
func (l *Leaf) admit(s *session) (n *line, before *session, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.line == nil {
		if s.hello.Once {
			l.meters.noLine.Inc()
			return nil, nil, false
		}
		s.alone, s.welcome = true, true
		l.meters.alone.Inc()
	}
	before = l.sessions[s.id]
	l.sessions[s.id] = s
	return l.line, before, true
}

func (l *Leaf) leave(s *session) {
	l.mu.Lock()
	if l.sessions[s.id] == s {
		delete(l.sessions, s.id)
	}
	l.mu.Unlock()
	l.spool.left(s.id)
	s.telling.Lock() // who joins it has done so, or comes too late
	s.mu.Lock()
	n, channel := s.line, s.channel
	s.line, s.last = nil, true
	s.mu.Unlock()
	s.telling.Unlock()
	if n != nil {
		n.close(channel)
	}
	close(s.gone)
}

// greet welcomes an agent while there is no line. A relay made its certificate,
// which was good when it was shown, and nothing that is decided hangs on the
// rest: what it hands in is judged by a relay when there is one. Of an answer
// that it has begun it is told how far it is held here; of one of which nothing
// is, a relay alone knows how far it came, and the agent keeps it.
func (s *session) greet() {
	w := message.Welcome{Relay: s.leaf.o.Name + noLine, Time: time.Now(), Policy: s.hello.Policy}
	w.Facts = s.hello.Facts != (message.Hello{}).Facts // it told them to a relay, and need not tell them here
	s.say(message.TypeWelcome, message.Marshal(w))
	for _, o := range s.hello.Open {
		if next, final := s.leaf.spool.next(key{o.Plan, s.id}); next > 0 {
			s.say(message.TypeAck, message.Marshal(message.Ack{Plan: o.Plan, Next: next, Gone: final}))
		}
	}
}

// noLine is what an agent's status has behind the name of a leaf that welcomed
// it alone.
const noLine = ", which has no line to the relays"

// comeAgain sends an agent away that a relay has not welcomed yet, now that there
// is one.
func (s *session) comeAgain(within time.Duration) {
	s.mu.Lock()
	s.last = true
	s.mu.Unlock()
	s.say(message.TypeGoodbye, message.Marshal(message.Failure{Code: message.FailShutdown, Reason: "there is a line to the relays again", Wait: within}))
	s.leaf.wg.Go(s.hangUp)
}

// hangUp ends a session when what was said to the agent is written.
func (s *session) hangUp() {
	<-s.out.Written()
	_ = s.stream.Close()
	_ = s.conn.Close()
}

// join says over a line who is here, with what the relay needs to know that
// another line took: the receipts first, so that no plan is offered again that
// the agent has, then the facts, by which plans are offered.
func (s *session) join(n *line) {
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mu.Lock()
	if s.last || s.alone || s.line != nil {
		s.mu.Unlock()
		return
	}
	hello, facts, well, receipts := s.hello, s.facts, s.well, slices.Clone(s.receipts.order)
	if s.welcome {
		hello.Open = nil // that was asked and answered
	}
	channel, err := n.enter(s)
	if err != nil {
		s.mu.Unlock()
		return
	}
	s.line, s.channel = n, channel // before the relay can say anything to it
	s.mu.Unlock()
	err = n.open(channel, s.id, message.KindAgent)
	say := func(t message.Type, body []byte) {
		if err == nil && body != nil {
			err = n.carry(channel, t, body)
		}
	}
	say(message.TypeHello, message.Marshal(hello))
	for _, id := range receipts {
		say(message.TypeReceipt, message.Marshal(id))
	}
	say(message.TypeFacts, facts)
	say(message.TypeWell, well)
	// Where one was not said the line ends, and with it the channel.
}

// said takes a frame of the agent's.
func (s *session) said(t message.Type, body []byte) error {
	switch t {
	case message.TypeChunk:
		return s.chunk(body, s.say)
	case message.TypeGoodbye:
		return errors.New("it said goodbye")
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	n, channel, err := s.note(t, body)
	if err != nil || n == nil {
		return err
	}
	if err := n.carry(channel, t, body); errors.Is(err, errLarge) {
		return err
	} // else the line is down, and it is said again
	return nil
}

// note keeps what is said again over another line, and gives the one that there
// is; nil: none.
func (s *session) note(t message.Type, body []byte) (*line, uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch t {
	case message.TypeFacts:
		s.facts = body
	case message.TypeWell:
		s.well = body
	case message.TypeReceipt:
		if err := s.receipts.add(body); err != nil {
			return nil, 0, err
		}
	}
	return s.line, s.channel, nil
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
	switch {
	case errors.Is(err, errFull):
		s.leaf.tellFull(err)
	case err != nil:
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
	case message.TypeHeard:
		s.well = nil
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
		s.leaf.wg.Go(s.hangUp)
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
		s.leaf.meters.slow.Inc()
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
	p := &pipe{out: l.outboxOf(stream), done: make(chan struct{})}
	var channel uint32
	err := errDown
	if n != nil {
		channel, err = n.enter(p)
	}
	if err != nil {
		l.meters.noLine.Inc()
		fail(stream, message.FailShutdown, down)
		return
	}
	defer n.close(channel)
	if n.open(channel, agent, stream.Kind()) != nil {
		fail(stream, message.FailShutdown, down)
		return
	}
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
