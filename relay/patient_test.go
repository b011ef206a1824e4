package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

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
