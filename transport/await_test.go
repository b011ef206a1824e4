package transport

import (
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// called waits until who waits was called.
func called(t testing.TB, rang chan struct{}) {
	t.Helper()
	select {
	case <-rang:
	case <-soon(t).Done():
		t.Fatal("nobody called")
	}
}

// waiting has somebody wait for a stream that has nothing.
func waiting(t testing.TB, s *Stream) chan struct{} {
	t.Helper()
	rang := make(chan struct{}, 1)
	if s.Await(func() { rang <- struct{}{} }) {
		t.Fatal("there is nothing to read")
	}
	return rang
}

func TestAwait(t *testing.T) {
	r := newRelay(t, nil)
	for name, c := range map[string]struct {
		do   func(client, server *Conn, a, b *Stream)
		want error // of the read that follows
	}{
		"a frame":              {func(_, _ *Conn, a, _ *Stream) { a.WriteFrame(1, []byte("x")) }, nil},
		"an empty frame":       {func(_, _ *Conn, a, _ *Stream) { a.WriteFrame(1, nil) }, nil},
		"a large frame":        {func(_, _ *Conn, a, _ *Stream) { go a.WriteFrame(1, make([]byte, megabyte)) }, nil},
		"the peer's close":     {func(_, _ *Conn, a, _ *Stream) { a.Close() }, io.EOF},
		"this end's close":     {func(_, _ *Conn, _, b *Stream) { b.Close() }, ErrClosed},
		"the peer's hangup":    {func(c, _ *Conn, _, _ *Stream) { c.Close() }, ErrClosed},
		"this end's hangup":    {func(_, s *Conn, _, _ *Stream) { s.Close() }, ErrClosed},
		"a broken connection":  {func(c, _ *Conn, _, _ *Stream) { c.wire.tls.Load().NetConn().Close() }, ErrClosed},
		"this end lost it all": {func(_, s *Conn, _, _ *Stream) { s.fail(errors.New("a reason")) }, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			client, server := r.connect(t, r.dialer())
			a, b := streams(t, client, server)
			rang := waiting(t, b)
			c.do(client, server, a, b)
			called(t, rang)
			if _, _, err := b.ReadFrame(atMost(megabyte)); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if c.want == nil {
				waiting(t, b)
			} else if !b.Await(nil) {
				t.Fatal("what has ended is waited for")
			}
		})
	}
	client, server := r.connect(t, r.dialer())
	if a, _ := streams(t, client, server); !a.Await(nil) {
		t.Fatal("of a stream that this end opened nothing is known")
	}
}

// Whatever frames come, in whatever pieces: who reads while Await says so has
// read everything, and nobody who waits is left alone with something to read.
func TestAwaitMissesNothing(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	a, b := streams(t, client, server)
	got := make(chan byte, 1000)
	failed := make(chan error, 1)
	var read func()
	read = func() {
		for b.Await(func() { go read() }) {
			_, body, err := b.ReadFrame(atMost(megabyte))
			if err != nil {
				failed <- err
				return
			}
			got <- body[0]
		}
	}
	read()
	n := byte(0)
	rapid.Check(t, func(rt *rapid.T) {
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 100, 4 << 10, direct - 1, direct, 200_000}), 1, 8).Draw(rt, "sizes")
		first := n
		for _, size := range sizes {
			body := make([]byte, size)
			body[0] = n
			n++
			if err := a.WriteFrame(1, body); err != nil {
				rt.Fatal(err)
			}
			if rapid.Bool().Draw(rt, "flush") {
				a.Flush()
			}
		}
		for want := first; want != n; want++ {
			select {
			case x := <-got:
				if x != want {
					rt.Fatalf("frame %d, want %d", x, want)
				}
			case <-soon(t).Done():
				rt.Fatal("somebody waits though there is something to read")
			}
		}
	})
	a.Close()
	select {
	case err := <-failed:
		wantIs(t, err, io.EOF)
	case <-soon(t).Done():
		t.Fatal("nobody heard of the end")
	}
}

func TestAwaitStreams(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	rang := make(chan struct{}, 1)
	await := func() bool { return server.Await(func() { rang <- struct{}{} }) }
	for range 3 {
		if await() {
			t.Fatal("there is no stream")
		}
		a := must(client.Open(soon(t), "one"))(t)
		b := must(client.Open(soon(t), "two"))(t)
		called(t, rang)
		for range 2 {
			if !await() {
				t.Fatal("a stream is there that nobody has accepted")
			}
			must(server.Accept(soon(t)))(t).Close()
		}
		a.Close()
		b.Close()
	}
	if await() {
		t.Fatal("there is no stream")
	}
	client.Close()
	called(t, rang)
	if !await() {
		t.Fatal("the connection has ended")
	}
	if _, err := server.Accept(soon(t)); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

// A stream that was forgotten leaves nothing behind, however it ended.
func TestAwaitForgets(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	for range 100 {
		a, b := streams(t, client, server)
		a.WriteFrame(1, []byte("x"))
		a.Close()
		for b.Await(nil) {
			if _, _, err := b.ReadFrame(atMost(1)); err != nil {
				break
			}
		}
		b.Close()
	}
	for _, c := range []*Conn{client, server} {
		c.mu.Lock()
		if len(c.courses) != 0 || c.unaccepted != 0 || c.opening != nil {
			t.Errorf("%d streams are remembered, %d as not accepted", len(c.courses), c.unaccepted)
		}
		c.mu.Unlock()
	}
}

// A connection that is idle has two goroutines, and both are the multiplexer's.
func TestIdleConnectionsHaveNoGoroutines(t *testing.T) {
	const many = 20
	r := newRelay(t, nil)
	idle := func(n int) int {
		for range n {
			client, server := r.connect(t, r.dialer())
			_, b := streams(t, client, server)
			if b.Await(func() {}) || server.Await(func() {}) {
				t.Fatal("nothing was sent")
			}
		}
		least := 1 << 30 // what connecting started ends soon
		for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			least = min(least, runtime.NumGoroutine())
		}
		return least
	}
	few := idle(1)
	if each := float64(idle(many)-few) / many; each > 4.2 {
		t.Fatalf("%.1f goroutines for both ends of an idle connection, and the multiplexers have 4", each)
	}
}

func TestStreamsThatNobodyAccepts(t *testing.T) {
	r := newRelay(t, nil)
	c, server := rawMux(t, r)
	go io.Copy(io.Discard, c)
	for i := range uint32(2 * maxUnaccepted) {
		c.Write(muxFrame(muxUpdate, muxSYN, 2*i+1, 0))
	}
	wantIs(t, ended(t, server), ErrFlood)
	c.Close()
}
