package search

import (
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// core is a sequence of two sets of ASCII bytes or more of which each match of an
// expression contains one after the other.
type core struct {
	sets   []byteSet
	before int // bytes a match may hold before it, or endless
}

// shape is what is known of a part of an expression.
type shape struct {
	exact  bool      // the part matches only what the sets allow, byte by byte
	sets   []byteSet // of an exact part
	best   *core     // of a part that is not exact; nil when unknown
	pure   *byteSet  // a match holds no byte but these; nil when unknown
	maxLen int       // bytes of the longest match, or endless
}

// findCore finds the rarest sequence that each match of a simplified
// expression must contain, or nil when none is rare.
func findCore(re *syntax.Regexp) *core {
	c := bestCore(re)
	if c == nil || c.rarity() < minRarity {
		return nil
	}
	return c
}

// bestCore is findCore however common the sequence is.
func bestCore(re *syntax.Regexp) *core {
	w := weave{}
	w.put(re)
	w.cut()
	return w.best
}

func shapeOf(re *syntax.Regexp) shape {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText,
		syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return shape{exact: true, pure: &byteSet{}}
	case syntax.OpCharClass:
		return runeShape(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return shape{maxLen: utf8.UTFMax}
	case syntax.OpQuest:
		s := shapeOf(re.Sub[0])
		return shape{pure: s.pure, maxLen: s.maxLen}
	case syntax.OpStar:
		return shape{pure: shapeOf(re.Sub[0]).pure, maxLen: endless}
	case syntax.OpAlternate:
		return alternateShape(re.Sub)
	case syntax.OpLiteral, syntax.OpCapture, syntax.OpConcat, syntax.OpPlus:
		w := weave{}
		w.put(re)
		return w.shape()
	default: // OpNoMatch; OpRepeat does not outlive simplification
		return shape{maxLen: endless}
	}
}

// runeShape describes one rune of the given ranges.
func runeShape(rs []rune) shape {
	if wideness(rs) != wideNone {
		s := shape{}
		for i := 1; i < len(rs); i += 2 {
			s.maxLen = max(s.maxLen, widest(rs[i]))
		}
		return s
	}
	set := byteSet{}
	for i := 0; i < len(rs); i += 2 {
		for r := rs[i]; r <= rs[i+1]; r++ {
			set = set.with(byte(r))
		}
	}
	return shape{exact: true, sets: []byteSet{set}, pure: &set, maxLen: 1}
}

// alternateShape lets each place hold what any of the parts has there.
func alternateShape(subs []*syntax.Regexp) shape {
	var out shape
	var all *core
	for i, sub := range subs {
		s := shapeOf(sub)
		c := s.best
		if s.exact {
			c = &core{sets: s.sets}
		}
		if i == 0 {
			out, all = s, c
			continue
		}
		out.exact = out.exact && s.exact && out.maxLen == s.maxLen
		out.maxLen = longer(out.maxLen, s.maxLen)
		out.pure = mixed(out.pure, s.pure)
		all = all.overlaid(c)
	}
	out.sets, out.best = nil, nil
	switch {
	case out.exact:
		out.sets = all.sets
	case all != nil && len(all.sets) > 1:
		out.best = all
	}
	return out
}

// overlaid is what is sure when either core is there.
func (c *core) overlaid(d *core) *core {
	if c == nil || d == nil {
		return nil
	}
	u := &core{before: longer(c.before, d.before)}
	for i := range min(len(c.sets), len(d.sets)) {
		u.sets = append(u.sets, c.sets[i].union(d.sets[i]))
	}
	return u
}

// rarity estimates how rarely the core occurs, in sixteenths of bits;
// neighbours depend on each other, hence the half.
func (c *core) rarity() int {
	sum, most, w := 0, 0, 0
	for i, s := range c.sets {
		if i == 0 || s != c.sets[i-1] {
			w = s.rarity()
		}
		sum, most = sum+w/2, max(most, w)
	}
	return sum + most/2
}

// worth is the rarity, less when nothing says where a match could begin.
func (c *core) worth() int {
	if c.before == endless || c.before > maxBefore {
		return c.rarity() - 64
	}
	return c.rarity()
}

// mixed holds what either set holds.
func mixed(x, y *byteSet) *byteSet {
	if x == nil || y == nil {
		return nil
	}
	u := x.union(*y)
	return &u
}

// weave joins shapes that follow each other.
type weave struct {
	run    []byteSet // of the exact parts at the end
	at     int       // bytes that may stand before the run, or endless
	broken bool      // the run is not all there is
	best   *core
	impure bool
	pure   byteSet
	length int
}

// put adds an expression, taking apart what only joins others: so their edges
// meet.
func (w *weave) put(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			rs := []rune{r, r}
			if re.Flags&syntax.FoldCase != 0 {
				for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
					rs = append(rs, f, f)
				}
			}
			w.add(runeShape(rs))
		}
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			w.put(sub)
		}
	case syntax.OpPlus:
		s := shapeOf(re.Sub[0])
		w.add(s)
		w.add(shape{pure: s.pure, maxLen: endless})
	default:
		w.add(shapeOf(re))
	}
}

func (w *weave) add(s shape) {
	if s.pure == nil {
		w.impure = true
	} else {
		w.pure = w.pure.union(*s.pure)
	}
	if s.exact {
		w.run = append(w.run, s.sets...)
		w.length = plus(w.length, len(s.sets))
		return
	}
	tail := w.tail(s.pure)
	w.cut()
	if s.best != nil {
		w.offer(&core{sets: s.best.sets, before: plus(w.length, s.best.before)})
	}
	w.length = plus(w.length, s.maxLen)
	w.run, w.at, w.broken = tail, w.length, true
	if w.length != endless {
		w.at -= len(tail)
	}
}

// tail is how the run goes on behind a part of bytes of one set that may be
// missing: as many bytes of that set as stood before the part stand at its
// end.
func (w *weave) tail(pure *byteSet) []byteSet {
	var out []byteSet
	if pure == nil {
		return nil
	}
	for i := len(w.run) - 1; i >= 0 && len(out) < maxClasses && w.run[i].union(*pure) == *pure; i-- {
		out = append(out, *pure)
	}
	return out
}

// cut takes the run for a core, of a long one the beginning or the end.
func (w *weave) cut() {
	n := len(w.run)
	if n < 2 {
		return
	}
	w.offer(&core{sets: w.run[:min(n, maxClasses)], before: w.at})
	if n > maxClasses {
		w.offer(&core{sets: w.run[n-maxClasses:], before: plus(w.at, n-maxClasses)})
	}
}

func (w *weave) offer(c *core) {
	if w.best == nil || c.worth() > w.best.worth() {
		w.best = c
	}
}

func (w *weave) shape() shape {
	s := shape{maxLen: w.length}
	if !w.impure {
		s.pure = &w.pure
	}
	if !w.broken {
		s.exact, s.sets = true, w.run
		return s
	}
	w.cut()
	s.best = w.best
	return s
}
