package faults

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A line is the only way from one agent to the relay.
type line struct {
	listener net.Listener
	to       string
	wg       sync.WaitGroup

	mu     sync.Mutex
	isCut  bool
	flows  chan struct{} // closed while bytes may pass
	closed bool
	conns  map[net.Conn]bool
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &line{listener: l, to: to, conns: map[net.Conn]bool{}, flows: make(chan struct{})}
	close(n.flows)
	n.wg.Go(n.accept)
	t.Cleanup(n.close)
	return n
}

func (n *line) addr() string { return n.listener.Addr().String() }

func (n *line) accept() {
	for {
		c, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.wg.Go(func() { n.carry(c) })
	}
}

// keep notes a connection, so that it can be cut.
func (n *line) keep(c net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isCut || n.closed {
		c.Close()
		return false
	}
	n.conns[c] = true
	return true
}

func (n *line) drop(c net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, c)
	c.Close()
}

func (n *line) carry(near net.Conn) {
	if !n.keep(near) {
		return
	}
	defer n.drop(near)
	far, err := net.DialTimeout("tcp", n.to, 5*time.Second)
	if err != nil || !n.keep(far) {
		return
	}
	defer n.drop(far)
	var both sync.WaitGroup
	both.Go(func() { n.pump(far, near) })
	both.Go(func() { n.pump(near, far) })
	both.Wait()
}

func (n *line) pump(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 32<<10)
	for {
		k, err := from.Read(b)
		n.mu.Lock()
		flows := n.flows
		n.mu.Unlock()
		<-flows
		if k > 0 {
			if _, err := to.Write(b[:k]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut breaks every connection, and has none made until mended.
func (n *line) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isCut = true
	for c := range n.conns {
		c.Close()
	}
}

// stall lets nothing pass until mended. Nobody is told.
func (n *line) stall() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.flows:
		n.flows = make(chan struct{})
	default: // it is stalled: who waits for this channel must be let go on
	}
}

func (n *line) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isCut = false
	select {
	case <-n.flows:
	default:
		close(n.flows)
	}
}

func (n *line) close() {
	n.mend()
	n.mu.Lock()
	n.closed = true
	for c := range n.conns {
		c.Close()
	}
	n.mu.Unlock()
	n.listener.Close()
	n.wg.Wait()
}

// What a line carries arrives; cut, nothing does, and mended it does again.
func TestLine(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	n := newLine(t, l.Addr().String())
	echo := func(c net.Conn, within time.Duration) bool {
		c.SetDeadline(time.Now().Add(within))
		b := make([]byte, 1)
		if _, err := c.Write([]byte("x")); err != nil {
			return false
		}
		_, err := io.ReadFull(c, b)
		return err == nil
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", n.addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := dial()
	if !echo(c, time.Minute) {
		t.Error("nothing passes")
	}
	n.stall()
	n.stall() // with all others, while it is itself
	if echo(c, 50*time.Millisecond) {
		t.Error("stalled, it passes")
	}
	n.mend()
	c = dial()
	if !echo(c, time.Minute) {
		t.Error("mended, nothing passes")
	}
	n.cut()
	if echo(dial(), time.Minute) || echo(c, time.Minute) {
		t.Error("cut, it passes")
	}
	n.mend()
	if !echo(dial(), time.Minute) {
		t.Error("mended again, nothing passes")
	}
}
