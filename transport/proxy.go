package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxReply is the head of a proxy's answer, in bytes: what servers allow.
const maxReply = 16 << 10

// fromEnv is the proxy setting that reads the environment.
const fromEnv = "env"

// CheckProxy says whether a Dialer's Proxy setting can be used.
func CheckProxy(setting string) error {
	if setting == fromEnv {
		return nil
	}
	_, err := proxyURL(setting)
	return err
}

// connect gives a TCP connection to addr, through a proxy or not.
func connect(ctx context.Context, setting, addr string) (net.Conn, error) {
	if setting == fromEnv {
		setting = envProxy(addr, os.Getenv)
	}
	u, err := proxyURL(setting)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	if u == nil {
		return d.DialContext(ctx, "tcp", addr)
	}
	conn, err := d.DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProxy, err)
	}
	// From here on the context's end shows as a deadline.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	tunnel, err := throughProxy(ctx, conn, u, addr)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrProxy, err)
	}
	return tunnel, nil
}

// throughProxy asks a proxy for a tunnel to addr. The proxy's own certificate,
// where it has one, is checked as the system would.
func throughProxy(ctx context.Context, conn net.Conn, u *url.URL, addr string) (net.Conn, error) {
	if u.Scheme == "https" {
		t := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12})
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = t
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", addr, addr)
	if u.User != nil {
		password, _ := u.User.Password()
		login := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", login)
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return nil, err
	}
	if err := readReply(conn); err != nil {
		return nil, err
	}
	return conn, nil
}

// readReply reads the head of the proxy's answer and nothing behind it. The
// server speaks only when spoken to, so nothing may stand there yet.
func readReply(conn io.Reader) error {
	r := bufio.NewReader(io.LimitReader(conn, maxReply))
	status, err := r.ReadString('\n')
	if err != nil {
		return midFrame(err)
	}
	version, rest, _ := strings.Cut(strings.TrimRight(status, "\r\n"), " ")
	code, err := strconv.Atoi(strings.SplitN(rest, " ", 2)[0])
	if !strings.HasPrefix(version, "HTTP/1.") || err != nil {
		return errors.New("it does not speak HTTP/1")
	}
	if code != 200 {
		return fmt.Errorf("it answered %d", code)
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return midFrame(err)
		}
		if strings.TrimRight(line, "\r\n") == "" {
			break
		}
	}
	if r.Buffered() > 0 {
		return errors.New("it sent more than its answer")
	}
	return nil
}

// proxyURL reads a setting; nil is for no proxy. Its errors do not repeat the
// setting, which may hold a password.
func proxyURL(setting string) (*url.URL, error) {
	if setting == "" {
		return nil, nil
	}
	if !strings.Contains(setting, "://") {
		setting = "http://" + setting
	}
	u, err := url.Parse(setting)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%w: its setting is no URL like http://host:port", ErrProxy)
	}
	return u, nil
}

// hostPort gives a proxy's address, with the port of its scheme where it has none.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// envProxy gives the proxy for an address as curl and others read it from the
// environment, "" for none. This machine is never behind one.
func envProxy(addr string, env func(string) string) string {
	first := func(names ...string) string {
		for _, n := range names {
			if v := env(n); v != "" {
				return v
			}
		}
		return ""
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || bypasses(host, port, first("NO_PROXY", "no_proxy")) {
		return ""
	}
	return first("HTTPS_PROXY", "https_proxy")
}

// bypasses says whether a NO_PROXY list names the host: "*", a host, a domain
// with or without its leading dot, an address, a CIDR; each may have a port.
func bypasses(host, port, list string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	ip, err := netip.ParseAddr(host)
	isIP := err == nil
	ip = ip.Unmap()
	if host == "localhost" || isIP && ip.IsLoopback() {
		return true
	}
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if entry == "*" {
			return true
		}
		if h, p, err := net.SplitHostPort(entry); err == nil {
			if p != port {
				continue
			}
			entry = h
		}
		entry = strings.Trim(entry, "[]")
		if prefix, err := netip.ParsePrefix(entry); err == nil && isIP && prefix.Contains(ip) {
			return true
		}
		domain := strings.TrimPrefix(strings.TrimPrefix(entry, "*"), ".")
		if domain != "" && (host == domain || !isIP && strings.HasSuffix(host, "."+domain)) {
			return true
		}
	}
	return false
}
