package transport

// Whoever reads a stream that is silent for hours has a goroutine, with a stack
// of 4 KiB at least, to wait with. Ten thousand agents that do nothing would
// take 80 MB so. They take none: the wire sees the head of each frame before
// the multiplexer does, and calls who waits.

// maxUnaccepted is how many streams a peer may have opened that nobody has
// accepted: one that keeps to the multiplexer's rules waits at backlog.
const maxUnaccepted = 2 * backlog

// An inbound is what the wire saw of a stream that the peer opened; the
// connection's mu guards it.
type inbound struct {
	bytes uint64 // of data, that came or are about to
	ended bool   // the peer closed it
	ready func() // who waits; nil: nobody
}

// call calls who waits.
func (i *inbound) call() {
	if i != nil && i.ready != nil {
		ready := i.ready
		i.ready = nil
		ready()
	}
}

// saw takes that a frame of a stream begins to arrive, and says whether the
// peer may send it.
func (c *Conn) saw(id uint32, flags uint16, n uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if flags&muxSYN != 0 && c.inbound[id] == nil {
		if c.unaccepted++; c.unaccepted > maxUnaccepted {
			return false
		}
		c.inbound[id] = &inbound{}
		c.callAcceptor()
	}
	in := c.inbound[id]
	if in == nil {
		return true // this end opened it, or is done with it
	}
	in.bytes += uint64(n)
	in.ended = in.ended || flags&(muxFIN|muxRST) != 0
	if n > 0 || in.ended {
		in.call()
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
	in := s.in
	if in == nil || in.bytes > s.taken || in.ended || c.over || s.readErr != nil {
		return true
	}
	if _, open := c.streams[s]; !open {
		return true
	}
	in.ready = ready
	return false
}
