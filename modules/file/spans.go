package file

import (
	"bytes"
	"slices"

	"github.com/quaestor-engine/quaestor/internal/search"
)

// maxSpan is how much of a content is looked at together for lines that are to
// be shown, in bytes, where a match may reach over the ends of lines: each
// worker may hold as much.
const maxSpan = 4 << 20

// reach says how far a match looks of a question that is put to the content.
func (v *viewer) reach(q *question) search.Reach {
	if !q.Show || !q.whole || q.pattern < 0 {
		return search.InLine
	}
	return v.r.req.ask.set.Reach(q.pattern)
}

// spans says whether a match that is to be shown may reach over the end of its
// line.
func (v *viewer) spans() bool {
	return slices.ContainsFunc(v.r.req.ask.list, func(q question) bool { return v.reach(&q) != search.InLine })
}

// known gives how many of the bytes of whole lines hold only lines of which is
// known, whatever follows, whether a match begins in them.
func (v *viewer) known(b []byte) int {
	at := len(b)
	for i := range v.r.req.ask.list {
		if q := &v.r.req.ask.list[i]; v.reach(q) != search.InLine {
			at = min(at, v.r.scanner.Cut(q.pattern, b))
		}
	}
	return bytes.LastIndexByte(b[:at], '\n') + 1
}

// joined is stream for matches that may reach over the ends of lines: it keeps
// the lines of which more has to be read, as long as they are no more than
// maxSpan.
func (v *viewer) joined(c *content) error {
	v.r.w.carry.reset()
	c.rewind()
	var held []byte
	over := false // a line is too long, and what is left of it is passed over
	for next := 0; c.phase == ready && !v.r.w.s.stopped.Load(); c.more() {
		b := c.bytes()
		if over {
			b, over = v.behindLine(b)
		}
		held = append(held, b...)
		if c.eof {
			return v.block(held, len(held))
		}
		if len(held) < next {
			continue
		}
		lines := bytes.LastIndexByte(held, '\n') + 1
		n := v.known(held[:lines])
		switch {
		case n > 0:
		case len(held) < maxSpan:
			next = min(2*len(held), maxSpan) // what is looked at again stays in proportion
			continue
		default:
			v.torn = true
			if n = lines; n == 0 {
				_, over = v.behindLine(held)
				held, next = held[:0], 0
				continue
			}
		}
		if err := v.block(held[:max(n, lines)], n); err != nil {
			return err
		}
		held = append(held[:0], held[n:]...)
		next = min(2*len(held), maxSpan)
	}
	return nil
}

// behindLine goes on behind the line that begins in b, and says whether that
// goes on itself.
func (v *viewer) behindLine(b []byte) (rest []byte, over bool) {
	n := bytes.IndexByte(b, '\n') + 1
	if n == 0 {
		v.offset += int64(len(b))
		return nil, true
	}
	v.offset += int64(n)
	v.number++
	return b[n:], false
}
