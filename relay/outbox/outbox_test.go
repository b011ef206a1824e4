package outbox

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quaestor-engine/quaestor/relay/meter"
	"github.com/quaestor-engine/quaestor/transport/message"
)

// A pipe is a stream that takes what it is told to.
type pipe struct {
	eager bool          // it takes what it is offered
	next  chan struct{} // each lets one frame be written; closed: all
	dead  error

	mu    sync.Mutex
	taken []string
}

func (p *pipe) take(body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = append(p.taken, string(body))
}

func (p *pipe) Offer(_ message.Type, body []byte) bool {
	if p.eager {
		p.take(body)
	}
	return p.eager
}

func (p *pipe) WriteFrame(_ message.Type, body []byte) error {
	<-p.next
	if p.dead == nil {
		p.take(body)
	}
	return p.dead
}

func frame(n int) Frame { return Frame{Type: message.TypeAck, Body: fmt.Append(nil, n)} }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Frames come in the order in which they were pushed, whether the stream takes
// them at once or not, and who pushes never waits.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var work sync.WaitGroup
		p := &pipe{eager: true, next: make(chan struct{})}
		b := &Box{Work: &work, Stream: p, Most: 10}
		var want []string
		push := func(n int) {
			t.Helper()
			if !b.Push(frame(n)) {
				t.Errorf("frame %d is not taken", n)
			}
			want = append(want, fmt.Sprint(n))
		}
		for n := range 3 {
			push(n)
		}
		if !isClosed(b.Written()) || b.Depth() != 0 {
			t.Error("the stream took all, and something waits")
		}
		p.eager = false
		push(3)
		synctest.Wait() // the goroutine has it
		p.eager = true  // what is pushed now is not written before it
		for n := range 5 {
			push(4 + n)
		}
		written := b.Written()
		if isClosed(written) || b.Depth() != 6 {
			t.Errorf("%d wait", b.Depth())
		}
		p.next <- struct{}{}
		synctest.Wait() // the goroutine has all others
		if isClosed(written) || b.Depth() != 5 {
			t.Errorf("%d wait, or it says that all is written", b.Depth())
		}
		close(p.next)
		<-written
		work.Wait()
		if !slices.Equal(p.taken, want) {
			t.Errorf("%v, want %v", p.taken, want)
		}
	})
}

// Of a stream that takes nothing as many frames wait as are bounded; one that is
// dead holds nothing, and nobody.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var work sync.WaitGroup
		p := &pipe{next: make(chan struct{}), dead: errors.New("hung up")}
		b := &Box{Work: &work, Stream: p, Most: 3}
		for n := range 3 {
			if !b.Push(frame(n)) {
				t.Errorf("number %d is not taken", n)
			}
			synctest.Wait() // the goroutine has what it takes, and what it takes waits
		}
		if b.Push(frame(4)) || b.Depth() != 3 {
			t.Errorf("one more is taken, or %d wait", b.Depth())
		}
		written := b.Written()
		close(p.next)
		<-written
		work.Wait()
		for range 10 {
			if !b.Push(frame(5)) {
				t.Error("of a stream that is dead it says that it is slow")
			}
		}
		if b.Depth() != 0 || !isClosed(b.Written()) || len(p.taken) != 0 {
			t.Errorf("%d wait, %v are written", b.Depth(), p.taken)
		}
	})
}

// It is measured how long what was due waited, and of nothing else.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var work sync.WaitGroup
		var waits meter.Histogram
		p := &pipe{next: make(chan struct{}, 9)}
		b := &Box{Work: &work, Stream: p, Most: 3, Waits: &waits}
		b.Push(frame(0))
		due := frame(1)
		due.Due = time.Now()
		b.Push(due)
		time.Sleep(time.Second)
		close(p.next)
		work.Wait()
		p.eager = true
		b.Push(due)
		if n := waits.Count(); n != 2 {
			t.Errorf("%d frames waited, want 2", n)
		}
	})
}
