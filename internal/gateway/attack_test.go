package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/gateway"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// Whoever does not prove who he is, or comes from elsewhere, gets nothing.
func TestAttackersAreRefused(t *testing.T) {
	s := open(t, local(t.TempDir()))
	port := s.url[strings.LastIndexByte(s.url, ':')+1:]
	const query = `{"query":"FIND host"}`
	attacks := []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"none: it is let in", func(*http.Request) {}, 200},
		{"localhost is it, too", func(r *http.Request) { r.Host = "localhost:" + port }, 200},
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, 401},
		{"wrong token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+gateway.NewToken()) }, 401},
		{"front of the token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s.token[:20]) }, 401},
		{"empty token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, 401},
		{"token as a password", func(r *http.Request) { r.SetBasicAuth("", s.token) }, 401},
		{"token as a cookie", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.AddCookie(&http.Cookie{Name: "token", Value: s.token})
		}, 401},
		{"rebound name", func(r *http.Request) { r.Host = "evil.example:" + port }, 403},
		{"rebound name without a port", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"name that begins well", func(r *http.Request) { r.Host = "127.0.0.1.evil.example:" + port }, 403},
		{"other port", func(r *http.Request) { r.Host = "127.0.0.1:1" }, 403},
		{"foreign page", func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403},
		{"page of a file", func(r *http.Request) { r.Header.Set("Origin", "null") }, 403},
		{"page on this machine", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:"+port) }, 403},
		{"browser elsewhere", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"browser nearby", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		{"form", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 400},
		{"plain text", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400},
	}
	for _, a := range attacks {
		r := s.request("POST", "/v1/query", query)
		a.change(r)
		status, body := s.do(r)
		if status != a.want {
			t.Errorf("%s: %d %s", a.name, status, body)
		}
		if status != 200 && strings.Contains(string(body), `"row"`) {
			t.Errorf("%s: it got rows: %s", a.name, body)
		}
	}
}

// No page elsewhere may read anything: no answer allows it.
func TestNoCORS(t *testing.T) {
	s := open(t, local(t.TempDir()))
	for _, method := range []string{"OPTIONS", "POST", "GET"} {
		r := s.request(method, "/v1/query", `{}`)
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		resp, err := s.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		for name := range resp.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: there is a header %s", method, name)
			}
		}
		if resp.StatusCode != 403 {
			t.Errorf("%s: %d", method, resp.StatusCode)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	s := open(t, local(t.TempDir()))
	big := strings.Repeat(" ", gateway.MaxBody)
	for _, q := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1/query", `{"query":"FIND host"}` + big, 413},
		{"POST", "/v1/query", `{"query":"FIND host"`, 400},
		{"POST", "/v1/query", `{"query":"FIND host"} {}`, 400},
		{"POST", "/v1/query", `{"query":"FIND host","qery":1}`, 400},
		{"POST", "/v1/query", `{"query":""}`, 422},
		{"POST", "/v1/query", `{"query":"-- nothing"}`, 422},
		{"POST", "/v1/query", `[]`, 400},
		{"POST", "/v1/query", `{"query":"FIND host","timeout":"2h"}`, 422},
		{"POST", "/v1/query", `{"query":"FIND host","timeout":"-2s"}`, 400},
		{"POST", "/v1/query", `{"query":"FIND host","timeout":5}`, 400},
		{"POST", "/v1/query", `{"query":"FIND host","keep":true}`, 400},
		{"POST", "/v1/query", `{"query":"FROM fleet FIND host","timeout":"5s"}`, 400},
		{"POST", "/v1/query", `{"query":"FROM fleet FIND host","wait":"25h"}`, 422},
		{"POST", "/v1/query", `{"query":"FROM fleet FIND host; FIND host"}`, 400},
		{"POST", "/v1/query", `{"query":"FIND host","params":{"nobody":"1"}}`, 422},
		{"GET", "/v1/query", "", 404},
		{"DELETE", "/v1/investigations/" + strings.Repeat("0", 32), "", 404},
		{"GET", "/v1/../../etc/passwd", "", 404},
		{"GET", "/v1/%2e%2e/%2e%2e/etc/passwd", "", 404},
		{"GET", "/etc/passwd", "", 404},
		{"GET", "/v1/investigations/..%2f..%2fetc%2fpasswd", "", 400},
		{"GET", "/v1/investigations/x/results", "", 400},
		{"POST", "/v1/investigations/%00/cancel", "", 400},
		{"GET", "/v1/investigations/" + strings.Repeat("0", 32) + "/results?wait=nonsense", "", 400},
		{"GET", "/v1/investigations/" + strings.Repeat("0", 32) + "/results?x=1", "", 400},
		{"GET", "/v1/fleet", "", 404},
	} {
		status, body := s.do(s.request(q.method, q.path, q.body))
		if status != q.want || !strings.Contains(string(body), `"kind":"error"`) {
			t.Errorf("%s %s %.60s: %d %.200s", q.method, q.path, q.body, status, body)
		}
	}
}

// A nasty module gives rows that are hostile, or none for as long as it is
// wanted.
type nasty struct {
	rows    []string
	endless bool
	ended   chan struct{} // closed when the endless scan was told to stop
}

func (n *nasty) Schema() *modules.Schema {
	return &modules.Schema{Name: "nasty", Doc: "what hosts could say", Columns: []modules.Column{
		{Name: "text", Type: value.Text, Default: true, Doc: "anything"},
	}}
}

func (n *nasty) Scan(ctx context.Context, _ *modules.Request, yield func(modules.Row) error) error {
	for _, text := range n.rows {
		if err := yield(said(text)); err != nil {
			return err
		}
	}
	if !n.endless {
		return nil
	}
	defer close(n.ended)
	for ctx.Err() == nil {
		if err := yield(said(strings.Repeat("x", 1000))); err != nil {
			return err
		}
	}
	return ctx.Err()
}

type said string

func (s said) Column(context.Context, int) (value.Value, error) { return value.NewText(string(s)), nil }

// Whatever a host says stays a JSON string on one line.
func TestHostileRows(t *testing.T) {
	n := &nasty{rows: []string{
		"<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "a\x00b", "line\nbreak\r\n", "\u202egnp.exe", "\xff\xfe", "\x1b[31mred",
		"\u2028", `"}}` + "\n" + `{"kind":"summary","outcome":"complete"}`,
	}}
	s := open(t, gateway.Options{Local: quaestor.Options{Modules: []modules.Module{n}}})
	lines := s.lines("POST", "/v1/query", `{"query":"FIND nasty"}`)
	if got := kinds(lines); got != "tables"+strings.Repeat(" row", len(n.rows))+" summary" {
		t.Fatalf("the lines are %s", got)
	}
	for i, text := range n.rows[:5] {
		if got := lines[i+1]["row"].(map[string]any)["text"]; got != text {
			t.Errorf("%q came as %q", text, got)
		}
	}
}

// Whoever leaves ends the question.
func TestAbandonedStream(t *testing.T) {
	n := &nasty{endless: true, ended: make(chan struct{})}
	s := open(t, gateway.Options{Local: quaestor.Options{Modules: []modules.Module{n}}})
	resp, err := s.http.Do(s.request("POST", "/v1/query", `{"query":"FIND nasty"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-n.ended
}

// Whoever takes nothing is given up, and holds nothing.
func TestSlowReader(t *testing.T) {
	n := &nasty{endless: true, ended: make(chan struct{})}
	s := open(t, gateway.Options{WriteTime: 50 * time.Millisecond, Local: quaestor.Options{Modules: []modules.Module{n}}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = `{"query":"FIND nasty"}`
	_, err = fmt.Fprintf(conn, "POST /v1/query HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		conn.RemoteAddr(), s.token, len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	<-n.ended
}

// A body that does not arrive is given up; an answer may take longer than its
// question did.
func TestSlowBody(t *testing.T) {
	n := &nasty{endless: true, ended: make(chan struct{})}
	s := open(t, gateway.Options{BodyTime: 50 * time.Millisecond, Local: quaestor.Options{Modules: []modules.Module{n}}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /v1/query HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		conn.RemoteAddr(), s.token)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 400 ") {
		t.Errorf("%q %v", line, err)
	}
	resp, err := s.http.Do(s.request("POST", "/v1/query", `{"query":"FIND nasty WITH timeout = 1s"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, `"kind":"summary"`) || !strings.Contains(last, `"limits":["timeout"]`) {
		t.Errorf("the last line is %.300s", last)
	}
}

// More answers than may stream at once are told to come back.
func TestBusy(t *testing.T) {
	n := &nasty{endless: true, ended: make(chan struct{})}
	s := open(t, gateway.Options{MaxAnswers: 1, Local: quaestor.Options{Modules: []modules.Module{n}}})
	resp, err := s.http.Do(s.request("POST", "/v1/query", `{"query":"FIND nasty"}`))
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.http.Do(s.request("POST", "/v1/query", `{"query":"FIND nasty LIMIT 1"}`))
	if err != nil {
		t.Fatal(err)
	}
	again.Body.Close()
	if again.StatusCode != 429 || again.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", again.StatusCode, again.Header)
	}
	resp.Body.Close()
	<-n.ended
}

// A gateway that is closed ends its answers with a line that says so.
func TestClosed(t *testing.T) {
	n := &nasty{endless: true, ended: make(chan struct{})}
	g, err := gateway.New(gateway.Options{Local: quaestor.Options{Modules: []modules.Module{n}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	token := gateway.NewToken()
	ctx, cancel := context.WithCancel(t.Context())
	srv := gateway.NewServer(gateway.Guard(g.API(), gateway.Rules{Hosts: gateway.Names(l.Addr()), Known: gateway.NewSecret(token).Bearer}))
	served := make(chan error, 1)
	go func() { served <- gateway.Serve(ctx, srv, l, g) }()
	s := &site{t: t, url: "http://" + l.Addr().String(), token: token, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	resp, err := s.http.Do(s.request("POST", "/v1/query", `{"query":"FIND nasty"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, `"kind":"error","code":"stopped"`) {
		t.Errorf("the last line is %.200s", last)
	}
	if err := <-served; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzQuestion(f *testing.F) {
	f.Add(`{"query":"FIND host","timeout":"5s"}`)
	f.Add(`{"query":"FROM fleet FIND host","wait":"10m","keep":true}`)
	f.Add(`{"query":"FIND nasty","params":{"a":"b"}}`)
	g, err := gateway.New(gateway.Options{Local: quaestor.Options{Modules: []modules.Module{&nasty{rows: []string{"a"}}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/v1/query", "/v1/check", "/v1/complete", "/v1/explain"} {
			if last := lastLine(g, path, body); !strings.HasPrefix(last, "{") {
				t.Errorf("%s: %q", path, last)
			}
		}
	})
}
