package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// shutdownTime is how long answers have to say that they were stopped, and to
// cancel what they asked of a fleet.
const shutdownTime = afterwards + time.Second

// Serve serves until ctx ends. Answers that stream then end with a line that
// says so. It closes the gateway.
func Serve(ctx context.Context, srv *http.Server, l net.Listener, g *Gateway) error {
	// Requests end with ctx; writing the last line takes no context.
	srv.BaseContext = func(net.Listener) context.Context { return ctx }
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return errors.Join(err, g.Close())
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := srv.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close() // whoever has not read until now is given up
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return errors.Join(err, g.Close())
}
