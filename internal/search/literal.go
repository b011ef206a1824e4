package search

import (
	"bytes"
	"encoding/binary"
)

// lowerBit is the bit that tells a lower-case ASCII letter from its capital.
const lowerBit = 0x20

// longLiteral is the length, in bytes, from which a literal carries a failure
// table: below it the work a false candidate can cause is small anyway.
const longLiteral = 64

// pair describes two bytes at a distance: x[i]|m1 == c1 and x[i+d]|m2 == c2.
type pair struct {
	d              int
	c1, m1, c2, m2 byte
}

// literal finds one byte string, of which some ASCII letters may ignore case.
// It is read-only once made.
type literal struct {
	text   []byte // what to find, letters in lower case when they fold
	mask   []byte // lowerBit where text folds, else 0; nil when nothing folds
	first  int    // where the pair begins in text
	pair   pair
	fails  []uint32 // Knuth-Morris-Pratt failure table of a long literal
	vector bool
}

// newLiteral prepares text; fold makes its ASCII letters ignore case.
func newLiteral(text []byte, fold bool) *literal {
	l := &literal{text: bytes.Clone(text), vector: hasVector()}
	if fold {
		l.mask = make([]byte, len(text))
		for i, c := range text {
			if isLetter(c) {
				l.text[i], l.mask[i] = c|lowerBit, lowerBit
			}
		}
	}
	l.choosePair()
	if len(text) >= longLiteral {
		l.fails = failures(l.text)
	}
	return l
}

func (l *literal) size() int { return len(l.text) }

// index returns where the literal first occurs in b, or -1.
func (l *literal) index(b []byte) int {
	n := len(b) - len(l.text) + 1
	// Data made to be full of false candidates must not cost a comparison of
	// the whole literal at each byte: past this many bytes compared, the
	// failure table finishes the work in linear time.
	budget := 4*len(b) + 64*longLiteral
	for i := 0; i < n; i++ {
		i += l.candidate(b[i+l.first:], n-i)
		if i >= n {
			return -1
		}
		if l.at(b[i:]) {
			return i
		}
		if l.fails == nil {
			continue
		}
		if budget -= l.wasted(b[i:]); budget < 0 {
			if j := l.indexLinear(b[i+1:]); j >= 0 {
				return i + 1 + j
			}
			return -1
		}
	}
	return -1
}

// wasted estimates the bytes compared at a false candidate at the beginning
// of b: most differ at once.
func (l *literal) wasted(b []byte) int {
	n := min(len(l.text), 16)
	for i := range n {
		if !l.same(b[i], i) {
			return n
		}
	}
	return len(l.text)
}

// candidate returns the first of n positions where the pair stands, or n.
func (l *literal) candidate(b []byte, n int) int {
	if l.vector && n >= vectorMin {
		return pairVector(b, n, l.pair)
	}
	return pairPortable(b, n, l.pair)
}

// at tells whether the literal stands at the beginning of b, which is long
// enough for it.
func (l *literal) at(b []byte) bool {
	b = b[:len(l.text)]
	if l.mask == nil {
		return bytes.Equal(b, l.text)
	}
	t, m := l.text, l.mask
	for len(t) >= 8 {
		w := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(m)
		if w != binary.LittleEndian.Uint64(t) {
			return false
		}
		b, t, m = b[8:], t[8:], m[8:]
	}
	for i := range t {
		if b[i]|m[i] != t[i] {
			return false
		}
	}
	return true
}

// indexLinear is index in time linear in b whatever it holds.
func (l *literal) indexLinear(b []byte) int {
	j := 0
	for i, c := range b {
		for j > 0 && !l.same(c, j) {
			j = int(l.fails[j-1])
		}
		if l.same(c, j) {
			j++
		}
		if j == len(l.text) {
			return i + 1 - j
		}
	}
	return -1
}

func (l *literal) same(c byte, j int) bool {
	if l.mask != nil {
		c |= l.mask[j]
	}
	return c == l.text[j]
}

// choosePair picks the two rarest bytes of the literal, which need not be
// neighbours: the distance costs nothing.
func (l *literal) choosePair() {
	x := 0
	for i := range l.text {
		if l.weight(i) > l.weight(x) {
			x = i
		}
	}
	y := -1
	for i := range l.text {
		if i == x || l.text[i] == l.text[x] && y >= 0 {
			continue
		}
		if y < 0 || l.text[y] == l.text[x] || l.weight(i) > l.weight(y) {
			y = i
		}
	}
	if y < 0 {
		y = x
	}
	if y < x {
		x, y = y, x
	}
	l.first = x
	l.pair = pair{d: y - x, c1: l.text[x], c2: l.text[y]}
	if l.mask != nil {
		l.pair.m1, l.pair.m2 = l.mask[x], l.mask[y]
	}
}

// weight is the rarity of the byte at i, of either case where it folds.
func (l *literal) weight(i int) int {
	c := l.text[i]
	if l.mask == nil || l.mask[i] == 0 {
		return int(rarity[c])
	}
	return int(min(rarity[c], rarity[c&^lowerBit])) - 8
}

// pairPortable returns the first i in [0, n) where the pair stands, or n; b
// holds at least n+k.d bytes.
func pairPortable(b []byte, n int, k pair) int {
	for i := 0; i < n; i++ {
		if j := indexEither(b[i:n], k.c1, k.m1); j < 0 {
			return n
		} else {
			i += j
		}
		if b[i+k.d]|k.m2 == k.c2 {
			return i
		}
	}
	return n
}

// indexEither finds the first byte x of b with x|mask == c.
func indexEither(b []byte, c, mask byte) int {
	if mask == 0 {
		return bytes.IndexByte(b, c)
	}
	// In steps, so that a case that never occurs is not sought to the end
	// of b at every call.
	const step = 512
	for off := 0; off < len(b); off += step {
		s := b[off:min(off+step, len(b))]
		j := bytes.IndexByte(s, c)
		if j >= 0 {
			s = s[:j]
		}
		if k := bytes.IndexByte(s, c&^mask); k >= 0 {
			j = k
		}
		if j >= 0 {
			return off + j
		}
	}
	return -1
}

// failures is the failure table of Knuth, Morris and Pratt.
func failures(t []byte) []uint32 {
	f := make([]uint32, len(t))
	j := uint32(0)
	for i := 1; i < len(t); i++ {
		for j > 0 && t[i] != t[j] {
			j = f[j-1]
		}
		if t[i] == t[j] {
			j++
		}
		f[i] = j
	}
	return f
}

func isLetter(c byte) bool {
	c |= lowerBit
	return 'a' <= c && c <= 'z'
}
