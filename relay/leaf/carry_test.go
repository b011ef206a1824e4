package leaf

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/relay/outbox"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wired gives both ends of a stream: that of who opened it first.
func wired(t *testing.T) (near, far *transport.Stream) {
	t.Helper()
	ca := must(transport.NewCA("test", time.Now()))(t)
	pair := must(ca.ServerCert([]string{"127.0.0.1"}, time.Now(), time.Hour))(t)
	l := must(transport.Listen("127.0.0.1:0", transport.ListenOptions{Certificate: must(pair.TLS())(t), CA: ca.Certificate(), Window: 1 << 20}))(t)
	d := &transport.Dialer{Addrs: []string{l.Addr().String()}, Pin: ca.Pin(), Window: 1 << 20}
	c := must(d.Dial(t.Context()))(t)
	near = must(c.Open(t.Context(), message.KindLeaf))(t)
	other := must(l.Accept(t.Context()))(t)
	far = must(other.Accept(t.Context()))(t)
	t.Cleanup(func() { c.Close(); other.Close(); l.Close() })
	return near, far
}

// frameOf gives the next frame of a stream.
func frameOf(t *testing.T, s *transport.Stream) (message.Type, []byte) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(30 * time.Second))
	kind, body, err := s.ReadFrame(message.Limit)
	if err != nil {
		t.Fatal(err)
	}
	return kind, body
}

// A fakeRelay is one whom nobody can connect to, and which takes every chunk.
type fakeRelay struct {
	agent     message.ID // of every membership
	member    error
	deposited int
}

func (f *fakeRelay) Dial(context.Context, message.ID) (*transport.Conn, error) {
	return nil, errors.New("too many open files")
}

func (f *fakeRelay) Member(context.Context, []byte) (message.ID, error) {
	return f.agent, f.member
}

func (f *fakeRelay) Deposit(_ context.Context, _ message.ID, chunk []byte, answer func(message.Ack)) error {
	c, err := message.DecodeChunk(chunk)
	f.deposited++
	answer(message.Ack{Plan: c.Plan, Next: c.Seq + 1})
	return err
}

func (f *fakeRelay) Settle() {}

// newCarrier gives the relay's end of a line, and the stream of the leaf's.
func newCarrier(t *testing.T, r Relay) (*carrier, *transport.Stream) {
	near, far := wired(t)
	c := &carrier{
		relay: r, stream: far, out: thrifty{line: far, sent: newBodies()},
		channels: map[uint32]*carried{}, agents: map[message.ID]*transport.Conn{}, members: map[message.ID]bool{},
	}
	c.shuts = outbox.Box{Work: &c.wg, Stream: far, Most: maxChannels}
	return c, near
}

// Where a channel cannot be opened it is shut, and the line goes on for all
// others.
func TestChannelRefused(t *testing.T) {
	c, leaf := newCarrier(t, &fakeRelay{})
	o := message.Opened{Channel: 7, Agent: signing.NewID(), Kind: message.KindAgent}
	refused := func(why string) {
		t.Helper()
		if err := c.take(t.Context(), message.TypeOpen, o.Append(nil)); err != nil {
			t.Fatalf("%s: the line ends: %v", why, err)
		}
		kind, body := frameOf(t, leaf)
		if n, err := message.DecodeShut(body); kind != message.TypeShut || err != nil || n != o.Channel {
			t.Errorf("%s: frame %d, channel %d, %v", why, kind, n, err)
		}
	}
	refused("no connection")
	for n := range uint32(maxChannels) {
		c.channels[n+100] = &carried{}
	}
	refused("too many channels")
	o.Channel = 100
	if err := c.take(t.Context(), message.TypeOpen, o.Append(nil)); !errors.Is(err, message.ErrMalformed) {
		t.Errorf("a channel that is open: %v", err)
	}
}

// What is more than the relay takes is refused where it comes from: it never
// reaches the line.
func TestCarryBounds(t *testing.T) {
	near, far := wired(t)
	n := &line{stream: near, channels: map[uint32]channel{}}
	if err := n.carry(1, message.TypeEnvelope, make([]byte, maxCarried)); !errors.Is(err, errLarge) {
		t.Fatalf("the line is given it: %v", err)
	}
	largest := make([]byte, maxCarried-5) // behind the channel and the type
	sent := make(chan error, 1)
	go func() { sent <- n.carry(1, message.TypeEnvelope, largest) }()
	far.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, body, err := far.ReadFrame(leafLimit); err != nil || len(body) != maxCarried {
		t.Errorf("the relay takes %d bytes: %v", len(body), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	for kind, asks := range map[string]message.Type{
		message.KindEnroll: message.TypeEnroll, message.KindRenew: message.TypeEnroll,
		message.KindLog: message.TypeLogQuery, message.KindProgram: message.TypePieceAsk,
		message.KindAuth: 0, // of no agent's
	} {
		for x := range 256 {
			want := -1
			if message.Type(x) == asks && x > 0 {
				want = message.MaxControl
			}
			if got := askLimit(kind)(message.Type(x)); got != want {
				t.Errorf("of type %d on a stream of kind %s %d bytes are taken, want %d", x, kind, got, want)
			}
		}
	}
}

// However many acknowledgements wait, no frame has more than a leaf takes.
func TestStoredInPieces(t *testing.T) {
	c, leaf := newCarrier(t, &fakeRelay{})
	const more = message.MaxStored + 10
	for n := range uint32(more) {
		c.answer(message.Stored{Ack: message.Ack{Next: n}})
	}
	for n := uint32(0); n < more; {
		kind, body := frameOf(t, leaf)
		all, err := message.DecodeStored(body)
		if kind != message.TypeStored || err != nil {
			t.Fatalf("frame %d: %v", kind, err)
		}
		for _, a := range all {
			if a.Next != n {
				t.Fatalf("acknowledgement %d comes as number %d", a.Next, n)
			}
			n++
		}
	}
	c.wg.Wait()
}

// Neither end of a line waits with reading until it can write: when both did,
// with the line full both ways, it stood still.
func TestReaderNeverWaits(t *testing.T) {
	c, leaf := newCarrier(t, &fakeRelay{})
	near, far := wired(t)
	n := &line{stream: near, channels: map[uint32]channel{3: &pipe{done: make(chan struct{})}}}
	l := &Leaf{}
	n.shuts = outbox.Box{Work: &l.wg, Stream: near, Most: maxChannels}
	o := message.Opened{Channel: 3, Agent: signing.NewID(), Kind: message.KindAgent}
	for name, x := range map[string]struct {
		full, other *transport.Stream
		take        func() error
	}{
		"the relay": {c.stream, leaf, func() error { return c.take(t.Context(), message.TypeOpen, o.Append(nil)) }},
		"the leaf":  {near, far, func() error { return l.take(t.Context(), n, message.TypeShut, message.AppendShut(nil, 3)) }},
	} {
		t.Run(name, func(t *testing.T) {
			for refused := 0; refused < 20; { // the network takes some yet
				if !x.full.Offer(message.TypeShut, make([]byte, 4)) {
					refused++
					time.Sleep(5 * time.Millisecond)
				}
			}
			took := make(chan error, 1)
			go func() { took <- x.take() }()
			select {
			case err := <-took:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("it waits until its frame is taken")
			}
			for {
				if _, body := frameOf(t, x.other); string(body) == string(message.AppendShut(nil, 3)) {
					return
				}
			}
		})
	}
	c.wg.Wait()
	l.wg.Wait()
}
