package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// caLife is how long a CA is good: its pin is in every agent of a fleet.
	caLife = 10 * 365 * 24 * time.Hour
	// clockLeeway is how far a peer's clock may stand behind the issuer's.
	clockLeeway = 10 * time.Minute
	// maxPEM is for a certificate, its CA and a key: a few KB, in bytes.
	maxPEM = 256 << 10
	// maxCSR is for a P-256 request, about 250 bytes, or an RSA one.
	maxCSR = 8 << 10
	// maxHosts is how many names and addresses one server may have.
	maxHosts = 100
	// maxName is the length of a common name (RFC 5280, ub-common-name), bytes.
	maxName = 64
)

// PEM block types.
const (
	blockCert = "CERTIFICATE"
	blockKey  = "PRIVATE KEY"
)

// A CA signs the TLS certificates of one relay and its agents. It proves
// nothing beyond the connection.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes a CA that is good for ten years from at. The name is for people,
// 1 to 64 bytes.
func NewCA(name string, at time.Time) (*CA, error) {
	if name == "" || len(name) > maxName {
		return nil, fmt.Errorf("transport: a CA's name has 1 to %d bytes, not %d", maxName, len(name))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("transport: make a CA's key: %w", err)
	}
	t := template(name, at, caLife)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("transport: make a CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("transport: make a CA: %w", err)
	}
	return &CA{cert: cert, key: key}, nil
}

// ReadCA reads what PEM gave: the certificate and the key, one after the other
// in any order. It fails when they do not belong together.
func ReadCA(text []byte) (*CA, error) {
	certs, key, err := readPEM(text)
	if err != nil {
		return nil, err
	}
	if key == nil || len(certs) == 0 || !certs[0].IsCA || !key.PublicKey.Equal(certs[0].PublicKey) {
		return nil, errors.New("transport: a CA is its certificate and the key that belongs to it")
	}
	return &CA{cert: certs[0], key: key}, nil
}

// PEM gives the certificate, which anyone may see, and the key, which nobody may.
func (c *CA) PEM() (certificate, key []byte, err error) {
	key, err = keyPEM(c.key)
	if err != nil {
		return nil, nil, err
	}
	return certPEM(c.cert.Raw), key, nil
}

// Certificate gives the CA's own certificate.
func (c *CA) Certificate() *x509.Certificate { return c.cert }

// Pin gives what agents and investigators know the CA by; see PinOf.
func (c *CA) Pin() string { return PinOf(c.cert) }

// PinOf gives "sha256:" and the hex SHA-256 of a certificate's public key
// (SubjectPublicKeyInfo), so that a renewed certificate of the same key keeps it.
func PinOf(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return pinPrefix + hex.EncodeToString(sum[:])
}

// A KeyPair is a certificate, followed by those of its issuers, and its key.
type KeyPair struct {
	CertPEM []byte
	KeyPEM  []byte
}

// TLS gives the pair as crypto/tls wants it.
func (k KeyPair) TLS() (tls.Certificate, error) {
	c, err := tls.X509KeyPair(k.CertPEM, k.KeyPEM)
	if err != nil {
		return c, fmt.Errorf("transport: read a certificate: %w", err)
	}
	return c, nil
}

// ServerCert makes a key and a certificate for a relay that is reached under
// these host names and addresses, 1 to 100 of them, without ports. The pair
// holds the CA's certificate too, for that is what clients look for.
func (c *CA) ServerCert(hosts []string, at time.Time, ttl time.Duration) (KeyPair, error) {
	return c.hostCert(template("quaestor relay", at, ttl), hosts, x509.ExtKeyUsageServerAuth)
}

// LeafCert makes what a leaf has in the place of a CA: agents know it by the
// hosts, as they know a relay, and relays by its name, which is Peer for them
// with LeafPrefix before it.
func (c *CA) LeafCert(name string, hosts []string, at time.Time, ttl time.Duration) (KeyPair, error) {
	if name == "" || len(name) > maxName-len(LeafPrefix) {
		return KeyPair{}, fmt.Errorf("transport: a leaf's name has 1 to %d bytes, not %d", maxName-len(LeafPrefix), len(name))
	}
	return c.hostCert(template(LeafPrefix+name, at, ttl), hosts, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
}

// LeafPrefix stands before the names of leaves in their certificates, and
// before no agent's.
const LeafPrefix = "leaf:"

// hostCert makes a key and a certificate for somebody who is reached under these
// names and addresses.
func (c *CA) hostCert(t *x509.Certificate, hosts []string, usage ...x509.ExtKeyUsage) (KeyPair, error) {
	if len(hosts) == 0 || len(hosts) > maxHosts {
		return KeyPair{}, fmt.Errorf("transport: a server has 1 to %d hosts, not %d", maxHosts, len(hosts))
	}
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, usage
	for _, h := range hosts {
		h = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]")
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else if h == peerName {
			return KeyPair{}, fmt.Errorf("transport: %q is no host's name", h)
		} else if h == "" || len(h) > 253 || strings.ContainsAny(h, ":/ ") {
			return KeyPair{}, fmt.Errorf("transport: %q is neither a host name nor an address", h)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return c.serverPair(t)
}

// serverPair makes a key, and signs a certificate for it.
func (c *CA) serverPair(t *x509.Certificate) (KeyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return KeyPair{}, fmt.Errorf("transport: make a server's key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, key.Public(), c.key)
	if err != nil {
		return KeyPair{}, fmt.Errorf("transport: make a server's certificate: %w", err)
	}
	text, err := keyPEM(key)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{CertPEM: append(certPEM(der), certPEM(c.cert.Raw)...), KeyPEM: text}, nil
}

// PeerTLS gives what relays of one CA prove to each other that they are
// relays with, from both ends. Who has the CA's key is one. A certificate of an
// agent, or the one that agents see, proves nothing here: it lacks peerName.
func (c *CA) PeerTLS() *tls.Config {
	p := &peer{ca: c}
	roots := x509.NewCertPool()
	roots.AddCert(c.cert)
	return &tls.Config{
		MinVersion:           tls.VersionTLS13,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.certificate() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.certificate() },
		RootCAs:              roots,
		ServerName:           peerName,
		ClientCAs:            roots,
		ClientAuth:           tls.RequireAndVerifyClientCert,
		// Agents have certificates of the CA, too: who comes must be a relay.
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errors.New("transport: a relay without a certificate")
			}
			return s.PeerCertificates[0].VerifyHostname(peerName)
		},
	}
}

// peerName stands in the certificates of relays for each other, and in no
// other: the CA signs it for who has its key. It is no host's name.
const peerName = "relays.quaestor.invalid"

// peerFor is how long such a certificate is good: it is made anew when half of
// that is over.
const peerFor = 30 * 24 * time.Hour

// A peer makes a relay's certificates for others.
type peer struct {
	ca *CA

	mu   sync.Mutex
	at   time.Time // of the certificate
	cert *tls.Certificate
}

func (p *peer) certificate() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if age := now.Sub(p.at); p.cert != nil && age >= 0 && age < peerFor/2 {
		return p.cert, nil
	}
	t := template("quaestor relay, for relays", now, peerFor)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.DNSNames = []string{peerName}
	pair, err := p.ca.serverPair(t)
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, err
	}
	p.at, p.cert = now, &cert
	return p.cert, nil
}

// AgentCert answers a certificate request: it checks that who asks holds the
// key, and signs that key for the agent, for TLS clients only. Nothing else in
// the request is heeded. The result is DER.
func (c *CA) AgentCert(csr []byte, agent string, at time.Time, ttl time.Duration) ([]byte, error) {
	if agent == "" || len(agent) > maxName || strings.HasPrefix(agent, LeafPrefix) {
		return nil, fmt.Errorf("transport: an agent's name has 1 to %d bytes, not %d", maxName, len(agent))
	}
	if len(csr) > maxCSR {
		return nil, fmt.Errorf("transport: a certificate request of %d bytes, over %d", len(csr), maxCSR)
	}
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, fmt.Errorf("transport: read a certificate request: %w", err)
	}
	if k, ok := r.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		return nil, errors.New("transport: a certificate request must be for a P-256 key")
	}
	if err := r.CheckSignature(); err != nil {
		return nil, fmt.Errorf("transport: check a certificate request: %w", err)
	}
	t := template(agent, at, ttl)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, t, c.cert, r.PublicKey, c.key)
	if err != nil {
		return nil, fmt.Errorf("transport: sign an agent's certificate: %w", err)
	}
	return der, nil
}

// NewTLSKey makes the key of an agent's TLS certificate, as PEM.
func NewTLSKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("transport: make a key: %w", err)
	}
	return keyPEM(key)
}

// CSR asks for a certificate for an agent's key, given as PEM. The result is DER.
func CSR(key []byte, agent string) ([]byte, error) {
	_, k, err := readPEM(key)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, errors.New("transport: no private key in the PEM")
	}
	t := &x509.CertificateRequest{Subject: pkix.Name{CommonName: agent}}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, k)
	if err != nil {
		return nil, fmt.Errorf("transport: make a certificate request: %w", err)
	}
	return der, nil
}

// AgentPair joins an agent's key, PEM, and the certificate that came for it, DER.
// It fails when they do not belong together.
func AgentPair(key, cert []byte) (KeyPair, error) {
	k := KeyPair{CertPEM: certPEM(cert), KeyPEM: key}
	_, err := k.TLS()
	return k, err
}

// template gives what all certificates here have in common. The serial number
// is left to x509, which draws one at random.
func template(name string, at time.Time, ttl time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: at.Add(-clockLeeway),
		NotAfter:  at.Add(ttl),
	}
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCert, Bytes: der})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("transport: write a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// readPEM reads certificates and at most one P-256 key, and nothing else.
func readPEM(text []byte) (certs []*x509.Certificate, key *ecdsa.PrivateKey, err error) {
	if len(text) > maxPEM {
		return nil, nil, fmt.Errorf("transport: %d bytes of PEM, over %d", len(text), maxPEM)
	}
	for {
		b, rest := pem.Decode(text)
		if b == nil {
			return certs, key, nil
		}
		text = rest
		switch {
		case b.Type == blockCert:
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("transport: read a certificate: %w", err)
			}
			certs = append(certs, c)
		case b.Type == blockKey && key == nil:
			k, err := x509.ParsePKCS8PrivateKey(b.Bytes)
			if err != nil {
				return nil, nil, fmt.Errorf("transport: read a key: %w", err)
			}
			var ok bool
			if key, ok = k.(*ecdsa.PrivateKey); !ok {
				return nil, nil, errors.New("transport: the key is not an ECDSA one")
			}
		default:
			return nil, nil, fmt.Errorf("transport: a PEM block %q that does not belong here", b.Type)
		}
	}
}
