package relay

import (
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/quaestor-engine/quaestor/signing"
)

const (
	// maxBatch is from where on a message of a log takes no further entry, in
	// bytes, and maxEntries in entries: with one more chunk it fits minPayload,
	// and its index fits in what remains.
	maxBatch   = 512 << 10
	maxEntries = 1024
	// maxFlights is how many messages are on their way to the disk at once.
	// While they are, what comes gathers for the next ones.
	maxFlights = 8
)

// A committer writes the logs of plans: whatever came since the last message of
// a plan goes into the next one, so that the disk is asked once for many
// chunks of many agents. One goroutine writes and one waits, for all plans.
type committer struct {
	spine  *spine
	stored func(flight, uint64, error) // called in the order in which messages were written

	mu     sync.Mutex
	queues map[signing.ID][]entry
	ready  []signing.ID // those with entries, the longest waiting first
	closed bool

	wake    chan struct{} // holds one when there may be something; never closed
	flights chan flight   // closed by write
	done    sync.WaitGroup
}

// A flight is a message on its way to the disk.
type flight struct {
	plan    signing.ID
	entries []entry
	body    []byte
	future  jetstream.PubAckFuture
	err     error // it did not leave
}

func newCommitter(s *spine, stored func(flight, uint64, error)) *committer {
	c := &committer{
		spine: s, stored: stored, queues: map[signing.ID][]entry{},
		wake: make(chan struct{}, 1), flights: make(chan flight, maxFlights),
	}
	c.done.Go(c.write)
	c.done.Go(c.wait)
	return c
}

// add has entries written after all earlier ones of the plan. It does not wait.
func (c *committer) add(plan signing.ID, entries ...entry) {
	if len(entries) == 0 {
		return
	}
	c.mu.Lock()
	if len(c.queues[plan]) == 0 {
		c.ready = append(c.ready, plan)
	}
	c.queues[plan] = append(c.queues[plan], entries...)
	c.mu.Unlock()
	c.poke()
}

func (c *committer) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// close writes what was added and returns when it is stored. Nothing may be
// added any more.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.poke()
	c.done.Wait()
}

// next takes what goes into the next message.
func (c *committer) next() (f flight, ok, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ready) == 0 {
		return f, false, !c.closed
	}
	f.plan, c.ready = c.ready[0], c.ready[1:]
	queue, size, n := c.queues[f.plan], 0, 0
	for n < len(queue) && n < maxEntries && size < maxBatch {
		size += len(queue[n].wire)
		n++
	}
	f.entries = queue[:n:n]
	if n == len(queue) {
		delete(c.queues, f.plan)
	} else {
		c.queues[f.plan] = queue[n:]
		c.ready = append(c.ready, f.plan)
	}
	return f, true, true
}

func (c *committer) write() {
	defer close(c.flights)
	for {
		f, ok, more := c.next()
		switch {
		case !ok && !more:
			return
		case !ok:
			<-c.wake
			continue
		}
		m := nats.NewMsg(subjectAnswer + f.plan.String())
		var index string
		f.body, index = encodeLog(f.entries)
		m.Header.Set(headIndex, index)
		m.Data = f.body
		f.future, f.err = c.spine.js.PublishMsgAsync(m)
		c.flights <- f
	}
}

func (c *committer) wait() {
	for f := range c.flights {
		if f.err != nil {
			c.stored(f, 0, fmt.Errorf("%w: %w", errStore, f.err))
			continue
		}
		select {
		case ack := <-f.future.Ok():
			c.stored(f, ack.Sequence, nil)
		case err := <-f.future.Err():
			c.stored(f, 0, fmt.Errorf("%w: %w", errStore, err))
		}
	}
}
