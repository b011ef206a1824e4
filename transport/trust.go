package transport

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// pinPrefix names the hash of a pin.
const pinPrefix = "sha256:"

// maxChain is how many certificates a server may send: itself, its CA, and a
// CA that is on its way in or out.
const maxChain = 4

// A pin is the SHA-256 of a CA's public key.
type pin [sha256.Size]byte

// parsePin reads "sha256:" and 64 hex digits of either case.
func parsePin(s string) (pin, error) {
	var p pin
	digits, ok := strings.CutPrefix(s, pinPrefix)
	if !ok || len(digits) != 2*len(p) {
		return p, fmt.Errorf("transport: %q is no pin: sha256: and 64 hex digits", s)
	}
	if _, err := hex.Decode(p[:], []byte(digits)); err != nil {
		return p, fmt.Errorf("transport: %q is no pin: %w", s, err)
	}
	return p, nil
}

// CheckPin says whether a pin is well formed.
func CheckPin(s string) error {
	_, err := parsePin(s)
	return err
}

// verify is the whole trust of a client: the server's first certificate leads
// to the pinned CA, which the server sent along, is valid at the time, is for
// servers, and names the host. System roots and names play no part. It runs on
// resumed sessions too, so that a certificate that expired meanwhile is found.
func (p pin) verify(state tls.ConnectionState, host string, at time.Time) error {
	certs := state.PeerCertificates
	if len(certs) == 0 || len(certs) > maxChain {
		return fmt.Errorf("%w: it sent %d certificates", ErrPin, len(certs))
	}
	roots := x509.NewCertPool()
	found := false
	for _, c := range certs[1:] {
		sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
		if c.IsCA && subtle.ConstantTimeCompare(sum[:], p[:]) == 1 {
			roots.AddCert(c)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("%w: it sent no CA with the pin %s%x", ErrPin, pinPrefix, p[:])
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots:       roots,
		DNSName:     host,
		CurrentTime: at,
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPin, err)
	}
	return nil
}

// checkALPN refuses a peer that named no protocol: crypto/tls lets those pass.
func checkALPN(state tls.ConnectionState) error {
	if state.NegotiatedProtocol != ALPN {
		return ErrProtocol
	}
	return nil
}

// serverConfig is what a listener shows and asks for.
func (o *ListenOptions) serverConfig() (*tls.Config, error) {
	if len(o.Certificate.Certificate) < 2 {
		return nil, errors.New("transport: a server's certificate must come with its CA's")
	}
	if o.CA == nil {
		return nil, errors.New("transport: a server needs the CA of its clients")
	}
	roots := x509.NewCertPool()
	roots.AddCert(o.CA)
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		NextProtos:       []string{ALPN},
		ClientAuth:       tls.VerifyClientCertIfGiven,
		ClientCAs:        roots,
		VerifyConnection: checkALPN,
	}, nil
}
