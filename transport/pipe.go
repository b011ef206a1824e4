package transport

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeHolds is how many bytes an end of a pipe takes that nobody has read.
const pipeHolds = 64 << 10

// Pipe gives both ends of a connection within the process. As a socket does,
// and as net.Pipe does not, it takes 64 KiB that nobody reads yet: of two peers
// that write at the same moment, as those of TLS and of the multiplexer may,
// each would else wait for the other. What was written before an end was closed
// can still be read, and CloseWrite closes one direction alone.
func Pipe() (a, b net.Conn) {
	there, back := newFlow(), newFlow()
	return &pipeEnd{in: back, out: there}, &pipeEnd{in: there, out: back}
}

// A pipeEnd is one end.
type pipeEnd struct{ in, out *flow }

func (e *pipeEnd) Read(b []byte) (int, error)  { return e.in.take(b) }
func (e *pipeEnd) Write(b []byte) (int, error) { return e.out.put(b) }
func (e *pipeEnd) LocalAddr() net.Addr         { return pipeAddr{} }
func (e *pipeEnd) RemoteAddr() net.Addr        { return pipeAddr{} }

func (e *pipeEnd) Close() error {
	e.in.leave()
	e.out.finish()
	return nil
}

// CloseWrite has the other end read to what was written, and then io.EOF.
func (e *pipeEnd) CloseWrite() error {
	e.out.finish()
	return nil
}

func (e *pipeEnd) SetDeadline(t time.Time) error {
	e.in.reader.set(e.in, t)
	e.out.writer.set(e.out, t)
	return nil
}

func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	e.in.reader.set(e.in, t)
	return nil
}

func (e *pipeEnd) SetWriteDeadline(t time.Time) error {
	e.out.writer.set(e.out, t)
	return nil
}

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// A flow is one direction.
type flow struct {
	mu             sync.Mutex
	changed        sync.Cond
	held           []byte
	finished, left bool // by who writes, by who reads
	reader, writer deadline
}

func newFlow() *flow {
	f := &flow{}
	f.changed.L = &f.mu
	return f
}

func (f *flow) take(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.left:
			return 0, net.ErrClosed
		case f.reader.over:
			return 0, os.ErrDeadlineExceeded
		case len(f.held) > 0:
			n := copy(b, f.held)
			f.held = append(f.held[:0], f.held[n:]...)
			f.changed.Broadcast()
			return n, nil
		case f.finished:
			return 0, io.EOF
		case len(b) == 0:
			return 0, nil
		}
		f.changed.Wait()
	}
}

func (f *flow) put(b []byte) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.finished:
			return n, net.ErrClosed
		case f.left:
			return n, io.ErrClosedPipe
		case f.writer.over:
			return n, os.ErrDeadlineExceeded
		}
		if room := min(pipeHolds-len(f.held), len(b)-n); room > 0 {
			f.held = append(f.held, b[n:n+room]...)
			n += room
			f.changed.Broadcast()
		}
		if n == len(b) {
			return n, nil
		}
		f.changed.Wait()
	}
}

func (f *flow) finish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finished = true
	f.writer.stop()
	f.changed.Broadcast()
}

func (f *flow) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.held = true, nil
	f.reader.stop()
	f.changed.Broadcast()
}

// A deadline is of one side of a flow, under the flow's lock.
type deadline struct {
	timer *time.Timer
	turn  int // which deadline it is: a timer of an earlier one counts no more
	over  bool
}

func (d *deadline) set(f *flow, t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d.stop()
	d.turn++
	d.over = !t.IsZero() && !t.After(time.Now())
	if d.over {
		f.changed.Broadcast()
	}
	if t.IsZero() || d.over {
		return
	}
	turn := d.turn
	d.timer = time.AfterFunc(time.Until(t), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if d.turn == turn {
			d.over = true
			f.changed.Broadcast()
		}
	})
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
