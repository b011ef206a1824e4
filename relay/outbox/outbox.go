// Package outbox holds frames for a stream that may be slow, so that who sends
// never waits.
//
// A newcomer needs a [Box], which is ready once its fields are set, and
// [Box.Push]. A goroutine runs only while the stream takes no more without
// waiting: of ten thousand streams most are idle. What is pushed must not be
// changed any more, and must not be relied upon: a stream that dies takes with it
// what waits.
package outbox

import (
	"sync"
	"time"

	"github.com/quaestor-engine/quaestor/relay/meter"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A Stream takes frames, in order: a *transport.Stream. Offer takes one where
// that needs no waiting, and says whether it did.
type Stream interface {
	WriteFrame(t message.Type, body []byte) error
	Offer(t message.Type, body []byte) bool
}

// A Frame is what is pushed. Bodies are shared.
type Frame struct {
	Type message.Type
	Body []byte
	Due  time.Time // since when it could have been written; zero: nobody asks
}

// A Box is an outbox of one stream.
type Box struct {
	Work   *sync.WaitGroup // of its goroutine
	Stream Stream
	Most   int              // frames that wait, with the one that is being written
	Waits  *meter.Histogram // of those that were due; nil: nobody measures

	mu      sync.Mutex
	frames  []Frame // that the goroutine has not taken
	waits   int     // these, and those that it has and has not written
	running bool
	dead    bool          // the stream is, and takes nothing more
	written chan struct{} // closed when running ends; nil: nobody waits for that
}

// Push takes a frame; no where too many wait.
func (b *Box) Push(f Frame) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.dead:
		return true
	case b.waits >= b.Most:
		return false
	case !b.running && b.Stream.Offer(f.Type, f.Body):
		b.wrote(f)
		return true
	}
	b.frames = append(b.frames, f)
	b.waits++
	if !b.running {
		b.running = true
		b.Work.Go(b.drain)
	}
	return true
}

// Depth gives how many frames wait, with the one that is being written.
func (b *Box) Depth() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waits
}

// Written gives what is closed when everything that was pushed has been written,
// or the stream is dead.
func (b *Box) Written() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written == nil {
		b.written = make(chan struct{})
	}
	written := b.written
	if !b.running {
		close(written)
		b.written = nil
	}
	return written
}

func (b *Box) drain() {
	for {
		b.mu.Lock()
		frames := b.frames
		b.frames = nil
		if len(frames) == 0 {
			b.end()
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		for _, f := range frames {
			err := b.Stream.WriteFrame(f.Type, f.Body)
			b.mu.Lock()
			if err != nil {
				b.dead, b.frames, b.waits = true, nil, 0
				b.end()
				b.mu.Unlock()
				return
			}
			b.waits--
			b.mu.Unlock()
			b.wrote(f)
		}
	}
}

// end says that the goroutine ends; mu is held.
func (b *Box) end() {
	b.running = false
	if b.written != nil {
		close(b.written)
		b.written = nil
	}
}

// wrote measures how long a frame waited.
func (b *Box) wrote(f Frame) {
	if b.Waits != nil && !f.Due.IsZero() {
		b.Waits.Observe(time.Since(f.Due))
	}
}
