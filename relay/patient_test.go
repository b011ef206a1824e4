package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A relay of several that starts waits for as long as nobody leads: each that
// gave up would leave fewer to choose. One that is alone, and one that is told
// no, give up.
func TestPatient(t *testing.T) {
	several := &Config{Name: "a", Cluster: Cluster{Name: "c"}}
	refused := errors.New("no room")
	for _, c := range []struct {
		cfg   *Config
		err   error
		tries int // 0: until it goes well
	}{
		{several, context.DeadlineExceeded, 0},
		{several, fmt.Errorf("nats: %w", jetstream.ErrNoStreamResponse), 0},
		{several, nats.ErrNoResponders, 0},
		{several, &jetstream.APIError{Code: 503, ErrorCode: 10008}, 0},
		{several, &jetstream.APIError{Code: 404}, startTries},
		{several, refused, startTries},
		{&Config{Name: "a"}, context.DeadlineExceeded, startTries},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &Relay{cfg: c.cfg, log: slog.New(slog.DiscardHandler)}
			tries := 0
			err := r.patient(t.Context(), func(context.Context) error {
				if tries++; tries == 50 {
					return nil
				}
				return c.err
			})
			if c.tries == 0 && (err != nil || tries != 50) || c.tries > 0 && (!errors.Is(err, c.err) || tries != c.tries) {
				t.Errorf("%v: %d tries, %v", c.err, tries, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			err = r.patient(ctx, func(context.Context) error { cancel(); return c.err })
			if !errors.Is(err, c.err) {
				t.Errorf("%v, and nobody waits any more: %v", c.err, err)
			}
		})
	}
}

// A relay that says nothing is gone, unless the spine has carried nothing from
// anybody: then it has the time to be heard once it does.
func TestSilent(t *testing.T) {
	begun := time.Now()
	a, b := &peer{name: "a", epoch: "x", heard: begun}, &peer{name: "b", epoch: "y", heard: begun}
	r := &Relay{peers: map[string]*peer{"a": a, "b": b}, pulse: pulse{kept: begun}}
	look := func(after time.Duration, want ...*peer) {
		t.Helper()
		got := r.silent(begun.Add(after))
		slices.SortFunc(got, func(x, y *peer) int { return strings.Compare(x.name, y.name) })
		if !slices.Equal(got, want) {
			t.Errorf("after %v %d are gone", after, len(got))
		}
	}
	// The spine stands still for 20 seconds, and goes on.
	for after := time.Duration(0); after < 20*time.Second; after += time.Second {
		look(after)
	}
	r.pulse.kept = begun.Add(20 * time.Second)
	look(21 * time.Second)
	b.heard = begun.Add(22 * time.Second) // and a is not heard
	r.pulse.kept = b.heard
	look(22 * time.Second)
	r.pulse.kept = begun.Add(26 * time.Second)
	look(26*time.Second, a)
	a.epoch = ""
	look(26 * time.Second)
}
