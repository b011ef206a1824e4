package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

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
		if err := keepFile(a.path(tlsFile), pair); err != nil {
			return nil, err
		}
		if cert, _, err = a.certificate(); err != nil {
			return nil, err
		}
	}
	d := &transport.Dialer{Addrs: a.conf.Relays, Pin: a.conf.Pin, Proxy: a.conf.Proxy, Connect: a.connect, Certificate: cert}
	return d.Dial(ctx)
}

// certificate reads the agent's own, for TLS and parsed.
func (a *Agent) certificate() (*tls.Certificate, *x509.Certificate, error) {
	pair, err := readFile(a.path(tlsFile))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrNotEnrolled, err)
	}
	cert, err := tls.X509KeyPair(pair, pair)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", tlsFile, err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	return &cert, leaf, err
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
		err = keepFile(a.path(tlsFile), pair)
	}
	if err != nil {
		a.log.Warn("the certificate is not renewed", "error", err, "expires", leaf.NotAfter)
		return
	}
	a.log.Info("the certificate is renewed")
}
