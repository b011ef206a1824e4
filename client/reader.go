package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// keepReading reads a plan's answers, over another connection where one ends:
// the relay sends everything again, and what was opened before is passed over.
func (f *following) keepReading(p *followed) {
	backoff := transport.Backoff{Min: 200 * time.Millisecond, Max: 10 * time.Second}
	defer f.tell()
	for {
		err := f.follow(p, &backoff)
		var refused *message.Failure
		switch {
		case f.reading.Err() != nil:
			return
		case err == nil:
			f.mu.Lock()
			p.over, p.caughtUp = true, true
			f.mu.Unlock()
			return
		case errors.As(err, &refused) && !passing(refused.Code), errors.Is(err, errOurs), errors.Is(err, message.ErrMalformed), errors.Is(err, transport.ErrFrame):
			f.fail(err)
			return
		}
		select {
		case <-f.reading.Done():
			return
		case <-time.After(backoff.Next()):
		}
	}
}

// passing says whether a failure is of the kind that another attempt, or
// another relay, may not meet.
func passing(code string) bool {
	return code == message.FailShutdown || code == message.FailStore || code == message.FailLimit
}

// errOurs marks what no other connection would mend.
var errOurs = errors.New("client: the relay's answer is none")

// follow follows a plan over one connection. The error is nil when the relay
// says that nothing more will come.
func (f *following) follow(p *followed, backoff *transport.Backoff) error {
	stream, err := f.session.ask(f.reading, message.Request{Op: message.OpFollow, Plan: p.payload.ID, Stored: f.opts.Stored})
	if err != nil {
		return err
	}
	defer stream.Close()
	defer context.AfterFunc(f.reading, func() { stream.SetReadDeadline(time.Unix(1, 0)) })()
	for {
		t, body, err := stream.ReadFrame(message.Limit)
		if err != nil {
			return err
		}
		backoff.Reset()
		f.mu.Lock()
		p.heard = f.clock.now()
		f.mu.Unlock()
		switch t {
		case message.TypeEnvelope: // it is known here, and verified
		case message.TypeAgent, message.TypeState, message.TypeChunk:
			err = f.hand(p, t, body)
		case message.TypeCaughtUp:
			err = f.mark(p)
		case message.TypeEnd:
			return nil
		case message.TypeFailure:
			return failure(body)
		default:
			err = fmt.Errorf("%w: a frame of type %d", errOurs, t)
		}
		if err != nil {
			return err
		}
	}
}

// tell wakes who waits for agents.
func (f *following) tell() {
	select {
	case f.moved <- struct{}{}:
	default:
	}
}

// hand gives a frame about an agent to the agent's lane, when there is room.
func (f *following) hand(p *followed, t message.Type, body []byte) error {
	id, err := agentOf(body)
	if err != nil {
		return fmt.Errorf("%w: %w", errOurs, err)
	}
	size := min(int64(len(body)), ahead)
	f.clock.stop()
	if err := f.room.Acquire(f.reading, size); err != nil {
		f.dealt()
		return err
	}
	select {
	case f.laneOf(id).jobs <- job{plan: p, kind: t, agent: id, body: body}:
		return nil
	case <-f.reading.Done():
		f.room.Release(size)
		f.dealt()
		return f.reading.Err()
	}
}

// dealt notes that a frame has been dealt with. Who waits for agents looks
// again after the last.
func (f *following) dealt() {
	if f.clock.goOn() {
		f.tell()
	}
}

// laneOf gives the lane of an agent.
func (f *following) laneOf(id message.ID) *lane {
	return f.lanes[binary.BigEndian.Uint64(id[:])%uint64(len(f.lanes))]
}

// mark has everyone been named when every lane has come so far.
func (f *following) mark(p *followed) error {
	left := &atomic.Int32{}
	left.Store(int32(len(f.lanes)))
	for _, l := range f.lanes {
		f.clock.stop()
		select {
		case l.jobs <- job{plan: p, kind: message.TypeCaughtUp, left: left}:
		case <-f.reading.Done():
			f.dealt()
			return f.reading.Err()
		}
	}
	return nil
}

// agentOf says which agent a frame is about, with which it begins.
func agentOf(body []byte) (message.ID, error) {
	if len(body) < len(message.ID{}) {
		return message.ID{}, fmt.Errorf("%w: %d bytes about an agent", message.ErrMalformed, len(body))
	}
	return message.ID(body), nil
}
