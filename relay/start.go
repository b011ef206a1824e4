package relay

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What a relay does while it starts it tries startTries times, each for
// spineTimeout, and a pause between: relays that start together are choosing
// who leads what. One of several goes on for as long as nobody leads: it is
// among those who choose, and if it ended there would be fewer of them.
const (
	startTries = 6
	startPause = time.Second
	waited     = "the spine is waited for"
)

// patient does what a start needs, again and again where it fails.
func (r *Relay) patient(ctx context.Context, step func(context.Context) error) error {
	for try := 1; ; try++ {
		err := step(ctx)
		if err == nil || ctx.Err() != nil || try >= startTries && !(r.cfg.clustered() && leaderless(err)) {
			return err
		}
		r.log.Warn(waited, "why", err)
		select {
		case <-time.After(startPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leaderless says whether an error is how a spine answers, or does not, while
// nobody leads what was asked for.
func leaderless(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == http503
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse)
}

// http503 is the code of what is not available now, as in HTTP.
const http503 = 503

// guarded does a part of a start, for as long as the spine in this process has
// not ended: whoever waits for the others would wait for ever, and would keep
// them waiting, since a server that stores nothing may lead all the same.
func (s *spine) guarded(ctx context.Context, part func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if s.awaitEnd(ctx, forever) {
			cancel(ErrSpine)
		}
	}()
	err := part(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrSpine) {
		err = cause
	}
	cancel(nil)
	<-watched
	return err
}

// forever is the recovery of a relay that starts: it waits for the others.
const forever = 1<<63 - 1
