package file

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// defaultContext is how much of a line is shown where the query sets nothing.
const defaultContext = 512

// ellipsis stands where a line was cut.
const ellipsis = "…"

// cutLine takes the first line off b, which is not empty. A line ends before
// "\n" or "\r\n" or at the end of the content.
func cutLine(b []byte) (text, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return trimReturn(b), nil
	}
	return trimReturn(b[:i]), b[i+1:]
}

func trimReturn(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

// carry keeps the beginning of a line whose end is still to be read.
type carry struct {
	buf  []byte
	over bool // the line is too long, and what is left of it is passed over
	lost bool // there was such a line
}

func (c *carry) reset() { c.buf, c.over, c.lost = c.buf[:0], false, false }

// add takes a part of a line.
func (c *carry) add(b []byte) {
	if c.over || len(c.buf)+len(b) > maxLine {
		c.buf, c.over, c.lost = c.buf[:0], true, true
		return
	}
	c.buf = append(c.buf, b...)
}

// feedLines puts the questions to each line that ends in b, and to the last
// one. It says whether there is a question left.
func (r *row) feedLines(b []byte, last bool) bool {
	k := &r.w.carry
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			k.add(b)
			if !last || len(k.buf) == 0 {
				return true
			}
			text := trimReturn(k.buf)
			k.buf = k.buf[:0]
			return r.putLine(text)
		}
		text := b[:i]
		if len(k.buf) > 0 || k.over {
			k.add(text)
			text = k.buf
		}
		over := k.over
		k.buf, k.over = k.buf[:0], false
		if !over && !r.putLine(trimReturn(text)) {
			return false
		}
		b = b[i+1:]
	}
}

// putLine puts the questions to a line and says whether one is left.
func (r *row) putLine(text []byte) bool {
	open := false
	for i := range r.req.ask.list {
		q := &r.req.ask.list[i]
		if q.whole || r.answers[i] != unasked {
			continue
		}
		r.answers[i] = r.byLine(q, text)
		open = open || r.answers[i] == unasked
	}
	return open
}

// A line is what the line columns of a row speak of.
type line struct {
	known  bool
	number int64
	offset int64
	text   []byte // as it is shown
}

func (l *line) column(i int) value.Value {
	switch {
	case !l.known:
		return value.Value{}
	case i == colLineNumber:
		return value.NewInt(l.number)
	case i == colLineOffset:
		return value.NewInt(l.offset)
	}
	return value.NewText(view(l.text))
}

// A hit is a match in a block of lines.
type hit struct{ line, start, end int }

// A viewer finds the lines that are to be shown.
type viewer struct {
	r      *row
	hits   []hit
	number int64 // of the line at the beginning of the block
	offset int64 // of the block
	shown  []byte
	torn   bool  // the content was cut where a match may reach over the cut
	past   []int // by question: what matches of the block before hold of the block
	yield  func(modules.Row) error
}

// Lines calls yield for each line that answers a question which is to be
// shown.
func (r *row) Lines(ctx context.Context, yield func(modules.Row) error) error {
	if !r.req.ask.show {
		return nil
	}
	if r.req.ruled {
		return r.ruled(ctx, yield)
	}
	c := r.content()
	if c == nil {
		return nil
	}
	v := &r.w.viewer
	*v = viewer{r: r, hits: v.hits[:0], number: 1, shown: v.shown[:0], past: append(v.past[:0], make([]int, len(r.req.ask.list))...), yield: yield}
	defer func() { r.located.known = false }()
	if c.whole() {
		return v.block(c.bytes(), c.n)
	}
	// While the lines are shown the content stands where they are: whatever
	// else a row of a line may be asked has to be known before.
	r.foresee(ctx)
	defer func() { r.foreseen = nil }()
	var err error
	if v.spans() {
		err = v.joined(c)
	} else {
		err = v.stream(c)
	}
	r.settle(c)
	if v.torn {
		r.tell(modules.SkipLimit, "a match may reach over more than "+strconv.Itoa(maxSpan)+" bytes: its line may not be shown")
	}
	if r.w.carry.lost {
		r.tell(modules.SkipLimit, "a line is longer than "+strconv.Itoa(maxLine)+" bytes")
	}
	return errors.Join(err, r.w.stopped(ctx))
}

// ruled calls yield for each rule that holds, of the questions that are to be
// shown.
func (r *row) ruled(ctx context.Context, yield func(modules.Row) error) error {
	for q := range r.req.ask.list {
		if r.req.ask.list[q].Show && r.rules.Asks(q) {
			if _, err := r.Ask(ctx, q); err != nil {
				return err
			}
		}
	}
	return r.rules.Shown(func() error { return yield(r) })
}

// foresee answers everything about the content that the request may ask.
func (r *row) foresee(ctx context.Context) {
	seen := map[int]value.Value{}
	for _, i := range r.req.Columns {
		if i >= colMIME && i <= colContent {
			seen[i] = r.fromContent(ctx, i)
		}
	}
	for q := range r.answers {
		if r.answers[q] == unasked {
			r.asked = true
			r.answers[q] = r.answer(ctx, q)
		}
	}
	r.foreseen = seen
}

// stream cuts a content into blocks of whole lines.
func (v *viewer) stream(c *content) error {
	k := &v.r.w.carry
	k.reset()
	c.rewind()
	for c.phase == ready && !v.r.w.s.stopped.Load() {
		b := c.bytes()
		if k.over || len(k.buf) > 0 {
			i := bytes.IndexByte(b, '\n')
			n := i + 1
			if i < 0 {
				n = len(b)
			}
			over := k.over
			held := len(k.buf)
			k.add(b[:n])
			b = b[n:]
			switch {
			case k.over && !over:
				v.offset += int64(held + n)
			case k.over:
				v.offset += int64(n)
			}
			if i >= 0 {
				if k.over {
					v.number++
				} else if err := v.block(k.buf, len(k.buf)); err != nil {
					return err
				}
				k.buf, k.over = k.buf[:0], false
			}
		}
		if n := bytes.LastIndexByte(b, '\n') + 1; n > 0 {
			if err := v.block(b[:n], n); err != nil {
				return err
			}
			b = b[n:]
		}
		k.add(b)
		if c.eof {
			if len(k.buf) > 0 {
				return v.block(k.buf, len(k.buf))
			}
			return nil
		}
		c.more()
	}
	return nil
}

// block shows the lines in the first limit bytes of b, which holds whole ones,
// and those behind them that matches may reach into.
func (v *viewer) block(b []byte, limit int) error {
	v.hits = v.hits[:0]
	for i := range v.r.req.ask.list {
		if q := &v.r.req.ask.list[i]; q.Show && q.Rules == nil {
			v.find(i, b, limit)
		}
	}
	slices.SortFunc(v.hits, func(a, c hit) int {
		if a.line != c.line {
			return a.line - c.line
		}
		return a.start - c.start
	})
	at, last := 0, -1
	number := v.number
	for _, h := range v.hits {
		if h.line == last {
			continue
		}
		last = h.line
		number += int64(bytes.Count(b[at:h.line], newline))
		at = h.line
		text, _ := cutLine(b[h.line:])
		v.cut(text, h.start-h.line, h.end-h.line)
		v.r.located = line{true, number, v.offset + int64(h.line), v.shown}
		if err := v.yield(v.r); err != nil {
			return err
		}
	}
	v.number = number + int64(bytes.Count(b[at:limit], newline))
	v.offset += int64(limit)
	return nil
}

var newline = []byte{'\n'}

// find notes where a question is answered with yes in the first limit bytes.
func (v *viewer) find(i int, b []byte, limit int) {
	q := &v.r.req.ask.list[i]
	if q.whole {
		if v.torn && v.reach(q) == search.WholeText {
			return
		}
		last := v.past[i] - 1
		v.past[i] = 0
		v.r.scanner.Matches(q.pattern, b, func(from, to int) bool {
			if from >= limit {
				return false
			}
			v.past[i] = max(0, to-limit)
			if from > last {
				first := bytes.LastIndexByte(b[:from], '\n') + 1
				if first < len(b) {
					v.hits = append(v.hits, hit{first, from, to})
				}
				last = len(b)
				if n := bytes.IndexByte(b[from:], '\n'); n >= 0 {
					last = from + n
				}
			}
			return last < len(b)
		})
		return
	}
	for at := 0; at < limit; {
		text, rest := cutLine(b[at:])
		if v.r.holds(q, text) {
			start, end := at, at
			if q.pattern >= 0 {
				v.r.scanner.Matches(q.pattern, text, func(s, e int) bool {
					start, end = at+s, at+e
					return false
				})
			}
			v.hits = append(v.hits, hit{at, start, end})
		}
		at = len(b) - len(rest)
	}
}

// cut makes a line fit to be shown, with its match in it.
func (v *viewer) cut(text []byte, start, end int) {
	room := v.r.req.Settings.Context
	if room <= 0 {
		room = defaultContext
	}
	if len(text) <= room {
		v.shown = append(v.shown[:0], text...)
		return
	}
	start, end = min(start, len(text)), min(end, len(text))
	from := max(0, start-max(0, room-(end-start))/2)
	from = min(from, len(text)-room)
	to := from + room
	v.shown = v.shown[:0]
	if from > 0 {
		v.shown = append(v.shown, ellipsis...)
	}
	v.shown = append(v.shown, text[from:to]...)
	if to < len(text) {
		v.shown = append(v.shown, ellipsis...)
	}
}
