package search

import (
	"bytes"
	"unicode/utf8"
)

// Blocks, in bytes, in which a content is gone through for its matches.
const (
	listBlock = 64 << 10 // the hits of a block are sorted together
	lineBlock = 64 << 10 // the automaton passes over a block that has none
)

// Matches calls yield for each match of pattern p in b, a whole content or
// whole lines of one, from left to right: bytes b[start:end]. Matches do not
// overlap: each is the first to begin at or after the end of the one before.
// Of the entries of a list that begin at one place it is the longest; for an
// expression it is what the standard library's FindAllIndex gives. It ends
// when yield returns false.
func (c *Scanner) Matches(p int, b []byte, yield func(start, end int) bool) {
	pat := &c.set.pats[p]
	switch {
	case pat.lit != nil:
		pat.lit.matches(b, yield)
	case pat.list != nil:
		c.listMatches(pat, b, yield)
	case pat.re.p.lineOnly && !pat.re.p.textEdge:
		c.runs[p].lineMatches(b, yield)
	case !pat.re.p.lookBack:
		pat.re.restarted(b, yield)
	default:
		for _, m := range pat.re.std.FindAllIndex(b, -1) {
			if !yield(m[0], m[1]) {
				return
			}
		}
	}
}

func (l *literal) matches(b []byte, yield func(start, end int) bool) {
	for pos := 0; ; pos += len(l.text) {
		i := l.index(b[pos:])
		if i < 0 || !yield(pos+i, pos+i+len(l.text)) {
			return
		}
		pos += i
	}
}

// listMatches goes through b in blocks; entries that fold beyond ASCII come
// from the expression beside the list.
func (c *Scanner) listMatches(pat *compiled, b []byte, yield func(start, end int) bool) {
	m := merger{b: b, re: pat.re, yield: yield, wide: hit{start: -1}}
	for base := 0; base < len(b); base += listBlock {
		c.hits = pat.list.collect(b[base:], min(listBlock, len(b)-base), c.hits[:0])
		sortHits(c.hits)
		for _, h := range c.hits {
			if !m.take(hit{base + h.start, base + h.end}) {
				return
			}
		}
	}
	m.take(hit{len(b) + 1, len(b) + 1})
}

// merger puts the hits of a list and of an expression in one order.
type merger struct {
	b     []byte
	re    *regex // nil when there is none
	yield func(start, end int) bool
	pos   int
	wide  hit // the next match of the expression; start is -1 when unknown
}

// take passes on what comes before h, then h, where they do not overlap what
// was passed on before. A hit beyond the end of b only flushes.
func (m *merger) take(h hit) bool {
	for m.re != nil {
		if m.wide.start < m.pos {
			m.findWide()
		}
		w := m.wide
		if w.start > h.start || w.start == h.start && w.end <= h.end {
			break
		}
		if m.pos = w.end; !m.yield(w.start, w.end) {
			return false
		}
	}
	if h.start < m.pos || h.start > len(m.b) {
		return true
	}
	m.pos = h.end
	return m.yield(h.start, h.end)
}

func (m *merger) findWide() {
	m.wide = hit{len(m.b) + 2, len(m.b) + 2}
	if at := m.re.std.FindIndex(m.b[m.pos:]); at != nil {
		m.wide = hit{m.pos + at[0], m.pos + at[1]}
	}
}

// lineMatches serves expressions that see no further than their line: the
// automaton finds the lines, the standard library the places in them.
func (r *regexRun) lineMatches(b []byte, yield func(start, end int) bool) {
	for pos := 0; pos <= len(b); {
		end := lineEnd(b, min(pos+lineBlock, len(b)))
		if !r.whole(b[pos:end]) {
			pos = end + 1
			continue
		}
		for pos <= end {
			stop := lineEnd(b, pos)
			if r.whole(b[pos:stop]) {
				for _, m := range r.x.std.FindAllIndex(b[pos:stop], -1) {
					if !yield(pos+m[0], pos+m[1]) {
						return
					}
				}
			}
			pos = stop + 1
		}
	}
}

// lineEnd returns where the line around or after pos ends.
func lineEnd(b []byte, pos int) int {
	if i := bytes.IndexByte(b[pos:], '\n'); i >= 0 {
		return pos + i
	}
	return len(b)
}

// restarted serves expressions that do not look back: each search begins at
// the end of the one before, so that no list of all matches is made. It steps
// over empty matches as the standard library does.
func (x *regex) restarted(b []byte, yield func(start, end int) bool) {
	for pos, prev := 0, -1; pos <= len(b); {
		at := x.std.FindIndex(b[pos:])
		if at == nil {
			return
		}
		start, end := pos+at[0], pos+at[1]
		accept := true
		if end == pos {
			accept = start != prev
			_, n := utf8.DecodeRune(b[pos:])
			pos += max(n, 1)
		} else {
			pos = end
		}
		prev = end
		if accept && !yield(start, end) {
			return
		}
	}
}
