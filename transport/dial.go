package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A Dialer connects to a relay. It may be used by several goroutines; its
// fields must not change after the first Dial.
type Dialer struct {
	// Addrs are the relays, each host:port, all of the same CA. They are tried
	// in an order that chance picks anew each time, so that those who lost one
	// spread over the others evenly.
	Addrs []string
	// Pin is what the relays' CA is known by; see CA.Pin.
	Pin string
	// Certificate is the client's own; nil for none.
	Certificate *tls.Certificate
	// Proxy is "" for none, "env" for what HTTPS_PROXY and NO_PROXY say, or the
	// URL of an HTTP proxy, http or https, with user and password if need be.
	Proxy string
	// Connect makes the connections below TLS; nil: over the network, by Proxy.
	Connect func(ctx context.Context, addr string) (net.Conn, error)
	// Window is how many bytes may be in flight to this end on one stream: 0
	// is 256 KiB. At 50 ms of round trip that gives 5 MB/s, 4 MiB give 75.
	Window int
	// MaxStreams is how many streams the peer may open; 0 is 32.
	MaxStreams int
	// KeepAlive is the silence after which the peer is asked whether it lives;
	// 0 is 75 s. It is varied by an eighth, so that a fleet does not beat as one.
	KeepAlive time.Duration
	// Counts has the bytes of all connections counted, and nothing else; nil:
	// nobody counts.
	Counts *Counts

	once    sync.Once
	tickets tls.ClientSessionCache
}

// Dial connects to the first relay that answers. When none does the error
// wraps what each one's failure wraps, ErrPin, ErrProtocol, ErrProxy, ErrFull and
// a *BusyError among them.
func (d *Dialer) Dial(ctx context.Context) (*Conn, error) {
	p, err := parsePin(d.Pin)
	if err != nil {
		return nil, err
	}
	if len(d.Addrs) == 0 {
		return nil, errors.New("transport: no relay to dial")
	}
	d.once.Do(func() { d.tickets = tls.NewLRUClientSessionCache(len(d.Addrs)) })
	var failed []error
	order := rand.Perm(len(d.Addrs))
	for i, k := range order {
		addr, within := d.Addrs[k], attemptTimeout
		if i < len(order)-1 {
			within = attemptAmong
		}
		c, err := d.dial(ctx, addr, p, within)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("transport: dial %s: %w", addr, ctx.Err())
		}
		failed = append(failed, fmt.Errorf("transport: dial %s: %w", addr, err))
	}
	return nil, errors.Join(failed...)
}

// dial tries one address, for so long.
func (d *Dialer) dial(ctx context.Context, addr string, p pin, within time.Duration) (*Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	raw, err := d.connect(ctx, addr)
	if err != nil {
		return nil, err
	}
	t := tls.Client(raw, d.config(host, p))
	if err := t.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, handshakeError(err)
	}
	c, err := newConn(t, settings{window: d.Window, streams: d.MaxStreams, pulse: d.KeepAlive, counts: d.Counts})
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

func (d *Dialer) connect(ctx context.Context, addr string) (net.Conn, error) {
	if d.Connect != nil {
		return d.Connect(ctx, addr)
	}
	return connect(ctx, d.Proxy, addr)
}

// config is what a client shows and asks for. InsecureSkipVerify turns off the
// system's idea of trust alone: VerifyConnection holds ours.
func (d *Dialer) config(host string, p pin) *tls.Config {
	conf := &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{ALPN},
		ServerName:         host,
		ClientSessionCache: d.tickets,
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if err := p.verify(state, host, time.Now()); err != nil {
				return err
			}
			return checkALPN(state)
		},
	}
	if d.Certificate != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return d.Certificate, nil
		}
	}
	return conf
}

// handshakeError tells what the other end is from what it said: an alert about
// the protocol, the version or its having no room, or bytes that are no TLS at all. The alerts of
// TCP connections have no exported type, only the same words.
func handshakeError(err error) error {
	const noProtocol, badVersion = tls.AlertError(120), tls.AlertError(70)
	var remote *net.OpError
	var record tls.RecordHeaderError
	if errors.As(err, &remote) && remote.Err != nil {
		said := remote.Err.Error()
		if said == noProtocol.Error() || said == badVersion.Error() {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if why := turnedAway(said); why != nil {
			return why
		}
	}
	if errors.As(err, &record) {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return err
}
