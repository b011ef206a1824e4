package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/sealing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// keepReading reads a plan's answers, over another connection where one ends:
// the relay sends everything again, and what was opened before is passed over.
func (f *following) keepReading(p *followed) {
	backoff := transport.Backoff{Min: 200 * time.Millisecond, Max: 10 * time.Second}
	defer f.tell()
	for {
		err := f.read(p, &backoff)
		var refused *message.Failure
		switch {
		case f.ctx.Err() != nil:
			return
		case err == nil:
			f.mu.Lock()
			p.over, p.caughtUp = true, true
			f.mu.Unlock()
			return
		case errors.As(err, &refused) && !passing(refused.Code), errors.Is(err, errOurs), errors.Is(err, message.ErrMalformed), errors.Is(err, transport.ErrFrame):
			f.mu.Lock()
			if f.err == nil {
				f.err = err
			}
			f.mu.Unlock()
			f.cancel()
			return
		}
		select {
		case <-f.ctx.Done():
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

// read follows a plan over one connection. The error is nil when the relay
// says that nothing more will come.
func (f *following) read(p *followed, backoff *transport.Backoff) error {
	stream, err := f.session.ask(f.ctx, message.Request{Op: message.OpFollow, Plan: p.payload.ID, Stored: f.opts.Stored})
	if err != nil {
		return err
	}
	defer stream.Close()
	defer context.AfterFunc(f.ctx, func() { stream.SetReadDeadline(time.Unix(1, 0)) })()
	for {
		t, body, err := stream.ReadFrame(message.Limit)
		if err != nil {
			return err
		}
		backoff.Reset()
		f.mu.Lock()
		p.heard = time.Now()
		f.mu.Unlock()
		switch t {
		case message.TypeEnvelope: // it is known here, and verified
		case message.TypeAgent:
			err = f.name(p, body)
		case message.TypeState:
			err = f.note(p, body)
		case message.TypeChunk:
			err = f.open(p, body)
		case message.TypeCaughtUp:
			f.mu.Lock()
			p.caughtUp = true
			f.mu.Unlock()
			f.tell()
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

// name takes an agent that the plan is for, once its chain was verified.
func (f *following) name(p *followed, body []byte) error {
	var m message.Agent
	if err := message.Unmarshal(body, &m); err != nil {
		return fmt.Errorf("%w: %w", errOurs, err)
	}
	f.mu.Lock()
	known, many := p.agents[m.Agent] != nil, len(p.agents) >= maxFleet
	f.mu.Unlock()
	switch {
	case known:
		return nil
	case many:
		return fmt.Errorf("%w: %w", errOurs, errTooMany)
	}
	d := describe(m, f.session.Policy())
	if d.Member.Agent != m.Agent || d.Problem != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(p.strangers) < maxStrangers {
			p.strangers[m.Agent] = d.Problem
		}
		return nil
	}
	f.session.opts.home.saw(m, f.session.opts.now())
	a := &answering{member: d.Member, host: hostOrID(d), online: m.Online, since: time.Now()}
	a.every, a.longest = p.compiled.Pace(), f.session.Policy().Ceilings().Timeout
	a.opener = sealing.NewOpener(p.key, sealing.Binding{Fleet: p.payload.Fleet, Plan: p.payload.ID, Agent: m.Agent}, d.Member.Public)
	f.mu.Lock()
	p.agents[m.Agent] = a
	f.mu.Unlock()
	return nil
}

// maxStrangers bounds the agents that a relay may invent.
const maxStrangers = 1000

func (f *following) note(p *followed, body []byte) error {
	var m message.State
	if err := message.Unmarshal(body, &m); err != nil {
		return fmt.Errorf("%w: %w", errOurs, err)
	}
	f.mu.Lock()
	if a := p.agents[m.Agent]; a != nil {
		if a.online != m.Online || a.reached != m.Reached {
			a.since = time.Now()
		}
		a.online, a.reached = m.Online, a.reached || m.Reached
	}
	f.mu.Unlock()
	f.tell()
	return nil
}

// open verifies and opens a chunk. One that is not the agent's ends the
// agent's answer: what came before it stands.
func (f *following) open(p *followed, body []byte) error {
	c, err := message.DecodeChunk(body)
	if err != nil {
		return fmt.Errorf("%w: %w", errOurs, err)
	}
	f.mu.Lock()
	a := p.agents[c.Agent]
	faulty := a != nil && a.fault != nil
	f.mu.Unlock()
	switch {
	case a == nil:
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(p.strangers) < maxStrangers && p.strangers[c.Agent] == nil {
			p.strangers[c.Agent] = errors.New("an answer came that nobody was named for")
		}
		return nil
	case faulty || c.Plan != signing.ID(p.payload.ID):
		return nil
	case a.whole || c.Seq < a.opener.Next():
		return nil // it came over an earlier connection
	}
	plain, final, err := a.opener.Open(c.Data)
	if err != nil {
		f.blame(a, fmt.Errorf("its answer was changed on the way, or is not whole: %w", err))
		f.tell()
		return nil
	}
	a.whole = final
	select {
	case f.opened <- piece{plan: p, id: c.Agent, plain: plain, final: final}:
		return nil
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
}
