package value

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// scalars draws from few values on purpose, so that equal ones meet.
func scalars() *rapid.Generator[Value] {
	text := rapid.SampledFrom([]string{"", "a", "A", "ab", "0", "00", "1.0", "1.0.0", "v1.0.0-rc.1", "1:1.0-1", "1.0~a", "1.0^a", "\xff", "é"})
	num := rapid.SampledFrom([]int64{0, 1, -1, 2, 1 << 53, 1<<53 + 1, 1<<63 - 1, -1 << 63})
	return rapid.OneOf(
		rapid.Just(Value{}),
		rapid.Map(text, NewText), rapid.Map(rapid.String(), NewText),
		rapid.Map(text, func(s string) Value { return NewBytes([]byte(s)) }),
		rapid.Map(num, NewInt), rapid.Map(num, NewSize), rapid.Map(rapid.Int64(), NewInt),
		rapid.Map(num, func(n int64) Value { return NewFloat(float64(n)) }), rapid.Map(rapid.Float64(), NewFloat),
		rapid.Map(rapid.Bool(), NewBool),
		rapid.Map(num, func(n int64) Value { return NewDuration(time.Duration(n)) }),
		rapid.Map(rapid.Uint32Range(0, 3), NewMode), rapid.Map(rapid.Uint32(), NewMode),
		rapid.Custom(func(t *rapid.T) Value {
			return newTime(rapid.Int64Range(minSecond, maxSecond).Draw(t, "s"), rapid.IntRange(0, 999_999_999).Draw(t, "n"))
		}),
		rapid.Map(rapid.SampledFrom([]string{"1.2.3.4", "::ffff:1.2.3.4", "::1", "fe80::1%eth0", "fe80::1", "0.0.0.0", "::"}),
			func(s string) Value { return NewIP(netip.MustParseAddr(s)) }),
		rapid.Map(rapid.SampledFrom([]string{"10.0.0.0/8", "10.0.0.5/8", "::/0", "0.0.0.0/0"}),
			func(s string) Value { return NewCIDR(netip.MustParsePrefix(s)) }),
		rapid.Map(text, func(s string) Value { return NewHash([]byte(s)) }),
		rapid.Custom(func(t *rapid.T) Value {
			return NewVersion(text.Draw(t, "v"), Scheme(rapid.IntRange(0, schemeCount-1).Draw(t, "scheme")))
		}),
	)
}

func values() *rapid.Generator[Value] {
	g := scalars()
	for range 2 {
		inner := g
		g = rapid.OneOf(inner, rapid.Map(rapid.SliceOfN(inner, 0, 3), NewList))
	}
	return g
}

func key(v Value) string { return string(v.AppendKey(nil)) }

// sample is one value of each type for tests by table.
func sample(t testing.TB) map[Type]Value {
	t.Helper()
	return map[Type]Value{
		Null: {}, Text: NewText("a\"\\\n\u202e\xff"), Bytes: NewBytes([]byte{0x4d, 0x5a}), Int: NewInt(-7), Float: NewFloat(2),
		Bool: NewBool(true), Size: NewSize(4096), Duration: NewDuration(90 * time.Minute),
		Time: NewTime(time.Date(2026, 11, 23, 10, 0, 0, 500_000_000, time.FixedZone("", 7200))),
		IP:   NewIP(netip.MustParseAddr("fe80::1%eth0")), CIDR: NewCIDR(netip.MustParsePrefix("10.0.0.0/8")),
		Hash: NewHash([]byte("0123456789abcdef")), Version: NewVersion("1.2-3", Dpkg), Mode: NewMode(0o104755),
		List: NewList([]Value{NewInt(1), {}, NewText("x")}),
	}
}
