package value

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"math"
	"strings"
)

// Compare orders a and b: cmp is -1, 0 or 1. ok is false, and cmp 0, where the answer is unknown: one is
// Null or NaN, their types do not go together, their versions follow different schemes.
//
// Numbers (int, float, size, mode) compare by what they count, exactly; text by its bytes; false before
// true; an IPv4 address that is mapped into IPv6 as the IPv4 address; a cidr by address, then length; a hash
// with a text as its hex digits in any case; a list by the first element that differs, then by length.
func Compare(a, b Value) (result int, ok bool) {
	ca, cb := classes[a.typ], classes[b.typ]
	switch {
	case a.typ == Null || b.typ == Null:
		return 0, false
	case a.typ == Hash && b.typ == Text:
		return compareHashText(a.text, b.text)
	case a.typ == Text && b.typ == Hash:
		result, ok = compareHashText(b.text, a.text)
		return -result, ok
	case ca != cb:
		return 0, false
	}
	switch a.typ {
	case Int, Float, Size, Mode:
		return compareNumbers(a, b)
	case Version:
		s, ok := commonScheme(Scheme(a.aux), Scheme(b.aux))
		if !ok {
			return 0, false
		}
		return CompareVersions(a.text, b.text, s), true
	case List:
		return compareLists(a.List(), b.List())
	}
	return compareSame(a, b), true
}

// Equal reports whether a and b are equal; ok is false where Compare's is. Unlike Compare it knows that a
// list is unequal as soon as a length or any element is, whatever the unknown ones hide, and that a text
// which is no hex is not a hash.
func Equal(a, b Value) (eq, ok bool) {
	switch {
	case a.typ == List && b.typ == List:
		return equalLists(a.List(), b.List())
	case a.typ == Hash && b.typ == Text, a.typ == Text && b.typ == Hash:
		c, hex := Compare(a, b)
		return hex && c == 0, true
	}
	c, ok := Compare(a, b)
	return ok && c == 0, ok
}

// Order is a total order for ORDER BY: first by type, in the order of the constants but with the four
// numbers as one, then as Compare; NaN after all numbers, versions by scheme first, Null last.
// It gives 0 exactly where the keys of AppendKey are the same.
func Order(a, b Value) int {
	ca, cb := classes[a.typ], classes[b.typ]
	if ca != cb {
		return cmp.Compare(ca, cb)
	}
	switch a.typ {
	case Null:
		return 0
	case Int, Float, Size, Mode:
		if c, ok := compareNumbers(a, b); ok {
			return c
		}
		return cmp.Compare(nanRank(a), nanRank(b))
	case Version:
		if a.aux != b.aux {
			return cmp.Compare(a.aux, b.aux)
		}
		return CompareVersions(a.text, b.text, Scheme(a.aux))
	case List:
		la, lb := a.List(), b.List()
		for i := range min(len(la), len(lb)) {
			if c := Order(la[i], lb[i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(len(la), len(lb))
	}
	return compareSame(a, b)
}

// Comparable reports whether values of the two types can be compared by Compare or Equal; Null with anything.
func Comparable(a, b Type) bool {
	switch {
	case int(a) >= typeCount || int(b) >= typeCount:
		return false
	case a == Null || b == Null:
		return true
	case a == Hash && b == Text || a == Text && b == Hash:
		return true
	}
	return classes[a] == classes[b]
}

// classes gives types that compare with each other the same number; Null comes last, as Order wants it.
var classes = [typeCount]uint8{
	Null: 0xff, Text: 1, Bytes: 2, Int: 3, Float: 3, Bool: 4, Size: 3, Duration: 5, Time: 6,
	IP: 7, CIDR: 8, Hash: 9, Version: 10, Mode: 3, List: 11,
}

// compareSame compares two values of one class that is neither numbers, versions nor lists.
func compareSame(a, b Value) int {
	switch a.typ {
	case Bool:
		return cmp.Compare(a.hi, b.hi)
	case Duration:
		return cmp.Compare(int64(a.hi), int64(b.hi))
	case Time:
		return cmp.Or(cmp.Compare(int64(a.hi), int64(b.hi)), cmp.Compare(a.lo, b.lo))
	case IP:
		return a.IP().Unmap().Compare(b.IP().Unmap())
	case CIDR:
		return cmp.Or(a.addr().Compare(b.addr()), cmp.Compare(a.aux, b.aux))
	}
	return strings.Compare(a.text, b.text)
}

func compareNumbers(a, b Value) (int, bool) {
	af, bf := a.typ == Float, b.typ == Float
	switch {
	case !af && !bf:
		return cmp.Compare(int64(a.hi), int64(b.hi)), true
	case af && bf:
		x, y := a.Float(), b.Float()
		if x != x || y != y {
			return 0, false
		}
		return cmp.Compare(x, y), true
	case af:
		c, ok := compareIntFloat(int64(b.hi), a.Float())
		return -c, ok
	}
	return compareIntFloat(int64(a.hi), b.Float())
}

// compareIntFloat loses nothing: a float within the range of int64 is split into its whole part, which an
// int64 holds exactly, and its fraction.
func compareIntFloat(n int64, f float64) (int, bool) {
	switch {
	case f != f:
		return 0, false
	case f >= 1<<63:
		return -1, true
	case f < -1<<63:
		return 1, true
	}
	whole, frac := math.Modf(f)
	return cmp.Or(cmp.Compare(n, int64(whole)), cmp.Compare(0, frac)), true
}

func nanRank(v Value) int {
	if v.typ == Float && math.IsNaN(v.Float()) {
		return 1
	}
	return 0
}

func compareHashText(raw, text string) (int, bool) {
	dec, err := hex.DecodeString(text)
	if err != nil {
		return 0, false
	}
	return bytes.Compare([]byte(raw), dec), true
}

func compareLists(a, b []Value) (int, bool) {
	for i := range min(len(a), len(b)) {
		if c, ok := Compare(a[i], b[i]); c != 0 || !ok {
			return c, ok
		}
	}
	return cmp.Compare(len(a), len(b)), true
}

func equalLists(a, b []Value) (eq, ok bool) {
	if len(a) != len(b) {
		return false, true
	}
	known := true
	for i := range a {
		eq, ok := Equal(a[i], b[i])
		if ok && !eq {
			return false, true
		}
		known = known && ok
	}
	return known, known
}

func commonScheme(a, b Scheme) (Scheme, bool) {
	switch {
	case a == b || b == AnyScheme:
		return a, true
	case a == AnyScheme:
		return b, true
	}
	return AnyScheme, false
}
