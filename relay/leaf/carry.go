package leaf

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/relay/outbox"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// Bounds of what a leaf may have at a relay.
const (
	maxChannels = 20_000
	// storedEvery is how long acknowledgements are gathered.
	storedEvery = 50 * time.Millisecond
)

// A Relay is what a relay does for a leaf.
type Relay interface {
	// Dial connects to the relay as an agent does, whom the leaf vouches for;
	// the zero ID is nobody, who wants to enrol.
	Dial(ctx context.Context, agent message.ID) (*transport.Conn, error)
	// Member takes in the agent of a membership; the zero ID is that it is none.
	// An error is that this is not known yet.
	Member(ctx context.Context, membership []byte) (message.ID, error)
	// Deposit stores a chunk of an agent, and says to answer how far the
	// answer is stored then or later: that it is gone only where no relay wants
	// it. It calls answer nowhere after Settle.
	Deposit(ctx context.Context, agent message.ID, chunk []byte, answer func(message.Ack)) error
	// Settle waits until everything that was deposited is answered.
	Settle()
}

// A carrier is the relay's end of a line.
type carrier struct {
	relay  Relay
	stream *transport.Stream
	out    thrifty
	shuts  outbox.Box // what the reader says: it never waits for the leaf
	wg     sync.WaitGroup

	channels map[uint32]*carried // by the reader alone
	agents   map[message.ID]*transport.Conn

	mu      sync.Mutex
	members map[message.ID]bool // whose chunks are taken
	stored  []message.Stored    // acknowledgements that wait to be sent
	waiting bool
}

// A carried is a stream of an agent.
type carried struct {
	agent  message.ID
	stream *transport.Stream
	own    *transport.Conn // that was made for it; nil: none
}

// Carry serves a leaf over the first stream of its connection, until it ends.
func Carry(ctx context.Context, s *transport.Stream, name string, r Relay) error {
	if err := hear(s); err != nil {
		return err
	}
	if err := s.WriteFrame(message.TypeLeaf, message.Marshal(message.Leaf{Version: version, Name: name})); err != nil {
		return err
	}
	c := &carrier{
		relay: r, stream: s, out: thrifty{line: s, sent: newBodies()},
		channels: map[uint32]*carried{}, agents: map[message.ID]*transport.Conn{}, members: map[message.ID]bool{},
	}
	c.shuts = outbox.Box{Work: &c.wg, Stream: s, Most: maxChannels}
	var err error
	for err == nil {
		var t message.Type
		var body []byte
		if t, body, err = s.ReadFrame(leafLimit); err == nil {
			err = c.take(ctx, t, body)
		}
	}
	_ = s.Conn().Close()
	for _, x := range c.channels {
		x.end()
	}
	c.relay.Settle()
	c.wg.Wait()
	return closedEnd(err)
}

// leafLimit bounds what a leaf says.
func leafLimit(t byte) int {
	switch t {
	case message.TypeOpen, message.TypeShut:
		return 4 << 10
	case message.TypeCarry:
		return maxCarried
	case message.TypeMember, message.TypeChunk:
		return message.Limit(t)
	}
	return -1
}

func (c *carrier) take(ctx context.Context, t message.Type, body []byte) error {
	switch t {
	case message.TypeOpen:
		o, err := message.DecodeOpened(body)
		if err != nil {
			return err
		}
		return c.open(ctx, o)
	case message.TypeCarry:
		f, err := message.DecodeCarried(body)
		if err != nil {
			return err
		}
		if x := c.channels[f.Channel]; x != nil && x.stream.WriteFrame(f.Type, f.Body) != nil {
			c.drop(f.Channel)
		}
		return nil
	case message.TypeShut:
		number, err := message.DecodeShut(body)
		if err == nil {
			c.drop(number)
		}
		return err
	case message.TypeMember:
		id, err := c.relay.Member(ctx, body)
		if err == nil && !id.IsZero() {
			c.admit(id)
		}
		return err // of one that is none chunks are answered that nobody wants them
	}
	chunk, err := message.DecodeChunk(body)
	if err != nil {
		return err
	}
	c.mu.Lock()
	known := c.members[chunk.Agent]
	c.mu.Unlock()
	if !known {
		c.answer(message.Stored{Agent: chunk.Agent, Ack: message.Ack{Plan: chunk.Plan, Gone: true}})
		return nil
	}
	agent := chunk.Agent // alone: what answers may be kept for as long as the line is up
	return c.relay.Deposit(ctx, agent, body, func(a message.Ack) { c.answer(message.Stored{Agent: agent, Ack: a}) })
}

// open opens a channel: an agent's first with a connection of its own, and
// further ones over that.
func (c *carrier) open(ctx context.Context, o message.Opened) error {
	if c.channels[o.Channel] != nil {
		return fmt.Errorf("%w: channel %d is open", message.ErrMalformed, o.Channel)
	}
	if len(c.channels) >= maxChannels {
		return c.refuse(o.Channel) // it, and nobody else's
	}
	x := &carried{agent: o.Agent}
	conn := c.agents[o.Agent]
	if first := o.Kind == message.KindAgent || o.Kind == message.KindEnroll && o.Agent.IsZero(); first {
		var err error
		if conn, err = c.relay.Dial(ctx, o.Agent); err != nil {
			return c.refuse(o.Channel)
		}
		x.own = conn
	}
	if conn == nil {
		return c.refuse(o.Channel)
	}
	var err error
	if x.stream, err = conn.Open(ctx, o.Kind); err != nil {
		if x.own != nil {
			_ = conn.Close()
		}
		return c.refuse(o.Channel)
	}
	if x.own != nil && !o.Agent.IsZero() {
		c.agents[o.Agent] = conn
	}
	c.channels[o.Channel] = x
	c.wg.Go(func() { c.pump(o.Channel, x) })
	return nil
}

// refuse says that a channel is not opened.
func (c *carrier) refuse(number uint32) error {
	if !c.shuts.Push(shutOf(number)) {
		return errUnheard
	}
	return nil
}

// admit has the chunks of an agent taken that the relay knows.
func (c *carrier) admit(id message.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[id] = true
}

// pump carries what the relay says on a stream.
func (c *carrier) pump(number uint32, x *carried) {
	for {
		t, body, err := x.stream.ReadFrame(message.Limit)
		if err == nil && t == message.TypeWelcome {
			c.admit(x.agent) // before the leaf hears of it
		}
		if err == nil {
			err = c.out.carry(number, t, body)
		}
		if err != nil {
			_ = c.stream.WriteFrame(message.TypeShut, message.AppendShut(nil, number))
			x.end()
			return
		}
	}
}

// drop ends a channel.
func (c *carrier) drop(number uint32) {
	x := c.channels[number]
	if x == nil {
		return
	}
	delete(c.channels, number)
	if x.own != nil && c.agents[x.agent] == x.own {
		delete(c.agents, x.agent)
	}
	c.wg.Go(x.end)
}

func (x *carried) end() {
	_ = x.stream.Close()
	if x.own != nil {
		_ = x.own.Close()
	}
}

// answer says how far an answer is stored, with others that are soon after.
func (c *carrier) answer(a message.Stored) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored = append(c.stored, a)
	if c.waiting {
		return
	}
	c.waiting = true
	c.wg.Go(func() {
		time.Sleep(storedEvery)
		c.mu.Lock()
		all := c.stored
		c.stored, c.waiting = nil, false
		c.mu.Unlock()
		for some := range slices.Chunk(all, message.MaxStored) {
			var frame []byte
			for _, a := range some {
				frame = message.AppendStored(frame, a)
			}
			_ = c.stream.WriteFrame(message.TypeStored, frame)
		}
	})
}
