package leaf

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/relay/outbox"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// issuer gives the CA that a certificate came with.
func issuer(c tls.Certificate) (*x509.Certificate, error) {
	if len(c.Certificate) < 2 {
		return nil, errors.New("leaf: its certificate must come with the CA's")
	}
	return x509.ParseCertificate(c.Certificate[len(c.Certificate)-1])
}

// A line is a line to a relay that is up.
type line struct {
	stream *transport.Stream
	got    *bodies    // by the reader alone
	shuts  outbox.Box // what the reader says: it never waits for the relay

	mu       sync.Mutex
	last     uint32
	channels map[uint32]channel
	over     bool
	members  map[message.ID]bool // that the relay knows of over this line
}

// A channel takes what the relay says to one stream of an agent.
type channel interface {
	carried(t message.Type, body []byte)
	shut(down bool) // the relay closed it, or the line is down
}

// enter gives a channel its number, which open then says to the relay.
func (n *line) enter(to channel) (uint32, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.over {
		return 0, errDown
	}
	n.last++
	n.channels[n.last] = to
	return n.last, nil
}

// open opens a channel.
func (n *line) open(number uint32, agent message.ID, kind string) error {
	o := message.Opened{Channel: number, Agent: agent, Kind: kind}
	return n.stream.WriteFrame(message.TypeOpen, o.Append(nil))
}

// shutOf says that a channel is closed.
func shutOf(number uint32) outbox.Frame {
	return outbox.Frame{Type: message.TypeShut, Body: message.AppendShut(nil, number)}
}

// close closes a channel from this end.
func (n *line) close(number uint32) {
	n.mu.Lock()
	_, open := n.channels[number]
	delete(n.channels, number)
	n.mu.Unlock()
	if open {
		_ = n.stream.WriteFrame(message.TypeShut, message.AppendShut(nil, number))
	}
}

// knows says whether the relay knows an agent over this line.
func (n *line) knows(agent message.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.members[agent]
}

// introduced says that from now on it does: it welcomed the agent, or was told
// of it. A chunk that came before that it would answer as one that nobody wants.
func (n *line) introduced(agent message.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.members[agent] = true
}

func (n *line) carry(number uint32, t message.Type, body []byte) error {
	frame, err := carriedFrame(number, t, body)
	if err != nil {
		return err // of this channel alone
	}
	return n.stream.WriteFrame(message.TypeCarry, frame)
}

// lineLimit bounds what a relay says to a leaf.
func lineLimit(t byte) int {
	switch t {
	case message.TypeCarry, message.TypeSame, message.TypeBody, message.TypeShut, message.TypeStored:
		return message.Limit(t)
	}
	return -1
}

// serveLine has the agents that are here use a line, until it ends.
func (l *Leaf) serveLine(ctx context.Context, s *transport.Stream) error {
	n := &line{stream: s, got: newBodies(), channels: map[uint32]channel{}, members: map[message.ID]bool{}}
	n.shuts = outbox.Box{Work: &l.wg, Stream: s, Most: maxChannels}
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	l.mu.Lock()
	l.line, l.since = n, time.Now()
	var here, alone []*session
	for _, x := range l.sessions {
		if x.alone {
			alone = append(alone, x)
		} else {
			here = append(here, x)
		}
	}
	l.mu.Unlock()
	l.meters.lines.Inc()
	l.spool.again()
	work.Go(func() { l.send(ctx, n) })
	work.Go(func() {
		for _, x := range here {
			x.join(n)
		}
	})
	for _, x := range alone {
		x.comeAgain(comeBack(len(alone)))
	}
	var err error
	for err == nil {
		var t message.Type
		var body []byte
		if t, body, err = s.ReadFrame(lineLimit); err == nil {
			err = l.take(ctx, n, t, body)
		}
	}
	cancel()
	l.mu.Lock()
	l.line, l.since = nil, time.Now()
	l.mu.Unlock()
	n.mu.Lock()
	n.over = true
	all := n.channels
	n.channels = map[uint32]channel{}
	n.mu.Unlock()
	_ = s.Conn().Close()
	for _, c := range all {
		c.shut(true)
	}
	work.Wait()
	return closedEnd(err)
}

// take takes one frame of the relay's.
func (l *Leaf) take(ctx context.Context, n *line, t message.Type, body []byte) error {
	switch t {
	case message.TypeBody:
		n.got.add(sha256.Sum256(body), body, len(body))
		return nil
	case message.TypeShut:
		number, err := message.DecodeShut(body)
		if err != nil {
			return err
		}
		n.mu.Lock()
		c := n.channels[number]
		delete(n.channels, number)
		n.mu.Unlock()
		if c == nil {
			return nil // it was closed here first
		}
		c.shut(false)
		if !n.shuts.Push(shutOf(number)) {
			return errUnheard
		}
		return nil
	case message.TypeStored:
		all, err := message.DecodeStored(body)
		if err != nil {
			return err
		}
		for _, a := range all {
			l.stored(ctx, a)
		}
		return nil
	}
	c, err := message.DecodeCarried(body)
	if err != nil {
		return err
	}
	if t == message.TypeSame {
		if len(c.Body) != sha256.Size || !n.got.has(sum(c.Body)) {
			return fmt.Errorf("%w: the relay speaks of a body that it never sent", message.ErrMalformed)
		}
		c.Body = n.got.known[sum(c.Body)]
	}
	n.mu.Lock()
	to := n.channels[c.Channel]
	n.mu.Unlock()
	if to != nil { // else it was closed here meanwhile
		to.carried(c.Type, c.Body)
	}
	return nil
}

// stored takes how far the relay has stored an answer.
func (l *Leaf) stored(ctx context.Context, a message.Stored) {
	stuck, err := l.spool.stored(a)
	if err != nil {
		l.o.Logger.Error("what the relay has is still kept", "plan", a.Plan, "agent", a.Agent, "why", err)
	}
	if stuck {
		l.sendLater(ctx, key{a.Plan, a.Agent})
	}
	if a.Gone {
		l.mu.Lock()
		s := l.sessions[a.Agent]
		l.mu.Unlock()
		if s != nil {
			s.say(message.TypeAck, message.Marshal(a.Ack))
		}
	}
}

// send sends the relay what waits for it, as fast as the line takes it.
func (l *Leaf) send(ctx context.Context, n *line) {
	for {
		k, body, err := l.spool.take()
		if err == nil && body == nil {
			select {
			case <-ctx.Done():
				return
			case <-l.spool.bell:
			}
			continue
		}
		if err == nil {
			err = l.sendChunk(n, k.agent, body)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			l.o.Logger.Error("a chunk was not sent", "plan", k.plan, "agent", k.agent, "why", err)
			l.sendLater(ctx, k)
		}
	}
}

// sendChunk sends a chunk, and before its agent's first the membership.
func (l *Leaf) sendChunk(n *line, agent message.ID, body []byte) error {
	if !n.knows(agent) {
		membership, err := l.spool.member(agent)
		if err != nil {
			return err
		}
		if err := n.stream.WriteFrame(message.TypeMember, membership); err != nil {
			return err
		}
		n.introduced(agent)
	}
	return n.stream.WriteFrame(message.TypeChunk, body)
}

// sendLater has an answer wait, and then sent again, with whatever else waits
// going on meanwhile. A new line sends it at once.
func (l *Leaf) sendLater(ctx context.Context, k key) {
	wait, ok := l.spool.pause(k)
	if !ok {
		return
	}
	l.wg.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			l.spool.again(k)
		}
	})
}
