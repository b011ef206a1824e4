package transport

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

const (
	// direct is the size from which a body is not copied but written as it is.
	direct = 32 << 10
	// maxBuffered is how many bytes of small frames wait for the wire before
	// who writes more has to wait too.
	maxBuffered = 64 << 10
	// piece is what goes to the wire at once: with its head it fills TLS records.
	piece = 4*recordSize - muxHead
	// gather is how long a frame that is in no hurry waits for others, and
	// gatherBytes how many of them go without waiting longer.
	gather      = 5 * time.Millisecond
	gatherBytes = recordSize
)

// A Stream carries frames in both directions. One goroutine at a time may
// read; any number may write, and everything else is for anyone.
//
// WriteFrame returns when the frame is taken, not when it is sent: small frames
// that come faster than the wire takes them leave together. An error of the
// wire is the result of the next call.
type Stream struct {
	conn *Conn
	mux  *yamux.Stream
	kind string

	head    [frameHead]byte
	readErr error // for ever: the stream stands inside a frame
	course  *course
	taken   uint64 // bytes that were read of it

	turn sync.Mutex // held by who writes to the wire; before mu

	mu       sync.Mutex
	buf      []byte // frames that wait, behind room for the multiplexer's head
	spare    []byte // the buffer that was written before
	flushing bool   // a goroutine writes until nothing waits
	writing  bool   // someone writes to the wire, or waits for room at the peer
	closed   bool
	err      error // of writing, for ever
	deadline time.Time
	timer    *time.Timer // of deadline while writing
	waits    *time.Timer // of frames that are in no hurry; nil before the first
	waiting  bool        // it runs
}

// Kind gives what the stream was opened as.
func (s *Stream) Kind() string { return s.kind }

// Conn gives the connection that the stream is part of.
func (s *Stream) Conn() *Conn { return s.conn }

// ReadFrame reads the next frame. limit gives the largest body of a type in
// bytes; negative refuses the type. A frame over it gives ErrFrame before
// anything is allocated. io.EOF says that the peer closed the stream between
// two frames, io.ErrUnexpectedEOF that it did so inside one, ErrClosed that the
// connection ended or the stream was closed on this side,
// os.ErrDeadlineExceeded that nothing came until the deadline: after that one
// it may be called again, unless the frame had begun. The body is the caller's.
func (s *Stream) ReadFrame(limit func(t byte) int) (t byte, body []byte, err error) {
	if s.readErr != nil {
		return 0, nil, s.readErr
	}
	n, started, err := readHead(s.mux, &s.head, limit)
	if err == nil {
		started = true
		body, err = readBody(s.mux, n)
		s.taken += uint64(frameHead + n)
	}
	if err != nil {
		err = s.readError(err)
		if started {
			s.readErr = err
		}
		return 0, nil, err
	}
	return s.head[0], body, nil
}

// readError gives the multiplexer's error in this package's terms. A
// connection that broke looks like the end of the stream to the multiplexer.
func (s *Stream) readError(err error) error {
	if errors.Is(err, ErrFrame) {
		return err
	}
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	switch {
	case s.conn.mux.IsClosed():
		return s.conn.gone()
	case closed:
		return ErrClosed
	case errors.Is(err, yamux.ErrTimeout):
		return fmt.Errorf("transport: read a frame: %w", os.ErrDeadlineExceeded)
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return fmt.Errorf("transport: read a frame: %w", err)
}

// WriteFrame writes a frame. The body is not kept. It waits while more than
// 64 KiB wait for the wire, and for a body of 32 KiB or more until that is
// written.
func (s *Stream) WriteFrame(t byte, body []byte) error {
	if uint64(len(body)) > 1<<32-1 {
		return fmt.Errorf("%w: %d bytes", ErrFrame, len(body))
	}
	if len(body) >= direct {
		return s.write(t, body)
	}
	s.mu.Lock()
	if err := s.err; err != nil || s.closed {
		s.mu.Unlock()
		return cmp.Or(err, ErrClosed)
	}
	s.add(t, body)
	full := len(s.buf) >= maxBuffered
	err := s.flushLater()
	s.mu.Unlock()
	if err != nil || !full {
		return err
	}
	return s.Flush()
}

// WriteSoon is WriteFrame for a frame that may wait a few milliseconds for
// others to leave with it, in one record: a frame by WriteFrame takes along what
// waits.
func (s *Stream) WriteSoon(t byte, body []byte) error {
	s.mu.Lock()
	if s.err != nil || s.closed || s.flushing || len(s.buf)+len(body) > gatherBytes {
		s.mu.Unlock()
		return s.WriteFrame(t, body)
	}
	defer s.mu.Unlock()
	s.add(t, body)
	switch {
	case s.waiting:
	case s.waits == nil:
		s.waits = time.AfterFunc(gather, s.waited)
	default:
		s.waits.Reset(gather)
	}
	s.waiting = true
	return nil
}

// waited has what was in no hurry leave.
func (s *Stream) waited() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = false
	if s.err == nil && !s.closed && len(s.buf) > 0 {
		_ = s.flushLater() // the connection has ended, which the next call tells
	}
}

// Offer takes a frame as WriteFrame does where that would not wait, and says
// whether it took it.
func (s *Stream) Offer(t byte, body []byte) bool {
	if len(body) >= direct {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.closed || len(s.buf)+frameHead+len(body) > maxBuffered {
		return false
	}
	s.add(t, body)
	return s.flushLater() == nil
}

// add has a frame wait. It needs mu.
func (s *Stream) add(t byte, body []byte) {
	b := roomed(s.buf, frameHead+len(body))
	s.buf = append(appendFrame(b, t, len(body)), body...)
}

// A scrap is the buffer of a stream that writes little and then is idle again.
// What ten thousand streams need for a moment would else be left for the
// collector, again and again.
type scrap [4 << 10]byte

var scraps = sync.Pool{New: func() any { return new(scrap) }}

// roomed gives a buffer to which n bytes can be added, with room for a head in
// front.
func roomed(b []byte, n int) []byte {
	switch {
	case cap(b) == 0 && muxHead+n <= len(scrap{}):
		b = scraps.Get().(*scrap)[:0]
	default:
		b = slices.Grow(b, muxHead+n)
	}
	if len(b) == 0 {
		b = b[:muxHead]
	}
	return b
}

// giveBack gives back a buffer that nobody uses.
func giveBack(b []byte) {
	if cap(b) == len(scrap{}) {
		scraps.Put((*scrap)(b[:len(scrap{})]))
	}
}

// Flush waits until everything written so far is with the network, or gives
// the error that will keep it from there.
func (s *Stream) Flush() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.drain(nil)
}

// SetReadDeadline bounds ReadFrame, the present call and later ones. The zero
// time is none.
func (s *Stream) SetReadDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.mux.SetReadDeadline(t)
	}
}

// SetWriteDeadline bounds what waits for the wire. A peer that has not taken
// it by then loses the whole connection, since a stream that was cut inside a
// frame is worth nothing and its other end might wait for ever. The zero time
// is none; the wire itself may still stall for 30 s at most.
func (s *Stream) SetWriteDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setDeadline(t)
}

// Close sends what waits, closes the stream for both directions and gives the
// first error of writing. A peer that takes nothing for half a minute loses the
// connection.
func (s *Stream) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	last := time.Now().Add(closeTimeout)
	if s.deadline.IsZero() || s.deadline.After(last) {
		s.setDeadline(last)
	}
	s.mu.Unlock()

	s.turn.Lock()
	err := s.drain(nil)
	s.mu.Lock()
	if s.err == nil {
		s.err = ErrClosed
	}
	s.mu.Unlock()
	s.guarded(func() error { return s.mux.Close() })
	s.turn.Unlock()
	s.mux.SetReadDeadline(time.Unix(1, 0))
	s.conn.forget(s)
	return err
}

// announce says the kind, with the first frame if that comes soon.
func (s *Stream) announce() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = append(append(roomed(s.buf, 1+len(s.kind)), byte(len(s.kind))), s.kind...)
	return s.flushLater()
}

// flushLater starts the goroutine that writes until nothing waits, where none
// does so yet. It needs mu.
func (s *Stream) flushLater() error {
	if s.flushing {
		return nil
	}
	if !s.conn.begin() {
		s.err = s.conn.gone()
		return s.err
	}
	s.flushing = true
	go s.flush()
	return nil
}

func (s *Stream) flush() {
	defer s.conn.work.Done()
	for {
		err := s.Flush()
		s.mu.Lock()
		if err != nil || len(s.buf) == 0 {
			s.flushing = false
			s.letGo()
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// rest gives back what an idle stream needs no more.
func (s *Stream) rest() {
	s.mu.Lock()
	if !s.flushing && len(s.buf) == 0 {
		s.letGo()
	}
	s.mu.Unlock()
	s.mux.Shrink()
}

// letGo gives the buffers back: an idle stream holds none. It needs mu.
func (s *Stream) letGo() {
	giveBack(s.buf)
	giveBack(s.spare)
	s.buf, s.spare = nil, nil
}

// write writes what waits, and a frame with a large body behind it.
func (s *Stream) write(t byte, body []byte) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.drain(func(b []byte) []byte { return appendFrame(roomed(b, frameHead), t, len(body)) }); err != nil {
		return err
	}
	return s.pieces(len(body), func(from, n int) error { return s.conn.wire.copied(s.mux.StreamID(), body[from:from+n]) })
}

// drain writes what waits, and what last adds to it. It needs turn.
func (s *Stream) drain(last func([]byte) []byte) error {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return s.err
	}
	b := s.buf
	s.buf, s.spare = s.spare[:0], nil
	s.mu.Unlock()
	if last != nil {
		b = last(b)
	}
	// Each piece has its head in front of it, where there is room for the first
	// one's, and for another's what was written before.
	err := s.pieces(len(b)-muxHead, func(from, n int) error { return s.conn.wire.data(s.mux.StreamID(), b[from:from+muxHead+n]) })
	s.mu.Lock()
	s.spare = b[:0]
	s.mu.Unlock()
	return err
}

// pieces has n bytes written, as many at once as the peer takes. It needs turn.
func (s *Stream) pieces(n int, write func(from, n int) error) error {
	for from := 0; from < n; {
		err := s.guarded(func() error {
			m, err := s.conn.spend(s.course, min(piece, n-from))
			if err != nil {
				return err
			}
			if err = write(from, m); err != nil {
				s.conn.fail(err) // the peer would miss a part
			}
			from += m
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// guarded calls f, which may wait for the peer, under the write deadline, and
// makes its error the stream's. It needs turn.
func (s *Stream) guarded(f func() error) error {
	s.mu.Lock()
	s.writing = true
	s.arm()
	s.mu.Unlock()

	err := f()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if s.timer != nil {
		s.timer.Stop()
	}
	if err == nil {
		return nil
	}
	if s.err == nil {
		s.err = s.conn.why("write", err)
	}
	return s.err
}

// setDeadline needs mu.
func (s *Stream) setDeadline(t time.Time) {
	s.deadline = t
	s.arm()
}

// arm sets the timer to the deadline while someone writes. It needs mu.
func (s *Stream) arm() {
	switch {
	case s.deadline.IsZero() || !s.writing:
		if s.timer != nil {
			s.timer.Stop()
		}
	case s.timer == nil:
		s.timer = time.AfterFunc(time.Until(s.deadline), s.late)
	default:
		s.timer.Reset(time.Until(s.deadline))
	}
}

// late ends the connection, unless the write ended or got more time meanwhile.
func (s *Stream) late() {
	s.mu.Lock()
	late := s.writing && !s.deadline.IsZero() && !time.Now().Before(s.deadline)
	s.mu.Unlock()
	if late {
		s.conn.fail(fmt.Errorf("%w: it did not take what stream %q wrote in time", ErrDead, s.kind))
	}
}
