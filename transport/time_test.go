package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBackoff(t *testing.T) {
	b := Backoff{Min: time.Second, Max: 20 * time.Second}
	for _, ceiling := range []time.Duration{1, 2, 4, 8, 16, 20, 20, 20} {
		seen := map[bool]bool{}
		for range 64 {
			c := b
			d := c.Next()
			if d < 0 || d > ceiling*time.Second {
				t.Fatalf("%v, over %v s", d, ceiling)
			}
			seen[d > ceiling*time.Second/2] = true
		}
		if len(seen) != 2 {
			t.Fatalf("64 waits under %v s are all in one half", ceiling)
		}
		b.Next()
	}
	b.Reset()
	if d := b.Next(); d > time.Second {
		t.Fatalf("%v after a reset", d)
	}
	var zero Backoff
	for range 100 {
		if d := zero.Next(); d > 5*time.Minute {
			t.Fatalf("%v by default", d)
		}
	}
	odd := Backoff{Min: time.Minute, Max: time.Second}
	if d := odd.Next(); d > time.Minute {
		t.Fatalf("%v where Min is over Max", d)
	}
}

// bubble runs f with a clock of its own. The multiplexer pools timers, and one
// of a bubble must not meet another clock: two collections empty the pool.
func bubble(t *testing.T, f func(t *testing.T)) {
	empty := func() { runtime.GC(); runtime.GC() }
	empty()
	defer empty() // Test does not return where f failed
	synctest.Test(t, f)
}

// A cutConn swallows what is written once it is cut, and is slow to write.
type cutConn struct {
	net.Conn
	cut   *atomic.Bool
	count *atomic.Int64
	slow  *atomic.Int64 // nanoseconds that a write takes
}

func (c cutConn) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(c.slow.Load()))
	if c.cut.Load() {
		return len(b), nil
	}
	c.count.Add(int64(len(b)))
	return c.Conn.Write(b)
}

func (c cutConn) CloseWrite() error {
	if c.cut.Load() {
		return nil
	}
	return c.Conn.(*pipeEnd).CloseWrite()
}

// piped gives both ends of a connection without a network.
func piped(t *testing.T, pulse time.Duration) (client, server *Conn, cut *atomic.Bool, sent *atomic.Int64) {
	cut, sent = new(atomic.Bool), new(atomic.Int64)
	slow := new(atomic.Int64)
	ca := must(NewCA("test", time.Now()))(t)
	pair := must(must(ca.ServerCert([]string{"relay"}, time.Now(), 1e4*time.Hour))(t).TLS())(t)
	o := ListenOptions{Certificate: pair, CA: ca.Certificate()}
	conf := must(o.serverConfig())(t)
	conf.Certificates = []tls.Certificate{pair}
	a, b := Pipe()
	here, there := tls.Client(cutConn{a, cut, sent, slow}, (&Dialer{}).config("relay", must(parsePin(ca.Pin()))(t))), tls.Server(cutConn{b, cut, sent, slow}, conf)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := there.Handshake(); err != nil {
			t.Error(err)
		}
		server, _ = newConn(there, settings{server: true, pulse: pulse})
	})
	if err := here.Handshake(); err != nil {
		t.Fatal(err)
	}
	client = must(newConn(here, settings{pulse: pulse}))(t)
	wg.Wait()
	return client, server, cut, sent
}

func TestKeepAlive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const pulse = time.Minute
		client, server, cut, sent := piped(t, pulse)
		a, b := streams(t, client, server)
		before := sent.Load()
		time.Sleep(24 * time.Hour)
		if client.Err() != nil || server.Err() != nil {
			t.Fatalf("a quiet day ends it: %v, %v", client.Err(), server.Err())
		}
		if n := sent.Load() - before; n > 24*60*300 || n < 24*60*30 {
			t.Fatalf("a quiet day costs %d bytes", n)
		}
		start := time.Now()
		cut.Store(true)
		for _, s := range []*Stream{a, b} {
			if _, _, err := s.ReadFrame(atMost(1)); !errors.Is(err, ErrClosed) {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d > 3*pulse+writeTimeout {
			t.Fatalf("it took %v", d)
		}
		// Whoever finds out hangs up, and the pipe tells the other.
		if !errors.Is(client.Err(), ErrDead) && !errors.Is(server.Err(), ErrDead) {
			t.Fatalf("client: %v; server: %v", client.Err(), server.Err())
		}
		client.Close()
		server.Close()
	})
}

// A peer that sends a byte now and then is not dead, but a frame must end.
func TestSlowInsideAFrame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server, _, _ := piped(t, time.Minute)
		a, b := streams(t, client, server)
		var wg sync.WaitGroup
		wg.Go(func() {
			b.SetReadDeadline(time.Now().Add(time.Second))
			_, _, err := b.ReadFrame(atMost(1))
			if err == nil {
				t.Error("a frame out of nothing")
			}
		})
		time.Sleep(time.Minute)
		wg.Wait()
		b.SetReadDeadline(time.Time{})
		client.wire.tls.Load().SetWriteDeadline(time.Time{})
		client.wire.tls.Load().Write(muxFrame(muxData, 0, a.mux.StreamID(), 1000))
		start := time.Now()
		for server.Err() == nil {
			client.wire.tls.Load().SetWriteDeadline(time.Time{})
			client.wire.tls.Load().Write([]byte{7})
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d > frameTimeout+2*time.Second {
			t.Fatalf("it took %v", d)
		}
		wantIs(t, server.Err(), ErrDead)
		time.Sleep(2 * hangUpTimeout) // both hang up with a lock held, for which the clock would wait
		client.Close()
		server.Close()
	})
}

func TestStreamSilentAboutItsKind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server, _, _ := piped(t, time.Minute)
		must(client.mux.OpenStream())(t)
		start := time.Now()
		_, err := server.Accept(t.Context())
		wantIs(t, err, ErrProtocol)
		if d := time.Since(start); d > kindTimeout+hangUpTimeout {
			t.Fatalf("it took %v", d)
		}
		client.Close()
		server.Close()
	})
}

// A machine that is short of processor takes many seconds from one step to the
// next, and keeps its connection: to say what a stream is, and to close one.
func TestSlowMachine(t *testing.T) {
	const slow = 20 * time.Second
	bubble(t, func(t *testing.T) {
		client, server, _, _ := piped(t, time.Minute)
		mux := must(client.mux.OpenStream())(t)
		time.AfterFunc(slow, func() {
			client.wire.data(mux.StreamID(), append(make([]byte, muxHead), "\x04test"...))
		})
		if s, err := server.Accept(t.Context()); err != nil || s.Kind() != "test" {
			t.Fatalf("a kind after %v: %v", slow, err)
		}
		a, b := streams(t, client, server)
		lag := client.wire.tls.Load().NetConn().(cutConn).slow
		lag.Store(int64(slow))
		if err := a.Close(); err != nil || client.Err() != nil || server.Err() != nil {
			t.Errorf("closing a stream for %v: %v; %v; %v", slow, err, client.Err(), server.Err())
		}
		lag.Store(0)
		b.Close()
		client.Close()
		server.Close()
	})
}

// An idle stream gives its buffers back.
func TestIdleStreamRests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server, _, _ := piped(t, time.Minute)
		a, b := streams(t, client, server)
		for range 100 {
			a.WriteFrame(1, make([]byte, direct-1))
			if _, _, err := b.ReadFrame(atMost(direct)); err != nil {
				t.Fatal(err)
			}
		}
		a.WriteFrame(1, make([]byte, direct))
		b.ReadFrame(atMost(direct))
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		a.mu.Lock()
		if a.buf != nil || a.spare != nil {
			t.Errorf("%d and %d bytes are kept", cap(a.buf), cap(a.spare))
		}
		a.mu.Unlock()
		client.Close()
		server.Close()
	})
}

// Who reads learns at once that his end closes the connection, and does not
// spin until a peer hangs up that is not there any more.
func TestReadersWakeBeforeThePeerHangsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server, cut, _ := piped(t, time.Hour)
		a, _ := streams(t, client, server)
		cut.Store(true)
		woke := make(chan time.Time, 1)
		go func() {
			_, _, err := a.ReadFrame(atMost(1))
			if !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			woke <- time.Now()
		}()
		synctest.Wait()
		start := time.Now()
		client.Close()
		if d := time.Since(start); d < hangUpTimeout {
			t.Errorf("the peer was waited for %v", d)
		}
		if d := (<-woke).Sub(start); d != 0 {
			t.Errorf("the reader was woken after %v", d)
		}
		cut.Store(false)
		server.Close()
	})
}

// A frame that is in no hurry leaves with the next that is, in one write, and
// alone when none comes; closing waits for nothing, and loses nothing.
func TestWriteSoon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client, server, _, sent := piped(t, time.Minute)
		a, b := streams(t, client, server)
		time.Sleep(time.Second)
		want := func(text string) {
			t.Helper()
			if _, body, err := b.ReadFrame(atMost(direct)); err != nil || string(body) != text {
				t.Fatalf("%q, %v; want %q", body, err, text)
			}
		}
		// oneRecord is what frames with bodies of so many bytes take together.
		oneRecord := func(bodies ...int) int64 {
			size := int64(22 + muxHead) // TLS 1.3 adds a head of five, a type and a tag
			for _, n := range bodies {
				size += int64(frameHead + n)
			}
			return size
		}
		before := sent.Load()
		a.WriteSoon(1, []byte("receipt"))
		synctest.Wait()
		a.WriteFrame(1, []byte("answer"))
		want("receipt")
		want("answer")
		if n := sent.Load() - before; n != oneRecord(7, 6) {
			t.Errorf("two frames took %d bytes, not the %d of one record", n, oneRecord(7, 6))
		}
		start := time.Now()
		a.WriteSoon(1, []byte("alone"))
		if want("alone"); time.Since(start) != gather {
			t.Errorf("alone it left after %v, not %v", time.Since(start), gather)
		}
		before = sent.Load()
		for range 3 {
			a.WriteSoon(1, []byte("many"))
		}
		for range 3 {
			want("many")
		}
		if n := sent.Load() - before; n != oneRecord(4, 4, 4) {
			t.Errorf("three frames took %d bytes, not the %d of one record", n, oneRecord(4, 4, 4))
		}
		start = time.Now()
		a.WriteSoon(1, make([]byte, gatherBytes+1))
		if want(string(make([]byte, gatherBytes+1))); time.Since(start) != 0 {
			t.Error("what is large waited")
		}
		a.WriteSoon(1, []byte("last"))
		a.Close()
		want("last")
		if !errors.Is(a.WriteSoon(1, nil), ErrClosed) {
			t.Error("a closed stream takes a frame")
		}
		client.Close()
		server.Close()
		time.Sleep(time.Second) // a timer that is late finds nothing to do
	})
}
