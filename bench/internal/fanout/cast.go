package fanout

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/quaestor-engine/quaestor/transport"
)

// A Cast is who is who: a CA, the server's certificate and one for each client.
// All ways have the same.
type Cast struct {
	CA      []byte              `json:"ca"` // PEM, without its key
	Pin     string              `json:"pin"`
	Server  transport.KeyPair   `json:"server"`
	Clients []transport.KeyPair `json:"clients"`
}

// host is where the server listens.
const host = "127.0.0.1"

// lifetime is longer than any measurement.
const lifetime = 24 * time.Hour

// NewCast makes certificates for so many clients.
func NewCast(n int) (*Cast, error) {
	now := time.Now()
	ca, err := transport.NewCA("bench", now)
	if err != nil {
		return nil, err
	}
	c := &Cast{Pin: ca.Pin()}
	if c.CA, _, err = ca.PEM(); err != nil {
		return nil, err
	}
	if c.Server, err = ca.ServerCert([]string{host}, now, lifetime); err != nil {
		return nil, err
	}
	for i := range n {
		pair, err := clientPair(ca, fmt.Sprintf("agent-%032d", i), now)
		if err != nil {
			return nil, err
		}
		c.Clients = append(c.Clients, pair)
	}
	return c, nil
}

// clientPair makes a key and its certificate, as an agent that enrols has them.
func clientPair(ca *transport.CA, name string, now time.Time) (transport.KeyPair, error) {
	key, err := transport.NewTLSKey()
	if err != nil {
		return transport.KeyPair{}, err
	}
	csr, err := transport.CSR(key, name)
	if err != nil {
		return transport.KeyPair{}, err
	}
	der, err := ca.AgentCert(csr, name, now, lifetime)
	if err != nil {
		return transport.KeyPair{}, err
	}
	return transport.AgentPair(key, der)
}

// server is what the server has to know of the cast.
func (c *Cast) server() *Cast { return &Cast{CA: c.CA, Server: c.Server} }

// clients is what some of the clients have to know.
func (c *Cast) clients(from, to int) *Cast {
	return &Cast{CA: c.CA, Pin: c.Pin, Clients: c.Clients[from:to]}
}

// authority is the certificate of the CA.
func (c *Cast) authority() (*x509.Certificate, error) {
	b, _ := pem.Decode(c.CA)
	if b == nil {
		return nil, errors.New("no certificate of a CA")
	}
	return x509.ParseCertificate(b.Bytes)
}

// roots is the CA as crypto/tls wants it.
func (c *Cast) roots() (*x509.CertPool, error) {
	ca, err := c.authority()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return pool, nil
}

// serverTLS is what a server of NATS shows and asks for: what transport.Listen
// does, and no client without a certificate.
func (c *Cast) serverTLS() (*tls.Config, error) {
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	pair, err := c.Server.TLS()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
	}, nil
}

// clientTLS is what client i shows and asks for.
func (c *Cast) clientTLS(i int, roots *x509.CertPool) (*tls.Config, error) {
	pair, err := c.Clients[i].TLS()
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: host, RootCAs: roots, Certificates: []tls.Certificate{pair}}, nil
}
