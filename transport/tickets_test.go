package transport

import (
	"context"
	"net"
	"testing"
	"time"
)

// A session goes on over a restart of the listener where that has the keys of
// its tickets, and never where what was verified would not pass now.
func TestResumeOverARestart(t *testing.T) {
	ca := must(NewCA("test", time.Now()))(t)
	other := must(NewCA("test", time.Now()))(t)
	keys, more := [][32]byte{{1}}, [][32]byte{{2}, {1}}
	for name, c := range map[string]struct {
		tickets [][32]byte
		clients *CA // of whom the listener takes clients after the restart
		certFor time.Duration
		want    bool
		refused bool
	}{
		"the same keys":           {keys, ca, time.Hour, true, false},
		"a newer one before them": {more, ca, time.Hour, true, false},
		"other keys":              {[][32]byte{{3}}, ca, time.Hour, false, false},
		"another CA":              {keys, other, time.Hour, false, true},
		"it has expired":          {keys, ca, 2 * time.Second, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pair := must(must(ca.ServerCert([]string{"127.0.0.1"}, time.Now(), time.Hour))(t).TLS())(t)
			listen := func(tickets [][32]byte, clients *CA) *Listener {
				l := must(Listen("127.0.0.1:0", ListenOptions{Certificate: pair, CA: clients.Certificate(), Tickets: tickets}))(t)
				t.Cleanup(func() { l.Close() })
				return l
			}
			l := listen(keys, ca)
			end := time.Now().Add(c.certFor)
			d := &Dialer{Addrs: []string{"127.0.0.1:1"}, Pin: ca.Pin(), Certificate: agent(t, ca, "agent-7", time.Now(), c.certFor)}
			d.Connect = func(ctx context.Context, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
			}
			client, server := (&relay{ca, l}).connect(t, d)
			if server.resumed {
				t.Fatal("the first session goes on from nothing")
			}
			a, b := streams(t, client, server)
			b.WriteFrame(1, nil)
			a.ReadFrame(atMost(1)) // the ticket has come by now
			client.Close()
			if c.certFor < time.Minute {
				time.Sleep(time.Until(end) + 1100*time.Millisecond)
			}
			l = listen(c.tickets, c.clients)
			if c.refused {
				client := must(d.Dial(soon(t)))(t) // the refusal comes behind the handshake
				defer client.Close()
				ended(t, client)
				return
			}
			_, server = (&relay{ca, l}).connect(t, d)
			if server.resumed != c.want || server.Peer() != "agent-7" {
				t.Fatalf("resumed: %v, want %v; the peer is %q", server.resumed, c.want, server.Peer())
			}
		})
	}
}
