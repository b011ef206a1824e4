package transport

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// A thinConn is a line that takes so many bytes a second.
type thinConn struct {
	*net.TCPConn
	rate int

	mu   sync.Mutex
	next time.Time // when it takes more
}

func (c *thinConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if now := time.Now(); c.next.Before(now) {
		c.next = now
	}
	c.next = c.next.Add(time.Duration(len(b)) * time.Second / time.Duration(c.rate))
	wait := time.Until(c.next)
	c.mu.Unlock()
	time.Sleep(wait)
	return c.TCPConn.Write(b)
}

// swallow takes whatever comes over streams that the peer opens, until the
// connection ends.
func swallow(c *Conn, work *sync.WaitGroup) {
	work.Go(func() {
		for {
			s, err := c.Accept(context.Background())
			if err != nil {
				return
			}
			work.Go(func() {
				defer s.Close()
				for {
					if _, _, err := s.ReadFrame(atMost(8 << 20)); err != nil {
						return
					}
				}
			})
		}
	})
}

// Streams end, and others begin, beside many that write as much as a thin line
// takes: what is said of a stream stands behind one piece of data, not behind
// one of each. An end that does not come within five seconds would cost the
// connection.
func TestEndsBesideBulk(t *testing.T) {
	const bulk, ends, rate = 10, 10, 1250 << 10
	r := newRelay(t, func(o *ListenOptions) { o.MaxStreams, o.Window = 64, 4<<20 })
	d := r.dialer()
	d.Connect = func(_ context.Context, addr string) (net.Conn, error) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, err
		}
		return &thinConn{TCPConn: c.(*net.TCPConn), rate: rate}, nil
	}
	client, server := r.connect(t, d)
	var work sync.WaitGroup
	swallow(server, &work)
	var all []*Stream
	for range ends {
		all = append(all, must(client.Open(soon(t), "end"))(t))
	}
	var written sync.WaitGroup
	for range bulk {
		s := must(client.Open(soon(t), "bulk"))(t)
		written.Add(1)
		work.Go(func() {
			err := s.WriteFrame(1, make([]byte, 200<<10))
			written.Done()
			for err == nil {
				err = s.WriteFrame(1, make([]byte, 1<<20))
			}
		})
	}
	written.Wait() // the line is full
	var closing sync.WaitGroup
	for _, s := range all {
		closing.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closing.Wait()
	must(client.Open(soon(t), "one more"))(t)
	if client.Err() != nil || server.Err() != nil {
		t.Errorf("%v, %v", client.Err(), server.Err())
	}
	client.Close()
	server.Close()
	work.Wait()
}

// An Open that was given up costs nobody the connection: the peer sees a stream
// that ended.
func TestOpenGivenUp(t *testing.T) {
	r := newRelay(t, func(o *ListenOptions) { o.MaxStreams = 2 * backlog })
	client, server := r.connect(t, r.dialer())
	for range backlog {
		must(client.Open(soon(t), "test"))(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Open(ctx, "late"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	for range backlog {
		must(server.Accept(soon(t)))(t)
	}
	late := must(server.Accept(soon(t)))(t)
	if _, _, err := late.ReadFrame(atMost(1)); late.Kind() != "late" || err == nil {
		t.Errorf("%q, %v", late.Kind(), err)
	}
	if client.Err() != nil || server.Err() != nil {
		t.Errorf("%v, %v", client.Err(), server.Err())
	}
}

// What is met after this end has closed the connection is not told as why it
// ended.
func TestOwnEndIsNoFault(t *testing.T) {
	r := newRelay(t, nil)
	client, server := r.connect(t, r.dialer())
	var work sync.WaitGroup
	swallow(server, &work)
	for range 4 {
		s := must(client.Open(soon(t), "bulk"))(t)
		work.Go(func() {
			var err error
			for err == nil {
				err = s.WriteFrame(1, make([]byte, 1<<20))
			}
			if !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	client.Close()
	server.Close()
	work.Wait()
	if err := client.Err(); !errors.Is(err, ErrClosed) || err.Error() != ErrClosed.Error() {
		t.Errorf("the connection ended by %v", err)
	}
}
