package agent

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/quaestor-engine/quaestor/transport"
)

// A wire is a network in memory: a listener, and who connects to it.
type wire struct {
	calls chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	down bool
}

var errDown = errors.New("connection refused")

func newWire() *wire { return &wire{calls: make(chan net.Conn), done: make(chan struct{})} }

// connect gives an end of a connection whose other end is accepted.
func (w *wire) connect(ctx context.Context, _ string) (net.Conn, error) {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return nil, errDown
	}
	a, b := transport.Pipe()
	select {
	case w.calls <- b:
		return a, nil
	case <-w.done:
		return nil, errDown
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *wire) setDown(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = yes
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.calls:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

func (w *wire) Addr() net.Addr { return &net.TCPAddr{} }
