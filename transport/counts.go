package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"sync/atomic"
)

// Counts are what a listener has seen since it began, for whoever watches it, or
// the bytes that a Dialer's connections have passed. Bytes are those inside of
// TLS.
type Counts struct {
	Begun    atomic.Uint64 // handshakes that were begun
	Crowded  atomic.Uint64 // connections that were turned away since their address has its share
	Busy     atomic.Uint64 // connections that were told to come again, since too many handshakes were under way
	Late     atomic.Uint64 // handshakes that were not done in their time
	Unproved atomic.Uint64 // handshakes in which the client showed a certificate that is not good
	Broken   atomic.Uint64 // handshakes that failed in another way
	Open     atomic.Int64  // connections that are open, with those in a handshake
	Received atomic.Uint64
	Sent     atomic.Uint64
}

// failed counts a handshake that failed.
func (c *Counts) failed(err error) {
	var unproved *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unproved):
		c.Unproved.Add(1)
	case errors.Is(err, context.DeadlineExceeded):
		c.Late.Add(1)
	default:
		c.Broken.Add(1)
	}
}

// received and sent count bytes, where somebody counts.

func (c *Counts) received(n int) {
	if c != nil {
		c.Received.Add(uint64(n))
	}
}

func (c *Counts) sent(n int) {
	if c != nil {
		c.Sent.Add(uint64(n))
	}
}

// Counts gives what the listener counts; it goes on counting.
func (l *Listener) Counts() *Counts { return &l.counts }
