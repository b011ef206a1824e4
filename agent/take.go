package agent

import (
	"context"
	"fmt"
	"slices"
)

// single gives the only chunk of an answer that has one, final and in memory.
func (o *outgoing) single() ([]byte, bool) {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	if o.gone || !o.done || o.first != 0 || len(o.pieces) != 1 || o.pieces[0].seg != nil {
		return nil, false
	}
	o.given = 1
	return o.pieces[0].data, true
}

// take gives the chunk with a sequence number, as soon as it is there. Before
// the first that is held, and after the final one, there is errEnded. One that
// the disk does not give back is forgotten, with those behind it, and the error
// wraps errUnread: what comes next is the answer's end. Of one that was given out
// before nobody knows whether the relay has it, before it says so again.
func (o *outgoing) take(ctx context.Context, seq uint32) (data []byte, final bool, err error) {
	s := o.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	for !o.gone && !o.done && seq == o.next() {
		wait(ctx, &s.mu, &o.more)
		if ctx.Err() != nil {
			return nil, false, ctx.Err()
		}
	}
	switch {
	case o.gone:
		return nil, false, errGone
	case seq < o.first || seq >= o.next():
		return nil, false, errEnded
	}
	p := o.pieces[seq-o.first]
	if data = p.data; p.seg != nil {
		data, err = p.seg.read(p.at, p.size)
	}
	switch {
	case err == nil:
		o.given = max(o.given, seq+1)
		return data, p.final, nil
	case seq < o.given:
		return nil, false, err
	}
	o.cutAt(seq)
	return nil, false, fmt.Errorf("%w: %w", errUnread, err)
}

// has notes what a relay says that it has.
func (o *outgoing) has(next uint32) {
	o.spool.mu.Lock()
	defer o.spool.mu.Unlock()
	o.given = next
}

// cutAt forgets the chunks from one on, the final one among them. It needs the
// spool's lock.
func (o *outgoing) cutAt(seq uint32) {
	n := int(seq - o.first)
	for _, p := range o.pieces[n:] {
		o.drop(p)
	}
	o.pieces, o.done, o.lost = slices.Delete(o.pieces, n, len(o.pieces)), false, true
	tell(&o.spool.room)
}
