package transport

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestSeveralAddressesInTurn(t *testing.T) {
	r := newRelay(t, nil)
	deadListener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	dead := deadListener.Addr().String()
	deadListener.Close()
	noTLS := tcpServer(t, func(c net.Conn) { io.WriteString(c, "220 smtp\r\n") })
	d := r.dialer()
	d.Addrs = []string{dead, noTLS, "no-port", d.Addrs[0]}
	for range 8 { // whatever it begins with
		client, server := r.connect(t, d)
		streams(t, client, server)
	}
	d.Addrs = d.Addrs[:3]
	_, err := d.Dial(soon(t))
	wantIs(t, err, ErrProtocol)
	for _, a := range d.Addrs {
		if !strings.Contains(err.Error(), a) {
			t.Errorf("%s is not in %v", a, err)
		}
	}
	d.Addrs = nil
	if _, err := d.Dial(soon(t)); err == nil {
		t.Fatal("nowhere is reached")
	}
}

// The context ends a dial at once, wherever it hangs.
func TestDialCancelled(t *testing.T) {
	r := newRelay(t, nil)
	silent := func(c net.Conn) { io.Copy(io.Discard, c) }
	for name, where := range map[string]func(d *Dialer){
		"in the handshake": func(d *Dialer) { d.Addrs = []string{tcpServer(t, silent)} },
		"in the proxy":     func(d *Dialer) { d.Proxy = "http://" + tcpServer(t, silent) },
		"before":           nil,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			d := r.dialer()
			if where == nil {
				cancel()
			} else {
				where(d)
				time.AfterFunc(50*time.Millisecond, cancel)
			}
			_, err := d.Dial(ctx)
			cancel()
			wantIs(t, err, context.Canceled)
		})
	}
}

// proxy is an HTTP proxy that wants this login, "" for none. It counts tunnels.
func proxy(t *testing.T, login string) (addr string, tunnels *atomic.Int32) {
	tunnels = new(atomic.Int32)
	return tcpServer(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		var target, auth string
		for {
			line, err := r.ReadString('\n')
			if err != nil || line == "\r\n" {
				break
			}
			fmt.Sscanf(line, "CONNECT %s HTTP/1.1", &target)
			if v, ok := strings.CutPrefix(line, "Proxy-Authorization: Basic "); ok {
				auth = strings.TrimSpace(v)
			}
		}
		if login != "" && auth != base64.StdEncoding.EncodeToString([]byte(login)) {
			io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
			return
		}
		up, err := net.Dial("tcp", target)
		if err != nil {
			io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
			return
		}
		tunnels.Add(1)
		io.WriteString(c, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
		var wg sync.WaitGroup
		wg.Go(func() { io.Copy(up, r); up.(*net.TCPConn).CloseWrite() })
		io.Copy(c, up)
		c.(*net.TCPConn).CloseWrite()
		wg.Wait()
		up.Close()
	}), tunnels
}

func TestProxy(t *testing.T) {
	r := newRelay(t, nil)
	open, n := proxy(t, "")
	locked, m := proxy(t, "anna:s%cret: word")
	for i, setting := range []string{
		"http://" + open, open, "http://anna:s%25cret%3A%20word@" + locked,
	} {
		d := r.dialer()
		d.Proxy = setting
		client, server := r.connect(t, d)
		a, b := streams(t, client, server)
		a.WriteFrame(1, []byte("hi"))
		if _, body, err := b.ReadFrame(atMost(2)); err != nil || string(body) != "hi" {
			t.Fatal(err)
		}
		if got := int(n.Load() + m.Load()); got != i+1 {
			t.Fatalf("%d tunnels after %d connections", got, i+1)
		}
	}
	for _, setting := range []string{"http://" + locked, "http://anna:wrong@" + locked} {
		d := r.dialer()
		d.Proxy = setting
		_, err := d.Dial(soon(t))
		wantIs(t, err, ErrProxy)
		if !strings.Contains(err.Error(), "407") || strings.Contains(err.Error(), "wrong") {
			t.Fatal(err)
		}
	}
	for _, setting := range []string{"socks5://" + open, "http://", "http://a b:1", "://"} {
		d := r.dialer()
		d.Proxy = setting
		_, err := d.Dial(soon(t))
		wantIs(t, err, ErrProxy)
		wantIs(t, CheckProxy(setting), ErrProxy)
	}
	if err := errors.Join(CheckProxy(""), CheckProxy("env"), CheckProxy("proxy:3128")); err != nil {
		t.Fatal(err)
	}
}

func TestProxyReply(t *testing.T) {
	for in, good := range map[string]bool{
		"HTTP/1.1 200 OK\r\n\r\n":                                    true,
		"HTTP/1.0 200 Connection established\r\nA: b\r\n\r\n":        true,
		"HTTP/1.1 200\n\n":                                           true,
		"HTTP/1.1 200 OK\r\n\r\nmore":                                false,
		"HTTP/1.1 403 Forbidden\r\n\r\n":                             false,
		"HTTP/1.1 2000 OK\r\n\r\n":                                   false,
		"HTTP/2 200\r\n\r\n":                                         false,
		"SSH-2.0-x\r\n\r\n":                                          false,
		"HTTP/1.1 200 OK\r\nA: b\r\n":                                false,
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", maxReply): false,
		strings.Repeat("x", 2*maxReply):                              false,
		"":                                                           false,
	} {
		if err := readReply(strings.NewReader(in)); (err == nil) != good {
			t.Errorf("%.40q: %v", in, err)
		}
	}
}

func FuzzProxyReply(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nA: b\r\n\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		if readReply(strings.NewReader(in)) == nil && !strings.HasPrefix(in, "HTTP/1.") {
			t.Fatalf("%q is taken for HTTP", in)
		}
	})
}

func TestProxyOfTheEnvironment(t *testing.T) {
	for _, c := range []struct{ addr, https, no, want string }{
		{"relay.example:7443", "http://p:1", "", "http://p:1"},
		{"relay.example:7443", "", "", ""},
		{"relay.example:7443", "http://p:1", "*", ""},
		{"relay.example:7443", "http://p:1", "other, relay.example", ""},
		{"relay.example:7443", "http://p:1", "example", ""},
		{"relay.example:7443", "http://p:1", ".example", ""},
		{"relay.example:7443", "http://p:1", "*.example", ""},
		{"Relay.Example.:7443", "http://p:1", "EXAMPLE", ""},
		{"relay.example:7443", "http://p:1", "ample", "http://p:1"},
		{"relay.example:7443", "http://p:1", "relay.example:443", "http://p:1"},
		{"relay.example:7443", "http://p:1", "relay.example:7443", ""},
		{"relay.example:7443", "http://p:1", ", ,", "http://p:1"},
		{"10.1.2.3:7443", "http://p:1", "10.0.0.0/8", ""},
		{"10.1.2.3:7443", "http://p:1", "10.1.2.3", ""},
		{"10.1.2.3:7443", "http://p:1", "2.3", "http://p:1"},
		{"[2001:db8::1]:7443", "http://p:1", "2001:db8::/32", ""},
		{"[2001:db8::1]:7443", "http://p:1", "[2001:db8::1]:7443", ""},
		{"127.0.0.1:7443", "http://p:1", "", ""},
		{"[::1]:7443", "http://p:1", "", ""},
		{"localhost:7443", "http://p:1", "", ""},
		{"no port", "http://p:1", "", ""},
	} {
		for _, lower := range []bool{false, true} {
			env := func(name string) string {
				if lower {
					name = strings.ToUpper(map[bool]string{true: name}[name == strings.ToLower(name)])
				}
				return map[string]string{"HTTPS_PROXY": c.https, "NO_PROXY": c.no}[name]
			}
			if got := envProxy(c.addr, env); got != c.want {
				t.Errorf("%+v, lower case %v: %q", c, lower, got)
			}
		}
	}
}
