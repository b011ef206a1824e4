// Package web is a page for an investigator's browser: the fleet, what was
// asked of it, an editor, and answers that can be sorted, stacked and laid out
// in time.
//
// A newcomer needs [New], [Site.Handler] and [Site.Link]. The page is let in by
// a link that works once and gives a cookie; it speaks to the gateway that is
// mounted below it and to nobody else, and its own policy (Content-Security-
// Policy) holds it to that. It belongs on a loopback address: it asks with the
// investigator's key.
package web

import (
	"bytes"
	"embed"
	"io/fs"
	"net"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/internal/gateway"
)

//go:embed page
var files embed.FS

// The bounds of who may come in.
const (
	// linkTime is how long a link works, if nobody uses it before.
	linkTime = 15 * time.Minute
	// maxLinks and maxSessions are how many wait, and how many browsers are
	// let in at once; the oldest give way.
	maxLinks    = 8
	maxSessions = 16
)

// cookie is the name of the one that lets a browser in. It is sent to this
// host alone, by pages of this host alone, and no script can read it.
const cookie = "quaestor"

// policy is what the page may do: run and show what came from here, speak to
// here, and make no markup out of text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Options say what is shown, and where.
type Options struct {
	Gateway *gateway.Gateway
	Addr    net.Addr // where it listens
	Hosts   []string // further names by which it is called
	Now     func() time.Time
}

// A Site is the page and who may see it.
type Site struct {
	opts Options

	mu       sync.Mutex
	links    []link
	sessions []gateway.Secret
}

// A link lets one browser in, once.
type link struct {
	key     gateway.Secret
	expires time.Time
}

// New makes a site.
func New(o Options) *Site {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Site{opts: o}
}

// Link gives a link that lets one browser in, once, within 15 minutes.
func (s *Site) Link() string {
	key := gateway.NewToken()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.links) == maxLinks {
		s.links = slices.Delete(s.links, 0, 1)
	}
	s.links = append(s.links, link{gateway.NewSecret(key), s.opts.Now().Add(linkTime)})
	return "http://" + s.opts.Addr.String() + "/enter?key=" + key
}

// Handler gives the page, with the gateway below it.
func (s *Site) Handler() http.Handler {
	m := http.NewServeMux()
	api := s.opts.Gateway.API()
	m.Handle("/v1/", api)
	m.Handle("/openapi.json", api)
	m.HandleFunc("GET /{$}", show("index.html"))
	m.HandleFunc("GET /enter", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusSeeOther) })
	// A folder that is not there would be a slip of the build.
	list, err := fs.ReadDir(files, "page")
	if err != nil {
		panic("web: " + err.Error())
	}
	for _, f := range list {
		m.HandleFunc("GET /"+f.Name(), show(f.Name()))
	}
	names := gateway.Names(s.opts.Addr, s.opts.Hosts...)
	var origins []string
	for _, name := range names {
		origins = append(origins, "http://"+name)
	}
	guarded := gateway.Guard(m, gateway.Rules{Hosts: names, Origins: origins, Known: s.known, Unknown: http.HandlerFunc(s.door)})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		guarded.ServeHTTP(w, r)
	})
}

// show serves one file.
func show(name string) http.HandlerFunc {
	b, err := files.ReadFile(path.Join("page", name))
	if err != nil {
		panic("web: " + err.Error())
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", types[path.Ext(name)])
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(b))
	}
}

var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// known says whether a browser has been let in.
func (s *Site) known(r *http.Request) bool {
	c, err := r.Cookie(cookie)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.sessions, func(one gateway.Secret) bool { return one.Is(c.Value) })
}

// door answers those who are not known: with a cookie, if they have a link.
func (s *Site) door(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/enter" && s.use(r.URL.Query().Get("key")) {
		http.SetCookie(w, &http.Cookie{Name: cookie, Value: s.enter(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	if r.URL.Path == "/style.css" {
		show("style.css")(w, r)
		return
	}
	w.Header().Set("Content-Type", types[".html"])
	w.WriteHeader(http.StatusUnauthorized)
	// Whoever does not read it has gone, and there is nobody to tell.
	_, _ = w.Write([]byte(closed))
}

const closed = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Quaestor</title><link rel="stylesheet" href="/style.css"></head>
<body class="closed"><main><h1>This link does not let you in</h1>
<p>Each link works once, for one browser, within 15 minutes.</p>
<p>Press Enter in the terminal where <code>quaestor web</code> runs, and it writes another.</p></main></body></html>
`

// use takes a link that was not used before.
func (s *Site) use(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.links, func(l link) bool { return l.key.Is(key) })
	if i < 0 {
		return false
	}
	good := s.opts.Now().Before(s.links[i].expires)
	s.links = slices.Delete(s.links, i, i+1)
	return good
}

// enter lets a browser in, and gives its cookie.
func (s *Site) enter() string {
	token := gateway.NewToken()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) == maxSessions {
		s.sessions = slices.Delete(s.sessions, 0, 1)
	}
	s.sessions = append(s.sessions, gateway.NewSecret(token))
	return token
}
