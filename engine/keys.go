package engine

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"

	"github.com/quaestor-engine/quaestor/value"
)

// Two equalities of the language do not show in value.AppendKey, since they
// hold for a pair only: a hash equals the text of its digits, and a version of
// no known scheme one of any. Rows that join, and tuples in a subquery, are
// therefore gathered under a key that is the same for all that may be equal,
// and compared where they share it. The answer is that of comparing all pairs.

// The marks that begin a key which stands for more than one value. No class of
// value.AppendKey is so high but that of null, which is never equal.
const (
	markHash    = 0xf0
	markVersion = 0xf1
	markList    = 0xf2
)

// appendLoose appends a key that v shares with every value that equals it.
// loose tells that it may share it with others too.
func appendLoose(dst []byte, v value.Value) (key []byte, loose bool) {
	switch v.Type() {
	case value.Text:
		text := v.RawText()
		if !isHex(text) {
			return v.AppendKey(dst), false
		}
		dst = binary.AppendUvarint(append(dst, markHash), uint64(len(text)/2))
		n := len(dst)
		dst = append(dst, make([]byte, len(text)/2)...)
		// It cannot fail: the digits were counted and looked at.
		_, _ = hex.Decode(dst[n:], []byte(text))
		return dst, true
	case value.Hash:
		raw := v.RawText()
		return append(binary.AppendUvarint(append(dst, markHash), uint64(len(raw))), raw...), true
	case value.Version:
		return append(dst, markVersion), true
	case value.List:
		return binary.AppendUvarint(append(dst, markList), uint64(len(v.List()))), true
	case value.Float:
		return v.AppendKey(dst), true // NaN has a key and equals nothing
	}
	return v.AppendKey(dst), false
}

func appendLooseAll(dst []byte, vs []value.Value) (key []byte, loose bool) {
	for _, v := range vs {
		var l bool
		dst, l = appendLoose(dst, v)
		loose = loose || l
	}
	return dst, loose
}

func isHex(s string) bool {
	if s == "" || len(s)%2 != 0 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// equalAll says whether two tuples are known to be equal.
func equalAll(a, b []value.Value) bool {
	for i := range a {
		if eq, ok := value.Equal(a[i], b[i]); !eq || !ok {
			return false
		}
	}
	return true
}

// A tupleSet holds the tuples of a subquery.
type tupleSet struct {
	exact map[string]struct{}        // those whose key says all
	loose map[string][][]value.Value // the others, by their loose key
	key   []byte
}

func newTupleSet() *tupleSet {
	return &tupleSet{exact: map[string]struct{}{}, loose: map[string][][]value.Value{}}
}

// add takes a tuple, which must own its memory, and gives what it costs in
// bytes: 0 where it was there.
func (s *tupleSet) add(tuple []value.Value) int64 {
	var loose bool
	s.key, loose = appendLooseAll(s.key[:0], tuple)
	if !loose {
		if _, ok := s.exact[string(s.key)]; ok {
			return 0
		}
		s.exact[string(s.key)] = struct{}{}
		return int64(len(s.key)) + heldOverhead
	}
	for _, other := range s.loose[string(s.key)] {
		if compareRows(tuple, other) == 0 {
			return 0
		}
	}
	s.loose[string(s.key)] = append(s.loose[string(s.key)], tuple)
	return int64(len(s.key)) + heldOverhead + rowSize(tuple)
}

// contains says whether a tuple equals one of the set. It changes nothing.
func (s *tupleSet) contains(tuple []value.Value) bool {
	var buf [128]byte
	key, _ := appendLooseAll(buf[:0], tuple)
	if _, ok := s.exact[string(key)]; ok {
		return true
	}
	for _, other := range s.loose[string(key)] {
		if equalAll(tuple, other) {
			return true
		}
	}
	return false
}

// orderNullLast is value.Order with null behind everything, in either
// direction: what is not known never leads a list.
func orderNullLast(a, b value.Value) int {
	switch {
	case a.IsNull() && b.IsNull():
		return 0
	case a.IsNull():
		return 1
	case b.IsNull():
		return -1
	}
	return value.Order(a, b)
}

// orderExact orders values that are equal by their form too (1 before 1.0), so
// that which of them is shown does not depend on who came first.
func orderExact(a, b value.Value) int {
	return cmp.Or(orderNullLast(a, b), cmp.Compare(a.Type(), b.Type()), cmp.Compare(a.RawText(), b.RawText()))
}

func compareRows(a, b []value.Value) int {
	for i := range a {
		if c := orderExact(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// heldOverhead is about what a row that is kept costs beside its values, in
// bytes; valueSize what a value does beside its text.
const (
	heldOverhead = 96
	valueSize    = 48
)

func textSize(v value.Value) int64 {
	n := int64(len(v.RawText()))
	for _, m := range v.List() {
		n += valueSize + textSize(m)
	}
	return n
}

func rowSize(vs []value.Value) int64 {
	n := int64(heldOverhead)
	for _, v := range vs {
		n += valueSize + textSize(v)
	}
	return n
}
