package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/transport"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// renewTimeout is how long the exchange of a certificate may take.
const renewTimeout = time.Minute

// dial connects to a relay, with a certificate that is still good: one that
// has expired is replaced first, as at the enrolment.
func (a *Agent) dial(ctx context.Context) (*transport.Conn, error) {
	cert, leaf, err := a.certificate()
	if err != nil {
		return nil, err
	}
	if !a.opts.Now().Before(leaf.NotAfter) {
		a.log.Warn("the certificate has expired, a new one is asked for", "expired", leaf.NotAfter)
		ctx, cancel := context.WithTimeout(ctx, renewTimeout)
		defer cancel()
		_, pair, err := askCertificate(ctx, a.conf, a.id, message.Enroll{Membership: a.chain})
		if err != nil {
			return nil, err
		}
		if err := wholefile.Keep(a.path(tlsFile), 0o600, pair); err != nil {
			return nil, err
		}
		if cert, _, err = a.certificate(); err != nil {
			return nil, err
		}
	}
	return a.dialer(cert).Dial(ctx)
}

// dialer gives the one for a certificate: with the same one again, the relay
// need not be shown it anew, where it remembers.
func (a *Agent) dialer(cert *tls.Certificate) *transport.Dialer {
	a.shown.mu.Lock()
	defer a.shown.mu.Unlock()
	if d := a.shown.dialer; d != nil && d.Certificate == cert {
		return d
	}
	a.shown.dialer = &transport.Dialer{Addrs: a.conf.Relays, Pin: a.conf.Pin, Proxy: a.conf.Proxy, Connect: a.connect, Certificate: cert}
	return a.shown.dialer
}

// A shown is the certificate that an agent shows, as it was read last: to parse
// it costs more than all else that a change of the status does.
type shown struct {
	mu     sync.Mutex
	pair   []byte
	cert   *tls.Certificate
	leaf   *x509.Certificate
	dialer *transport.Dialer
}

// certificate gives the agent's own, for TLS and parsed.
func (a *Agent) certificate() (*tls.Certificate, *x509.Certificate, error) {
	pair, err := readFile(a.path(tlsFile))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotEnrolled, err)
	}
	s := &a.shown
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cert != nil && bytes.Equal(s.pair, pair) {
		return s.cert, s.leaf, nil
	}
	cert, err := tls.X509KeyPair(pair, pair)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", tlsFile, err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", tlsFile, err)
	}
	s.pair, s.cert, s.leaf = pair, &cert, leaf
	return s.cert, s.leaf, nil
}

// expires gives when the certificate ends that was read last; zero where there
// is none to be read.
func (a *Agent) expires() time.Time {
	a.shown.mu.Lock()
	leaf := a.shown.leaf
	a.shown.mu.Unlock()
	if leaf == nil {
		var err error
		if _, leaf, err = a.certificate(); err != nil {
			return time.Time{}
		}
	}
	return leaf.NotAfter
}

// renewIfDue asks for the next certificate when a third of the present one's
// time is left. It counts from the next connection on.
func (a *Agent) renewIfDue(ctx context.Context) {
	s := a.current()
	_, leaf, err := a.certificate()
	if s == nil || err != nil || a.opts.Now().Before(leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore)/3)) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, renewTimeout)
	defer cancel()
	_, pair, err := exchangeKey(ctx, s.conn, message.KindRenew, a.id, message.Enroll{Membership: a.chain})
	if err == nil {
		err = wholefile.Keep(a.path(tlsFile), 0o600, pair)
	}
	if err != nil {
		a.log.Warn("the certificate is not renewed", "error", err, "expires", leaf.NotAfter)
		return
	}
	if _, _, err := a.certificate(); err != nil {
		a.log.Warn("the new certificate cannot be read", "error", err)
	}
	a.touch() // the status says when it ends
	a.log.Info("the certificate is renewed")
}
