package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// TestEqualValuesMeet: whatever the language calls equal is found under one
// key, and a set of tuples says what comparing with each of them says.
func TestEqualValuesMeet(t *testing.T) {
	moment := time.Date(2026, 11, 23, 1, 2, 3, 4, time.UTC)
	list := func(vs ...value.Value) value.Value { return value.NewList(vs) }
	all := []value.Value{
		value.NewInt(1), value.NewFloat(1), value.NewSize(1), value.NewMode(1), value.NewInt(-1), value.NewFloat(-1), value.NewFloat(1.5),
		value.NewInt(1 << 53), value.NewInt(1<<53 + 1), value.NewFloat(1 << 53), value.NewFloat(0), value.NewInt(0),
		value.NewBool(true), value.NewBool(false),
		value.NewText(""), value.NewText("a"), value.NewText("A"), value.NewText("ab"), value.NewText("AB"), value.NewText("aB"), value.NewText("abc"),
		value.NewBytes([]byte("ab")), value.NewHash([]byte{0xab}), value.NewHash([]byte{0xab, 0xcd}), value.NewText("abcd"), value.NewText("ABcd"),
		value.NewDuration(1), value.NewDuration(time.Hour), value.NewTime(moment), value.NewTime(moment.In(time.FixedZone("", 3600))),
		value.NewIP(netip.MustParseAddr("10.0.0.1")), value.NewIP(netip.MustParseAddr("::ffff:10.0.0.1")), value.NewIP(netip.MustParseAddr("::1")),
		value.NewCIDR(netip.MustParsePrefix("10.0.0.0/8")), value.NewCIDR(netip.MustParsePrefix("10.0.0.0/9")),
		value.NewVersion("1.0", value.AnyScheme), value.NewVersion("1.0", value.Dpkg), value.NewVersion("1.0", value.RPM), value.NewVersion("01.0", value.Dpkg), value.NewVersion("2", value.Dpkg),
		list(), list(value.NewInt(1)), list(value.NewFloat(1)), list(value.NewText("ab")), list(value.NewHash([]byte{0xab})), list(value.NewInt(1), value.Value{}),
	}
	pairs := 0
	for _, a := range all {
		keyA, _ := appendLoose(nil, a)
		set := newTupleSet()
		set.add([]value.Value{a, a})
		for _, b := range all {
			eq, ok := value.Equal(a, b)
			keyB, _ := appendLoose(nil, b)
			if eq && ok {
				if pairs++; string(keyA) != string(keyB) {
					t.Errorf("%s %s and %s %s are equal and do not meet", a.Type(), a.Literal(), b.Type(), b.Literal())
				}
			}
			if set.contains([]value.Value{b, b}) != (eq && ok) {
				t.Errorf("%s %s among %s %s: %v", b.Type(), b.Literal(), a.Type(), a.Literal(), !(eq && ok))
			}
		}
	}
	if pairs <= len(all) {
		t.Errorf("only %d pairs are equal", pairs)
	}
}
