package value

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestOrderIsTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := values().Draw(t, "a"), values().Draw(t, "b"), values().Draw(t, "c")
		if Order(a, a) != 0 || Order(a, b) != -Order(b, a) {
			t.Fatalf("not antisymmetric: %d, %d", Order(a, b), Order(b, a))
		}
		if Order(a, b) <= 0 && Order(b, c) <= 0 && Order(a, c) > 0 {
			t.Fatal("not transitive")
		}
		if (Order(a, b) == 0) != (key(a) == key(b)) {
			t.Fatalf("order %d, keys %x and %x", Order(a, b), key(a), key(b))
		}
	})
}

func TestVersionOrderIsTotal(t *testing.T) {
	gen := rapid.StringMatching(`[v0-9a.:~^+_rp-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		s := Scheme(rapid.IntRange(0, schemeCount-1).Draw(t, "scheme"))
		a, b, c := NewVersion(gen.Draw(t, "a"), s), NewVersion(gen.Draw(t, "b"), s), NewVersion(gen.Draw(t, "c"), s)
		if Order(a, b) != -Order(b, a) || Order(a, b) <= 0 && Order(b, c) <= 0 && Order(a, c) > 0 {
			t.Fatal("no total order")
		}
		if (Order(a, b) == 0) != (key(a) == key(b)) {
			t.Fatalf("order %d, keys %x and %x", Order(a, b), key(a), key(b))
		}
	})
}

func TestEqualAgreesWithKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := values().Draw(t, "a"), values().Draw(t, "b")
		eq, ok := Equal(a, b)
		eq2, ok2 := Equal(b, a)
		c, known := Compare(a, b)
		c2, known2 := Compare(b, a)
		if eq != eq2 || ok != ok2 || known != known2 || c != -c2 {
			t.Fatal("not symmetric")
		}
		if eq && !ok || c != 0 && !known {
			t.Fatal("an answer without knowledge")
		}
		if known && !Comparable(a.Type(), b.Type()) {
			t.Fatal("compared, but not comparable")
		}
		if a.Type() == b.Type() && a.Type() != List && a.Scheme() == b.Scheme() && ok && eq != (key(a) == key(b)) {
			t.Fatalf("equal is %t, keys %x and %x", eq, key(a), key(b))
		}
	})
}

func TestKeysDelimitThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := values().Draw(t, "a"), values().Draw(t, "b")
		c, d := values().Draw(t, "c"), values().Draw(t, "d")
		same := key(a) == key(c) && key(b) == key(d)
		if (key(a)+key(b) == key(c)+key(d)) != same {
			t.Fatal("two rows have one key")
		}
	})
}

func TestNumbersAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{1<<53 + 1, math.MaxInt64, math.MinInt64})).Draw(t, "n")
		f := rapid.OneOf(rapid.Float64(), rapid.Just(float64(n)), rapid.Just(float64(n)+0.5)).Draw(t, "f")
		want := new(big.Float).SetPrec(2000).SetInt64(n).Cmp(new(big.Float).SetPrec(2000).SetFloat64(f))
		if got, ok := Compare(NewInt(n), NewFloat(f)); !ok || got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	})
}

func TestCompareTable(t *testing.T) {
	vs := sample(t)
	nan := NewFloat(math.NaN())
	for _, c := range []struct {
		a, b Value
		cmp  int
		ok   bool
	}{
		{Value{}, Value{}, 0, false}, {vs[Int], Value{}, 0, false}, {nan, nan, 0, false}, {NewInt(1), nan, 0, false},
		{NewInt(1), NewSize(1), 0, true}, {NewInt(1), NewText("1"), 0, false}, {NewFloat(math.Inf(1)), NewInt(math.MaxInt64), 1, true},
		{NewBool(false), NewBool(true), -1, true}, {vs[IP], vs[CIDR], 0, false},
		{NewHash([]byte{0xab}), NewText("AB"), 0, true}, {NewText("ab"), NewHash([]byte{0xab}), 0, true}, {NewHash([]byte{0xab}), NewText("zz"), 0, false},
		{NewVersion("1", Dpkg), NewVersion("1", RPM), 0, false}, {NewVersion("1.0~rc1", AnyScheme), NewVersion("1.0", RPM), -1, true},
		{NewList([]Value{NewInt(1), {}}), NewList([]Value{NewInt(2), {}}), -1, true}, {NewList([]Value{{}}), NewList([]Value{NewInt(2)}), 0, false},
	} {
		if got, ok := Compare(c.a, c.b); got != c.cmp || ok != c.ok {
			t.Errorf("Compare(%s, %s) = %d, %t", c.a.Literal(), c.b.Literal(), got, ok)
		}
	}
	if eq, ok := Equal(NewList([]Value{{}, NewInt(1)}), NewList([]Value{{}, NewInt(2)})); eq || !ok {
		t.Error("lists that differ beside a Null are known to differ")
	}
	if Order(Value{}, vs[List]) != 1 || Order(nan, NewInt(1)) != 1 || Order(nan, vs[Text]) != 1 {
		t.Error("Null is not last, or NaN not after the numbers")
	}
}
