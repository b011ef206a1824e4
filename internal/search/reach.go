package search

import "bytes"

// A Reach says how far around its line a match of a pattern looks.
type Reach uint8

// The reaches.
const (
	InLine    Reach = iota // no match holds a newline: lines can be asked one by one
	OverLines              // a match may hold newlines
	WholeText              // a match depends on where the content begins or ends
)

// Reach gives that of pattern p.
func (s *Set) Reach(p int) Reach {
	switch pat := &s.pats[p]; {
	case pat.re != nil && pat.re.p.textEdge:
		return WholeText
	case len(pat.tails) > 0, pat.re != nil && !pat.re.p.lineOnly:
		return OverLines
	}
	return InLine
}

// Cut says how much of b is enough for itself: no match of pattern p that
// begins in it ends, or could end, behind it. b is whole lines of a content
// that goes on.
func (c *Scanner) Cut(p int, b []byte) int {
	pat := &c.set.pats[p]
	at := len(b)
	for _, t := range pat.tails {
		if len(t) <= len(b) && bytes.EqualFold(b[len(b)-len(t):], t) {
			at = min(at, len(b)-len(t))
		}
	}
	switch c.set.Reach(p) {
	case InLine:
		return len(b)
	case WholeText:
		return 0
	}
	if pat.re != nil {
		at = min(at, c.cutRun(p, b))
	}
	return at
}

// cutStep is how many bytes the automaton passes between two looks at whether
// it hopes for anything: a cut that is found is as near to the end as that.
const cutStep = 16

// cutRun is Cut of an expression: behind its last match that does not touch
// the end of b, the last place at which the automaton hopes for nothing.
func (c *Scanner) cutRun(p int, b []byte) int {
	r := c.runs[p]
	d := r.d
	if d.starts[afterOther]&special != 0 {
		return len(b) // it matches at each place, and in each line
	}
	at, before := 0, afterLine
	if r.whole(b) {
		c.Matches(p, b, func(_, end int) bool {
			if end < len(b) {
				at = end
			}
			return end < len(b)
		})
	}
	if at > 0 {
		before = beforeAfter(rune(b[at-1]))
	}
	d.live[liveKept] = d.live[liveCarry]
	d.live[liveCarry] = d.starts[before]
	for pos := at; pos < len(b); {
		end := min(pos+cutStep, len(b))
		s := d.run(liveCarry, b[pos:end])
		if s&special != 0 {
			break
		}
		if pos = end; d.idle(s) {
			at = pos
		}
	}
	d.live[liveCarry], d.live[liveKept] = d.live[liveKept], unset
	return at
}

// tailsOf gives the parts of a text that end with a newline and are not all of
// it: a content that ends in one may go on to be the text.
func tailsOf(text []byte) [][]byte {
	var out [][]byte
	for i, c := range text[:len(text)-1] {
		if c == '\n' {
			out = append(out, text[:i+1])
		}
	}
	return out
}
