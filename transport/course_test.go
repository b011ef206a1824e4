package transport

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What the peers allow each other is used to the last byte and not beyond it,
// whoever opened the stream: a byte more would end the connection, and one that
// was forgotten holds the writer for ever.
func TestWindowIsUsed(t *testing.T) {
	for _, window := range []int{minWindow, 4 * megabyte} {
		r := newRelay(t, func(o *ListenOptions) { o.Window = window })
		d := r.dialer()
		d.Window = window
		client, server := r.connect(t, d)
		for _, ends := range [][2]*Conn{{client, server}, {server, client}} {
			a, b := streams(t, ends[0], ends[1])
			for _, way := range [][2]*Stream{{a, b}, {b, a}} {
				t.Run(fmt.Sprintf("%d KiB", window>>10), func(t *testing.T) { fill(t, way[0], way[1], window) })
			}
		}
	}
}

// fill writes what the peer takes unread, and then has it read.
func fill(t *testing.T, from, to *Stream, window int) {
	from.SetWriteDeadline(time.Now().Add(time.Minute))
	// The kind took a few bytes of the window, where this end opened the stream.
	body := bytes.Repeat([]byte{7}, window-frameHead-64)
	if err := from.WriteFrame(1, body); err != nil {
		t.Fatal(err)
	}
	more := make(chan error, 1)
	go func() { more <- from.WriteFrame(2, body) }()
	for want := byte(1); want <= 2; want++ {
		typ, got, err := to.ReadFrame(atMost(window))
		if err != nil || typ != want || !bytes.Equal(got, body) {
			t.Fatalf("type %d, %d bytes, %v", typ, len(got), err)
		}
	}
	if err := <-more; err != nil {
		t.Fatal(err)
	}
	from.SetWriteDeadline(time.Time{})
}

// Whatever is written to however many streams of a connection, by either end,
// comes as it was: buffers that streams hand on are nobody else's meanwhile.
func TestStreamsShareNothing(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	var ways [][2]*Stream
	for range 6 {
		a, b := streams(t, client, server)
		ways = append(ways, [2]*Stream{a, b}, [2]*Stream{b, a})
		a, b = streams(t, server, client)
		ways = append(ways, [2]*Stream{a, b}, [2]*Stream{b, a})
	}
	rapid.Check(t, func(rt *rapid.T) {
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 200, 2 << 10, len(scrap{}) - muxHead - frameHead, len(scrap{}), direct, piece + 1}), 1, 12).Draw(rt, "sizes")
		var wg sync.WaitGroup
		for i, w := range ways {
			wg.Go(func() {
				for j, size := range sizes {
					if err := w[0].WriteFrame(byte(i), bytes.Repeat([]byte{byte(i), byte(j)}, size)); err != nil {
						t.Error(err)
						return
					}
				}
			})
			wg.Go(func() {
				for j, size := range sizes {
					typ, got, err := w[1].ReadFrame(atMost(megabyte))
					if err != nil || typ != byte(i) || !bytes.Equal(got, bytes.Repeat([]byte{byte(i), byte(j)}, size)) {
						t.Errorf("stream %d, frame %d: type %d, %d bytes, %v", i, j, typ, len(got), err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// stuck has somebody write to a stream whose peer takes nothing.
func stuck(t *testing.T, s *Stream) chan error {
	t.Helper()
	failed := make(chan error, 1)
	go func() { failed <- s.WriteFrame(1, make([]byte, 2*minWindow)) }()
	for end := soon(t); ; time.Sleep(time.Millisecond) {
		s.conn.mu.Lock()
		waits := s.course.more != nil
		s.conn.mu.Unlock()
		if waits {
			return failed
		}
		if end.Err() != nil {
			t.Fatal("the peer takes more than it said")
		}
	}
}

// Who waits for room hears when there will be none.
func TestWriterHearsOfTheEnd(t *testing.T) {
	for name, end := range map[string]func(client, server *Conn){
		"this end's hangup": func(client, _ *Conn) { client.Close() },
		"the peer's hangup": func(_, server *Conn) { server.Close() },
		"a broken line":     func(client, _ *Conn) { client.wire.tls.Load().NetConn().Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, nil)
			client, server := r.connect(t, r.dialer())
			a, _ := streams(t, client, server)
			failed := stuck(t, a)
			end(client, server)
			select {
			case err := <-failed:
				wantIs(t, err, ErrClosed)
			case <-soon(t).Done():
				t.Fatal("it waits for ever")
			}
		})
	}
	t.Run("the peer's reset", func(t *testing.T) {
		r := newRelay(t, nil)
		c, server := rawMux(t, r)
		c.Write(append(muxFrame(muxData, muxSYN, 1, 2), 1, 'k'))
		s := must(server.Accept(soon(t)))(t)
		go discard(c)
		failed := stuck(t, s)
		c.Write(muxFrame(muxUpdate, muxRST, 1, 0))
		select {
		case err := <-failed:
			if err == nil || server.Err() != nil {
				t.Fatalf("the write: %v; the connection: %v", err, server.Err())
			}
		case <-soon(t).Done():
			t.Fatal("it waits for ever")
		}
	})
}

// A peer that grants room for streams that nobody has leaves nothing behind, and
// what it grants is not another's.
func TestGrantsForNobody(t *testing.T) {
	r := newRelay(t, nil)
	c, server := rawMux(t, r)
	go discard(c)
	for i := range uint32(1000) {
		c.Write(muxFrame(muxUpdate, 0, i, 1<<20))
	}
	c.Write(append(muxFrame(muxData, muxSYN, 1, 2), 1, 'k')) // and behind it all is seen
	s := must(server.Accept(soon(t)))(t)
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.courses) != 1 || s.course.room != minWindow {
		t.Fatalf("%d streams are remembered, and one takes %d bytes", len(server.courses), s.course.room)
	}
}
