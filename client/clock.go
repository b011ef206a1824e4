package client

import (
	"sync"
	"time"
)

// A clock tells for how long the relay has been listened to. It stands while
// something that was read waits for its lane, or for who reads the rows: what
// the relay and agents have said since then cannot have been heard, and nobody
// is called silent for that.
type clock struct {
	begun time.Time

	mu    sync.Mutex
	busy  int           // frames that were read and have not been dealt with
	since time.Time     // when the first of them was read
	stood time.Duration // before that
}

// stop is called with a frame that was read.
func (c *clock) stop() {
	c.mu.Lock()
	if c.busy++; c.busy == 1 {
		c.since = time.Now()
	}
	c.mu.Unlock()
}

// goOn is called when a frame has been dealt with; it says whether it was the
// last.
func (c *clock) goOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	if c.busy == 0 {
		c.stood += time.Since(c.since)
	}
	return c.busy == 0
}

// read gives for how long was listened, and for how long the clock stood;
// stands says that it stands now.
func (c *clock) read() (listened, stood time.Duration, stands bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stood = c.stood
	if c.busy > 0 {
		stood += time.Since(c.since)
	}
	return time.Since(c.begun) - stood, stood, c.busy > 0
}

// now gives for how long was listened.
func (c *clock) now() time.Duration {
	listened, _, _ := c.read()
	return listened
}
