package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/signing/translog"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

const (
	protocolVersion = 1
	// offersWaiting is how many plans and cancels of a relay wait to be judged
	// before no more are read from it.
	offersWaiting = 16
	// idleAnswer is how long once mode waits for a relay to say that it has
	// nothing more.
	idleAnswer = 30 * time.Second
)

// errGoodbye is how a session ends that the relay ended in order.
var errGoodbye = errors.New("agent: the relay says goodbye")

// A session is one connection to a relay, from hello to its end.
type session struct {
	agent  *Agent
	ctx    context.Context // ends with the session
	end    context.CancelCauseFunc
	conn   *transport.Conn
	stream *transport.Stream
	once   bool
	ready  chan struct{} // closed when the relay has welcomed the agent
	offers chan frame    // what is to be judged, in the order in which it came; closed by meet
	slots  chan struct{}
	long   chan struct{} // likewise, for plans that stand
	work   sync.WaitGroup

	begun map[signing.ID]bool // what answers were begun to before the session; set by enter

	telling sync.Mutex // held while facts are looked up and sent, and guards last once the relay has welcomed

	mu       sync.Mutex
	left     bool                   // nothing more is begun
	unjudged int                    // plans, policies and cancels that came and were not dealt with
	sent     map[*outgoing]*sending // answers that were begun, until they are over
	last     told                   // what the relay has of the facts; zero: nothing that this agent knows of
	knows    bool                   // the facts were looked up, and the relay has them
	well     translog.Sum           // of the statement that this program is well; zero for none
	idle     bool                   // once mode: it was said that nothing is left
	idleAt   *time.Timer
}

type frame struct {
	kind message.Type
	body []byte
}

// meet holds one session with a relay. It says whether the relay welcomed the
// agent, and why the session ended; in once mode that is nil when everything
// was done.
func (a *Agent) meet(ctx context.Context, once bool) (welcome bool, err error) {
	conn, err := a.dial(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	// Whoever waits on the wire is woken when the session is to end.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s := &session{
		agent: a, ctx: ctx, end: end, conn: conn, once: once, ready: make(chan struct{}),
		offers: make(chan frame, offersWaiting), slots: make(chan struct{}, answerStreams), long: make(chan struct{}, maxStanding),
		begun: map[signing.ID]bool{}, sent: map[*outgoing]*sending{},
	}
	w, err := s.hello()
	if err != nil {
		end(err)
		a.leave(s)
		s.close()
		return false, err
	}
	if !w.Facts {
		s.last = told{}
	}
	close(s.ready)
	a.welcomed()
	a.log.Info("connected", "relay", w.Relay, "address", conn.RemoteAddr())
	a.note(func(st *Status) {
		st.Relay, st.Address, st.Connected = w.Relay, conn.RemoteAddr().String(), a.opts.Now()
		st.Error, st.Again = "", time.Time{}
	})
	s.work.Go(s.judge)
	s.work.Go(func() {
		s.tellFacts(ctx)
		s.sayWell()
	})
	err = s.read()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	end(err)
	close(s.offers)
	a.leave(s)
	s.close()
	if once && errors.Is(err, errGoodbye) {
		err = nil
	}
	return true, err
}

// close waits for what the session began.
func (s *session) close() {
	s.mu.Lock()
	s.left = true
	if s.idleAt != nil {
		s.idleAt.Stop()
	}
	s.mu.Unlock()
	s.work.Wait()
}

// hello opens the persistent stream and says who is there.
func (s *session) hello() (w message.Welcome, err error) {
	a := s.agent
	if s.stream, err = s.conn.Open(s.ctx, message.KindAgent); err != nil {
		return w, err
	}
	h := message.Hello{
		Version: protocolVersion, Agent: a.id.ID(), Membership: a.chain, Software: a.opts.Software,
		Policy: a.Policy().Version(), Once: s.once,
	}
	for _, o := range a.enter(s) {
		h.Open = append(h.Open, message.Open{Plan: o.head.Plan})
	}
	h.Facts = s.last.sum
	if err := s.stream.WriteFrame(message.TypeHello, message.Marshal(h)); err != nil {
		return w, err
	}
	s.stream.SetReadDeadline(time.Now().Add(answerTimeout))
	t, body, err := s.stream.ReadFrame(message.Limit)
	s.stream.SetReadDeadline(time.Time{})
	switch {
	case err != nil:
		return w, fmt.Errorf("agent: the relay did not answer: %w", err)
	case t == message.TypeFailure || t == message.TypeGoodbye:
		return w, failureOf(body)
	case t != message.TypeWelcome:
		return w, fmt.Errorf("agent: the relay answers with frame %d", t)
	}
	return w, message.Unmarshal(body, &w)
}

// enter makes a session the one that answers are sent over, and gives those
// that were begun before. Of them the relay says first what it has.
func (a *Agent) enter(s *session) []*outgoing {
	if err := a.spool.setOnline(true); err != nil {
		a.log.Error("the spool cannot be written", "error", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	open := a.spool.open()
	for _, o := range open {
		s.sent[o], s.begun[o.head.Plan] = &sending{}, true
	}
	a.session, s.last = s, a.told
	return open
}

// leave ends what enter began.
func (a *Agent) leave(s *session) {
	a.mu.Lock()
	if a.session == s {
		a.session = nil
	}
	a.mu.Unlock()
	if err := a.spool.setOnline(false); err != nil {
		a.log.Error("the spool cannot be written", "error", err)
	}
	a.note(func(st *Status) { st.Relay, st.Address, st.Connected = "", "", time.Time{} })
}

// read takes what the relay says until the session ends.
func (s *session) read() error {
	for {
		t, body, err := s.stream.ReadFrame(message.Limit)
		if err != nil {
			return err
		}
		switch t {
		case message.TypeAck:
			err = s.acked(body)
		case message.TypeUpgrade:
			s.agent.offerUpgrade(s, body)
		case message.TypeHeard:
			s.heardWell(body)
		case message.TypePlan, message.TypePolicy, message.TypeCancel:
			if t == message.TypePlan && s.agent.onTrial() {
				break // whoever goes on answers it: it is offered again
			}
			s.mu.Lock()
			s.unjudged++
			s.idle = false
			s.mu.Unlock()
			select {
			case s.offers <- frame{t, body}:
			case <-s.ctx.Done():
				return s.ctx.Err()
			}
		case message.TypeGoodbye:
			if err := failureOf(body); !s.once {
				return err
			}
			return errGoodbye
		case message.TypeFailure:
			return failureOf(body)
		default: // of a newer relay, for newer agents
		}
		if err != nil {
			return err
		}
	}
}

// acked takes an acknowledgement: chunks are stored for good, and what stood
// in the hello may be sent from there.
func (s *session) acked(body []byte) error {
	var ack message.Ack
	if err := message.Unmarshal(body, &ack); err != nil {
		return err
	}
	o := s.agent.spool.find(ack.Plan)
	if o == nil {
		return nil
	}
	if ack.Gone {
		s.agent.log.Info("nobody wants the answer", "plan", ack.Plan)
		s.abandon(o)
		return nil
	}
	if o.ack(ack.Next) {
		s.over(o)
		return nil
	}
	s.mu.Lock()
	x := s.sent[o]
	known, asked := x != nil, x != nil && x.asked
	s.mu.Unlock()
	switch {
	case known && s.agent.onTrial(): // whoever goes on sends it, and does further rounds
	case known && !asked:
		s.resume(o, ack.Next)
	case known && ack.Next == 0:
		s.stalled(o)
	}
	s.leaveIfDone()
	return nil
}

// judge takes plans, policies and cancels in the order in which they came.
func (s *session) judge() {
	for f := range s.offers {
		// A policy counts, though the relay may have ended the session with it.
		if s.ctx.Err() != nil && f.kind != message.TypePolicy {
			continue
		}
		vain := false
		switch f.kind {
		case message.TypePlan:
			vain = s.agent.offer(s, f.body)
		case message.TypePolicy:
			vain = s.agent.takePolicy(f.body)
		case message.TypeCancel:
			vain = s.agent.cancel(f.body)
		}
		if vain {
			s.bear()
		}
		s.mu.Lock()
		s.unjudged--
		s.mu.Unlock()
		s.leaveIfDone()
	}
}

// bear makes the next that comes wait, where much came in vain.
func (s *session) bear() {
	wait := s.agent.bears.spend(time.Now())
	if wait <= 0 {
		return
	}
	select {
	case <-time.After(wait):
	case <-s.ctx.Done():
	}
}

// offer takes a plan from a relay: what passes the gate runs. It says whether
// the relay sent it in vain.
func (a *Agent) offer(s *session, raw []byte) (vain bool) {
	in := arrived(raw)
	// A relay that lost the connection offers again what it cannot know to have
	// arrived.
	if id, ok := a.inHand(in.sum); ok {
		s.receipt(id)
		return true
	}
	var e journal.Entry
	// Nor is a plan judged anew because its refusal, of an earlier life or of a
	// connection that broke, had not come to the relay when it was offered: a plan
	// has one answer.
	if len(s.begun) > 0 { // which is seldom so
		if payload := payloadOf(raw, &e); payload != nil && s.begun[payload.ID] {
			s.receipt(payload.ID)
			return true
		}
	}
	if a.offered.again(in.sum) {
		if payload := payloadOf(raw, &e); payload != nil {
			s.receipt(payload.ID)
		}
		return true
	}
	p, err := a.admit(s.ctx, in)
	if err != nil {
		if s.ctx.Err() != nil {
			return false // it was not judged to the end, and will be offered again
		}
		a.offered.note(in.sum)
		if payload := payloadOf(raw, &e); payload != nil {
			s.receipt(payload.ID)
		}
		a.refuse(raw, err)
		return true
	}
	s.receipt(p.payload.ID)
	a.begin(p, raw)
	return false
}

// begin gives a permitted plan its place in the queue.
func (a *Agent) begin(p *permit, raw []byte) {
	out, err := a.spool.begin(headOf(p.payload, a.opts.Now()))
	if err != nil {
		a.log.Error("plan not begun", "plan", p.payload.ID, "error", err)
		a.cannotBegin(p, err)
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &running{permit: p, out: out, cancel: cancel, started: a.opts.Now(), sum: p.sum}
	a.mu.Lock()
	a.running[p.payload.ID] = r
	a.mu.Unlock()
	a.log.Info("plan accepted", "plan", p.payload.ID, "query", p.payload.Query, "purpose", p.payload.Purpose)
	a.touch()
	if p.plan.Standing() {
		a.stands(ctx, r, raw)
		return
	}
	if p.policy.Ceilings().Mains {
		a.rounds.Go(func() { a.enqueue(ctx, r) })
		return
	}
	a.enqueue(ctx, r)
}

// cannotBegin ends a permitted plan whose answer cannot be kept: the journal
// says so, and the investigator hears it.
func (a *Agent) cannotBegin(p *permit, why error) {
	sum := answer.Summary{Outcome: answer.Refused, Reason: signing.CodeLimit + ": " + why.Error()}
	out, err := a.spool.beginEnd(headOf(p.payload, a.opts.Now()))
	if err == nil {
		var w *writer
		if w, err = a.newWriter(context.Background(), out, 0); err == nil {
			a.finish(p, out, w, sum)
			return
		}
		a.abandon(out)
	}
	a.log.Error("nobody is told that a plan was not begun", "plan", p.payload.ID, "error", err)
	f := journal.Finish{At: a.opts.Now(), Outcome: sum.Outcome.String(), Reason: sum.Reason}
	if err := a.journal.Finish(p.payload.ID, f); err != nil {
		a.log.Error("the journal cannot be written", "error", err)
	}
}

// inHand says whether an envelope is the one of a plan that runs.
func (a *Agent) inHand(sum translog.Sum) (signing.ID, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, r := range a.running {
		if r.sum == sum {
			return id, true
		}
	}
	return signing.ID{}, false
}

// receipt tells the relay that a plan arrived. The answer to a quick one leaves
// with it.
func (s *session) receipt(id signing.ID) {
	if err := s.stream.WriteSoon(message.TypeReceipt, message.Marshal(id)); err != nil {
		s.end(err)
	}
}

// cancel ends a plan for who knows the secret that its envelope has the digest
// of. It says whether the relay sent it in vain; a plan that has ended costs
// nothing to look for.
func (a *Agent) cancel(body []byte) (vain bool) {
	var c message.Cancel
	if err := message.Unmarshal(body, &c); err != nil {
		a.log.Warn("cancel refused", "error", err)
		return true
	}
	a.mu.Lock()
	r := a.running[c.Plan]
	a.mu.Unlock()
	if r == nil {
		return false
	}
	if sum := sha256.Sum256(c.Secret); subtle.ConstantTimeCompare(sum[:], r.permit.payload.Cancel) != 1 {
		a.log.Warn("cancel refused: the secret is not the plan's", "plan", c.Plan)
		return true
	}
	a.log.Info("plan cancelled", "plan", c.Plan)
	r.cancel(errCancelled)
	return false
}

// tellFacts sends the facts where they changed since the last time, or that
// was long ago.
func (s *session) tellFacts(ctx context.Context) {
	s.telling.Lock()
	defer s.telling.Unlock()
	a := s.agent
	f, err := a.Facts(ctx)
	if ctx.Err() != nil {
		return // the agent ends, or has another relay
	}
	if err != nil {
		a.log.Error("the facts of this machine cannot be told", "error", err)
		return
	}
	now := a.opts.Now()
	if s.last.still(f, now) {
		s.toldFacts()
		return
	}
	statement := signing.NewStatement(a.id, "facts", now, plan.EncodeFacts(f)).Encode()
	if len(statement) > plan.MaxFacts {
		a.log.Error("the facts of this machine are too long to be told", "bytes", len(statement))
		return
	}
	if err := s.stream.WriteFrame(message.TypeFacts, statement); err != nil {
		s.end(err)
		return
	}
	s.last = told{facts: f, at: now, sum: translog.SumOf(statement)}
	a.mu.Lock()
	a.told = s.last
	a.mu.Unlock()
	s.toldFacts()
}

// toldFacts notes that the relay has the facts of this moment.
func (s *session) toldFacts() {
	s.mu.Lock()
	s.knows = true
	s.mu.Unlock()
	s.leaveIfDone()
}
