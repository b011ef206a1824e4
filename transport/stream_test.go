package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"
)

func TestFramesBothWays(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	a, b := streams(t, client, server)
	for _, n := range []int{0, 1, 4 << 10, direct - 1, direct, 300_000, 5 * megabyte} {
		body := bytes.Repeat([]byte{byte(n)}, n)
		for _, ends := range [][2]*Stream{{a, b}, {b, a}} {
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := ends[0].WriteFrame(byte(n), body); err != nil {
					t.Error(err)
				}
			})
			typ, got, err := ends[1].ReadFrame(atMost(n))
			wg.Wait()
			if err != nil || typ != byte(n) || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes: type %d, %d bytes, %v", n, typ, len(got), err)
			}
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.ReadFrame(atMost(1)); err != io.EOF {
		t.Fatalf("after the peer's close: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantIs(t, a.WriteFrame(1, nil), ErrClosed)
	wantIs(t, a.WriteFrame(1, make([]byte, direct)), ErrClosed)
	_, _, err := a.ReadFrame(atMost(1))
	wantIs(t, err, ErrClosed)
}

// Frames of several writers are whole, and those of one come in order.
func TestFramesOfManyWriters(t *testing.T) {
	const writers, each = 16, 400
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	a, b := streams(t, client, server)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				size := 2 + (i*i*37)%700
				if i%50 == 7 {
					size = direct + i // not copied
				}
				body := bytes.Repeat([]byte{byte(w), byte(i)}, size)
				if err := a.WriteFrame(byte(w), body); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	next := make([]int, writers)
	for range writers * each {
		w, body, err := b.ReadFrame(atMost(megabyte))
		if err != nil {
			t.Fatal(err)
		}
		want := []byte{w, byte(next[w])}
		if !bytes.Equal(body, bytes.Repeat(want, len(body)/2)) {
			t.Fatalf("frame %d of writer %d is mixed up", next[w], w)
		}
		next[w]++
	}
	wg.Wait()
}

func TestThousandsOfStreams(t *testing.T) {
	const all, workers = 3000, 20
	r := newRelay(t, func(o *ListenOptions) { o.MaxStreams = 8 })
	client, server := r.connect(t, r.dialer())
	var serving, asking sync.WaitGroup
	serving.Go(func() {
		for range all {
			s, err := server.Accept(soon(t))
			if err != nil {
				t.Error(err)
				return
			}
			serving.Go(func() {
				defer s.Close()
				typ, body, err := s.ReadFrame(atMost(100))
				if err == nil {
					err = s.WriteFrame(typ, body)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	})
	for w := range workers {
		asking.Go(func() {
			for i := range all / workers {
				if err := ask(t, client, fmt.Sprintf("%d %d", w, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	asking.Wait()
	serving.Wait()
	if n := client.live() + server.live(); n != 0 {
		t.Fatalf("%d streams are left", n)
	}
}

func ask(t testing.TB, c *Conn, text string) error {
	s, err := c.Open(soon(t), "ask")
	if err != nil {
		return err
	}
	if err := s.WriteFrame(3, []byte(text)); err != nil {
		return err
	}
	_, got, err := s.ReadFrame(atMost(100))
	if err != nil || string(got) != text {
		return fmt.Errorf("%q gave %q, %v", text, got, err)
	}
	return s.Close()
}

func TestMaxStreamsHoldsThePeerBack(t *testing.T) {
	r := newRelay(t, func(o *ListenOptions) { o.MaxStreams = 2 })
	client, server := r.connect(t, r.dialer())
	_, first := streams(t, client, server)
	streams(t, client, server)
	must(client.Open(soon(t), "third"))(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := server.Accept(ctx)
	wantIs(t, err, context.DeadlineExceeded)
	first.Close()
	if s := must(server.Accept(soon(t)))(t); s.Kind() != "third" {
		t.Fatalf("got %q", s.Kind())
	}
}

func TestOpenHeedsItsContext(t *testing.T) {
	r := newRelay(t, nil)
	client, _ := r.connect(t, r.dialer())
	for range backlog {
		must(client.Open(soon(t), "test"))(t)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := client.Open(ctx, "test")
	wantIs(t, err, context.DeadlineExceeded)
	for _, kind := range []string{"", string(make([]byte, maxKind+1))} {
		if _, err := client.Open(soon(t), kind); err == nil {
			t.Errorf("a kind of %d bytes is opened", len(kind))
		}
	}
}

func TestReadDeadlineBetweenFrames(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	a, b := streams(t, client, server)
	b.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_, _, err := b.ReadFrame(atMost(10))
	wantIs(t, err, os.ErrDeadlineExceeded)
	b.SetReadDeadline(time.Time{})
	a.WriteFrame(1, []byte("late"))
	if _, body, err := b.ReadFrame(atMost(10)); err != nil || string(body) != "late" {
		t.Fatalf("%q, %v", body, err)
	}
	// Inside a frame there is no going on.
	a.mux.Write([]byte{1, 0})
	b.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	_, _, err = b.ReadFrame(atMost(10))
	if err == nil {
		t.Fatal("half a head is a frame")
	}
	b.SetReadDeadline(time.Time{})
	if _, _, again := b.ReadFrame(atMost(10)); again == nil {
		t.Fatal("a stream goes on behind half a frame")
	}
}

func TestFrameTooLargeStaysSo(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	a, b := streams(t, client, server)
	a.WriteFrame(1, make([]byte, 101))
	for range 2 {
		_, _, err := b.ReadFrame(atMost(100))
		wantIs(t, err, ErrFrame)
	}
}

func TestCloseWakesTheReader(t *testing.T) {
	r := newRelay(t, nil)
	for name, end := range map[string]func(*Stream){
		"the stream":     func(s *Stream) { s.Close() },
		"the connection": func(s *Stream) { s.Conn().Close() },
	} {
		client, server := r.connect(t, r.dialer())
		a, _ := streams(t, client, server)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := a.ReadFrame(atMost(1)); !errors.Is(err, ErrClosed) {
				t.Errorf("%s closed: %v", name, err)
			}
		})
		end(a)
		wg.Wait()
	}
}

// A connection that breaks must not pass for a stream that ended.
func TestBrokenConnectionIsNoEOF(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	_, b := streams(t, client, server)
	client.wire.tls.Load().NetConn().Close()
	_, _, err := b.ReadFrame(atMost(1))
	wantIs(t, err, ErrClosed)
	if errors.Is(err, io.EOF) {
		t.Fatalf("%v passes for the end of the stream", err)
	}
	wantIs(t, ended(t, server), ErrClosed)
}

func TestWriteTimeoutEndsTheConnection(t *testing.T) {
	r := newRelay(t, nil)
	for name, write := range map[string]func(*Stream) error{
		"large": func(s *Stream) error { return s.WriteFrame(1, make([]byte, megabyte)) },
		"small": func(s *Stream) error { return s.WriteFrame(1, make([]byte, 1000)) },
	} {
		t.Run(name, func(t *testing.T) {
			client, server := r.connect(t, r.dialer())
			_, b := streams(t, client, server)
			b.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			var err error
			for err == nil { // until the window is full: nobody reads
				err = write(b)
			}
			wantIs(t, err, ErrClosed)
			wantIs(t, err, ErrDead)
			wantIs(t, ended(t, server), ErrDead)
			wantIs(t, ended(t, client), ErrClosed)
		})
	}
}

func TestWriteDeadlineInTimeHurtsNobody(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	a, b := streams(t, client, server)
	b.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if err := b.WriteFrame(1, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(40 * time.Millisecond)
	b.SetWriteDeadline(time.Time{})
	b.WriteFrame(2, []byte("y"))
	for range 2 {
		if _, _, err := a.ReadFrame(atMost(1)); err != nil {
			t.Fatal(err)
		}
	}
}

// What was written before Close arrives, though nobody flushed.
func TestCloseSendsWhatWaits(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	a, b := streams(t, client, server)
	for i := range 100 {
		a.WriteFrame(byte(i), make([]byte, 1000))
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	client.Close()
	for i := range 100 {
		typ, _, err := b.ReadFrame(atMost(1000))
		if err != nil || typ != byte(i) {
			t.Fatalf("frame %d: %d, %v", i, typ, err)
		}
	}
}

// A stream that waits for its peer's close outlives its connection by minutes,
// and must not keep what TLS holds.
func TestEndedConnectionLetsGo(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	a, _ := streams(t, client, server)
	a.Close()
	client.Close()
	<-server.Done()
	server.Close()
	for _, c := range []*Conn{client, server} {
		if c.wire.tls.Load() != nil {
			t.Error("a connection that ended keeps its TLS")
		}
		if _, err := c.Export("x", 32); !errors.Is(err, ErrClosed) {
			t.Errorf("keys of a connection that ended: %v", err)
		}
		if c.RemoteAddr() == nil {
			t.Error("a connection that ended has no address")
		}
	}
}
