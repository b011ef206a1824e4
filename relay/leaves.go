package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/quaestor-engine/quaestor/relay/leaf"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// serveLeaf serves the agents of a site over the line of their leaf.
func (r *Relay) serveLeaf(ctx context.Context, s *transport.Stream) {
	name := s.Conn().Peer()[len(transport.LeafPrefix):]
	r.log.Info("a leaf is here", "leaf", name, "from", s.Conn().RemoteAddr())
	err := leaf.Carry(ctx, s, r.cfg.Name, &leafEnd{relay: r, lines: map[message.ID]*chunkLine{}})
	r.log.Info("a leaf has gone", "leaf", name, "why", err)
}

// A leafEnd is what this relay does for one leaf. What the leaf says of agents
// counts as what agents say: their chains, their facts and their chunks are
// signed by themselves.
type leafEnd struct {
	relay *Relay
	lines map[message.ID]*chunkLine // by who reads the line alone
}

// Dial connects to this relay, within this process, as the agent that the leaf
// has seen the certificate of.
func (e *leafEnd) Dial(ctx context.Context, agent message.ID) (*transport.Conn, error) {
	return e.relay.within.dial(ctx, e.relay, agent)
}

// Member takes in an agent whose chunks come without it. One that this relay
// does not know is none only if no relay knows it.
func (e *leafEnd) Member(ctx context.Context, membership []byte) (message.ID, error) {
	r := e.relay
	m, err := signing.DecodeMembership(membership)
	if err != nil {
		return message.ID{}, nil
	}
	r.mu.Lock()
	who, err := r.policy.Member(m)
	known := err == nil && r.agents[who.Agent] != nil
	r.mu.Unlock()
	switch {
	case err != nil:
		return message.ID{}, nil
	case known:
		return who.Agent, nil
	}
	if err := r.catchUp(ctx, r.spine.agents, r.members); err != nil {
		return message.ID{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.agents[who.Agent] == nil {
		return message.ID{}, nil
	}
	return who.Agent, nil
}

// knows has this relay know the plan and the agent of a chunk, if any relay
// does.
func (e *leafEnd) knows(ctx context.Context, plan, agent message.ID) error {
	r := e.relay
	r.mu.Lock()
	p, a := r.plans[plan], r.agents[agent]
	r.mu.Unlock()
	if a == nil {
		if err := r.catchUp(ctx, r.spine.agents, r.members); err != nil {
			return err
		}
	}
	if p == nil {
		return r.catchUp(ctx, r.spine.plans, r.shares)
	}
	return nil
}

// Deposit stores a chunk. While it is not known whether anybody wants it, the
// leaf keeps it.
func (e *leafEnd) Deposit(ctx context.Context, agent message.ID, chunk []byte, answer func(message.Ack)) error {
	r := e.relay
	c, err := message.DecodeChunk(chunk)
	if err != nil {
		return err
	}
	if err := e.knows(ctx, c.Plan, agent); err != nil {
		r.log.Error("a leaf's chunk is not taken yet", "plan", c.Plan, "agent", agent, "why", err)
		answer(message.Ack{Plan: c.Plan})
		return nil
	}
	l := e.lines[agent]
	if l == nil {
		r.mu.Lock()
		a := r.agents[agent]
		r.mu.Unlock()
		if a == nil {
			answer(message.Ack{Plan: c.Plan, Gone: true})
			return nil
		}
		l = newChunkLine(&agentSession{relay: r, agent: a}, deposited(answer))
		l.offered = true
		e.lines[agent] = l
	}
	l.session.stray = 0 // a leaf has what it has
	return l.take(ctx, chunk)
}

// Settle waits until the spine has answered about everything.
func (e *leafEnd) Settle() {
	for _, l := range e.lines {
		l.close()
	}
}

// deposited are the replies to chunks that came without their agent.
type deposited func(message.Ack)

// WriteFrame takes an acknowledgement, and nothing else.
func (d deposited) WriteFrame(t message.Type, body []byte) error {
	var a message.Ack
	err := message.Unmarshal(body, &a)
	if err == nil && t == message.TypeAck {
		d(a)
	}
	return err
}

// Offer is WriteFrame: who takes acknowledgements does not wait.
func (d deposited) Offer(t message.Type, body []byte) bool { return d.WriteFrame(t, body) == nil }

// Kind is that of an agent's first stream: what was not stored is told there.
func (deposited) Kind() string { return message.KindAgent }

// Close does nothing.
func (deposited) Close() error { return nil }

// carried says whether an agent is here over the line of a leaf, which does not
// go elsewhere with one of its agents.
func (s *agentSession) carried() bool { return s.conn.RemoteAddr().Network() == transport.PipeNetwork }

// A within takes connections of this process: what a leaf carries goes the way
// that all agents go.
type within struct {
	mu       sync.Mutex
	listener *transport.Listener // nil: it was never needed
	pipes    *pipes
	key      []byte
	over     bool
}

// withinMost is how many connections a process may have with itself: those of
// the agents behind leaves.
const withinMost = 100_000

func (w *within) dial(ctx context.Context, r *Relay, agent message.ID) (*transport.Conn, error) {
	w.mu.Lock()
	err := w.open(r)
	pipes, key := w.pipes, w.key
	w.mu.Unlock()
	if err != nil {
		return nil, err
	}
	d := transport.Dialer{Addrs: []string{net.JoinHostPort(r.cfg.Hosts[0], "0")}, Pin: r.ca.Pin(), MaxStreams: 1, Connect: pipes.connect}
	if !agent.IsZero() {
		cert, err := w.certificate(r, key, agent)
		if err != nil {
			return nil, err
		}
		d.Certificate = &cert
	}
	return d.Dial(ctx)
}

// certificate makes what an agent shows here, whose own was seen by the leaf.
func (w *within) certificate(r *Relay, key []byte, agent message.ID) (tls.Certificate, error) {
	csr, err := transport.CSR(key, agent.String())
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := r.ca.AgentCert(csr, agent.String(), r.now(), agentCertificateFor)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := transport.AgentPair(key, der)
	if err != nil {
		return tls.Certificate{}, err
	}
	return pair.TLS()
}

// open begins to listen, the first time; mu is held.
func (w *within) open(r *Relay) error {
	if w.over {
		return errors.New("relay: it is closing")
	}
	if w.listener != nil {
		return nil
	}
	cert, err := serverCertificate(r.ca, r.cfg.Hosts)
	if err != nil {
		return err
	}
	if w.key, err = transport.NewTLSKey(); err != nil {
		return err
	}
	w.pipes = &pipes{ready: make(chan net.Conn), closed: make(chan struct{})}
	w.listener, err = transport.ListenOn(w.pipes, transport.ListenOptions{
		Certificate: cert, CA: r.ca.Certificate(), Window: 1 << 20, MaxPerAddress: withinMost,
	})
	if err != nil {
		return err
	}
	l := w.listener
	r.wg.Go(func() {
		for {
			c, err := l.Accept(r.life)
			if err != nil {
				return
			}
			r.wg.Go(func() { r.serve(r.life, c) })
		}
	})
	return nil
}

func (w *within) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.listener == nil {
		return nil
	}
	return w.listener.Close()
}

// pipes are a listener for connections of this process.
type pipes struct {
	ready  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) connect(ctx context.Context, _ string) (net.Conn, error) {
	a, b := transport.Pipe()
	select {
	case p.ready <- b:
		return a, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr are those of net.Listener.

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.ready:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "within", Net: transport.PipeNetwork} }
