// Package gateway answers queries over HTTP, for programs that are not written
// in Go, and for the page of package web.
//
// A newcomer needs [New] and [Gateway.API], which must stand behind a [Guard]:
// the API itself asks nobody who he is, and whoever reaches it asks with the
// investigator's key. The interface is described in openapi.json, which is
// served too. Answers are lines of JSON that end with a "summary" or an
// "error", so that a stream that was cut is not taken for a whole one.
//
// It belongs on the investigator's machine, where the keys are, and must not
// be put where others reach it without TLS and a token.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/client"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/signing"
)

// The bounds of what one may ask.
const (
	// MaxBody is the size of a request's body in bytes: a query may have 256
	// KiB, JSON can make six of each byte, and parameters come beside it.
	MaxBody = 2 << 20
	// MaxAnswers is how many answers may stream at once; more are told to
	// come back. Each scans a machine or holds a fleet's rows.
	MaxAnswers = 8
	// MaxTime is how long a query of this machine may run, and MaxWait how
	// long the agents of a fleet may be waited for.
	MaxTime = time.Hour
	MaxWait = 24 * time.Hour
	// bodyTime is how long a request may take to arrive, and writeTime how
	// long a reader may take nothing before it is given up.
	bodyTime  = 15 * time.Second
	writeTime = 30 * time.Second
)

// A Fleet is what the gateway asks a fleet through: a client.Session.
type Fleet interface {
	// Run signs, submits and follows queries.
	Run(ctx context.Context, c *quaestor.Compiled, o client.RunOptions) (*quaestor.Rows, error)
	// Follow takes the answers to an investigation.
	Follow(ctx context.Context, id signing.ID, o client.FollowOptions) (*quaestor.Rows, error)
	// Cancel ends an investigation on the agents.
	Cancel(ctx context.Context, id signing.ID) error
	// Fleet lists the agents.
	Fleet(ctx context.Context) ([]client.FleetAgent, error)
	// Investigations lists what was asked.
	Investigations(ctx context.Context) ([]client.Investigation, error)
}

// Options say what is asked.
type Options struct {
	// Local says how this machine is asked; Params are those of each request.
	Local quaestor.Options
	// Connect gives the fleet. It is called when one is first needed, and
	// again where it failed; nil: there is none.
	Connect func(context.Context) (Fleet, error)
	// Cases are what the investigator recorded; nil: nothing.
	Cases Cases
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// MaxAnswers is how many answers may stream at once; 0: MaxAnswers.
	MaxAnswers int
	// BodyTime is how long a request may take to arrive, and WriteTime how
	// long a reader may take nothing; 0: 15 s and 30 s.
	BodyTime, WriteTime time.Duration
}

// A Gateway answers requests. It is safe for several at once.
type Gateway struct {
	opts    Options
	local   *quaestor.LocalSession // compiles what has no parameters
	answers chan struct{}          // a place for each that may stream
	dialing chan struct{}          // held by who connects, who may take long

	mu    sync.Mutex // never held while the network is waited for
	fleet Fleet
	known knownFleet
}

// New makes a gateway. The error is about a module whose schema is wrong.
func New(o Options) (*Gateway, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxAnswers == 0 {
		o.MaxAnswers = MaxAnswers
	}
	if o.BodyTime == 0 {
		o.BodyTime = bodyTime
	}
	if o.WriteTime == 0 {
		o.WriteTime = writeTime
	}
	g := &Gateway{opts: o, answers: make(chan struct{}, o.MaxAnswers), dialing: make(chan struct{}, 1)}
	var err error
	g.local, err = g.session(nil)
	return g, err
}

// Close lets go of what the gateway holds. Answers end with their requests, and
// the fleet is of whoever connected it.
func (g *Gateway) Close() error { return g.local.Close() }

// API gives the handler of all paths below /v1, and of /openapi.json. It asks
// nobody who he is: see Guard.
func (g *Gateway) API() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /openapi.json", description)
	m.HandleFunc("POST /v1/query", g.query)
	m.HandleFunc("POST /v1/check", g.check)
	m.HandleFunc("POST /v1/complete", g.complete)
	m.HandleFunc("POST /v1/explain", g.explain)
	m.HandleFunc("GET /v1/about", g.about)
	m.HandleFunc("GET /v1/modules", g.modules)
	m.HandleFunc("GET /v1/fleet", g.agents)
	m.HandleFunc("GET /v1/investigations", g.investigations)
	m.HandleFunc("GET /v1/investigations/{id}", g.investigation)
	m.HandleFunc("GET /v1/investigations/{id}/results", g.results)
	m.HandleFunc("POST /v1/investigations/{id}/cancel", g.cancel)
	m.HandleFunc("GET /v1/cases", g.cases)
	m.HandleFunc("GET /v1/cases/{name}/report", g.report)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, &Problem{Code: CodeNotFound, Message: "there is no " + r.Method + " " + r.URL.Path, Hint: "openapi.json describes what there is"})
	})
	return m
}

// session makes one that asks this machine with the parameters of a request.
func (g *Gateway) session(params map[string]string) (*quaestor.LocalSession, error) {
	o := g.opts.Local
	o.Params = params
	return quaestor.LocalWith(o)
}

func (g *Gateway) catalogue() *modules.Catalogue { return g.local.Catalogue() }

// errNoFleet says that there is no fleet to ask.
var errNoFleet = errors.New("no fleet is set up here")

// connected gives the fleet.
func (g *Gateway) connected(ctx context.Context) (Fleet, error) {
	if g.opts.Connect == nil {
		return nil, fmt.Errorf("%w\nhint: quaestor setup says where its relay is", errNoFleet)
	}
	select {
	case g.dialing <- struct{}{}:
		defer func() { <-g.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	g.mu.Lock()
	f := g.fleet
	g.mu.Unlock()
	if f != nil {
		return f, nil
	}
	f, err := g.opts.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("the fleet cannot be asked: %w", err)
	}
	g.mu.Lock()
	g.fleet = f
	g.mu.Unlock()
	return f, nil
}

// begin takes a place among the answers that stream; the function gives it
// back. It is nil where there is none.
func (g *Gateway) begin() func() {
	select {
	case g.answers <- struct{}{}:
		return func() { <-g.answers }
	default:
		return nil
	}
}
