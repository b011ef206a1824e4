package web_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/gateway"
	"github.com/quaestor-engine/quaestor/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type stage struct {
	t    *testing.T
	url  string
	site *web.Site
	now  time.Time
}

func open(t *testing.T) *stage {
	t.Helper()
	g, err := gateway.New(gateway.Options{Local: quaestor.Options{Root: t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, now: time.Now()}
	srv := httptest.NewUnstartedServer(nil)
	s.site = web.New(web.Options{Gateway: g, Addr: srv.Listener.Addr(), Now: func() time.Time { return s.now }})
	srv.Config.Handler = s.site.Handler()
	srv.Start()
	s.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// browser is one that keeps cookies and follows redirects.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
}

func (s *stage) get(c *http.Client, url string, change ...func(*http.Request)) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), "GET", url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range change {
		f(r)
	}
	resp, err := c.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(b)
}

func TestLinkLetsOneBrowserIn(t *testing.T) {
	s := open(t)
	link := s.site.Link()
	ada := browser(t)
	resp, body := s.get(ada, link)
	if resp.StatusCode != 200 || !strings.Contains(body, `<script type="module" src="app.js">`) || resp.Request.URL.RawQuery != "" {
		t.Fatalf("%d at %s", resp.StatusCode, resp.Request.URL)
	}
	if resp, _ := s.get(ada, s.url+"/v1/modules"); resp.StatusCode != 200 {
		t.Errorf("the one who was let in gets %d", resp.StatusCode)
	}
	if resp, _ := s.get(ada, link); resp.StatusCode != 200 {
		t.Errorf("the one who was let in gets %d from his old link", resp.StatusCode)
	}
	// The same link again, elsewhere.
	eve := browser(t)
	if resp, body := s.get(eve, link); resp.StatusCode != 401 || !strings.Contains(body, "does not let you in") {
		t.Errorf("a used link gives %d", resp.StatusCode)
	}
	for _, path := range []string{"/", "/app.js", "/v1/modules", "/openapi.json", "/enter", "/enter?key=", "/enter?key=" + gateway.NewToken()} {
		if resp, _ := s.get(eve, s.url+path); resp.StatusCode != 401 {
			t.Errorf("%s gives %d to who was not let in", path, resp.StatusCode)
		}
	}
}

func TestLinksExpire(t *testing.T) {
	s := open(t)
	link := s.site.Link()
	s.now = s.now.Add(16 * time.Minute)
	if resp, _ := s.get(browser(t), link); resp.StatusCode != 401 {
		t.Errorf("an old link gives %d", resp.StatusCode)
	}
	// Many links are forgotten, the oldest first.
	oldest := s.site.Link()
	for range 8 {
		link = s.site.Link()
	}
	if resp, _ := s.get(browser(t), oldest); resp.StatusCode != 401 {
		t.Errorf("the oldest link gives %d", resp.StatusCode)
	}
	if resp, _ := s.get(browser(t), link); resp.StatusCode != 200 {
		t.Errorf("the latest link gives %d", resp.StatusCode)
	}
}

// A link is used by GET alone: whoever looks ahead at it does not burn it.
func TestHeadDoesNotUseALink(t *testing.T) {
	s := open(t)
	link := s.site.Link()
	resp, err := browser(t).Head(link)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp, _ := s.get(browser(t), link); resp.StatusCode != 200 {
		t.Errorf("the link was used: %d", resp.StatusCode)
	}
}

func TestHeaders(t *testing.T) {
	s := open(t)
	c := browser(t)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, _ := s.get(c, s.site.Link())
	cookie := resp.Header.Get("Set-Cookie")
	if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || strings.Contains(cookie, "Domain") {
		t.Errorf("the cookie is %q", cookie)
	}
	for _, path := range []string{"/", "/app.js", "/style.css", "/v1/modules", "/nowhere"} {
		resp, _ := s.get(c, s.url+path)
		csp := resp.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; script-src 'self'; ") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: the policy is %q", path, csp)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-store", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, not %q", path, name, got, want)
			}
		}
	}
}

func TestAttackers(t *testing.T) {
	s := open(t)
	ada := browser(t)
	s.get(ada, s.site.Link())
	for _, a := range []struct {
		name, path string
		change     func(*http.Request)
		want       int
	}{
		{"own page", "/v1/modules", func(r *http.Request) { r.Header.Set("Origin", s.url) }, 200},
		{"own page, as the browser says", "/v1/modules", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, 200},
		{"rebound name", "/v1/modules", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"foreign page", "/v1/modules", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, 403},
		{"page at another port", "/v1/modules", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
		{"link on another page", "/", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"page of this site in another scheme", "/v1/modules", func(r *http.Request) { r.Header.Set("Origin", strings.Replace(s.url, "http", "https", 1)) }, 403},
		{"path upwards", "/../web.go", nil, 404},
		{"path upwards, escaped", "/%2e%2e/web.go", nil, 404},
		{"folder", "/page/", nil, 404},
		{"path with a zero", "/app.js%00", nil, 404},
	} {
		var changes []func(*http.Request)
		if a.change != nil {
			changes = append(changes, a.change)
		}
		if resp, _ := s.get(ada, s.url+a.path, changes...); resp.StatusCode != a.want {
			t.Errorf("%s: %d", a.name, resp.StatusCode)
		}
	}
}

// The page holds to its own policy: no markup out of text, nothing inline, and
// no address but its own.
func TestPageHoldsToItsPolicy(t *testing.T) {
	list, err := filepath.Glob("page/*")
	if err != nil {
		t.Fatal(err)
	}
	wrong := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser|https?://|style="|<script>|\son\w+="|@import|url\(`)
	total := 0
	for _, name := range list {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		total += len(text)
		if filepath.Ext(name) == ".svg" {
			text = []byte(strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", ""))
		}
		if m := wrong.Find(text); m != nil {
			t.Errorf("%s has %q", name, m)
		}
		if lines := strings.Count(string(text), "\n"); lines > 500 {
			t.Errorf("%s has %d lines", name, lines)
		}
	}
	const most = 100 << 10 // bytes: it is small, and stays so
	if total > most {
		t.Errorf("the page has %d bytes, more than %d", total, most)
	}
}
