// Package watch lets whoever is on a relay's machine see how the relay is: the
// numbers that Prometheus scrapes, the plans that take longest, profiles of
// Go's runtime, all over HTTP on a loopback address; and what `quaestor-relay
// top` makes of them.
//
// A newcomer needs [Listen] and [Source] on the relay's side, and [Read], [Look]
// and [View.Table] on the other. It asks nobody who he is, so that it listens
// on loopback alone, and it must not be given anything that names an agent, an
// investigator or a host.
package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strconv"
	"time"

	"github.com/quaestor-engine/quaestor/relay/meter"
)

// The paths that are served, beside those of profiles below /debug/pprof/.
const (
	pathMetrics = "/metrics"
	pathPlans   = "/plans"
)

// Bounds of who watches.
const (
	// MaxPlans is how many plans are told of: as many as are read.
	MaxPlans = 10
	// maxAtOnce is how many requests are answered at once. A scraper and a
	// person are two.
	maxAtOnce   = 8
	maxProfile  = 120 // seconds that a profile may take
	headWithin  = 10 * time.Second
	closeWithin = 2 * time.Second
)

// A Source is what can be watched.
type Source interface {
	// Page writes all families of numbers.
	Page(ctx context.Context, p *meter.Page)
	// Plans gives at most MaxPlans plans, the slowest first.
	Plans() []Plan
}

// A Plan is how far an open plan is. It has no text: what was asked is for
// those who may ask.
type Plan struct {
	Plan     string  `json:"plan"`
	Age      float64 `json:"age_seconds"`
	Left     float64 `json:"left_seconds"` // until it takes no further agent
	Agents   int     `json:"agents"`
	Reached  int     `json:"reached"`
	Done     int     `json:"done"`
	Waiting  int     `json:"waiting"` // agents that are connected and have not answered
	Bytes    int64   `json:"bytes"`
	Unlogged bool    `json:"unlogged"` // it waits for the log, or its witnesses
}

// ErrAddress says that an address is not one of this machine alone.
var ErrAddress = errors.New("not an address of this machine alone")

// CheckAddress says whether an address may be listened on: an IP address of
// loopback, with a port. A name is none, since others say where it leads.
func CheckAddress(addr string) error {
	at, err := netip.ParseAddrPort(addr)
	if err == nil && at.Addr().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%q is %w: who reads it is asked nothing, so say \"127.0.0.1:7480\" or \"[::1]:7480\"; a scraper that runs elsewhere comes through something on this machine that asks who he is", addr, ErrAddress)
}

// A Server is what is listened with.
type Server struct {
	tcp  net.Listener
	http http.Server
}

// Listen begins to listen. Nothing is answered before Serve.
func Listen(addr string, s Source) (*Server, error) {
	if err := CheckAddress(addr); err != nil {
		return nil, err
	}
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Server{tcp: tcp, http: http.Server{Handler: guarded(handler(s)), ReadHeaderTimeout: headWithin}}, nil
}

// Addr gives the address that is listened on.
func (s *Server) Addr() string { return s.tcp.Addr().String() }

// Serve answers until Close is called.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.tcp); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the server, and what it is answering.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	defer s.tcp.Close() // where Serve was never called
	if s.http.Shutdown(ctx) != nil {
		return s.http.Close()
	}
	return nil
}

// guarded answers nobody who was led here by a name: a page in a browser on this
// machine could have its own name lead to loopback, and read everything.
func guarded(next http.Handler) http.Handler {
	slots := make(chan struct{}, maxAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		host, _, err := net.SplitHostPort(q.Host)
		if err != nil {
			host = q.Host
		}
		ip, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !ip.IsLoopback()) {
			http.Error(w, "ask for this by 127.0.0.1, [::1] or localhost", http.StatusForbidden)
			return
		}
		if q.Method != http.MethodGet && q.Method != http.MethodHead {
			http.Error(w, "there is nothing to change here: GET it", http.StatusMethodNotAllowed)
			return
		}
		if site := q.Header.Get("Sec-Fetch-Site"); q.Header.Get("Origin") != "" || site == "cross-site" || site == "same-site" {
			http.Error(w, "pages of others do not ask here", http.StatusForbidden)
			return
		}
		if s := q.URL.Query().Get("seconds"); s != "" {
			if n, err := strconv.Atoi(s); err != nil || n < 0 || n > maxProfile {
				http.Error(w, fmt.Sprintf("seconds are a number up to %d", maxProfile), http.StatusBadRequest)
				return
			}
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, q)
		default:
			http.Error(w, fmt.Sprintf("%d others are being answered: try again", maxAtOnce), http.StatusServiceUnavailable)
		}
	})
}

func handler(s Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(pathMetrics, func(w http.ResponseWriter, q *http.Request) {
		var p meter.Page
		s.Page(q.Context(), &p)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(p.Bytes())
	})
	mux.HandleFunc(pathPlans, func(w http.ResponseWriter, _ *http.Request) {
		plans := s.Plans()
		if plans == nil {
			plans = []Plan{}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(plans)
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
