package transport

import (
	"math/rand/v2"
	"time"
)

// A Backoff gives waits between attempts: each is drawn evenly from nothing up
// to a ceiling that doubles from Min to Max, so that a fleet that lost its
// relay does not come back as one. The zero Backoff goes from one second to
// five minutes. It is for one goroutine.
type Backoff struct {
	Min, Max time.Duration
	ceiling  time.Duration
}

// Next gives how long to wait before the next attempt.
func (b *Backoff) Next() time.Duration {
	low := or(b.Min, time.Second)
	high := max(or(b.Max, 5*time.Minute), low)
	switch {
	case b.ceiling < low:
		b.ceiling = low
	case b.ceiling > high/2:
		b.ceiling = high
	default:
		b.ceiling *= 2
	}
	return rand.N(b.ceiling + 1)
}

// Reset begins again at Min: an attempt went well.
func (b *Backoff) Reset() { b.ceiling = 0 }
