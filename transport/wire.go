package transport

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The multiplexer's frames, as far as a wire must know them: one byte of
// version, one of type, two of flags, four of stream, four of length.
const (
	muxHead    = 12
	muxData    = 0
	muxUpdate  = 1
	muxPing    = 2
	muxSYN     = 1
	muxFIN     = 4
	muxRST     = 8
	recordSize = 16 << 10 // the largest TLS record's plain text
	smallWrite = 4 << 10
)

// A wire is a TLS connection as the multiplexer sees it. It bounds how long a
// write may stall and how long closing may take, notes that the peer lives, and
// counts pings.
//
// Data goes by the multiplexer: who writes to a stream writes a frame of its
// data to the wire himself, head and body in one record. Through the
// multiplexer it would be copied twice more and handed to a goroutine that
// writes, while another waits, which costs a relay that sends a plan to
// thousands nearly as much as TLS does (bench/transport). What a peer still takes
// of a stream is in its course, since the multiplexer's count of it stands still.
// Of the multiplexer this wants that opening and accepting a stream return when
// its first frame is on the wire; that the wire sees each frame before it does;
// that a stream is closed by who has the stream's turn; and that nobody writes
// to a stream of its own.
type wire struct {
	// tls is nil once the wire is closed: a stream that waits for the peer's
	// close keeps its wire for minutes, and need not keep 20 KB of TLS.
	tls    atomic.Pointer[tls.Conn]
	addr   net.Addr    // of the peer
	heard  atomic.Bool // something came since it was last asked
	guard  guard
	once   sync.Once
	timed  bool   // a read deadline is set: the peer is inside a frame
	closed func() // told once, when the multiplexer closes the wire
	note   func(error)
	counts *Counts     // nil: nobody counts
	rest   func()      // called by the receiver between frames when tired
	tired  atomic.Bool // it is time to

	// turn is held by who writes, and queue before it by who writes data: heads,
	// on which a stream's opening and end wait, stand behind one of those, and
	// not behind one of each stream.
	queue, turn sync.Mutex
	until       time.Time // the deadline of writing that is set, under turn

	abrupt  atomic.Bool   // the peer deserves no goodbye, or cannot hear one
	ended   chan struct{} // closed by the first Read that fails
	endOnce sync.Once
}

// Read is called by the multiplexer's receiver alone. While it reads the body
// of a frame it holds the stream's lock, which no deadline of a stream can
// break: a frame that began must end in its time.
func (w *wire) Read(b []byte) (int, error) {
	t := w.tls.Load()
	if t == nil {
		return 0, net.ErrClosed
	}
	inside := w.guard.inside()
	if !inside && w.tired.Swap(false) {
		w.rest()
	}
	if inside != w.timed {
		var until time.Time
		if inside {
			until = time.Now().Add(frameTimeout)
		}
		if err := t.SetReadDeadline(until); err != nil {
			return 0, err
		}
		w.timed = inside
	}
	n, err := t.Read(b)
	if n > 0 {
		w.heard.Store(true)
		w.counts.received(n)
		if !w.guard.pass(b[:n]) {
			n, err = 0, fmt.Errorf("%w: pings, or streams", ErrFlood)
		}
	}
	if err != nil {
		w.note(err)
		w.endOnce.Do(func() { close(w.ended) })
	}
	return n, err
}

// Write is called by the multiplexer's sender alone: what it sends are heads
// that no data follows.
func (w *wire) Write(b []byte) (int, error) {
	w.turn.Lock()
	defer w.turn.Unlock()
	if err := w.put(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// data writes a frame of data; b has room for the head in front.
func (w *wire) data(stream uint32, b []byte) error {
	dataHead(b[:0], stream, len(b)-muxHead)
	w.queue.Lock()
	defer w.queue.Unlock()
	w.turn.Lock()
	defer w.turn.Unlock()
	return w.put(b)
}

// joined are buffers for a head with a whole piece behind it.
var joined = sync.Pool{New: func() any { return new([muxHead + piece]byte) }}

// copied writes a frame of data that has no room for the head in front.
func (w *wire) copied(stream uint32, body []byte) error {
	w.queue.Lock()
	defer w.queue.Unlock()
	b := joined.Get().(*[muxHead + piece]byte)
	defer joined.Put(b)
	w.turn.Lock()
	defer w.turn.Unlock()
	return w.put(append(dataHead(b[:0], stream, len(body)), body...))
}

// dataHead appends the head of a frame with n bytes of data.
func dataHead(b []byte, stream uint32, n int) []byte {
	b = append(b, 0, muxData, 0, 0)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, stream), uint32(n))
}

// put writes bytes. It needs turn.
func (w *wire) put(b []byte) error {
	t := w.tls.Load()
	if t == nil {
		return net.ErrClosed
	}
	small := len(b) <= smallWrite
	// A deadline costs a call of its own: few bytes make do with half the time
	// where an earlier write left as much.
	if now := time.Now(); !small || w.until.Sub(now) < writeTimeout/2 {
		w.until = now.Add(writeTimeout)
		if err := t.SetWriteDeadline(w.until); err != nil {
			return err
		}
	}
	n, err := t.Write(b)
	w.counts.sent(n)
	if err != nil {
		w.abrupt.Store(true)
		w.note(err)
	}
	return err
}

// Close says that nothing more will come, and lets the peer hang up first: a
// socket closed while bytes arrive resets, and would take from the peer what
// it has not yet read. A wire that is broken or abrupt is closed at once.
func (w *wire) Close() error {
	w.once.Do(w.closed)
	t := w.tls.Load()
	if t == nil {
		return nil
	}
	defer w.tls.Store(nil)
	raw := t.NetConn()
	if w.abrupt.Load() {
		return raw.Close()
	}
	timer := time.AfterFunc(hangUpTimeout, func() { raw.Close() })
	defer timer.Stop()
	raw.SetWriteDeadline(time.Now().Add(hangUpTimeout)) // a write under way ends
	if half, ok := raw.(interface{ CloseWrite() error }); ok && t.CloseWrite() == nil && half.CloseWrite() == nil {
		select {
		case <-w.ended:
		case <-time.After(hangUpTimeout):
		}
	}
	return raw.Close()
}

// A guard follows the frames of the multiplexer as they arrive and counts what
// would cost more to answer than to send.
type guard struct {
	head  [muxHead]byte
	have  int    // bytes of head
	skip  uint32 // bytes of body still to come
	pings int
	since time.Time
	// saw is told of each frame of a stream, how many bytes of data it brings and
	// how many more its sender takes, before the multiplexer has it; it says
	// whether the peer behaves.
	saw func(stream uint32, flags uint16, n, room uint32) bool
}

// pass takes the next bytes and says whether the peer still behaves.
func (g *guard) pass(b []byte) bool {
	for len(b) > 0 {
		if g.skip > 0 {
			n := min(int(min(g.skip, maxWindow)), len(b))
			g.skip -= uint32(n)
			b = b[n:]
			continue
		}
		n := copy(g.head[g.have:], b)
		g.have += n
		b = b[n:]
		if g.have < muxHead {
			return true
		}
		g.have = 0
		kind, flags, length := g.head[1], binary.BigEndian.Uint16(g.head[2:]), binary.BigEndian.Uint32(g.head[8:])
		var room uint32
		switch kind {
		case muxData:
			g.skip = length
		case muxUpdate:
			room = length
		}
		if kind <= muxUpdate && g.saw != nil && !g.saw(binary.BigEndian.Uint32(g.head[4:]), flags, g.skip, room) {
			return false
		}
		switch kind {
		case muxPing:
			if flags&muxSYN != 0 && !g.ping() {
				return false
			}
		}
	}
	return true
}

// inside says whether a frame has begun and not ended.
func (g *guard) inside() bool { return g.skip > 0 || g.have > 0 }

// ping counts one, and says whether it is one too many.
func (g *guard) ping() bool {
	now := time.Now()
	if now.Sub(g.since) > pingSpan {
		g.since, g.pings = now, 0
	}
	g.pings++
	return g.pings <= maxPings
}

// quiet is the multiplexer's log: what it would say comes back as errors too.
type quiet struct{}

func (quiet) Print(...any)          {}
func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// export gives keying material of a connection (RFC 8446, 7.5).
func (w *wire) export(label string, n int) ([]byte, error) {
	t := w.tls.Load()
	if t == nil {
		return nil, ErrClosed
	}
	state := t.ConnectionState()
	return state.ExportKeyingMaterial(label, nil, n)
}

func (w *wire) remote() net.Addr { return w.addr }

// newWire makes a wire of a connection whose handshake is done.
func newWire(t *tls.Conn) *wire {
	w := &wire{addr: t.RemoteAddr(), ended: make(chan struct{})}
	w.tls.Store(t)
	return w
}
