package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

func TestCARoundTrip(t *testing.T) {
	ca := must(NewCA("fleet", time.Now()))(t)
	cert, key, err := ca.PEM()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{append(bytes.Clone(cert), key...), append(bytes.Clone(key), cert...)} {
		again := must(ReadCA(text))(t)
		if again.Pin() != ca.Pin() || !strings.HasPrefix(ca.Pin(), "sha256:") || CheckPin(ca.Pin()) != nil {
			t.Fatalf("pins %s and %s", again.Pin(), ca.Pin())
		}
		agent(t, again, "a", time.Now(), time.Hour)
	}
	_, other, _ := must(NewCA("fleet", time.Now()))(t).PEM()
	for name, text := range map[string][]byte{
		"nothing":          nil,
		"no key":           cert,
		"no certificate":   key,
		"another's key":    append(bytes.Clone(cert), other...),
		"two keys":         append(append(bytes.Clone(cert), key...), key...),
		"too much":         bytes.Repeat(cert, maxPEM/len(cert)+1),
		"no CA":            leafAndKey(t, ca),
		"a foreign block":  append(bytes.Clone(cert), "-----BEGIN X-----\n-----END X-----\n"...),
		"broken inside":    bytes.Replace(cert, []byte("MII"), []byte("AAA"), 1),
		"a key that is no": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
	} {
		if _, err := ReadCA(text); err == nil {
			t.Errorf("%s is taken for a CA", name)
		}
	}
}

func leafAndKey(t *testing.T, ca *CA) []byte {
	p := must(ca.ServerCert([]string{"h"}, time.Now(), time.Hour))(t)
	return append(firstCert(p.CertPEM), p.KeyPEM...)
}

func TestAgentCert(t *testing.T) {
	ca := must(NewCA("fleet", time.Now()))(t)
	key := must(NewTLSKey())(t)
	csr := must(CSR(key, "somebody else"))(t)
	der := must(ca.AgentCert(csr, "agent", time.Now(), time.Hour))(t)
	c := must(x509.ParseCertificate(der))(t)
	if c.Subject.CommonName != "agent" || c.IsCA || len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		t.Fatalf("%v, %v", c.Subject, c.ExtKeyUsage)
	}
	if c.SerialNumber.Sign() <= 0 {
		t.Fatal("no serial number")
	}
	if _, err := AgentPair(must(NewTLSKey())(t), der); err == nil {
		t.Fatal("a key joins another's certificate")
	}
	// The signature covers every byte: no change of a bit passes as this key's.
	for i := range csr {
		bad := bytes.Clone(csr)
		bad[i] ^= 1
		if _, err := ca.AgentCert(bad, "agent", time.Now(), time.Hour); err == nil {
			t.Fatalf("byte %d changed, and it is signed", i)
		}
	}
	for name, err := range map[string]error{
		"no name":        second(ca.AgentCert(csr, "", time.Now(), time.Hour)),
		"long name":      second(ca.AgentCert(csr, strings.Repeat("n", 65), time.Now(), time.Hour)),
		"large":          second(ca.AgentCert(make([]byte, maxCSR+1), "a", time.Now(), time.Hour)),
		"empty":          second(ca.AgentCert(nil, "a", time.Now(), time.Hour)),
		"no key":         second(CSR(nil, "a")),
		"no hosts":       second(ca.ServerCert(nil, time.Now(), time.Hour)),
		"a port":         second(ca.ServerCert([]string{"h:1"}, time.Now(), time.Hour)),
		"a CA of nobody": second(NewCA("", time.Now())),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzAgentCert(f *testing.F) {
	ca := must(NewCA("fleet", time.Now()))(f)
	f.Add(must(CSR(must(NewTLSKey())(f), "a"))(f))
	f.Fuzz(func(t *testing.T, csr []byte) {
		if der, err := ca.AgentCert(csr, "agent", time.Now(), time.Hour); err == nil {
			if c := must(x509.ParseCertificate(der))(t); c.Subject.CommonName != "agent" || c.IsCA {
				t.Fatal("more than was asked for")
			}
		}
	})
}

func TestRenewedCertificate(t *testing.T) {
	r := newRelay(t, nil)
	before, _ := r.connect(t, r.dialer())
	pair := must(r.ca.ServerCert([]string{"127.0.0.1"}, time.Now(), 2*time.Hour))(t)
	if err := r.l.Renew(must(pair.TLS())(t)); err != nil {
		t.Fatal(err)
	}
	after, _ := r.connect(t, r.dialer())
	a := before.wire.tls.Load().ConnectionState().PeerCertificates[0]
	b := after.wire.tls.Load().ConnectionState().PeerCertificates[0]
	if a.Equal(b) || !b.NotAfter.After(a.NotAfter) {
		t.Fatal("the old certificate is still shown")
	}
}

// Relays of one CA speak to each other, and to nobody else: not to who shows an
// agent's certificate, or the one that agents see, or that of another CA.
func TestPeersAreRelays(t *testing.T) {
	ca, other := must(NewCA("fleet", time.Now()))(t), must(NewCA("fleet", time.Now()))(t)
	meet := func(client, server *tls.Config) error {
		type end struct {
			from string
			err  error
		}
		ends := make(chan end, 100)
		addr := tcpServer(t, func(c net.Conn) {
			ends <- end{c.RemoteAddr().String(), tls.Server(c, server).HandshakeContext(soon(t))}
		})
		c := must(net.Dial("tcp", addr))(t)
		err := tls.Client(c, client).HandshakeContext(soon(t))
		if err != nil {
			c.Close()
		}
		e := <-ends
		for e.from != c.LocalAddr().String() { // a stranger, who looked for another's port
			e = <-ends
		}
		err = errors.Join(err, e.err)
		c.Close()
		return err
	}
	if err := meet(ca.PeerTLS(), ca.PeerTLS()); err != nil {
		t.Fatal(err)
	}
	key := must(NewTLSKey())(t)
	der := must(ca.AgentCert(must(CSR(key, "agent"))(t), "agent", time.Now(), time.Hour))(t)
	agent := must(must(AgentPair(key, der))(t).TLS())(t)
	server := must(must(ca.ServerCert([]string{"relay.example"}, time.Now(), time.Hour))(t).TLS())(t)
	with := func(c tls.Certificate) *tls.Config {
		conf := ca.PeerTLS()
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
		conf.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c, nil }
		return conf
	}
	for name, conf := range map[string]*tls.Config{"an agent": with(agent), "what agents see": with(server), "another CA": other.PeerTLS()} {
		if meet(conf, ca.PeerTLS()) == nil {
			t.Errorf("%s: it is taken for a relay that comes", name)
		}
		if meet(ca.PeerTLS(), conf) == nil {
			t.Errorf("%s: it is taken for a relay that is there", name)
		}
	}
	if _, err := ca.ServerCert([]string{peerName}, time.Now(), time.Hour); err == nil {
		t.Error("a certificate for agents has the name that relays know each other by")
	}
}

// A leaf is known by its name to relays and by its hosts to agents, and is
// neither a relay for others nor an agent.
func TestLeafCert(t *testing.T) {
	ca := must(NewCA("test", time.Now()))(t)
	pair := must(ca.LeafCert("site", []string{"leaf.example.org", "192.0.2.1"}, time.Now(), time.Hour))(t)
	cert := must(pair.TLS())(t)
	x := must(x509.ParseCertificate(cert.Certificate[0]))(t)
	if x.Subject.CommonName != "leaf:site" || x.VerifyHostname("leaf.example.org") != nil || x.VerifyHostname("relay.example.org") == nil || x.IsCA {
		t.Errorf("%+v", x)
	}
	if x.VerifyHostname(peerName) == nil {
		t.Error("it is a relay for others")
	}
	for name, err := range map[string]error{
		"no name":       second(ca.LeafCert("", []string{"h"}, time.Now(), time.Hour)),
		"no host":       second(ca.LeafCert("x", nil, time.Now(), time.Hour)),
		"a relay's":     second(ca.LeafCert("x", []string{peerName}, time.Now(), time.Hour)),
		"an agent's":    second(ca.AgentCert(must(CSR(must(NewTLSKey())(t), "leaf:site"))(t), "leaf:site", time.Now(), time.Hour)),
		"a long name":   second(ca.LeafCert(string(make([]byte, maxName)), []string{"h"}, time.Now(), time.Hour)),
		"an odd host":   second(ca.LeafCert("x", []string{"a b"}, time.Now(), time.Hour)),
		"too many more": second(ca.LeafCert("x", make([]string, maxHosts+1), time.Now(), time.Hour)),
	} {
		if err == nil {
			t.Errorf("%s: made", name)
		}
	}
}
