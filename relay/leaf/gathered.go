package leaf

import "sync"

// A gathered does one thing for all who wait for it: who asks while it is being
// done comes too late for that turn, and shares the next one with all others who
// ask until it begins.
type gathered struct {
	do func() error

	mu   sync.Mutex
	next *turn // that has not begun; nil: nobody waits
	last *turn // that was asked for; nil: none ever was
}

// A turn is one time that it is done.
type turn struct {
	over chan struct{} // closed by who does it, once err is set
	err  error
}

// wait returns when it was done, from the beginning, after wait was called.
func (g *gathered) wait() error {
	g.mu.Lock()
	if t := g.next; t != nil {
		g.mu.Unlock()
		<-t.over
		return t.err
	}
	before, t := g.last, &turn{over: make(chan struct{})}
	g.next, g.last = t, t
	g.mu.Unlock()
	if before != nil {
		<-before.over
	}
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	t.err = g.do()
	close(t.over)
	return t.err
}
