package relay

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/transport"
)

// A relay whose spine ends while it waits for the others, as on a full disk,
// waits no longer: a server that stores nothing may lead all the same, and then
// all of them wait.
func TestSpineEndsAtStart(t *testing.T) {
	ca, err := transport.NewCA("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := &Config{Name: "a", dir: t.TempDir()}
	srv, err := embedded(c, ca, "secret", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := &spine{server: srv, quorum: 1}
	defer s.close()
	err = s.guarded(t.Context(), func(ctx context.Context) error {
		if err := srv.DisableJetStream(); err != nil {
			return err
		}
		<-ctx.Done() // the others do not come
		return ctx.Err()
	})
	if !errors.Is(err, ErrSpine) {
		t.Errorf("it gives up with %v", err)
	}
}

// A part of a start that goes well, or fails by itself, is left alone.
func TestGuarded(t *testing.T) {
	s := &spine{quorum: 1}
	for _, want := range []error{nil, errors.New("no room")} {
		if err := s.guarded(t.Context(), func(context.Context) error { return want }); err != want {
			t.Errorf("%v, not %v", err, want)
		}
	}
}
