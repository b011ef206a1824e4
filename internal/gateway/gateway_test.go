package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A site is a gateway behind its guard.
type site struct {
	t     *testing.T
	url   string
	token string
	http  *http.Client
	close func() // ends its answers, and waits for them
}

// tree makes a machine of a few files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func open(t *testing.T, o gateway.Options) *site {
	t.Helper()
	g, err := gateway.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, token: gateway.NewToken()}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = gateway.NewServer(gateway.Guard(g.API(), gateway.Rules{
		Hosts: gateway.Names(srv.Listener.Addr()), Known: gateway.NewSecret(s.token).Bearer,
	}))
	srv.Start()
	s.url, s.http = srv.URL, srv.Client()
	s.close = sync.OnceFunc(func() {
		srv.CloseClientConnections()
		srv.Close()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.close)
	return s
}

func (s *site) request(method, path, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (s *site) do(r *http.Request) (int, []byte) {
	s.t.Helper()
	resp, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, b
}

func (s *site) ask(method, path, body string) (int, map[string]any) {
	s.t.Helper()
	status, b := s.do(s.request(method, path, body))
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		s.t.Fatalf("%s %s: %v: %s", method, path, err, b)
	}
	return status, out
}

// lines asks and takes the lines of the answer.
func (s *site) lines(method, path, body string) []map[string]any {
	s.t.Helper()
	_, b := s.do(s.request(method, path, body))
	return linesOf(s.t, b)
}

func linesOf(t *testing.T, b []byte) []map[string]any {
	t.Helper()
	var out []map[string]any
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var one map[string]any
		if err := json.Unmarshal(sc.Bytes(), &one); err != nil {
			t.Fatalf("%v: %s", err, sc.Bytes())
		}
		out = append(out, one)
	}
	return out
}

func kinds(lines []map[string]any) string {
	var out []string
	for _, l := range lines {
		if kind := l["kind"].(string); kind != "progress" {
			out = append(out, kind)
		}
	}
	return strings.Join(out, " ")
}

func quoted(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func local(root string) gateway.Options {
	return gateway.Options{Local: quaestor.Options{Root: root, OS: "linux", Workers: 1}}
}

func TestQuery(t *testing.T) {
	s := open(t, local(tree(t, map[string]string{"etc/hosts": "127.0.0.1 localhost\n", "etc/motd": "hello\n"})))
	lines := s.lines("POST", "/v1/query", `{"query":"FIND file /etc/* RETURN path, size ORDER BY path"}`)
	if got := kinds(lines); got != "tables row row summary" {
		t.Fatalf("the lines are %s", got)
	}
	if got := quoted(lines[0]["tables"]); got != `[{"columns":[{"name":"path","type":"text"},{"name":"size","type":"size"}],"name":"file","ordered":true}]` {
		t.Errorf("the tables are %s", got)
	}
	if got := quoted(lines[1]["row"]); got != `{"path":"/etc/hosts","size":20}` {
		t.Errorf("the first row is %s", got)
	}
	if sum := lines[3]; sum["outcome"] != "complete" || sum["matched"] != 2.0 {
		t.Errorf("the summary is %s", quoted(sum))
	}
}

func TestQueryTakesParameters(t *testing.T) {
	s := open(t, local(tree(t, map[string]string{"etc/hosts": "a\n", "etc/motd": "b\n"})))
	lines := s.lines("POST", "/v1/query", `{"query":"PARAM word text FIND file /etc/* CONTAINS $word RETURN path","params":{"word":"b"}}`)
	if got := quoted(lines[1]["row"]); got != `{"path":"/etc/motd"}` {
		t.Errorf("the row is %s", got)
	}
}

// What was left out is told, and the names of files are whole.
func TestQueryTellsWhatWasLeftOut(t *testing.T) {
	s := open(t, local(tree(t, map[string]string{"etc/motd": "b\n"})))
	lines := s.lines("POST", "/v1/query", `{"query":"FIND file /etc/*, /nowhere/x RETURN path"}`)
	if got := quoted(lines[len(lines)-1]["skipped"]); !strings.Contains(got, `"kind":"not_found"`) || !strings.Contains(got, `"where":"/nowhere/x"`) {
		t.Errorf("skipped is %s", got)
	}
}

func TestSameNamesInARow(t *testing.T) {
	s := open(t, local(tree(t, map[string]string{"etc/motd": "b\n"})))
	lines := s.lines("POST", "/v1/query", `{"query":"FIND file /etc/* RETURN name AS __proto__, path"}`)
	if got := quoted(lines[1]["row"]); got != `{"__proto__":"motd","path":"/etc/motd"}` {
		t.Errorf("the row is %s", got)
	}
}

func TestWrongQuery(t *testing.T) {
	s := open(t, local(t.TempDir()))
	status, p := s.ask("POST", "/v1/query", `{"query":"FIND file /etc/**\nWHERE mtme > now"}`)
	if status != 422 || p["kind"] != "error" || p["code"] != "wrong-query" {
		t.Fatalf("%d %s", status, quoted(p))
	}
	d := p["diagnostics"].([]any)[0].(map[string]any)
	if d["line"] != 2.0 || d["column"] != 7.0 || d["start"] != 24.0 || d["end"] != 28.0 || !strings.Contains(d["text"].(string), "^^^^ did you mean mtime?") {
		t.Errorf("the diagnostic is %s", quoted(d))
	}
}

func TestCheck(t *testing.T) {
	s := open(t, local(t.TempDir()))
	status, c := s.ask("POST", "/v1/check", `{"query":"PARAM since duration FIND file /etc/** WHERE mtime > now - $since"}`)
	if status != 200 || c["ok"] != true || quoted(c["params"]) != `[{"name":"since","required":true,"type":"duration"}]` {
		t.Errorf("%d %s", status, quoted(c))
	}
	_, c = s.ask("POST", "/v1/check", `{"query":"FIND file /etc/** WHERE mtme > 1 AND szie > 2"}`)
	if c["ok"] != false || len(c["diagnostics"].([]any)) != 2 {
		t.Errorf("%s", quoted(c))
	}
}

func TestComplete(t *testing.T) {
	s := open(t, local(t.TempDir()))
	for _, q := range []struct{ body, want string }{
		{`{"query":"FIND fi","offset":7}`, `"text":"file"`},
		{`{"query":"FIND file /etc/** WHERE mti","offset":27}`, `"text":"mtime"`},
		{`{"query":"FIND fi","offset":8}`, `[]`},
		{`{"query":"FIND fi","offset":-1}`, `[]`},
	} {
		status, c := s.ask("POST", "/v1/complete", q.body)
		if got := quoted(c["candidates"]); status != 200 || !strings.Contains(got, q.want) {
			t.Errorf("%s: %d %s", q.body, status, got)
		}
	}
}

func TestExplain(t *testing.T) {
	s := open(t, local(t.TempDir()))
	_, p := s.ask("POST", "/v1/explain", `{"query":"FROM fleet FIND file /etc/** WHERE size > 1MB"}`)
	d := p["plans"].([]any)[0].(map[string]any)
	if d["source"] != "fleet" || !strings.HasPrefix(d["text"].(string), "ask fleet\n") {
		t.Errorf("%s", quoted(p))
	}
}

func TestModules(t *testing.T) {
	s := open(t, local(t.TempDir()))
	_, m := s.ask("GET", "/v1/modules", "")
	if got := quoted(m); !strings.Contains(got, `"name":"file"`) || !strings.Contains(got, `"class":"content"`) {
		t.Errorf("%.200s", got)
	}
}

// The description names the paths that there are.
func TestDescription(t *testing.T) {
	s := open(t, gateway.Options{Cases: shelf{}})
	_, d := s.ask("GET", "/openapi.json", "")
	for path, methods := range d["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			if method == "parameters" {
				continue
			}
			path := strings.ReplaceAll(path, "{id}", strings.Repeat("0", 32))
			status, p := s.ask(strings.ToUpper(method), path, "")
			if status == 404 && p["code"] != "no-fleet" || status == 405 {
				t.Errorf("%s %s: %d %s", method, path, status, quoted(p))
			}
		}
	}
}

// An answer that is stopped in the middle says so, and what it had looked at.
func TestStopped(t *testing.T) {
	g, err := gateway.New(local("/"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &cancelling{ResponseRecorder: httptest.NewRecorder(), cancel: cancel}
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/query", strings.NewReader(`{"query":"FIND file /** RETURN path, sha256"}`))
	r.Header.Set("Content-Type", "application/json")
	g.API().ServeHTTP(w, r)
	lines := linesOf(t, w.Body.Bytes())
	last := lines[len(lines)-1]
	if last["kind"] != "error" || last["code"] != "stopped" || last["summary"] == nil {
		t.Errorf("the last line is %s", quoted(last))
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// cancelling ends the request as soon as something was written.
type cancelling struct {
	*httptest.ResponseRecorder
	cancel context.CancelFunc
}

func (c *cancelling) Write(b []byte) (int, error) {
	c.cancel()
	return c.ResponseRecorder.Write(b)
}

// lastLine asks without a network.
func lastLine(g *gateway.Gateway, path, body string) string {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	g.API().ServeHTTP(w, r)
	lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
	return lines[len(lines)-1]
}
