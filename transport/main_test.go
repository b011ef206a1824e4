package transport

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const megabyte = 1 << 20

// atMost is a limit for ReadFrame that is the same for every type.
func atMost(n int) func(byte) int { return func(byte) int { return n } }

// A relay is a CA, a listener on loopback, and how to reach it.
type relay struct {
	ca *CA
	l  *Listener
}

// newRelay listens on loopback for the duration of the test.
func newRelay(t testing.TB, change func(*ListenOptions)) *relay {
	t.Helper()
	ca := must(NewCA("test", time.Now()))(t)
	pair := must(ca.ServerCert([]string{"127.0.0.1", "localhost"}, time.Now(), time.Hour))(t)
	o := ListenOptions{Certificate: must(pair.TLS())(t), CA: ca.Certificate()}
	if change != nil {
		change(&o)
	}
	l := must(Listen("127.0.0.1:0", o))(t)
	t.Cleanup(func() { l.Close() })
	return &relay{ca: ca, l: l}
}

func (r *relay) dialer() *Dialer {
	return &Dialer{Addrs: []string{r.l.Addr().String()}, Pin: r.ca.Pin()}
}

// agent makes a client certificate of a CA.
func agent(t testing.TB, ca *CA, name string, at time.Time, ttl time.Duration) *tls.Certificate {
	t.Helper()
	key := must(NewTLSKey())(t)
	csr := must(CSR(key, name))(t)
	der := must(ca.AgentCert(csr, name, at, ttl))(t)
	pair := must(AgentPair(key, der))(t)
	c := must(pair.TLS())(t)
	return &c
}

// connect gives both ends of a connection.
func (r *relay) connect(t testing.TB, d *Dialer) (client, server *Conn) {
	t.Helper()
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { server, err = r.l.Accept(soon(t)) })
	client = must(d.Dial(soon(t)))(t)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// streams gives both ends of a stream.
func streams(t testing.TB, from, to *Conn) (a, b *Stream) {
	t.Helper()
	a = must(from.Open(soon(t), "test"))(t)
	b = must(to.Accept(soon(t)))(t)
	if b.Kind() != "test" || a.Kind() != "test" {
		t.Fatalf("kinds %q and %q", a.Kind(), b.Kind())
	}
	return a, b
}

// soon is a context that ends long after anything here should have.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// ended waits for a connection's end.
func ended(t testing.TB, c *Conn) error {
	t.Helper()
	select {
	case <-c.Done():
	case <-soon(t).Done():
		t.Fatal("the connection lives on")
	}
	c.Close()
	return c.Err()
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantIs(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// tcpServer is a TCP server that runs f for each connection until the test ends.
func tcpServer(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f(c); c.Close() })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// pemDER gives the first block of a PEM text.
func pemDER(text []byte) []byte {
	b, _ := pem.Decode(text)
	return b.Bytes
}

// discard reads what comes until nothing does.
func discard(c net.Conn) { io.Copy(io.Discard, c) }
