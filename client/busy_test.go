package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/transport"
)

// door stands before a relay, and turns away so many who come, each with an
// alert that names a second.
func (m *mallory) door(turnedAway int, second byte) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.t.Fatal(err)
	}
	var work sync.WaitGroup
	pass := func(in net.Conn) {
		defer in.Close()
		out, err := net.Dial("tcp", m.listener.Addr().String())
		if err != nil {
			m.t.Error(err)
			return
		}
		defer out.Close()
		work.Go(func() { io.Copy(in, out); in.Close() })
		io.Copy(out, in)
	}
	work.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			switch {
			case err != nil:
				return
			case n >= turnedAway:
				work.Go(func() { pass(c) })
			default:
				c.Write([]byte{21, 3, 3, 0, 2, 2, 224 + second})
				work.Go(func() { io.Copy(io.Discard, c); c.Close() })
			}
		}
	})
	m.t.Cleanup(func() { l.Close(); work.Wait() })
	return l.Addr().String()
}

// Whoever asks a relay that is busy comes again when it said, by himself, and
// not for ever.
func TestBusyRelay(t *testing.T) {
	m := newMallory(t)
	home := func(addr string) client.Option {
		h, err := client.OpenHome(m.home)
		if err != nil {
			t.Fatal(err)
		}
		h.Config = client.Config{Relays: []string{addr}, Pin: m.pin, Administrators: []string{string(m.key.Fingerprint())}}
		return client.WithHome(h)
	}
	s, err := client.Dial(t.Context(), "", home(m.door(2, 1)), client.WithKey(m.key))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = client.Dial(ctx, "", home(m.door(1000, 31)), client.WithKey(m.key))
	var busy *transport.BusyError
	if !errors.As(err, &busy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
