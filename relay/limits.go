package relay

import (
	"context"
	"sync"
	"time"
)

// Bounds of what peers may use. Each is many times what an honest one needs.
const (
	// maxInFlight is how many bytes of an agent's chunks wait for the disk
	// before no more are read from it; maxAllInFlight of all agents together.
	maxInFlight    = 4 << 20
	maxAllInFlight = 256 << 20
	// An agent tells its facts when they change, which is every hour at most.
	factsRate, factsBurst = 1.0, 20.0 // a second
	// Receipts and the like: one for each plan.
	controlRate, controlBurst = 500.0, 5000.0 // a second
	// Proofs and enrolments cost a verification each. All peers share these.
	authRate, authBurst     = 200.0, 400.0 // a second
	enrollRate, enrollBurst = 500.0, 1000.0
	// Submits of one investigator, and what all have open at once.
	submitRate, submitBurst = 50.0, 500.0 // a second
	maxUploads              = 8           // envelopes that are being read, of 96 MiB each at most
	// guestTime is how long someone without a name may be connected.
	guestTime = time.Minute
	// firstFrame is how long a stream may stay without its first frame.
	firstFrame = 30 * time.Second
	// maxPending is how many plans wait for signatures.
	maxPending = 1000
	// maxEnvelopes is how many bytes of the envelopes of plans that have not
	// expired are held in memory.
	maxEnvelopes = 1 << 30
	// maxItem is the largest envelope that a list carries, in bytes: base64
	// within JSON must still fit a frame.
	maxItem = 64 << 20
)

// A bucket allows a rate with bursts.
type bucket struct {
	rate, burst float64 // a second; at once

	mu    sync.Mutex
	used  float64
	since time.Time
}

// take says whether one more is allowed now.
func (b *bucket) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if gone := now.Sub(b.since).Seconds(); gone > 0 {
		b.used, b.since = max(0, b.used-gone*b.rate), now
	}
	if b.used+1 > b.burst {
		return false
	}
	b.used++
	return true
}

// A budget is a number of bytes that several share, first come first served.
type budget struct {
	mu      sync.Mutex
	free    int64
	waiting []*claim
}

type claim struct {
	n    int64
	done chan struct{} // closed by who grants it
}

// take waits until n bytes are free. Who asks for more than there ever are
// gets them when nobody else has any.
func (b *budget) take(ctx context.Context, n, all int64) error {
	n = min(n, all)
	b.mu.Lock()
	if len(b.waiting) == 0 && b.free >= n {
		b.free -= n
		b.mu.Unlock()
		return nil
	}
	c := &claim{n: n, done: make(chan struct{})}
	b.waiting = append(b.waiting, c)
	b.mu.Unlock()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	for i, w := range b.waiting {
		if w == c {
			b.waiting = append(b.waiting[:i], b.waiting[i+1:]...)
			b.grant()
			b.mu.Unlock()
			return ctx.Err()
		}
	}
	b.mu.Unlock()
	b.put(n, all) // it was granted meanwhile
	return ctx.Err()
}

// put gives back what take took.
func (b *budget) put(n, all int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += min(n, all)
	b.grant()
}

func (b *budget) grant() {
	for len(b.waiting) > 0 && b.free >= b.waiting[0].n {
		b.free -= b.waiting[0].n
		close(b.waiting[0].done)
		b.waiting = b.waiting[1:]
	}
}
