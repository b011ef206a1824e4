package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of what agents may do.
const (
	helloWithin  = 30 * time.Second
	maxOutbox    = 1024 // frames that wait for one agent: plans, acknowledgements
	factsBurst   = 10   // facts that an agent may send at once,
	factsEvery   = 10 * time.Second
	maxStray     = 1000 // chunks of plans that nobody asked of it, before it is cut off
	protocol     = 1
	maxAgents    = 1_000_000
	kindFacts    = "facts"
	lastWords    = 5 * time.Second // for what an agent is told that is let go
	flushStep    = 10 * time.Millisecond
	seenRecorded = 10 * time.Minute // how fresh the time is that is kept of when an agent was last here
)

// An agentRecord is what the spine keeps of an agent.
type agentRecord struct {
	Membership []byte    `json:"membership"`
	Facts      []byte    `json:"facts"`
	Seen       time.Time `json:"seen"`
	Software   string    `json:"software"`
	Policy     int64     `json:"policy"`
}

// An agent is one that enrolled. Relay.mu guards it.
type agent struct {
	id      message.ID
	record  agentRecord
	member  signing.Member
	facts   plan.Facts // with the administrator's tags
	factsAt time.Time
	session *agentSession
}

// described gives what investigators are told of an agent.
func (a *agent) described() message.Agent {
	return message.Agent{
		Agent: a.id, Membership: a.record.Membership, Facts: a.record.Facts, Online: a.session != nil,
		Seen: a.record.Seen, Software: a.record.Software, Policy: a.record.Policy,
	}
}

// learn takes facts that the agent signed.
func (a *agent) learn(statement []byte) error {
	s, err := signing.DecodeStatement(statement)
	if err != nil {
		return err
	}
	if err := s.Verify(a.member.Public); err != nil {
		return err
	}
	if s.Kind != kindFacts {
		return fmt.Errorf("a statement of kind %.32q instead of facts", s.Kind)
	}
	facts, err := plan.DecodeFacts(s.Payload)
	if err != nil {
		return err
	}
	if s.At.Before(a.factsAt) {
		return nil // what it said before comes late
	}
	a.factsAt = s.At
	a.record.Facts, a.facts = statement, facts
	for tag, text := range a.member.Tags {
		facts["tags."+tag] = value.NewText(text)
	}
	return nil
}

// loadAgents reads the agents back from the spine.
func (r *Relay) loadAgents(ctx context.Context) error {
	return r.spine.each(ctx, r.spine.agents, func(key string, text []byte) error {
		id, err := signing.ParseID(key)
		if err != nil {
			return err
		}
		a := &agent{id: id}
		if err := json.Unmarshal(text, &a.record); err != nil {
			return fmt.Errorf("agent %s: %w", key, err)
		}
		if err := r.admit(a); err != nil {
			r.log.Info("agent left out", "agent", key, "why", err)
			return nil
		}
		if a.record.Facts != nil {
			if err := a.learn(a.record.Facts); err != nil {
				r.log.Warn("facts left out", "agent", key, "why", err)
			}
		}
		r.agents[id] = a
		r.uses[a.member.Token]++
		return nil
	})
}

// admit checks an agent's chain by the policy.
func (r *Relay) admit(a *agent) error {
	m, err := signing.DecodeMembership(a.record.Membership)
	if err != nil {
		return err
	}
	if a.member, err = r.policy.Member(m); err != nil {
		return err
	}
	if a.member.Agent != a.id {
		return fmt.Errorf("the chain is that of agent %s", a.member.Agent)
	}
	return nil
}

func (r *Relay) keepAgent(ctx context.Context, id message.ID, record agentRecord) {
	text, err := json.Marshal(record)
	if err == nil {
		err = r.spine.put(ctx, r.spine.agents, id.String(), text)
	}
	if err != nil {
		r.log.Error("an agent's facts were not kept", "agent", id, "why", err)
	}
}

// An agentSession is a connected agent.
type agentSession struct {
	relay *Relay
	agent *agent
	conn  *transport.Conn
	gone  chan struct{} // closed when all that it said is dealt with

	facts time.Time // when facts may come next without counting as a flood
	stray int
	// greeted: it was told of the policies so far, and is told of further ones.
	greeted bool
	outbox  outbox
	upgrade translog.Sum // of the roll-out that was offered last
}

// serveAgent serves a connected agent until it leaves.
func (r *Relay) serveAgent(ctx context.Context, c *transport.Conn, s *transport.Stream) {
	defer s.Close()
	s.SetReadDeadline(time.Now().Add(helloWithin))
	body, err := readAs(s, message.TypeHello)
	if err != nil {
		return
	}
	s.SetReadDeadline(time.Time{})
	var hello message.Hello
	if err := message.Unmarshal(body, &hello); err != nil {
		fail(s, message.FailBad, err.Error())
		return
	}
	sess, before, err := r.enter(c, s, &hello)
	if err != nil {
		r.log.Info("agent refused", "agent", hello.Agent, "why", err)
		r.farewell(c, s, &hello, err)
		return
	}
	defer r.leave(ctx, sess)
	if before != nil {
		// What came over the connection before is stored first, or not at all:
		// an agent that was started anew goes on behind it, with other bytes.
		<-before.gone
	}
	if err := r.mendOpen(hello.Agent, hello.Open); err != nil {
		r.log.Error("an agent cannot be told what is stored", "agent", hello.Agent, "why", err)
		return
	}
	r.greet(sess, &hello)
	var streams sync.WaitGroup
	streams.Go(func() { sess.acceptStreams(ctx) })
	defer streams.Wait()
	defer c.Close()
	if err := sess.listen(ctx, s); err != nil {
		r.log.Debug("agent left", "agent", hello.Agent, "why", err)
	}
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
	if err := r.admit(fresh); err != nil {
		return nil, nil, err
	}
	a := r.agents[hello.Agent]
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
	sess = &agentSession{relay: r, agent: a, conn: c, gone: make(chan struct{})}
	sess.outbox.begin(&r.wg, s)
	a.session = sess
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
	record := a.record
	if current {
		r.presence(a)
	}
	r.mu.Unlock()
	if current && ctx.Err() == nil {
		r.keepAgent(ctx, a.id, record)
	}
}

// greet tells an agent what it needs to know before anything else.
func (r *Relay) greet(sess *agentSession, hello *message.Hello) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sess.send(message.TypeWelcome, message.Marshal(message.Welcome{Relay: r.cfg.Name, Time: r.now(), Policy: r.policy.Version()}))
	for _, text := range r.newer(hello.Policy) {
		sess.send(message.TypePolicy, text)
	}
	sess.greeted = true
	for _, open := range hello.Open {
		sess.send(message.TypeAck, message.Marshal(r.standing(open.Plan, sess.agent.id)))
	}
	r.presence(sess.agent)
}

// listen takes an agent's frames until it leaves.
func (s *agentSession) listen(ctx context.Context, stream *transport.Stream) error {
	chunks := newChunkLine(s, stream)
	defer chunks.close()
	for {
		t, body, err := stream.ReadFrame(agentLimit)
		if err != nil {
			return err
		}
		switch t {
		case message.TypeFacts:
			err = s.takeFacts(ctx, body)
		case message.TypeReceipt:
			err = s.takeReceipt(body)
		case message.TypeChunk:
			err = chunks.take(ctx, body)
		case message.TypeWell:
			err = s.takeWell(body)
		case message.TypeGoodbye:
			return nil
		case message.TypeIdle:
			s.release()
		}
		if err != nil {
			fail(stream, message.FailBad, err.Error())
			return err
		}
	}
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
	err := s.agent.learn(statement)
	record := s.agent.record
	if err == nil {
		r.offerAll(s.agent)
		r.offerUpgrade(s.agent)
	}
	r.mu.Unlock()
	if err == nil && !same {
		r.keepAgent(ctx, s.agent.id, record)
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
		if d := p.agents[s.agent.id]; d != nil && !d.reached {
			d.reached = true
			p.record.Reached, p.dirty = append(p.record.Reached, s.agent.id), true
			p.notify(s.agent.id)
		}
	}
	return nil
}

// release lets an agent go that only came to take what waits, unless
// something that it has not seen yet is on its way.
func (s *agentSession) release() {
	r := s.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.plans {
		if d := p.agents[s.agent.id]; d != nil && d.sent == s && !d.reached && !p.over(r.now()) {
			return
		}
	}
	s.send(message.TypeGoodbye, message.Marshal(message.Failure{Reason: "there is nothing more"}))
}

// acceptStreams serves an agent's further streams: large answers, renewals.
func (s *agentSession) acceptStreams(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		stream, err := s.conn.Accept(ctx)
		if err != nil {
			return
		}
		switch stream.Kind() {
		case message.KindAnswer:
			wg.Go(func() { s.serveAnswer(ctx, stream) })
		case message.KindLog:
			wg.Go(func() { s.relay.serveProof(stream) })
		case message.KindProgram:
			wg.Go(func() { s.relay.serveProgram(ctx, stream) })
		case message.KindRenew:
			wg.Go(func() { s.relay.renew(stream, s.agent.id) })
		default:
			fail(stream, message.FailBad, fmt.Sprintf("an agent opens no stream of kind %.32q", stream.Kind()))
		}
	}
}

// send hands a frame to the agent's outbox. An agent that takes nothing loses
// its connection, and finds everything again when it comes back.
func (s *agentSession) send(t message.Type, body []byte) {
	if !s.outbox.push(t, body) {
		conn := s.conn
		s.relay.wg.Go(func() { _ = conn.Close() })
	}
}

// goodbye tells an agent that the relay goes.
func (s *agentSession) goodbye() {
	stream := s.outbox.stream
	stream.SetWriteDeadline(time.Now().Add(time.Second))
	fail := message.Failure{Code: message.FailShutdown, Reason: "the relay is going"}
	if stream.WriteFrame(message.TypeGoodbye, message.Marshal(fail)) == nil {
		_ = stream.Close()
	}
}

// An outbox holds frames for a stream that may be slow, so that who sends never
// waits. Bodies are shared. A goroutine runs only while there is something.
type outbox struct {
	wg     *sync.WaitGroup
	stream *transport.Stream

	mu      sync.Mutex
	frames  []outFrame
	running bool
}

type outFrame struct {
	t    message.Type
	body []byte
}

func (o *outbox) begin(wg *sync.WaitGroup, s *transport.Stream) { o.wg, o.stream = wg, s }

// push takes a frame; no where too many wait.
func (o *outbox) push(t message.Type, body []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.frames) >= maxOutbox {
		return false
	}
	o.frames = append(o.frames, outFrame{t, body})
	if !o.running {
		o.running = true
		o.wg.Go(o.drain)
	}
	return true
}

// flushed waits until what was pushed is written, or the time is over.
func (o *outbox) flushed(within time.Duration) {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(flushStep) {
		o.mu.Lock()
		idle := !o.running
		o.mu.Unlock()
		if idle {
			return
		}
	}
}

func (o *outbox) drain() {
	for {
		o.mu.Lock()
		frames := o.frames
		o.frames = nil
		if len(frames) == 0 {
			o.running = false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		for _, f := range frames {
			if o.stream.WriteFrame(f.t, f.body) != nil {
				return // for ever: the stream is dead
			}
		}
	}
}
