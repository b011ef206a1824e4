package transport

import "github.com/hashicorp/yamux"

// Whoever reads a stream that is silent for hours has a goroutine, with a stack
// of 4 KiB at least, to wait with. Ten thousand agents that do nothing would
// take 80 MB so. They take none: the wire sees the head of each frame before
// the multiplexer does, and calls who waits.

// maxUnaccepted is how many streams a peer may have opened that nobody has
// accepted: one that keeps to the multiplexer's rules waits at backlog.
const maxUnaccepted = 2 * backlog

// A course is what the wire saw of a stream; the connection's mu guards it.
type course struct {
	own   bool   // this end opened it
	bytes uint64 // of data, that came or are about to
	ended bool   // the peer closed it
	reset bool   // the peer let it go: nothing more is taken
	ready func() // who waits to read; nil: nobody

	room uint64        // bytes that the peer still takes
	more chan struct{} // closed when there may be room; nil: nobody waits to write
}

// call calls who waits to read.
func (o *course) call() {
	if ready := o.ready; ready != nil {
		o.ready = nil
		ready()
	}
}

// wake wakes who waits to write.
func (o *course) wake() {
	if o.more != nil {
		close(o.more)
		o.more = nil
	}
}

// saw takes that a frame of a stream begins to arrive, which brings so many
// bytes of data and takes room bytes more, and says whether the peer may send it.
func (c *Conn) saw(id uint32, flags uint16, n, room uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.courses[id]
	switch {
	case o != nil:
	case flags&muxSYN != 0:
		if id&1 == c.parity() {
			return false // it is this end that opens streams of these numbers
		}
		if c.unaccepted++; c.unaccepted > maxUnaccepted {
			return false
		}
		o = &course{room: minWindow}
		c.courses[id] = o
		c.callAcceptor()
	case c.opening != nil && id > c.opened && id&1 == c.parity():
		o = c.opening
	default:
		return true // this end is done with it
	}
	o.bytes += uint64(n)
	o.room += uint64(room)
	o.reset = o.reset || flags&muxRST != 0
	o.ended = o.ended || flags&(muxFIN|muxRST) != 0
	if n > 0 || o.ended {
		o.call()
	}
	if room > 0 || o.reset {
		o.wake()
	}
	return true
}

// callAcceptor calls who waits for a stream; mu is held.
func (c *Conn) callAcceptor() {
	if ready := c.ready; ready != nil {
		c.ready = nil
		ready()
	}
}

// Await says whether Accept has something to do: the peer has opened a stream,
// or the connection has ended. Where it has not, ready is called once when it
// has. It is called with locks held, and must neither block nor use the
// connection: it starts who does.
func (c *Conn) Await(ready func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unaccepted > 0 || c.over {
		return true
	}
	c.ready = ready
	return false
}

// Await says whether ReadFrame has something to do: the peer has sent something
// that was not read, or closed the stream, or the stream has ended otherwise.
// Where it has not, ready is called once when it has, as in [Conn.Await]; a
// deadline of the stream calls nobody. Of a stream that this end opened it
// always says so. Whoever reads the stream may call it, between two frames.
func (s *Stream) Await(ready func()) bool {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	o := s.course
	if o.own || o.bytes > s.taken || o.ended || c.over || s.readErr != nil {
		return true
	}
	if _, open := c.streams[s]; !open {
		return true
	}
	o.ready = ready
	return false
}

// spend waits until the peer takes some of n bytes more of a stream, and gives
// how many, which count as taken.
func (c *Conn) spend(o *course, n int) (int, error) {
	for {
		c.mu.Lock()
		switch {
		case c.over:
			c.mu.Unlock()
			return 0, yamux.ErrSessionShutdown
		case o.reset:
			c.mu.Unlock()
			return 0, yamux.ErrConnectionReset
		case o.room > 0:
			n = int(min(uint64(n), o.room))
			o.room -= uint64(n)
			c.mu.Unlock()
			return n, nil
		}
		if o.more == nil {
			o.more = make(chan struct{})
		}
		more := o.more
		c.mu.Unlock()
		<-more
	}
}
