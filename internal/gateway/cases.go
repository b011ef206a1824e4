package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Cases are what an investigator recorded.
type Cases interface {
	// List describes them.
	List() ([]Case, error)
	// Report writes one as a page of HTML that needs nothing else. The error
	// says whether there is one of that name.
	Report(ctx context.Context, w io.Writer, name string) error
}

// A Case is one of them.
type Case struct {
	Name      string    `json:"name"`
	Opened    time.Time `json:"opened"`
	Last      time.Time `json:"last"`
	Questions int64     `json:"questions"`
	Notes     int64     `json:"notes"`
	Size      int64     `json:"size"` // bytes
	Problem   string    `json:"problem,omitempty"`
}

// cases answers GET /v1/cases.
func (g *Gateway) cases(w http.ResponseWriter, _ *http.Request) {
	list := []Case{}
	if g.opts.Cases != nil {
		found, err := g.opts.Cases.List()
		if err != nil {
			fail(w, problem(err))
			return
		}
		list = append(list, found...)
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	g.mu.Lock()
	g.known.cases = names
	g.mu.Unlock()
	write(w, http.StatusOK, map[string]any{"cases": list})
}

// reportPolicy lets a report be looked at, in a page of our own, and do
// nothing.
const reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"

// report answers GET /v1/cases/{name}/report.
func (g *Gateway) report(w http.ResponseWriter, r *http.Request) {
	if g.opts.Cases == nil {
		fail(w, problem(fmt.Errorf("%w: no case is kept here", errNotFound)))
		return
	}
	var page bytes.Buffer
	if err := g.opts.Cases.Report(r.Context(), &page, r.PathValue("name")); err != nil {
		fail(w, problem(err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", reportPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	// Whoever does not read it has gone, and there is nobody to tell.
	_, _ = w.Write(page.Bytes())
}
