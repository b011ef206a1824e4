package sandbox

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Turn holds up the goroutines of a plan that has yielded its slot. The zero
// Turn is open.
type Turn struct {
	closed atomic.Bool // spares those who may pass the lock
	mu     sync.Mutex
	opened chan struct{} // closed by Open; nil while it is open
	told   func(shut bool)
}

// Pass waits while the turn is shut, until ctx ends.
func (t *Turn) Pass(ctx context.Context) {
	if !t.closed.Load() {
		return
	}
	t.mu.Lock()
	opened := t.opened
	t.mu.Unlock()
	if opened == nil {
		return
	}
	select {
	case <-opened:
	case <-ctx.Done():
	}
}

// Shut has whoever comes wait.
func (t *Turn) Shut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened == nil {
		t.opened = make(chan struct{})
		t.closed.Store(true)
		if t.told != nil {
			t.told(true)
		}
	}
}

// Open lets those who wait go on.
func (t *Turn) Open() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened != nil {
		t.closed.Store(false)
		close(t.opened)
		t.opened = nil
		if t.told != nil {
			t.told(false)
		}
	}
}

// tell has told called at once, and whenever the turn is shut or opened; nil
// ends that.
func (t *Turn) tell(told func(shut bool)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told = told; told != nil {
		told(t.opened != nil)
	}
}
