package relay

import (
	"context"
	"net"

	"github.com/nats-io/nats.go"

	"github.com/quaestor-engine/quaestor/relay/outbox"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// EndSpine ends the spine as it ends itself when its disk is full.
func (r *Relay) EndSpine() error { return r.spine.server.DisableJetStream() }

// PutChunk has the spine keep a chunk, as one that a relay gave it whose answer
// it did not hear.
func (r *Relay) PutChunk(ctx context.Context, plan, agent message.ID, body []byte) error {
	c, err := message.DecodeChunk(body)
	if err != nil {
		return err
	}
	msg := &nats.Msg{Subject: subjectOf(plan, agent), Header: nats.Header{}, Data: body}
	msg.Header.Set(headerStanding, standingOf(c.Seq+1, c.Final))
	_, err = r.spine.js.PublishMsg(ctx, msg)
	return err
}

// Enrolled has an agent come to the end of its enrolment.
func (r *Relay) Enrolled(membership []byte) error {
	m, err := signing.DecodeMembership(membership)
	if err == nil {
		_, _, err = r.enrolled(m, membership, r.now())
	}
	return err
}

// WatchAddr gives the address on which the relay tells how it is.
func (r *Relay) WatchAddr() string { return r.watch.Addr() }

// StuffOutbox has frames wait for a connected agent that nobody takes, until it
// is cut off.
func (r *Relay) StuffOutbox(id message.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.agents[id].session
	s.outbox = outbox.Box{Work: &r.wg, Stream: deaf{s.conn}, Most: maxOutbox}
	for before := r.meters.slow.Value(); r.meters.slow.Value() == before; {
		s.send(message.TypeHeard, nil)
	}
}

// deaf is a stream that takes nothing until its connection ends.
type deaf struct{ conn *transport.Conn }

func (s deaf) WriteFrame(message.Type, []byte) error {
	<-s.conn.Done()
	return net.ErrClosed
}

func (deaf) Offer(message.Type, []byte) bool { return false }
