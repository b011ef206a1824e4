package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/transport"
)

// A serving is a command that listens until it is stopped.
type serving struct {
	t    *testing.T
	stop context.CancelFunc
	code chan int
	said *io.PipeReader
}

// serve runs a command line until the test ends. Its environment is home.
func serve(t *testing.T, home string, args ...string) *serving {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	s := &serving{t: t, stop: cancel, code: make(chan int, 1), said: r}
	getenv := func(name string) string {
		if name == "QUAESTOR_HOME" {
			return home
		}
		return ""
	}
	go func() {
		code := Main(ctx, args, IO{In: strings.NewReader(""), Out: w, Err: w, Getenv: getenv})
		_ = w.Close()
		s.code <- code
	}()
	t.Cleanup(s.end)
	return s
}

// end stops it and checks that it ended well.
func (s *serving) end() {
	if s.stop == nil {
		return
	}
	s.stop()
	s.stop = nil
	_, _ = io.Copy(io.Discard, s.said)
	if code := <-s.code; code != ExitDone {
		s.t.Errorf("it ended with %d", code)
	}
}

// find reads what it says until the pattern matches, and gives the first group.
func (s *serving) find(pattern string) string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	var all []byte
	buf := make([]byte, 512)
	for {
		n, err := s.said.Read(buf)
		all = append(all, buf[:n]...)
		if m := re.FindSubmatch(all); m != nil {
			return string(m[1])
		}
		if err != nil {
			s.t.Fatalf("%v: it said %q", err, all)
		}
	}
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "root", "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "root", "etc", "motd"), []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "token")
	s := serve(t, dir, "serve", "--listen", "127.0.0.1:0", "--token-file", file, "--root", filepath.Join(dir, "root"))
	url := s.find(`listening at (http://\S+);`)
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/query", strings.NewReader(`{"query":"FIND file /etc/* RETURN path"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(body), `"row":{"path":"/etc/motd"}`) || !json.Valid([]byte(strings.Split(string(body), "\n")[0])) {
		t.Errorf("%s", body)
	}
}

func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte(strings.Repeat("x", 40)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct{ args, want string }{
		{"serve --listen 0.0.0.0:0", "names none"},
		{"serve --listen :0", "names none"},
		{"serve --listen 0.0.0.0:0 --host gateway.example", "can be reached from other machines"},
		{"serve --listen 127.0.0.1:0 --token-file " + open, "can be read by others"},
		{"serve --listen 127.0.0.1:0 --cert nowhere", "--cert and --key"},
		{"serve --listen 127.0.0.1:0 --root /nowhere", "--root"},
	} {
		var out strings.Builder
		code := Main(t.Context(), strings.Fields(q.args), IO{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: func(string) string { return dir }})
		if code != ExitFailed || !strings.Contains(out.String(), q.want) {
			t.Errorf("%s: %d %s", q.args, code, out.String())
		}
	}
}

// With a certificate it may be called from elsewhere, by the names that it was
// given.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	ca, err := transport.NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.ServerCert([]string{"127.0.0.1"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"cert": pair.CertPEM, "key": pair.KeyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, dir, "serve", "--listen", "0.0.0.0:0", "--host", "127.0.0.1", "--cert", filepath.Join(dir, "cert"), "--key", filepath.Join(dir, "key"))
	said := s.find(`listening at https://\S+:(\d+; the token, which is written only here, is\n\S+\n)`)
	port, token, _ := strings.Cut(said, "; the token, which is written only here, is\n")
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	for _, h2 := range []bool{false, true} {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: h2, TLSClientConfig: &tls.Config{RootCAs: roots}}}
		r, err := http.NewRequestWithContext(t.Context(), "POST", "https://127.0.0.1:"+port+"/v1/query", strings.NewReader(`{"query":"FIND host"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.ProtoAtLeast(2, 0) != h2 || !strings.Contains(string(body), `"kind":"summary"`) {
			t.Errorf("%v %s %s", err, resp.Proto, body)
		}
	}
}
