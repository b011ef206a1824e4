package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

const (
	// answerStreams is how many answers have streams of their own at once.
	answerStreams = 8
	// limitPause is how long an answer waits when a relay has said that it is
	// too much.
	limitPause = 5 * time.Second
	// stallPause is how long a chunk that a relay could not store, or has on
	// its way still, is given before it is sent again.
	stallPause = 2 * time.Second
	// smallChunk is how many bytes a chunk has, at most, for which no memory is
	// taken when it is sent: a final one of few rows.
	smallChunk = 1 << 10
)

// errStall says that a relay has not stored what it was sent.
var errStall = errors.New("agent: the relay did not store a chunk")

// A sending is how far a session is with an answer.
type sending struct {
	asked   bool // it is known what the relay has of it: what it said, or nothing
	large   bool // it has a stream of its own
	refused bool // this relay does not take it
	again   bool // it is about to be sent again, all of it
}

// deliver has the present session, if there is one, send an answer. It is
// called with each chunk, and begins with the first.
func (a *Agent) deliver(o *outgoing) {
	a.mu.Lock()
	s := a.session
	a.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	known := s.sent[o] != nil
	x := s.of(o)
	if !known && x != nil {
		x.asked = true
	}
	s.mu.Unlock()
	if !known && x != nil {
		s.start(o, 0)
	}
}

// endUnread ends an answer of which the disk has lost a part, and the plan with
// it, where that still runs.
func (a *Agent) endUnread(o *outgoing, why error) {
	a.log.Error("an answer is cut: this host's disk does not give back what was found", "plan", o.head.Plan, "error", why)
	w, err := a.newWriter(context.Background(), o, o.following())
	if err == nil {
		err = w.end(answer.Summary{Outcome: answer.Failed, Reason: errUnread.Error()})
	}
	if err != nil && !errors.Is(err, errEnded) { // the plan itself may have ended it
		a.log.Error("the answer cannot be ended", "plan", o.head.Plan, "error", err)
		a.abandon(o)
	}
	a.mu.Lock()
	r := a.running[o.head.Plan]
	a.mu.Unlock()
	if r != nil {
		r.cancel(errUnread)
	}
}

// abandon forgets an answer that nobody wants.
func (s *session) abandon(o *outgoing) {
	o.abandon()
	s.over(o)
}

// over forgets what was known of an answer that is whole or gone.
func (s *session) over(o *outgoing) {
	s.mu.Lock()
	delete(s.sent, o)
	s.mu.Unlock()
	s.leaveIfDone()
}

// of gives what is known of an answer, from now on if nothing was; nil where it
// is over. It needs mu.
func (s *session) of(o *outgoing) *sending {
	x := s.sent[o]
	if x == nil && !o.whole() { // whoever ends it now comes to over later
		x = &sending{}
		s.sent[o] = x
	}
	return x
}

// abandon forgets an answer that cannot be given, or was kept for long enough.
func (a *Agent) abandon(all ...*outgoing) {
	a.mu.Lock()
	s := a.session
	a.mu.Unlock()
	for _, o := range all {
		o.abandon()
		if s != nil {
			s.over(o)
		}
	}
}

// resume sends an answer that was begun before the session, from where the
// relay says that it is.
func (s *session) resume(o *outgoing, next uint32) {
	s.mu.Lock()
	x := s.of(o)
	if x != nil {
		x.asked = true
	}
	s.mu.Unlock()
	if x == nil {
		return
	}
	o.has(next)
	if err := s.agent.mend(s.ctx, o, next); err != nil {
		s.agent.log.Error("the answer cannot be resumed", "plan", o.head.Plan, "error", err)
		s.refuse(o)
		return
	}
	if first, _ := o.holds(); next >= first {
		s.start(o, next)
		return
	}
	s.agent.log.Warn("this relay lacks chunks of the answer that another one took", "plan", o.head.Plan, "next", next)
	s.refuse(o)
}

// mend ends an answer that an earlier life left without its end.
func (a *Agent) mend(ctx context.Context, o *outgoing, next uint32) error {
	if _, cut := o.holds(); !cut {
		return nil
	}
	o.skipTo(next)
	_ = a.check.wait(ctx) // as in admit
	switch stands, err := a.resumeStanding(o); {
	case stands && err != nil:
		return a.outlived(ctx, o, err)
	case stands:
		return nil
	}
	return a.endCut(ctx, o)
}

// start sends an answer: on a goroutine of its own, where it is not a single
// chunk that the wire takes without waiting.
func (s *session) start(o *outgoing, from uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil || s.left || from == 0 && s.sendNow(o) {
		return
	}
	s.work.Go(func() { s.sendAll(o, from) })
}

// sendAll sends an answer from a chunk on, again and again where it must.
func (s *session) sendAll(o *outgoing, from uint32) {
	select {
	case <-s.ready: // nothing comes before the hello
	case <-s.ctx.Done():
		return
	}
	for {
		pause, again := s.decide(o, s.send(o, from))
		if !again {
			return
		}
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return
		}
		from, _ = o.holds()
	}
}

// sendNow sends an answer that is a single chunk, and small, where nobody has
// to wait for that. It needs mu.
func (s *session) sendNow(o *outgoing) bool {
	select {
	case <-s.ready: // nothing comes before the hello
	default:
		return false
	}
	data, ok := o.single()
	if !ok {
		return false
	}
	var room [smallChunk]byte // Offer keeps nothing of it
	c := message.Chunk{Agent: s.agent.id.ID(), Plan: o.head.Plan, Final: true, Data: data}
	return s.stream.Offer(message.TypeChunk, c.Append(room[:0]))
}

// decide says whether an answer is sent again, from where it is acknowledged,
// after the attempt to send it ended like this.
func (s *session) decide(o *outgoing, err error) (pause time.Duration, again bool) {
	var f *message.Failure
	switch {
	case errors.Is(err, errUnread): // whatever became of the session
		s.agent.endUnread(o, err)
		return 0, true
	case err == nil, errors.Is(err, errGone), s.ctx.Err() != nil:
		return 0, false
	case errors.Is(err, errStall):
		return 0, true // it has waited
	case !errors.As(err, &f):
		s.end(err)
		return 0, false
	case f.Code == message.FailUnknown || f.Code == message.FailExpired:
		s.agent.log.Warn("the relay wants no answer", "plan", o.head.Plan, "reason", f.Reason)
		s.abandon(o)
		return 0, false
	case f.Code == message.FailLimit || f.Code == message.FailStore:
		return limitPause, true
	}
	s.agent.log.Error("the relay refuses the answer", "plan", o.head.Plan, "code", f.Code, "reason", f.Reason)
	s.refuse(o)
	return 0, false
}

// stalled sends an answer of one chunk again, which the relay did not store,
// unless it has done so after a while. However often the relay says so, one
// goroutine waits for that.
func (s *session) stalled(o *outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.sent[o]
	if s.ctx.Err() != nil || s.left || x == nil || x.large || x.again {
		return
	}
	x.again = true
	s.work.Go(func() {
		select {
		case <-time.After(stallPause):
			s.sendAll(o, 0)
		case <-s.ctx.Done():
		}
		s.mu.Lock()
		x.again = false
		s.mu.Unlock()
	})
}

// send sends the chunks of an answer as they come. One that is a single chunk
// goes over the persistent stream; any other has a stream of its own.
func (s *session) send(o *outgoing, from uint32) error {
	data, final, err := o.take(s.ctx, from)
	if errors.Is(err, errEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	if from == 0 && final {
		return s.write(s.stream, o, from, data, final)
	}
	slots := s.slots
	if o.stood() {
		slots = s.long
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	s.mu.Lock()
	if x := s.of(o); x != nil {
		x.large = true
	}
	s.mu.Unlock()
	stream, err := s.conn.Open(s.ctx, message.KindAnswer)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(s.ctx)
	heard := make(chan error, 1)
	go func() {
		err := s.hear(stream, o)
		stop(err)
		heard <- err
	}()
	for {
		if err = s.write(stream, o, from, data, final); err != nil || final {
			break
		}
		from++
		if data, final, err = o.take(ctx, from); err != nil {
			break
		}
	}
	if err == nil {
		// The acknowledgements are still to come.
		err = <-heard
		stream.Close()
	} else {
		stream.Close()
		// What the relay said tells more than that it then closed the stream.
		if said := <-heard; said != nil && ctx.Err() != nil && !errors.Is(err, errUnread) {
			err = said
		}
	}
	stop(nil)
	return err
}

func (s *session) write(stream *transport.Stream, o *outgoing, seq uint32, data []byte, final bool) error {
	c := message.Chunk{Agent: s.agent.id.ID(), Plan: o.head.Plan, Seq: seq, Final: final, Data: data}
	return stream.WriteFrame(message.TypeChunk, c.Append(make([]byte, 0, len(data)+64)))
}

// hear takes the acknowledgements of one answer on its own stream, until all of
// it is acknowledged. One that says nothing new is how a relay says that it
// does not have what came; unless others follow, errStall is the end.
func (s *session) hear(stream *transport.Stream, o *outgoing) error {
	stalled := false
	for {
		t, body, err := stream.ReadFrame(message.Limit)
		switch {
		case stalled && errors.Is(err, os.ErrDeadlineExceeded):
			return errStall
		case errors.Is(err, io.EOF):
			return fmt.Errorf("agent: the relay closed the stream of an answer: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return err
		case t == message.TypeFailure:
			f := &message.Failure{}
			if err := message.Unmarshal(body, f); err != nil {
				return err
			}
			return f
		case t != message.TypeAck:
			continue // of a newer relay
		}
		news, err := s.heard(o, body)
		if err != nil || o.whole() {
			return err
		}
		switch {
		case news:
			stalled = false
			stream.SetReadDeadline(time.Time{})
		case !stalled:
			stalled = true
			stream.SetReadDeadline(time.Now().Add(stallPause))
		}
	}
}

// heard takes one acknowledgement on an answer's own stream, and says whether
// it acknowledges anything.
func (s *session) heard(o *outgoing, body []byte) (news bool, err error) {
	var ack message.Ack
	if err := message.Unmarshal(body, &ack); err != nil {
		return false, err
	}
	if ack.Plan != o.head.Plan {
		return false, fmt.Errorf("agent: the relay acknowledges plan %s on the stream of another", ack.Plan)
	}
	if ack.Gone {
		s.abandon(o)
		return true, errGone
	}
	before, _ := o.holds()
	if o.ack(ack.Next) {
		s.over(o)
	} else {
		s.leaveIfDone()
	}
	after, _ := o.holds()
	return after != before, nil
}

// leaveIfDone says in once mode that nothing is left to be done, as often as
// that becomes true.
func (s *session) leaveIfDone() {
	if !s.once {
		return
	}
	s.agent.mu.Lock()
	busy := false
	for _, r := range s.agent.running {
		busy = busy || !r.resting
	}
	s.agent.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if busy || s.unjudged > 0 || !s.knows || s.waiting() || s.ctx.Err() != nil {
		s.idle = false
		return
	}
	if s.idle {
		return
	}
	s.idle = true
	if err := s.stream.WriteFrame(message.TypeIdle, nil); err != nil {
		s.end(err)
	}
	if s.idleAt == nil {
		s.idleAt = time.AfterFunc(idleAnswer, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.idle {
				s.end(errGoodbye)
			}
		})
		return
	}
	s.idleAt.Reset(idleAnswer)
}

// waiting says whether the spool holds answers that this relay may still take.
func (s *session) waiting() bool {
	for _, o := range s.agent.spool.open() {
		if x := s.sent[o]; (x == nil || !x.refused) && !o.quiet() {
			return true
		}
	}
	return false
}

// refuse notes that this relay does not take an answer.
func (s *session) refuse(o *outgoing) {
	s.mu.Lock()
	if x := s.of(o); x != nil {
		x.refused = true
	}
	s.mu.Unlock()
	s.leaveIfDone()
}
