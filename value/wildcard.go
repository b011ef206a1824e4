package value

import (
	"strings"
	"unicode/utf8"
)

// wildcard matches one text without levels: a segment of a path, or the whole text of LIKE. It takes at most
// len(ops) × len(text) steps, since after a star only the last star need ever be tried again.
type wildcard struct {
	ops   []op
	fold  bool
	units bool // a literal is not UTF-8 and must not match within a character
}

type opKind uint8

const (
	opLiteral opKind = iota
	opOne
	opStar
	opClass
)

type op struct {
	kind  opKind
	text  string // of opLiteral
	class *class // of opClass
}

// appendOp joins literals and stars with their like in front.
func appendOp(ops []op, o op) []op {
	if n := len(ops); n > 0 && ops[n-1].kind == o.kind {
		switch o.kind {
		case opLiteral:
			ops[n-1].text += o.text
			return ops
		case opStar:
			return ops
		}
	}
	return append(ops, o)
}

func newWildcard(ops []op, fold bool) wildcard {
	w := wildcard{ops: ops, fold: fold}
	for _, o := range ops {
		w.units = w.units || !utf8.ValidString(o.text)
	}
	return w
}

// literal gives the one text that matches, if there is but one; not for a folding wildcard.
func (w *wildcard) literal() (string, bool) {
	switch {
	case len(w.ops) == 0:
		return "", true
	case len(w.ops) == 1 && w.ops[0].kind == opLiteral:
		return w.ops[0].text, true
	}
	return "", false
}

func (w *wildcard) match(s string) bool {
	i, j := 0, 0
	star, mark := -1, 0
	for {
		switch {
		case i == len(w.ops):
			if j == len(s) {
				return true
			}
		case w.ops[i].kind == opStar:
			i++
			if i == len(w.ops) {
				return true
			}
			star, mark = i, w.seek(i, s, j)
			if mark < 0 {
				return false
			}
			j = mark
			continue
		default:
			if n := w.consume(&w.ops[i], s[j:]); n >= 0 {
				i, j = i+1, j+n
				continue
			}
		}
		if star < 0 || mark == len(s) {
			return false
		}
		_, n := decodeUnit(s[mark:])
		if mark = w.seek(star, s, mark+n); mark < 0 {
			return false
		}
		i, j = star, mark
	}
}

// seek gives the first place from j where the op after a star can match, or -1; it only looks for plain
// literals, which is where the time goes.
func (w *wildcard) seek(i int, s string, j int) int {
	if o := &w.ops[i]; o.kind == opLiteral && !w.fold && !w.units {
		if i == len(w.ops)-1 && len(s)-j >= len(o.text) {
			j = len(s) - len(o.text)
		}
		at := strings.Index(s[j:], o.text)
		if at < 0 {
			return -1
		}
		return j + at
	}
	return j
}

// consume gives how many bytes in front of s the op takes, or -1.
func (w *wildcard) consume(o *op, s string) int {
	if o.kind == opLiteral {
		switch {
		case w.fold || w.units:
			return unitPrefix(s, o.text, w.fold)
		case strings.HasPrefix(s, o.text):
			return len(o.text)
		}
		return -1
	}
	if s == "" {
		return -1
	}
	r, n := decodeUnit(s)
	if o.kind == opClass && !o.class.has(r, w.fold) {
		return -1
	}
	return n
}

// class is a set of characters as [a-z] writes it.
type class struct {
	negated bool
	ranges  []runeRange
}

type runeRange struct{ lo, hi rune }

func (c *class) has(r rune, fold bool) bool {
	in := c.hasExactly(r)
	if fold && !in {
		for f := foldNext(r); f != r && !in; f = foldNext(f) {
			in = c.hasExactly(f)
		}
	}
	return in != c.negated
}

func (c *class) hasExactly(r rune) bool {
	for _, g := range c.ranges {
		if r >= g.lo && r <= g.hi {
			return true
		}
	}
	return false
}
