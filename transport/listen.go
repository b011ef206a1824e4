package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// acceptPause is the wait after an error of accept: out of descriptors, mostly.
const acceptPause = 20 * time.Millisecond

// ListenOptions say who is let in and what he may use. Only Certificate and CA
// are needed; a zero number means the default that stands beside it.
type ListenOptions struct {
	Certificate      tls.Certificate   // with the CA's behind it
	CA               *x509.Certificate // of the clients' certificates
	Window           int               // bytes in flight to this end on a stream; 256 KiB
	MaxStreams       int               // that a peer may have open at once; 32
	MaxPerAddress    int               // connections of one IPv4 address or IPv6 /64; 4096
	MaxPending       int               // handshakes under way at most, half of them from one address; 4096
	HandshakeTimeout time.Duration     // 10 s
	KeepAlive        time.Duration     // silence before the peer is asked; 75 s
	// Tickets are the keys of session tickets, the first for new ones: who comes
	// back within a week goes on where it was, over a restart, too, and costs
	// half. None: crypto/tls makes and changes them, and forgets.
	Tickets [][32]byte
}

// A Listener takes connections.
type Listener struct {
	opts      ListenOptions
	tcp       net.Listener
	conf      *tls.Config
	cert      atomic.Pointer[tls.Certificate]
	ready     chan *Conn
	ctx       context.Context // of handshakes; ended by Close
	stop      context.CancelFunc
	admission *admission
	telling   chan struct{} // one token for each that is told why it is turned away
	work      sync.WaitGroup
	counts    Counts
}

// Listen begins to listen on a TCP address.
func Listen(addr string, o ListenOptions) (*Listener, error) {
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	l, err := ListenOn(tcp, o)
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return l, nil
}

// ListenOn takes the connections of a listener that is there already, and closes
// it in the end.
func ListenOn(tcp net.Listener, o ListenOptions) (*Listener, error) {
	conf, err := o.serverConfig()
	if err != nil {
		return nil, err
	}
	l := &Listener{
		opts:      o,
		tcp:       tcp,
		conf:      conf,
		ready:     make(chan *Conn),
		admission: newAdmission(&o),
		telling:   make(chan struct{}, maxTelling),
	}
	l.cert.Store(&o.Certificate)
	conf.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return l.cert.Load(), nil }
	if len(o.Tickets) > 0 {
		conf.SetSessionTicketKeys(o.Tickets)
	}
	l.ctx, l.stop = context.WithCancel(context.Background())
	l.work.Go(l.loop)
	return l, nil
}

// Accept waits for the next client that has finished its handshake.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.ctx.Done():
		return nil, ErrClosed
	}
}

// Addr gives the address that is listened on.
func (l *Listener) Addr() net.Addr { return l.tcp.Addr() }

// Renew shows another certificate from now on, with the CA's behind it.
func (l *Listener) Renew(cert tls.Certificate) error {
	if len(cert.Certificate) < 2 {
		return errors.New("transport: a server's certificate must come with its CA's")
	}
	l.cert.Store(&cert)
	return nil
}

// Tickets has new session tickets be made with the first of the keys, and takes
// those of all of them. A ticket says what was verified when its session began:
// the certificate, which is compared with the CA of this moment and must not
// have expired. What the peer may do is for others to judge anew.
func (l *Listener) Tickets(keys [][32]byte) { l.conf.SetSessionTicketKeys(keys) }

// Close stops listening and drops who has not been accepted. Connections that
// were accepted live on.
func (l *Listener) Close() error {
	l.stop()
	err := l.tcp.Close()
	l.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// loop takes connections, and turns away those that there is no room for.
func (l *Listener) loop() {
	for {
		raw, err := l.tcp.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || l.ctx.Err() != nil {
				return
			}
			time.Sleep(acceptPause)
			continue
		}
		from := address(raw.RemoteAddr())
		if alert := l.admission.enter(from, time.Now()); alert != 0 {
			l.turnAway(raw, alert)
			continue
		}
		l.counts.Open.Add(1)
		l.work.Go(func() { l.welcome(raw, from) })
	}
}

// welcome does the handshake and hands the connection over.
func (l *Listener) welcome(raw net.Conn, from netip.Addr) {
	l.counts.Begun.Add(1)
	c, err := l.handshake(raw, from)
	l.admission.settle(from, err == nil)
	if err != nil {
		l.counts.failed(err)
		raw.Close()
		l.leave(from)
		return
	}
	select {
	case l.ready <- c:
	case <-c.Done():
		c.Close()
	case <-l.ctx.Done():
		c.Close()
	}
}

func (l *Listener) handshake(raw net.Conn, from netip.Addr) (*Conn, error) {
	ctx, cancel := context.WithTimeout(l.ctx, or(l.opts.HandshakeTimeout, handshakeTimeout))
	defer cancel()
	t := tls.Server(raw, l.conf)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return newConn(t, settings{
		server:  true,
		window:  l.opts.Window,
		streams: l.opts.MaxStreams,
		pulse:   l.opts.KeepAlive,
		release: func() { l.leave(from) },
		counts:  &l.counts,
	})
}

// leave counts a connection out.
func (l *Listener) leave(from netip.Addr) {
	l.admission.leave(from)
	l.counts.Open.Add(-1)
}

// address gives what counts as one address: whoever has one of IPv6 has all of
// its /64.
func address(a net.Addr) netip.Addr {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}
