package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// A Conn is an authenticated connection that carries streams. All its methods
// may be called by several goroutines.
type Conn struct {
	mux     *yamux.Session
	wire    *wire
	peer    string
	resumed bool // the handshake went on from an earlier connection's
	server  bool
	slots   chan struct{} // one token for each stream that the peer may open
	pulse   time.Duration // the silence before a ping; for tests and Dialer

	opens sync.Mutex // held by who opens a stream; before mu

	mu      sync.Mutex
	closed  bool
	cause   error // why it ended, where this end knows
	streams map[*Stream]struct{}
	over    bool        // the multiplexer has ended, or is about to
	timer   *time.Timer // of the next look at the peer; nil before start
	// courses is what was seen of the streams, and unaccepted how many of those
	// that the peer opened Accept has not given yet; ready waits for one: see Await.
	courses    map[uint32]*course
	unaccepted int
	ready      func()
	opening    *course        // of the stream that this end opens and has no number of yet
	opened     uint32         // the highest number of those that it has
	work       sync.WaitGroup // goroutines of this package; added to under mu while not closed
}

// settings are what the ends of a connection decide for themselves.
type settings struct {
	server  bool
	window  int
	streams int
	pulse   time.Duration
	release func() // called once when the connection is closed
	counts  *Counts
}

// newConn puts the multiplexer on a TLS connection whose handshake is done.
func newConn(t *tls.Conn, s settings) (*Conn, error) {
	c := &Conn{
		wire:    newWire(t),
		server:  s.server,
		slots:   make(chan struct{}, or(s.streams, maxStreams)),
		pulse:   or(s.pulse, keepAlive),
		streams: make(map[*Stream]struct{}),
		courses: make(map[uint32]*course),
	}
	state := t.ConnectionState()
	if len(state.VerifiedChains) > 0 {
		c.peer = state.PeerCertificates[0].Subject.CommonName
	}
	c.resumed = state.DidResume
	c.wire.note, c.wire.counts = c.note, s.counts
	c.wire.rest = c.rest
	c.wire.guard.saw = c.saw
	c.wire.closed = func() {
		c.mu.Lock()
		if c.timer != nil {
			c.timer.Stop()
		}
		c.wake()
		c.mu.Unlock()
		if s.release != nil {
			s.release()
		}
	}
	conf := &yamux.Config{
		AcceptBacklog:          backlog,
		KeepAliveInterval:      keepAlive, // checked even where it is off; see look
		ConnectionWriteTimeout: writeTimeout,
		MaxStreamWindowSize:    clampWindow(s.window),
		StreamCloseTimeout:     lingerTimeout,
		Logger:                 quiet{},
	}
	open := yamux.Client
	if s.server {
		open = yamux.Server
	}
	var err error
	if c.mux, err = open(c.wire, conf); err != nil {
		return nil, fmt.Errorf("transport: start the multiplexer: %w", err)
	}
	c.mu.Lock()
	c.timer = time.AfterFunc(c.wait(), c.look)
	c.mu.Unlock()
	if c.mux.IsClosed() {
		c.timer.Stop()
	}
	return c, nil
}

// Open opens a stream of a kind, 1 to 32 bytes. It waits while the peer has
// not yet accepted 32 earlier ones.
func (c *Conn) Open(ctx context.Context, kind string) (*Stream, error) {
	if kind == "" || len(kind) > maxKind {
		return nil, fmt.Errorf("transport: a stream's kind has 1 to %d bytes, not %d", maxKind, len(kind))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !c.begin() {
		return nil, c.gone()
	}
	// The multiplexer's open heeds no context: a goroutine waits for it, and
	// closes what came too late, of which the peer learns the kind as of others.
	// It ends with the connection at the latest.
	ch := make(chan opened)
	go func() {
		defer c.work.Done()
		o := c.open()
		select {
		case ch <- o:
		case <-ctx.Done():
			if o.err == nil {
				s := c.track(o.mux, kind, o.course)
				_ = s.announce()
				_ = s.Close()
			}
		}
	}()
	select {
	case o := <-ch:
		if o.err != nil {
			return nil, c.why("open a stream", o.err)
		}
		s := c.track(o.mux, kind, o.course)
		if err := s.announce(); err != nil {
			s.Close()
			return nil, err
		}
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// An opened is a stream that this end opened, and what was seen of it.
type opened struct {
	mux    *yamux.Stream
	course *course
	err    error
}

// open opens a stream, one at a time: the peer may speak of it before its number
// is known here.
func (c *Conn) open() opened {
	c.opens.Lock()
	defer c.opens.Unlock()
	o := &course{own: true, room: minWindow}
	c.mu.Lock()
	c.opening = o
	c.mu.Unlock()
	ys, err := c.mux.OpenStream()
	c.unsure(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opening = nil
	if err == nil {
		c.opened = ys.StreamID()
		c.courses[c.opened] = o
	}
	return opened{ys, o, err}
}

// unsure ends the connection where the multiplexer gave up to open or accept a
// stream whose first frame may still leave: nobody would know the stream.
func (c *Conn) unsure(err error) {
	if errors.Is(err, yamux.ErrConnectionWriteTimeout) {
		c.fail(fmt.Errorf("%w: it took no stream in time", ErrDead))
	}
}

// parity is the lowest bit of the numbers of the streams that this end opens.
func (c *Conn) parity() uint32 {
	if c.server {
		return 0
	}
	return 1
}

// drop forgets what was seen of a stream.
func (c *Conn) drop(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.courses, id)
}

// Accept waits for the peer to open a stream. While the peer has as many open
// as it may, it waits for one of them to be closed. A peer that opens a stream
// and does not say its kind loses the connection. One goroutine at a time.
func (c *Conn) Accept(ctx context.Context) (*Stream, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.mux.CloseChan():
		return nil, c.gone()
	}
	s, err := c.accept(ctx)
	if err != nil {
		<-c.slots
	}
	return s, err
}

func (c *Conn) accept(ctx context.Context) (*Stream, error) {
	ys, err := c.mux.AcceptStreamWithContext(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.unsure(err)
		return nil, c.why("accept a stream", err)
	}
	seen := c.accepted(ys.StreamID())
	if c.server && c.mux.NumStreams() > c.live()+cap(c.slots)+backlog+1 {
		// The peer leaves streams half closed, each with what it still sends.
		c.fail(fmt.Errorf("%w: too many streams left half closed", ErrFlood))
		return nil, c.gone()
	}
	// No deadline of the multiplexer's: its reads overrun theirs while the peer
	// is inside a frame.
	timer := time.AfterFunc(kindTimeout, func() {
		c.fail(fmt.Errorf("%w: a stream without a kind for %v", ErrProtocol, kindTimeout))
	})
	defer timer.Stop()
	stop := context.AfterFunc(ctx, func() { ys.SetReadDeadline(time.Unix(1, 0)) })
	kind, err := readKind(ys)
	if !stop() {
		// The stream is half read: nobody could go on with it.
		ys.Close()
		c.drop(ys.StreamID())
		return nil, ctx.Err()
	}
	if err != nil {
		c.fail(fmt.Errorf("%w: a stream without a kind: %w", ErrProtocol, err))
		return nil, c.gone()
	}
	ys.SetReadDeadline(time.Time{})
	return c.track(ys, kind, seen), nil
}

// accepted gives what was seen of a stream that Accept takes.
func (c *Conn) accepted(id uint32) *course {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unaccepted = max(c.unaccepted-1, 0)
	o := c.courses[id]
	if o == nil { // the peer used a number twice
		o = &course{room: minWindow}
		c.courses[id] = o
	}
	return o
}

// readKind reads what a stream begins with.
func readKind(r io.Reader) (string, error) {
	var b [1 + maxKind]byte
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return "", midFrame(err)
	}
	n := int(b[0])
	if n < 1 || n > maxKind {
		return "", fmt.Errorf("a kind of %d bytes", n)
	}
	if _, err := io.ReadFull(r, b[1:1+n]); err != nil {
		return "", midFrame(err)
	}
	return string(b[1 : 1+n]), nil
}

// Peer gives the name in the peer's verified certificate: the agent's ID for an
// agent, "" for a client without one and for a server.
func (c *Conn) Peer() string {
	return c.peer
}

// Export gives n bytes that only the two ends of this connection know, for a
// label (RFC 8446, 7.5).
func (c *Conn) Export(label string, n int) ([]byte, error) {
	b, err := c.wire.export(label, n)
	if err != nil {
		return nil, fmt.Errorf("transport: export keying material: %w", err)
	}
	return b, nil
}

// RemoteAddr gives the address of the peer, or of the proxy in between.
func (c *Conn) RemoteAddr() net.Addr { return c.wire.remote() }

// Done is closed when the connection has ended, whoever ended it.
func (c *Conn) Done() <-chan struct{} { return c.mux.CloseChan() }

// Err says why the connection has ended; it wraps ErrClosed. It is nil before.
func (c *Conn) Err() error {
	if !c.mux.IsClosed() {
		return nil
	}
	return c.gone()
}

// Close ends the connection and all its streams. What was written and not
// flushed is lost: close the streams first. It takes seconds at most, whatever
// the peer does, and leaves no goroutine behind.
func (c *Conn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.mux.Close()
	c.work.Wait()
	return nil
}

// wake has who reads or writes streams see that the connection ends; mu is held.
// The multiplexer's reads would spin until the peer has hung up, on its shutdown
// that is there and the stream's that is not.
func (c *Conn) wake() {
	c.over = true
	for s := range c.streams {
		s.mux.SetReadDeadline(time.Unix(1, 0))
		s.course.call()
		s.course.wake()
	}
	c.callAcceptor()
}

// fail ends the connection for a reason. It waits for no goroutine of ours.
func (c *Conn) fail(why error) {
	c.mu.Lock()
	c.blame(why)
	c.mu.Unlock()
	c.wire.abrupt.Store(true)
	c.mux.Close()
}

// note keeps why the wire broke, unless this end broke it. The end of the wire
// must not pass for the end of a stream, nor its deadlines for a stream's.
func (c *Conn) note(err error) {
	switch {
	case errors.Is(err, io.EOF):
		err = errors.New("the peer closed the connection")
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("%w: %v", ErrDead, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blame(err)
}

// blame makes an error the cause of the end, where there is none yet and it has
// not ended: what is met afterwards follows from that. It needs mu.
func (c *Conn) blame(err error) {
	if !c.closed && !c.over && c.cause == nil {
		c.cause = err
	}
}

// gone gives the error of a connection that has ended.
func (c *Conn) gone() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return fmt.Errorf("%w: %w", ErrClosed, c.cause)
	}
	return ErrClosed
}

// why gives the error of an operation, in this package's terms.
func (c *Conn) why(what string, err error) error {
	if c.mux.IsClosed() || errors.Is(err, yamux.ErrSessionShutdown) {
		return c.gone()
	}
	return fmt.Errorf("transport: %s: %w", what, err)
}

// begin enters a goroutine that Close waits for, unless it is too late.
func (c *Conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Add(1)
	return true
}

// track makes a stream.
func (c *Conn) track(ys *yamux.Stream, kind string, o *course) *Stream {
	s := &Stream{conn: c, mux: ys, kind: kind, course: o}
	if !o.own {
		s.taken = uint64(1 + len(kind))
	}
	c.mu.Lock()
	c.streams[s] = struct{}{}
	c.mu.Unlock()
	return s
}

func (c *Conn) forget(s *Stream) {
	c.mu.Lock()
	delete(c.streams, s)
	delete(c.courses, s.mux.StreamID())
	s.course.call()
	c.mu.Unlock()
	if !s.course.own {
		<-c.slots
	}
}

// live counts the streams that this end has not closed.
func (c *Conn) live() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams)
}

// wait gives the time to the next look: about the pulse, and never the same for
// two connections, so that a fleet's pings do not come at once.
func (c *Conn) wait() time.Duration {
	return c.pulse - c.pulse/8 + rand.N(c.pulse/4+1)
}

// rest gives back what idle streams need no more. Only the multiplexer's
// receiver may call it, between two frames: inside one it holds a stream's lock.
func (c *Conn) rest() {
	c.mu.Lock()
	streams := slices.Collect(maps.Keys(c.streams))
	c.mu.Unlock()
	for _, s := range streams {
		s.rest()
	}
}

// look runs now and then on a timer, which costs an idle connection less than
// a goroutine: it has the receiver give back what streams no longer need, and
// when nothing came since the last look, asks the peer whether it lives. Either end's pings
// are heard by the other, so one of them mostly suffices.
func (c *Conn) look() {
	if !c.begin() {
		return
	}
	defer c.work.Done()
	c.wire.tired.Store(true)
	if !c.wire.heard.Swap(false) {
		_, err := c.mux.Ping()
		if err != nil && !c.mux.IsClosed() && !c.wire.heard.Load() {
			c.fail(fmt.Errorf("%w: nothing came for %v", ErrDead, c.pulse+writeTimeout))
		}
	}
	c.mu.Lock()
	if !c.closed && !c.mux.IsClosed() {
		c.timer.Reset(c.wait())
	}
	c.mu.Unlock()
}
