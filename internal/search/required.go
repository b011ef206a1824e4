package search

import (
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// Bounds on what is looked for ahead of an expression.
const (
	// maxRequired is how many literals may stand for one expression: each is
	// a pass of the literal kernel, and more cost what the automaton costs.
	maxRequired = 8
	// maxCheap is how many of them cost less than one pass for classes.
	maxCheap = 2
	// maxBefore is how far, in bytes, a match may begin before its literal
	// and still be looked up again: it is kept of each chunk.
	maxBefore = 4096
	// minRarity is how rare, in sixteenths of bits, a set of literals must be:
	// 160 is one occurrence in a thousand bytes.
	minRarity = 160
	// maxRarity caps the rarity of one literal: past 40 bits none is better.
	maxRarity = 640
	// endless is a length without bound.
	endless = -1
)

// required is a set of literals of which each match contains one.
type required struct {
	texts  [][]byte
	before int // bytes a match may hold before the literal, or endless
	rarity int
}

// facts is what is known of a part of an expression.
type facts struct {
	exact  [][]byte // the part matches only these, folded; nil when unknown
	best   *required
	maxLen int // bytes of the longest match, or endless
}

// analyse finds what each match of re must contain, and how long it can be.
// Literals are in lower case: they must be sought ignoring the case of ASCII
// letters wherever fold comes back true.
func analyse(re *syntax.Regexp) (best *required, maxLen int, fold bool) {
	a := analyser{}
	a.survey(re)
	f := a.visit(re)
	best = better(f.best, a.asRequired(f.exact))
	if best != nil && best.rarity < minRarity {
		best = nil
	}
	return best, f.maxLen, a.fold
}

type analyser struct{ fold bool }

// survey finds whether case is ignored anywhere.
func (a *analyser) survey(re *syntax.Regexp) {
	if re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase != 0 {
		a.fold = true
	}
	for _, s := range re.Sub {
		a.survey(s)
	}
}

func (a *analyser) visit(re *syntax.Regexp) facts {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText,
		syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return facts{exact: [][]byte{{}}}
	case syntax.OpLiteral:
		return a.literal(re)
	case syntax.OpCharClass:
		return a.class(re)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return facts{maxLen: utf8.UTFMax}
	case syntax.OpCapture:
		return a.visit(re.Sub[0])
	case syntax.OpQuest:
		return facts{maxLen: a.visit(re.Sub[0]).maxLen}
	case syntax.OpPlus:
		f := a.visit(re.Sub[0])
		return facts{best: better(f.best, a.asRequired(f.exact)), maxLen: endless}
	case syntax.OpConcat:
		return a.concat(re.Sub)
	case syntax.OpAlternate:
		return a.alternate(re.Sub)
	case syntax.OpNoMatch:
		return facts{}
	default: // OpStar; OpRepeat does not outlive simplification
		return facts{maxLen: endless}
	}
}

// literal treats a literal as a sequence of runes, as some may fold beyond
// ASCII.
func (a *analyser) literal(re *syntax.Regexp) facts {
	seq := newSequence(a)
	for _, r := range re.Rune {
		rs := []rune{r, r}
		if re.Flags&syntax.FoldCase != 0 {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				rs = append(rs, f, f)
			}
		}
		seq.add(a.runes(rs))
	}
	return seq.facts()
}

func (a *analyser) class(re *syntax.Regexp) facts { return a.runes(re.Rune) }

// runes describes a class: the strings it stands for when they are few.
func (a *analyser) runes(rs []rune) facts {
	f := facts{}
	if len(rs) == 0 {
		return f
	}
	total := 0
	for i := 0; i < len(rs); i += 2 {
		// U+FFFD stands for invalid bytes too, which are no one string.
		if rs[i] <= utf8.RuneError && utf8.RuneError <= rs[i+1] {
			total = 2*maxRequired + 1
		}
		total += min(int(rs[i+1]-rs[i])+1, 2*maxRequired+1)
		f.maxLen = max(f.maxLen, widest(rs[i+1]))
	}
	if total > 2*maxRequired {
		return f
	}
	for i := 0; i < len(rs); i += 2 {
		for r := rs[i]; r <= rs[i+1]; r++ {
			f.exact = addText(f.exact, a.lower(utf8.AppendRune(nil, r)))
		}
	}
	if len(f.exact) > maxRequired {
		f.exact = nil
	}
	return f
}

func (a *analyser) lower(b []byte) []byte {
	for i, c := range b {
		if a.fold && isLetter(c) {
			b[i] = c | lowerBit
		}
	}
	return b
}

func (a *analyser) concat(subs []*syntax.Regexp) facts {
	seq := newSequence(a)
	for _, s := range subs {
		seq.add(a.visit(s))
	}
	return seq.facts()
}

func (a *analyser) alternate(subs []*syntax.Regexp) facts {
	out := facts{exact: [][]byte{}}
	union := &required{}
	for _, s := range subs {
		f := a.visit(s)
		out.maxLen = longer(out.maxLen, f.maxLen)
		if f.exact == nil {
			out.exact = nil
		}
		if out.exact != nil {
			for _, t := range f.exact {
				out.exact = addText(out.exact, t)
			}
		}
		if len(out.exact) > maxRequired {
			out.exact = nil
		}
		union = a.join(union, better(f.best, a.asRequired(f.exact)))
	}
	out.best = union
	return out
}

// join is what is required when either side may match.
func (a *analyser) join(x, y *required) *required {
	if x == nil || y == nil {
		return nil
	}
	u := &required{before: longer(x.before, y.before)}
	for _, t := range x.texts {
		u.texts = addText(u.texts, t)
	}
	for _, t := range y.texts {
		u.texts = addText(u.texts, t)
	}
	if len(u.texts) > maxRequired {
		return nil
	}
	u.rarity = rarityOf(u.texts)
	return u
}

// asRequired makes a requirement of what a part matches exactly.
func (a *analyser) asRequired(exact [][]byte) *required {
	if len(exact) == 0 {
		return nil
	}
	for _, t := range exact {
		if len(t) == 0 || len(t) > maxBefore {
			return nil
		}
	}
	return &required{texts: exact, rarity: rarityOf(exact)}
}

// sequence joins parts that follow each other.
type sequence struct {
	a      *analyser
	run    [][]byte // the strings of the exact parts at the end
	at     int      // bytes that may stand before the run, or endless
	whole  bool     // the run is all there is
	best   *required
	length int
}

func newSequence(a *analyser) *sequence {
	return &sequence{a: a, run: [][]byte{{}}, whole: true}
}

func (s *sequence) add(f facts) {
	if f.exact != nil {
		if len(s.run)*len(f.exact) > maxRequired || len(s.run[0])+longest(f.exact) > maxBefore {
			s.cut()
		}
		s.run = product(s.run, f.exact)
	} else {
		s.cut()
		if f.best != nil {
			moved := *f.best
			moved.before = plus(s.length, moved.before)
			s.best = better(s.best, &moved)
		}
	}
	s.length = plus(s.length, f.maxLen)
	if f.exact == nil {
		s.at = s.length
	}
}

// cut ends the run and begins another.
func (s *sequence) cut() {
	if r := s.a.asRequired(s.run); r != nil {
		r.before = s.at
		s.best = better(s.best, r)
	}
	s.run, s.at, s.whole = [][]byte{{}}, s.length, false
}

func (s *sequence) facts() facts {
	if s.whole {
		return facts{exact: s.run, maxLen: s.length}
	}
	s.cut()
	return facts{best: s.best, maxLen: s.length}
}

// product is each of x followed by each of y.
func product(x, y [][]byte) [][]byte {
	var out [][]byte
	for _, a := range x {
		for _, b := range y {
			out = addText(out, append(append([]byte(nil), a...), b...))
		}
	}
	return out
}

func addText(set [][]byte, t []byte) [][]byte {
	for _, x := range set {
		if string(x) == string(t) {
			return set
		}
	}
	return append(set, t)
}

func longest(set [][]byte) int {
	n := 0
	for _, t := range set {
		n = max(n, len(t))
	}
	return n
}

// better is the rarer requirement; one whose reach is bounded goes before one
// whose reach is not, unless that is far rarer.
func better(x, y *required) *required {
	if x == nil || y != nil && y.worth() > x.worth() {
		return y
	}
	return x
}

func (r *required) worth() int {
	if r.before == endless || r.before > maxBefore {
		return r.rarity - 64
	}
	return r.rarity
}

// rarityOf estimates how rarely any of the texts occurs, in sixteenths of
// bits; neighbouring bytes depend on each other, hence the half.
func rarityOf(texts [][]byte) int {
	least := maxRarity
	for _, t := range texts {
		sum := 0
		for i, c := range t {
			w := int(rarity[c])
			if i > 0 {
				w /= 2
			}
			sum += w
		}
		least = min(least, sum)
	}
	// Twice as many texts are one bit less rare.
	for n := len(texts); n > 1; n /= 2 {
		least -= 16
	}
	return least
}

// widest is the number of bytes of the widest rune up to r.
func widest(r rune) int {
	if n := utf8.RuneLen(r); n > 0 {
		return n
	}
	return 3 // a surrogate: never decoded, its neighbours are three bytes wide
}

func plus(x, y int) int {
	if x == endless || y == endless {
		return endless
	}
	return x + y
}

func longer(x, y int) int {
	if x == endless || y == endless {
		return endless
	}
	return max(x, y)
}
