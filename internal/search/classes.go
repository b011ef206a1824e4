package search

import (
	"bytes"
	"math"
	"slices"
	"unicode/utf8"
)

// Bounds on what is looked at of a sequence of classes.
const (
	// maxClasses is the length of a sequence in bytes: that of the longest
	// hash in common use, and of what is kept of each chunk.
	maxClasses = 64
	// maxTests is the number of its positions that are looked at: on data of
	// nothing but false candidates more would cost what the automaton costs.
	maxTests = 16
	// minLone is how rare, in sixteenths of bits, the byte must be that is
	// sought where there is no vector kernel: 96 is one in 64 bytes.
	minLone = 96
)

// byteSet is a set of ASCII bytes, one bit each.
type byteSet [2]uint64

func (s byteSet) has(c byte) bool { return c < utf8.RuneSelf && s[c>>6]>>(c&63)&1 != 0 }

func (s byteSet) with(c byte) byteSet {
	s[c>>6] |= 1 << (c & 63)
	return s
}

func (s byteSet) union(t byteSet) byteSet { return byteSet{s[0] | t[0], s[1] | t[1]} }

// rarity is how rarely a byte of the set occurs, in sixteenths of bits.
func (s byteSet) rarity() int {
	share := 0.0
	for c := range byte(utf8.RuneSelf) {
		if s.has(c) {
			share += math.Exp2(-float64(rarity[c]) / 16)
		}
	}
	if share == 0 {
		return maxRarity
	}
	return max(0, int(-16*math.Log2(share)))
}

// classTest asks whether the byte at a place of the sequence is of its set:
// whether bit c>>4 of low[c&15] is set. The vector kernel knows its layout.
type classTest struct {
	at  int
	low [16]uint8
}

func newClassTest(at int, set byteSet) classTest {
	t := classTest{at: at}
	for c := range byte(utf8.RuneSelf) {
		if set.has(c) {
			t.low[c&15] |= 1 << (c >> 4)
		}
	}
	return t
}

func (t *classTest) holds(c byte) bool { return c < utf8.RuneSelf && t.low[c&15]>>(c>>4)&1 != 0 }

// classes finds where each byte of a sequence is of the set that belongs to
// its place; of a long sequence only the most telling places are looked at.
// It is read-only once made.
type classes struct {
	length int
	tests  []classTest // at least two, the most telling first
	lone   int         // the only byte of the first test's set, or -1
	vector bool
}

// newClasses prepares a sequence of two sets or more; it returns nil when this
// machine would not find it faster than the automaton does.
func newClasses(sets []byteSet) *classes {
	s := &classes{length: len(sets), lone: -1, vector: hasVector()}
	places := telling(sets)
	for _, at := range places[:min(len(places), maxTests)] {
		s.tests = append(s.tests, newClassTest(at, sets[at]))
	}
	n := 0
	for c := range byte(utf8.RuneSelf) {
		if sets[places[0]].has(c) {
			s.lone = int(c)
			n++
		}
	}
	if n != 1 {
		s.lone = -1
	}
	if !s.vector && (s.lone < 0 || rarity[s.lone] < minLone) {
		return nil
	}
	return s
}

// telling orders the places of a sequence by the rarity of their sets. The
// second is of another set than the first, or else far from it: what one of
// them lets pass the other hardly does.
func telling(sets []byteSet) []int {
	places, weight := make([]int, len(sets)), make([]int, len(sets))
	for i := range sets {
		places[i], weight[i] = i, sets[i].rarity()
	}
	slices.SortStableFunc(places, func(i, j int) int { return weight[j] - weight[i] })
	second := -1
	for k, at := range places[1:] {
		if second = k + 1; sets[at] != sets[places[0]] {
			break
		}
	}
	at := places[second]
	places = slices.Delete(places, second, second+1)
	return slices.Insert(places, 1, at)
}

func (s *classes) size() int { return s.length }

// index returns where the sequence first stands in b, or -1.
func (s *classes) index(b []byte) int {
	n := len(b) - s.length + 1
	if n <= 0 {
		return -1
	}
	i := 0
	if s.vector && n >= classMin {
		i = classVector(b, n, s.tests)
	} else {
		i = s.portable(b, n)
	}
	if i == n {
		return -1
	}
	return i
}

// portable returns the first of n positions where the sequence stands, or n.
func (s *classes) portable(b []byte, n int) int {
	first := s.tests[0].at
	for i := 0; i < n; i++ {
		if s.lone >= 0 {
			j := bytes.IndexByte(b[i+first:n+first], byte(s.lone))
			if j < 0 {
				return n
			}
			i += j
		}
		if s.stands(b[i:]) {
			return i
		}
	}
	return n
}

func (s *classes) stands(b []byte) bool {
	for k := range s.tests {
		if t := &s.tests[k]; !t.holds(b[t.at]) {
			return false
		}
	}
	return true
}
