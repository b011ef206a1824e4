package fanout

import (
	"fmt"
	"sync/atomic"
	"time"
)

// replied counts the replies to one plan.
type replied struct {
	of, have atomic.Int64
	done     chan error // nil with the last, an error where one cannot come
}

func newReplied() *replied { return &replied{done: make(chan error, 1)} }

// begin is called before a plan goes to n clients.
func (r *replied) begin(n int) {
	r.have.Store(0)
	r.of.Store(int64(n))
}

// one counts a reply.
func (r *replied) one() {
	if r.have.Add(1) == r.of.Load() {
		r.end(nil)
	}
}

// end ends the wait; who ends it first counts.
func (r *replied) end(err error) {
	select {
	case r.done <- err:
	default:
	}
}

// wait waits for the last reply.
func (r *replied) wait() error {
	select {
	case err := <-r.done:
		return err
	case <-time.After(planWithin):
		return fmt.Errorf("%d of %d replies came within %v", r.have.Load(), r.of.Load(), planWithin)
	}
}
