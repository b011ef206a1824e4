package gateway

import (
	"net/http"
	"runtime"
	"slices"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/planner"
)

// A checked is the answer of POST /v1/check.
type checked struct {
	OK          bool         `json:"ok"` // there is no mistake; there may be warnings
	Queries     int          `json:"queries"`
	Diagnostics []Diagnostic `json:"diagnostics"`
	More        int          `json:"more,omitempty"`
	Params      []param      `json:"params"`
	Fleet       bool         `json:"fleet"` // others than this machine are asked
}

// A param is one that the queries declare.
type param struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
}

// check answers POST /v1/check. A parameter that has no value yet is no
// mistake.
func (g *Gateway) check(w http.ResponseWriter, r *http.Request) {
	var t text
	if err := g.read(w, r, &t); err != nil {
		fail(w, problem(err))
		return
	}
	s, err := g.session(t.Params)
	if err != nil {
		fail(w, problem(err))
		return
	}
	defer s.Close()
	c, err := s.Compile(t.source())
	out := checked{Diagnostics: []Diagnostic{}, Params: []param{}, Queries: len(c.Queries)}
	for _, one := range c.Warnings {
		out.Diagnostics = append(out.Diagnostics, newDiagnostic(one.Diagnostic, one.Source))
	}
	if err != nil && len(quaestor.Mistakes(err)) == 0 {
		fail(w, problem(err))
		return
	}
	mistakes := 0
	for _, e := range quaestor.Mistakes(err) {
		out.More += e.More
		mistakes += e.More
		for _, d := range e.Diagnostics {
			if d.Code == planner.CodeParameterWithoutValue {
				continue
			}
			mistakes++
			out.Diagnostics = append(out.Diagnostics, newDiagnostic(d, e.Source))
		}
	}
	out.OK = mistakes == 0
	if f, err := lang.Parse(t.source()); err == nil {
		out.Queries = len(f.Queries)
		for _, q := range f.Queries {
			out.Fleet = out.Fleet || q.From != nil && !isHere(q.From.Source.Name)
			for _, p := range q.Params {
				out.Params = append(out.Params, param{p.Name.Name, p.Type.Name, p.Default == nil})
			}
		}
	}
	write(w, http.StatusOK, out)
}

// A candidate is one way to go on with a query.
type candidate struct {
	Text   string `json:"text"`
	Kind   string `json:"kind"`
	Detail string `json:"detail,omitempty"`
	Doc    string `json:"doc,omitempty"`
	Start  int    `json:"start"` // of what it replaces, in bytes
	End    int    `json:"end"`
}

// mostCandidates is how many are given: nobody reads more.
const mostCandidates = 100

// complete answers POST /v1/complete.
func (g *Gateway) complete(w http.ResponseWriter, r *http.Request) {
	var p place
	if err := g.read(w, r, &p); err != nil {
		fail(w, problem(err))
		return
	}
	out := []candidate{}
	if p.Offset >= 0 && p.Offset <= len(p.Query) && len(p.Query) <= lang.MaxSource {
		found := complete.At(p.Query, p.Offset, g.surroundings())
		for _, c := range found[:min(mostCandidates, len(found))] {
			out = append(out, candidate{c.Text, c.Kind.String(), c.Detail, c.Doc, c.Span.Start, c.Span.End})
		}
	}
	write(w, http.StatusOK, map[string]any{"candidates": out})
}

// surroundings are what completion knows beside the text. Of the fleet it is
// what GET /v1/fleet last gave: nobody waits for a network while he types.
func (g *Gateway) surroundings() complete.Context {
	o := g.opts.Local
	c := complete.Context{Catalogue: g.catalogue(), OS: o.OS, Dir: o.Dir, Root: o.Root}
	if c.OS == "" {
		c.OS = runtime.GOOS
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c.Hosts, c.Facts, c.Answers, c.Cases = g.known.hosts, g.known.facts, g.known.answers, g.known.cases
	return c
}

// A drawing is the plan of a query.
type drawing struct {
	Name   string `json:"name"`
	Source string `json:"source"` // local, fleet, …
	Text   string `json:"text"`
}

// explain answers POST /v1/explain. Nothing is run, with EXPLAIN ANALYZE neither.
func (g *Gateway) explain(w http.ResponseWriter, r *http.Request) {
	var t text
	if err := g.read(w, r, &t); err != nil {
		fail(w, problem(err))
		return
	}
	s, err := g.session(t.Params)
	if err != nil {
		fail(w, problem(err))
		return
	}
	defer s.Close()
	c, err := s.Compile(t.source())
	if err != nil {
		fail(w, problem(err))
		return
	}
	warnings, plans := []Diagnostic{}, []drawing{}
	for _, one := range c.Warnings {
		warnings = append(warnings, newDiagnostic(one.Diagnostic, one.Source))
	}
	for _, q := range c.Queries {
		plans = append(plans, drawing{q.Name, q.Plan.Source, s.Explain(q)})
	}
	write(w, http.StatusOK, map[string]any{"plans": plans, "warnings": warnings})
}

// about answers GET /v1/about: what can be asked here.
func (g *Gateway) about(w http.ResponseWriter, _ *http.Request) {
	o := g.opts.Local
	write(w, http.StatusOK, map[string]any{"fleet": g.opts.Connect != nil, "root": o.Root, "os": g.surroundings().OS})
}

// modules answers GET /v1/modules.
func (g *Gateway) modules(w http.ResponseWriter, _ *http.Request) {
	cat := g.catalogue()
	write(w, http.StatusOK, map[string]any{"modules": render.Modules(cat, slices.Clone(cat.Names()))})
}
