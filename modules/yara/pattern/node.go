package pattern

import "math/bits"

// Set is a set of bytes, one bit each.
type Set [4]uint64

// Has says whether a byte is in the set.
func (s *Set) Has(c byte) bool { return s[c>>6]>>(c&63)&1 != 0 }

func (s *Set) add(c byte) { s[c>>6] |= 1 << (c & 63) }

func (s *Set) addRange(lo, hi byte) {
	for c := int(lo); c <= int(hi); c++ {
		s.add(byte(c))
	}
}

func (s *Set) union(t *Set) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s *Set) negate() {
	for i := range s {
		s[i] = ^s[i]
	}
}

// fold adds the other case of each ASCII letter in the set.
func (s *Set) fold() {
	for c := byte('a'); c <= 'z'; c++ {
		if lower, upper := s.Has(c), s.Has(c&^lowerBit); lower != upper {
			s.add(c)
			s.add(c &^ lowerBit)
		}
	}
}

func (s *Set) size() int {
	return bits.OnesCount64(s[0]) + bits.OnesCount64(s[1]) + bits.OnesCount64(s[2]) + bits.OnesCount64(s[3])
}

// members lists the bytes of the set.
func (s *Set) members() []byte {
	out := make([]byte, 0, s.size())
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			out = append(out, byte(64*i+bits.TrailingZeros64(w)))
		}
	}
	return out
}

// lowest gives the least byte of a set that holds one.
func (s *Set) lowest() byte {
	for i, w := range s {
		if w != 0 {
			return byte(64*i + bits.TrailingZeros64(w))
		}
	}
	return 0
}

const lowerBit = 0x20

func one(c byte) Set {
	var s Set
	s.add(c)
	return s
}

func all() Set {
	var s Set
	s.negate()
	return s
}

// Op says what a Node is.
type Op uint8

// The kinds of nodes.
const (
	Empty      Op = iota // nothing
	Byte                 // one byte of Set
	Concat               // Subs, one after the other
	Alternate            // one of Subs, the first that will do
	Repeat               // Subs[0], Min to Max times
	TextStart            // the beginning of the content
	TextEnd              // its end
	Boundary             // between a word's byte and another
	NoBoundary           // not there
)

// Endless is the Max of a Repeat without a bound.
const Endless = -1

// A Node is a part of a pattern.
type Node struct {
	Op       Op
	Set      Set
	Subs     []*Node
	Min, Max int
	Lazy     bool // a Repeat that would rather end
	Jump     bool // a Repeat that a pattern may be taken apart at
	Wide     bool // a Boundary among characters of two bytes

	fwd, rev uint32 // of a Byte, its instruction in either code
}

func leaf(s Set) *Node { return &Node{Op: Byte, Set: s} }

func concat(subs ...*Node) *Node {
	if len(subs) == 1 {
		return subs[0]
	}
	return &Node{Op: Concat, Subs: subs}
}

// Widen gives the pattern for characters of two bytes, of which the second is
// zero.
func Widen(n *Node) *Node {
	w := *n
	switch n.Op {
	case Byte:
		return concat(leaf(n.Set), leaf(one(0)))
	case Boundary, NoBoundary:
		w.Wide = true
	}
	w.Subs = make([]*Node, len(n.Subs))
	for i, sub := range n.Subs {
		w.Subs[i] = Widen(sub)
	}
	return &w
}

// length gives the bytes of the shortest and of the longest match; the longest
// may be Endless.
func length(n *Node) (lo, hi int) {
	switch n.Op {
	case Byte:
		return 1, 1
	case Concat:
		for _, sub := range n.Subs {
			l, h := length(sub)
			lo, hi = lo+l, sum(hi, h)
		}
	case Alternate:
		for i, sub := range n.Subs {
			l, h := length(sub)
			if i == 0 {
				lo, hi = l, h
				continue
			}
			lo = min(lo, l)
			if h == Endless || hi == Endless {
				hi = Endless
			} else {
				hi = max(hi, h)
			}
		}
	case Repeat:
		l, h := length(n.Subs[0])
		if h == 0 {
			return 0, 0
		}
		if h == Endless || n.Max == Endless {
			return l * n.Min, Endless
		}
		return l * n.Min, h * n.Max
	}
	return lo, hi
}

func sum(x, y int) int {
	if x == Endless || y == Endless {
		return Endless
	}
	return x + y
}

// IsGreedy says whether any repetition of a pattern would rather go on.
func IsGreedy(n *Node) bool {
	if n.Op == Repeat && !n.Lazy {
		return true
	}
	for _, sub := range n.Subs {
		if IsGreedy(sub) {
			return true
		}
	}
	return false
}
