package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/quaestor-engine/quaestor/relay/meter"
)

// readWithin is how long a relay may take to say how it is.
const readWithin = 10 * time.Second

// ErrNobody says that no relay answers at an address.
var ErrNobody = errors.New("no relay answers")

// What a relay says that it is, and what a leaf.
const (
	infoRelay = "quaestor_relay_info"
	infoLeaf  = "quaestor_leaf_info"
)

// A Reading is what a relay said of itself, or a leaf.
type Reading struct {
	At     time.Time
	Scrape *meter.Scrape
	Plans  []Plan
}

// Read asks the relay, or the leaf, that listens at an address. The error wraps ErrNobody
// where nobody listens.
func Read(ctx context.Context, addr string) (*Reading, error) {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	at := time.Now()
	page, err := get(ctx, addr, pathMetrics)
	if err != nil {
		return nil, err
	}
	// Something else has no plans, and is to be told by its page.
	plans, errPlans := get(ctx, addr, pathPlans)
	r, err := reading(page, plans)
	if err != nil && errPlans != nil && !errors.Is(err, errOther) {
		err = errPlans
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	r.At = at
	return r, nil
}

// errOther says that something else answers than a relay.
var errOther = errors.New("what answers is no relay of Quaestor")

// reading reads what a relay said.
func reading(page, plans []byte) (*Reading, error) {
	s, err := meter.Parse(page)
	if err != nil {
		return nil, err
	}
	if s.Find(infoRelay) == nil && s.Find(infoLeaf) == nil {
		return nil, errOther
	}
	r := &Reading{Scrape: s}
	if err := json.Unmarshal(plans, &r.Plans); err != nil {
		return nil, fmt.Errorf("the plans: %w", err)
	}
	r.Plans = r.Plans[:min(len(r.Plans), MaxPlans)]
	return r, nil
}

func get(ctx context.Context, addr, path string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return nil, err
	}
	// No proxy: it is this machine that is asked. And nothing is kept open.
	t := &http.Transport{DisableKeepAlives: true}
	answer, err := t.RoundTrip(q)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%w at %s: is it running, and does its relay.toml say metrics = %q?", ErrNobody, addr, addr)
	}
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, meter.MaxPage+1))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s%s: %s: %.200s", addr, path, answer.Status, text)
	}
	return text, nil
}
