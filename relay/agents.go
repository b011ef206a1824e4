package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/relay/outbox"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Bounds of what agents may do.
const (
	helloWithin = 30 * time.Second
	maxOutbox   = 2048 // frames that wait for one agent: plans, acknowledgements
	factsBurst  = 10   // facts that an agent may send at once,
	factsEvery  = 10 * time.Second
	maxStray    = 1000 // chunks of plans that nobody asked of it, before it is cut off
	protocol    = 1
	maxAgents   = 1_000_000
	kindFacts   = "facts"
	lastWords   = 5 * time.Second // for what an agent is told that is let go
	// comeBackEach is how many of them come back a second, see comeBack.
	comeBackEach = 2 * time.Millisecond
	maxComeBack  = 5 * time.Minute
)

// An agentSession is a connected agent.
type agentSession struct {
	relay  *Relay
	agent  *agent
	conn   *transport.Conn
	stream *transport.Stream // the first
	since  time.Time
	gone   chan struct{} // closed when all that it said is dealt with

	heard atomic.Int64 // when it last said something: nanoseconds of the relay's life
	facts time.Time    // when facts may come next without counting as a flood
	stray int
	// greeted: it was told of the policies so far, and is told of further ones.
	greeted bool
	outbox  outbox.Box
	chunks  *chunkLine
	streams sync.WaitGroup // that the agent opened beside the first
	upgrade translog.Sum   // of the roll-out that was offered last
}

// serveAgent takes an agent in, and says whether it stays. One that does needs
// no goroutine while it says nothing: its session lives until it leaves, and
// then ends what the connection began.
func (r *Relay) serveAgent(ctx context.Context, c *transport.Conn, s *transport.Stream) (stays bool) {
	defer func() {
		if !stays {
			_ = s.Close()
		}
	}()
	s.SetReadDeadline(time.Now().Add(helloWithin))
	body, err := readAs(s, message.TypeHello)
	if err != nil {
		return false
	}
	s.SetReadDeadline(time.Time{})
	var hello message.Hello
	if err := message.Unmarshal(body, &hello); err != nil {
		fail(s, message.FailBad, err.Error())
		return false
	}
	sess, before, err := r.enter(c, s, &hello)
	if err != nil {
		r.log.Info("agent refused", "agent", hello.Agent, "why", err)
		r.meters.refused(refusedAgent)
		r.farewell(c, s, &hello, err)
		return false
	}
	if before != nil {
		// What came over the connection before is stored first, or not at all:
		// an agent that was started anew goes on behind it, with other bytes.
		<-before.gone
	}
	open, err := r.standings(ctx, sess, hello.Open)
	if err != nil {
		r.log.Warn("agent sent away", "agent", hello.Agent, "why", err)
		fail(s, message.FailStore, err.Error())
		r.leave(ctx, sess)
		return false
	}
	r.greet(sess, &hello, open)
	r.wg.Add(1) // until it ends
	sess.streams.Go(func() { sess.acceptStreams(ctx) })
	sess.listen(ctx)
	return true
}

// enter checks who an agent says it is. A second connection of the same agent
// ends the first, which may be dead and not know it, and is given with it.
func (r *Relay) enter(c *transport.Conn, s *transport.Stream, hello *message.Hello) (sess, before *agentSession, err error) {
	if hello.Version != protocol {
		return nil, nil, fmt.Errorf("version %d of the protocol; this relay speaks %d", hello.Version, protocol)
	}
	if hello.Agent.String() != c.Peer() {
		return nil, nil, fmt.Errorf("the certificate is that of agent %.64q", c.Peer())
	}
	fresh := &agent{id: hello.Agent, record: agentRecord{Membership: hello.Membership}}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.agents[hello.Agent]
	if a != nil && string(a.record.Membership) == string(hello.Membership) {
		fresh.member = a.member // by this policy: another one judges all anew
	} else if err := r.admit(fresh); err != nil {
		return nil, nil, err
	}
	if a == nil {
		if len(r.agents) >= maxAgents {
			return nil, nil, fmt.Errorf("there are %d agents already", maxAgents)
		}
		a = fresh
		r.agents[a.id] = a
	}
	a.member, a.record.Membership = fresh.member, hello.Membership
	a.record.Software, a.record.Policy, a.record.Seen = hello.Software, hello.Policy, r.now()
	if before = a.session; before != nil {
		r.wg.Go(func() { _ = before.conn.Close() })
	}
	sess = &agentSession{relay: r, agent: a, conn: c, stream: s, gone: make(chan struct{})}
	sess.outbox = outbox.Box{Work: &r.wg, Stream: s, Most: maxOutbox, Waits: &r.meters.fanOut}
	sess.chunks = newChunkLine(sess, s)
	a.session, sess.since = sess, time.Now()
	r.news.came(a.id)
	return sess, before, nil
}

func (r *Relay) leave(ctx context.Context, sess *agentSession) {
	close(sess.gone)
	r.mu.Lock()
	a := sess.agent
	a.record.Seen = r.now()
	current := a.session == sess
	if current {
		a.session = nil
	}
	if current {
		r.news.left(a.id)
		r.presence(a)
	}
	current = current && r.agents[a.id] == a // it was not let go
	r.mu.Unlock()
	if current && ctx.Err() == nil {
		r.tryKeepAgent(ctx, a)
	}
}

// greet tells an agent what it needs to know before anything else. One whose
// facts are known is offered what waits for it: it does not tell them again, and
// ten thousand that come back after a restart have nothing to sign, to verify
// and to store.
func (r *Relay) greet(sess *agentSession, hello *message.Hello, open []message.Ack) {
	r.mu.Lock()
	defer r.mu.Unlock()
	facts := sess.agent.record.Facts
	known := facts != nil && translog.SumOf(facts) == hello.Facts
	sess.send(message.TypeWelcome, message.Marshal(message.Welcome{Relay: r.cfg.Name, Time: r.now(), Policy: r.policy.Version(), Facts: known}))
	for _, text := range r.newer(hello.Policy) {
		sess.send(message.TypePolicy, text)
	}
	sess.greeted = true
	for _, ack := range open {
		sess.send(message.TypeAck, message.Marshal(ack))
	}
	if known {
		r.offerAll(sess.agent)
		r.offerUpgrade(sess.agent)
	}
	r.presence(sess.agent)
}

// listen takes an agent's frames. When there are none it waits for more without
// a goroutine, and when the agent has left it ends the session.
func (s *agentSession) listen(ctx context.Context) {
	for s.stream.Await(func() { s.relay.wg.Go(func() { s.listen(ctx) }) }) {
		if err := s.takeFrame(ctx); err != nil {
			s.relay.log.Debug("agent left", "agent", s.agent.id, "why", err)
			s.end(ctx)
			return
		}
	}
}

// errLeaves says that an agent has said goodbye.
var errLeaves = errors.New("it said goodbye")

// takeFrame takes one frame of an agent.
func (s *agentSession) takeFrame(ctx context.Context) error {
	t, body, err := s.stream.ReadFrame(agentLimit)
	if err != nil {
		return err
	}
	s.speaks()
	switch t {
	case message.TypeFacts:
		err = s.takeFacts(ctx, body)
	case message.TypeReceipt:
		err = s.takeReceipt(body)
	case message.TypeChunk:
		err = s.chunks.take(ctx, body)
	case message.TypeWell:
		err = s.takeWell(body)
	case message.TypeGoodbye:
		return errLeaves
	case message.TypeIdle:
		s.release()
	}
	if err != nil {
		fail(s.stream, message.FailBad, err.Error())
	}
	return err
}

// speaks notes that the agent says something.
func (s *agentSession) speaks() { s.heard.Store(int64(time.Since(s.relay.meters.since))) }

// spoke says whether the agent said something not longer ago than that.
func (s *agentSession) spoke(ago time.Duration) bool {
	return time.Since(s.relay.meters.since)-time.Duration(s.heard.Load()) <= ago
}

// end ends a session, and everything that it began.
func (s *agentSession) end(ctx context.Context) {
	s.chunks.close()
	s.relay.hangUp(s.conn)
	s.streams.Wait()
	s.relay.leave(ctx, s)
	_ = s.stream.Close()
	s.relay.wg.Done()
}

func agentLimit(t byte) int {
	switch t {
	case message.TypeFacts:
		return plan.MaxFacts + 4<<10
	case message.TypeReceipt, message.TypeGoodbye, message.TypeIdle, message.TypeWell:
		return 4 << 10
	case message.TypeChunk:
		return message.Limit(t)
	}
	return -1
}

// errFlood says that an agent does more than any agent needs.
var errFlood = errors.New("too much, too fast")

func (s *agentSession) takeFacts(ctx context.Context, statement []byte) error {
	now := time.Now()
	if s.facts.Before(now.Add(-factsBurst * factsEvery)) {
		s.facts = now.Add(-factsBurst * factsEvery)
	}
	if s.facts = s.facts.Add(factsEvery); s.facts.After(now) {
		return fmt.Errorf("%w: facts", errFlood)
	}
	r := s.relay
	r.mu.Lock()
	same := string(s.agent.record.Facts) == string(statement)
	err := r.learn(s.agent, statement)
	if err == nil {
		r.offerAll(s.agent)
		r.offerUpgrade(s.agent)
	}
	r.mu.Unlock()
	if err == nil && !same {
		r.tryKeepAgent(ctx, s.agent)
	}
	return err
}

func (s *agentSession) takeReceipt(body []byte) error {
	var id message.ID
	if err := message.Unmarshal(body, &id); err != nil {
		return err
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	if p := s.relay.plans[id]; p != nil {
		s.relay.reach(p, s.agent.id)
		// Where the line of a leaf broke, the agent had it before it was cancelled,
		// and was not told that.
		if d := p.agents[s.agent.id]; d != nil && !d.final {
			s.tellCancelled(p)
		}
	}
	return nil
}

// tellCancelled tells an agent that a plan was cancelled, if it was; mu is held.
func (s *agentSession) tellCancelled(p *investigation) {
	if p.record.Secret != nil {
		s.send(message.TypeCancel, message.Marshal(message.Cancel{Plan: p.id, Secret: p.record.Secret}))
	}
}

// release lets an agent go that only came to take what waits, unless
// something that it has not seen yet is on its way.
func (s *agentSession) release() {
	r := s.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.live {
		if d := p.agents[s.agent.id]; d != nil && d.sent == s && !d.reached && !p.over(r.now()) {
			return
		}
	}
	s.send(message.TypeGoodbye, message.Marshal(message.Failure{Reason: "there is nothing more"}))
}

// acceptStreams serves an agent's further streams: large answers, renewals. It
// waits for them without a goroutine.
func (s *agentSession) acceptStreams(ctx context.Context) {
	for s.conn.Await(func() { s.streams.Go(func() { s.acceptStreams(ctx) }) }) {
		stream, err := s.conn.Accept(ctx)
		if err != nil {
			return
		}
		switch stream.Kind() {
		case message.KindAnswer:
			s.streams.Go(func() { s.serveAnswer(ctx, stream) })
		case message.KindLog:
			s.streams.Go(func() { s.relay.serveProof(ctx, stream) })
		case message.KindProgram:
			s.streams.Go(func() { s.relay.serveProgram(ctx, stream) })
		case message.KindRenew:
			s.streams.Go(func() { s.relay.renew(stream, s.agent.id) })
		default:
			fail(stream, message.FailBad, fmt.Sprintf("an agent opens no stream of kind %.32q", stream.Kind()))
		}
	}
}

// send hands a frame to the agent's outbox. An agent that takes nothing loses
// its connection, and finds everything again when it comes back.
func (s *agentSession) send(t message.Type, body []byte) { s.sendDue(t, body, time.Time{}) }

// sendDue is send for a plan, which could have been written since a time.
func (s *agentSession) sendDue(t message.Type, body []byte, due time.Time) {
	s.push(&s.outbox, outbox.Frame{Type: t, Body: body, Due: due})
}

// push hands a frame to one of the agent's outboxes. An agent that takes
// nothing loses its connection.
func (s *agentSession) push(o *outbox.Box, f outbox.Frame) {
	if !o.Push(f) {
		s.relay.meters.slow.Inc()
		conn := s.conn
		s.relay.wg.Go(func() { _ = conn.Close() })
	}
}

// comeBack is within which time so many agents are told to come again: two
// cores take so many handshakes, and ask who comes what they ask him.
func comeBack(agents int) time.Duration {
	return min(max(time.Duration(agents)*comeBackEach, time.Second), maxComeBack)
}

// goodbye tells an agent that the relay goes, and within which time to look
// whether it is there again.
func (s *agentSession) goodbye(within time.Duration) {
	stream := s.stream
	stream.SetWriteDeadline(time.Now().Add(time.Second))
	fail := message.Failure{Code: message.FailShutdown, Reason: "the relay is going", Wait: within}
	if stream.WriteFrame(message.TypeGoodbye, message.Marshal(fail)) == nil {
		_ = stream.Close()
	}
}
