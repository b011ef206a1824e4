package transport

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMutual(t *testing.T) {
	r := newRelay(t, nil)
	d := r.dialer()
	d.Certificate = agent(t, r.ca, "agent-7", time.Now(), time.Hour)
	for range 3 { // the later ones resume the session
		client, server := r.connect(t, d)
		if server.Peer() != "agent-7" || client.Peer() != "" {
			t.Fatalf("peers %q and %q", server.Peer(), client.Peer())
		}
		a := must(client.Export("EXPORTER-test", 32))(t)
		b := must(server.Export("EXPORTER-test", 32))(t)
		if string(a) != string(b) || len(a) != 32 {
			t.Fatalf("exports %x and %x", a, b)
		}
		ask, answer := streams(t, client, server)
		answer.WriteFrame(1, nil)
		ask.ReadFrame(atMost(1)) // the ticket has come by now
	}
	if client, server := r.connect(t, r.dialer()); server.Peer() != "" || client.RemoteAddr().String() != r.l.Addr().String() {
		t.Fatalf("without a certificate: %q", server.Peer())
	}
}

// serveWith listens with a server certificate, and takes connections until the end.
func serveWith(t *testing.T, pair KeyPair, ca *CA) string {
	l := must(Listen("127.0.0.1:0", ListenOptions{Certificate: must(pair.TLS())(t), CA: ca.Certificate()}))(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept(t.Context())
			if err != nil {
				return
			}
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func TestServerThatIsNotThePinnedOne(t *testing.T) {
	now := time.Now()
	ca := must(NewCA("ours", now))(t)
	evil := must(NewCA("ours", now))(t)
	old := must(NewCA("old", now.Add(-2*caLife)))(t)
	hosts := []string{"127.0.0.1"}
	good := must(ca.ServerCert(hosts, now, time.Hour))(t)
	fake := must(evil.ServerCert(hosts, now, time.Hour))(t)
	// Its own leaf, and behind it the CA that everyone may have.
	pretender := KeyPair{CertPEM: append(firstCert(fake.CertPEM), certPEM(ca.cert.Raw)...), KeyPEM: fake.KeyPEM}
	key := must(NewTLSKey())(t)
	agentDER := must(ca.AgentCert(must(CSR(key, "agent"))(t), "agent", now, time.Hour))(t)
	agentAsServer := KeyPair{CertPEM: append(certPEM(agentDER), certPEM(ca.cert.Raw)...), KeyPEM: key}
	leaf := must(x509.ParseCertificate(pemDER(good.CertPEM)))(t)
	for name, c := range map[string]struct {
		pair KeyPair
		pin  string
	}{
		"another CA of the same name":          {fake, ca.Pin()},
		"the pin of another CA":                {good, evil.Pin()},
		"the pin of the leaf":                  {good, PinOf(leaf)},
		"a leaf of its own before our CA":      {pretender, ca.Pin()},
		"expired":                              {must(ca.ServerCert(hosts, now.Add(-2*time.Hour), time.Hour))(t), ca.Pin()},
		"not yet valid":                        {must(ca.ServerCert(hosts, now.Add(time.Hour), time.Hour))(t), ca.Pin()},
		"a CA that expired":                    {must(old.ServerCert(hosts, now, time.Hour))(t), old.Pin()},
		"another host":                         {must(ca.ServerCert([]string{"127.0.0.2", "localhost"}, now, time.Hour))(t), ca.Pin()},
		"an agent's certificate as a server's": {agentAsServer, ca.Pin()},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Dialer{Addrs: []string{serveWith(t, c.pair, ca)}, Pin: c.pin}
			_, err := d.Dial(soon(t))
			wantIs(t, err, ErrPin)
		})
	}
	d := &Dialer{Addrs: []string{serveWith(t, good, ca)}, Pin: strings.Replace(ca.Pin(), "sha256:", "sha1:", 1)}
	if _, err := d.Dial(soon(t)); err == nil || CheckPin(ca.Pin()) != nil || CheckPin("sha256:00") == nil {
		t.Fatal("a pin that is none is taken")
	}
}

func firstCert(text []byte) []byte { return certPEM(pemDER(text)) }

// A client whose certificate is not good is dropped before anyone accepts it.
func TestClientCertificateThatIsNotGood(t *testing.T) {
	r := newRelay(t, nil)
	evil := must(NewCA("test", time.Now()))(t)
	server := must(must(r.ca.ServerCert([]string{"agent"}, time.Now(), time.Hour))(t).TLS())(t)
	for name, cert := range map[string]*tls.Certificate{
		"another CA":             agent(t, evil, "agent", time.Now(), time.Hour),
		"expired":                agent(t, r.ca, "agent", time.Now().Add(-2*time.Hour), time.Hour),
		"a server's certificate": &server,
	} {
		t.Run(name, func(t *testing.T) {
			d := r.dialer()
			d.Certificate = cert
			c, err := d.Dial(soon(t))
			if err == nil { // TLS 1.3: the client learns it after its own end
				wantIs(t, ended(t, c), ErrClosed)
			}
			select {
			case <-r.l.ready:
				t.Fatal("it was let in")
			default:
			}
		})
	}
}

func TestOtherProtocols(t *testing.T) {
	r := newRelay(t, nil)
	addr := r.l.Addr().String()
	for name, conf := range map[string]*tls.Config{
		"TLS 1.2":       {MaxVersion: tls.VersionTLS12, NextProtos: []string{ALPN}},
		"another ALPN":  {NextProtos: []string{"h2"}},
		"no ALPN":       {},
		"version after": {NextProtos: []string{"quaestor/2"}},
	} {
		t.Run("client "+name, func(t *testing.T) {
			conf.InsecureSkipVerify = true
			c, err := tls.Dial("tcp", addr, conf)
			if err == nil {
				c.SetDeadline(time.Now().Add(time.Minute))
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			if err == nil || err == io.EOF {
				t.Fatalf("it got %v, not an alert", err)
			}
		})
	}
	cert := *r.l.cert.Load()
	for name, conf := range map[string]*tls.Config{
		"TLS 1.2":      {MaxVersion: tls.VersionTLS12, NextProtos: []string{ALPN}},
		"another ALPN": {NextProtos: []string{"h2"}},
		"no ALPN":      {},
		"no TLS":       nil,
	} {
		t.Run("server "+name, func(t *testing.T) {
			d := r.dialer()
			d.Addrs = []string{tcpServer(t, func(c net.Conn) {
				if conf == nil {
					c.Write([]byte("SSH-2.0-OpenSSH_9.6\r\n"))
					io.Copy(io.Discard, c)
					return
				}
				s := conf.Clone()
				s.Certificates = []tls.Certificate{cert}
				tls.Server(c, s).Handshake()
			})}
			_, err := d.Dial(soon(t))
			wantIs(t, err, ErrProtocol)
		})
	}
}

// Peers that connect and say nothing, or speak a byte at a time, are dropped,
// and others come in meanwhile.
func TestSlowloris(t *testing.T) {
	r := newRelay(t, func(o *ListenOptions) { o.HandshakeTimeout = 300 * time.Millisecond })
	var wg sync.WaitGroup
	for i := range 20 {
		c := must(net.Dial("tcp", r.l.Addr().String()))(t)
		wg.Go(func() {
			defer c.Close()
			hello := []byte{22, 3, 1, 0, 200, 1, 0, 0, 196}
			for j := 0; i%2 == 0; j++ {
				if _, err := c.Write(hello[j%len(hello) : j%len(hello)+1]); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Error("the server speaks first")
			} else if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("it is still there")
			}
		})
	}
	client, server := r.connect(t, r.dialer())
	streams(t, client, server)
	wg.Wait()
}

func TestLimitOfAnAddress(t *testing.T) {
	r := newRelay(t, func(o *ListenOptions) { o.MaxPerAddress = 2 })
	one, _ := r.connect(t, r.dialer())
	_, two := r.connect(t, r.dialer())
	_, err := r.dialer().Dial(soon(t))
	wantIs(t, err, ErrFull)
	// Whoever ends a connection makes room, eventually.
	one.Close()
	two.Close()
	for {
		r.l.admission.mu.Lock()
		n := len(r.l.admission.peers)
		r.l.admission.mu.Unlock()
		if n == 0 {
			break
		}
		if soon(t).Err() != nil {
			t.Fatal("the address is never forgotten")
		}
		time.Sleep(time.Millisecond)
	}
	r.connect(t, r.dialer())
}

func TestAddressesOfOneSite(t *testing.T) {
	for in, want := range map[string]string{
		"10.1.2.3":           "10.1.2.3",
		"::ffff:10.1.2.3":    "10.1.2.3",
		"2001:db8:1:2:3::4":  "2001:db8:1:2::",
		"2001:db8:1:2:ff::1": "2001:db8:1:2::",
	} {
		if got := address(&net.TCPAddr{IP: net.ParseIP(in), Port: 5}).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// rawMux connects with the multiplexer alone, to say what a Conn never would.
func rawMux(t *testing.T, r *relay) (*tls.Conn, *Conn) {
	t.Helper()
	conf := &tls.Config{NextProtos: []string{ALPN}, InsecureSkipVerify: true}
	var server *Conn
	var wg sync.WaitGroup
	wg.Go(func() { server, _ = r.l.Accept(soon(t)) })
	c := must(tls.Dial("tcp", r.l.Addr().String(), conf))(t)
	wg.Wait()
	if server == nil {
		t.Fatal("not accepted")
	}
	t.Cleanup(func() { c.Close(); server.Close() })
	return c, server
}

// muxFrame is a frame of the multiplexer.
func muxFrame(typ byte, flags uint16, stream, n uint32) []byte {
	b := []byte{0, typ}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint32(b, stream)
	return binary.BigEndian.AppendUint32(b, n)
}

func TestFloods(t *testing.T) {
	for name, flood := range map[string]func(i int) []byte{
		"pings": func(int) []byte { return muxFrame(muxPing, muxSYN, 0, 1) },
		"half closed streams": func(i int) []byte {
			id := uint32(2*i + 1)
			b := append(muxFrame(muxData, muxSYN, id, 2), 1, 'k')
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, func(o *ListenOptions) { o.MaxStreams = 4 })
			c, server := rawMux(t, r)
			var wg sync.WaitGroup
			wg.Go(func() { // a peer that reads, so that only the limit can end it
				io.Copy(io.Discard, c)
			})
			wg.Go(func() {
				for {
					s, err := server.Accept(soon(t))
					if err != nil {
						return
					}
					s.Close()
				}
			})
			for i := range 10_000 {
				if _, err := c.Write(flood(i)); err != nil {
					break
				}
				if i%16 == 0 {
					time.Sleep(time.Millisecond) // under the backlog
				}
			}
			wantIs(t, ended(t, server), ErrFlood)
			c.Close()
			wg.Wait()
		})
	}
}

func TestStreamWithoutAKind(t *testing.T) {
	r := newRelay(t, nil)
	for name, b := range map[string][]byte{
		"empty":    {0},
		"too long": {maxKind + 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, server := rawMux(t, r)
			c.Write(append(muxFrame(muxData, muxSYN, 1, uint32(len(b))), b...))
			_, err := server.Accept(soon(t))
			wantIs(t, err, ErrProtocol)
			wantIs(t, ended(t, server), ErrProtocol)
		})
	}
}

// A peer that stops inside anything cannot hold up Close.
func TestCloseWithAStalledPeer(t *testing.T) {
	r := newRelay(t, nil)
	for name, stall := range map[string]func(c *tls.Conn, s *Conn){
		"inside a head": func(c *tls.Conn, _ *Conn) { c.Write([]byte{0, 0, 0}) },
		"inside a body": func(c *tls.Conn, _ *Conn) { c.Write(append(muxFrame(muxData, muxSYN, 1, 100_000), 4)) },
		"reads nothing": func(_ *tls.Conn, s *Conn) {
			for s.mux.IsClosed() == false {
				st, err := s.Open(t.Context(), "x")
				if err != nil {
					return
				}
				st.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
				if st.WriteFrame(1, make([]byte, 250<<10)) != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, server := rawMux(t, r)
			var wg sync.WaitGroup
			if name == "inside a body" {
				wg.Go(func() { server.Accept(t.Context()) })
			}
			stall(c, server)
			start := time.Now()
			server.Close()
			wg.Wait()
			if d := time.Since(start); d > 4*hangUpTimeout {
				t.Fatalf("it took %v", d)
			}
		})
	}
}

// The multiplexer allocates what a head claims, one head a connection and up to
// the window: more than the window ends the connection.
func TestBodyOverTheWindow(t *testing.T) {
	r := newRelay(t, nil)
	c, server := rawMux(t, r)
	c.Write(muxFrame(muxData, muxSYN, 1, 1<<32-1))
	wantIs(t, ended(t, server), ErrClosed)
	if _, err := server.Accept(soon(t)); err == nil {
		t.Fatal("it goes on")
	}
}
