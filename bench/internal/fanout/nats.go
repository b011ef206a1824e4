package fanout

import (
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// subject is where plans are published.
const subject = "plan"

// tlsWithin is for a handshake, seconds; many come at once.
const tlsWithin = 30

// natsHub publishes plans, and collects what comes to its inbox.
type natsHub struct {
	server  *server.Server // nil where it is elsewhere
	conn    *nats.Conn     // nil where it is elsewhere
	inbox   string
	n       int
	body    []byte
	replied *replied
}

// listenNATS starts a server, with who publishes and collects in it where that
// is the way.
func listenNATS(o *order) (*natsHub, error) {
	conf, err := o.Cast.serverTLS()
	if err != nil {
		return nil, err
	}
	srv, err := server.NewServer(&server.Options{
		Host: host, Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		TLS: true, TLSVerify: true, TLSConfig: conf, TLSTimeout: tlsWithin,
	})
	if err != nil {
		return nil, err
	}
	srv.Start()
	if !srv.ReadyForConnections(tlsWithin * time.Second) {
		return nil, errors.New("the server of NATS does not start")
	}
	h := &natsHub{server: srv, n: o.Clients}
	if o.Way == NATSApart {
		return h, nil
	}
	conn, err := nats.Connect("", nats.InProcessServer(srv))
	if err != nil {
		return nil, err
	}
	return h, h.collect(conn)
}

// collectNATS is who publishes and collects in a process of his own.
func collectNATS(o *order) (*natsHub, error) {
	conns, err := dialNATS(o.Cast, o.Addr)
	if err != nil {
		return nil, err
	}
	h := &natsHub{n: o.Clients}
	return h, h.collect(conns[0])
}

// collect has a connection collect replies.
func (h *natsHub) collect(conn *nats.Conn) error {
	h.conn, h.inbox, h.body, h.replied = conn, nats.NewInbox(), make([]byte, PlanSize), newReplied()
	sub, err := conn.Subscribe(h.inbox, func(m *nats.Msg) {
		if len(m.Data) != ReplySize {
			h.replied.end(errors.New("a client replies what it should not"))
			return
		}
		h.replied.one()
	})
	if err != nil {
		return err
	}
	return errors.Join(sub.SetPendingLimits(-1, -1), conn.Flush())
}

func (h *natsHub) addr() string { return h.server.Addr().String() }

// await waits for nothing: clients of NATS say that they are connected when the
// server has their subscriptions.
func (h *natsHub) await() error { return nil }

func (h *natsHub) plan() error {
	h.replied.begin(h.n)
	if err := h.conn.PublishRequest(subject, h.inbox, h.body); err != nil {
		return err
	}
	return errors.Join(h.conn.Flush(), h.replied.wait())
}

// dialNATS connects the clients of a cast.
func dialNATS(c *Cast, addr string) (held []*nats.Conn, err error) {
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	for i := range c.Clients {
		conf, err := c.clientTLS(i, roots)
		if err != nil {
			return nil, err
		}
		conn, err := nats.Connect("nats://"+addr, nats.Secure(conf), nats.NoReconnect(), nats.Timeout(tlsWithin*time.Second))
		if err != nil {
			return nil, err
		}
		held = append(held, conn)
	}
	return held, nil
}

// connectNATS connects clients that reply to each plan.
func connectNATS(c *Cast, addr string) ([]*nats.Conn, error) {
	held, err := dialNATS(c, addr)
	if err != nil {
		return nil, err
	}
	body := make([]byte, ReplySize)
	for _, conn := range held {
		_, err := conn.Subscribe(subject, func(m *nats.Msg) {
			if len(m.Data) != PlanSize || m.Respond(body) != nil {
				conn.Close()
			}
		})
		if err != nil {
			return nil, err
		}
		if err := conn.Flush(); err != nil {
			return nil, err
		}
	}
	return held, nil
}
