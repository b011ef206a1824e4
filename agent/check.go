package agent

import (
	"context"
	"errors"
	"sync"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
)

// A check is the first look at what keeps processes in that look. An agent does
// not wait for it to start: a machine that is busy may take half a minute.
type check struct {
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	over   chan struct{} // closed when it is over, however it ended
	unfit  chan struct{} // closed before that where no process can ever be kept in
	err    error         // why; after unfit
}

func newCheck() *check {
	c := &check{over: make(chan struct{}), unfit: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// begin has it looked. Whoever calls it calls end.
func (c *check) begin(look func(context.Context) error) {
	c.work.Go(func() {
		defer close(c.over)
		if err := look(c.ctx); errors.Is(err, sandbox.ErrCgo) {
			c.err = err
			close(c.unfit)
		}
	})
}

// wait waits until it is over, or ctx ends, and gives why no process can ever be
// kept in.
func (c *check) wait(ctx context.Context) error {
	select {
	case <-c.over:
	case <-ctx.Done():
	}
	return c.why()
}

// why gives why no process can ever be kept in, as far as that is known.
func (c *check) why() error {
	select {
	case <-c.unfit:
		return c.err
	default:
		return nil
	}
}

// end ends it.
func (c *check) end() {
	c.cancel()
	c.work.Wait()
}
