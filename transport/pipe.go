package transport

import (
	"errors"
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
	return errors.Join(e.SetReadDeadline(t), e.SetWriteDeadline(t))
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

// PipeNetwork is the network of the addresses of a pipe's ends.
const PipeNetwork = "pipe"

func (pipeAddr) Network() string { return PipeNetwork }
func (pipeAddr) String() string  { return PipeNetwork }

// A flow is one direction.
type flow struct {
	mu             sync.Mutex
	changed        sync.Cond
	held           []byte // those before from were read
	from           int
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
		case len(f.held) > f.from:
			n := copy(b, f.held[f.from:])
			f.from += n
			f.tidy()
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
		if room := min(pipeHolds-(len(f.held)-f.from), len(b)-n); room > 0 {
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

// tidy lets go of what was read: a flow that holds nothing keeps little.
func (f *flow) tidy() {
	const little = 4 << 10
	switch {
	case f.from == len(f.held) && cap(f.held) > little:
		f.held, f.from = nil, 0
	case f.from == len(f.held), f.from >= pipeHolds/2:
		f.held, f.from = append(f.held[:0], f.held[f.from:]...), 0
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
	f.left, f.held, f.from = true, nil, 0
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
