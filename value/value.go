package value

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strings"
	"time"
	"unsafe"
)

// MaxListDepth is how deep lists may nest: a list of texts has depth 1. It bounds every recursion over
// values, those that came from a stranger included.
const MaxListDepth = 8

// The first and the last second of the years 1 to 9999, which RFC 3339 can write.
const (
	minSecond = -62135596800
	maxSecond = 253402300799
)

// Value is one typed value, 48 bytes, immutable by convention. The zero Value is Null.
// It cannot be compared with ==, since 1 and 1.0 are equal and Null is equal to nothing: use Equal, or
// AppendKey for a map.
type Value struct {
	_    [0]func()
	text string // text, bytes, hash, version; the zone of an ip
	hi   uint64 // number, seconds, upper half of an address
	lo   uint64 // nanoseconds, lower half of an address, length of a list
	list *Value // first element
	typ  Type
	aux  uint8 // scheme of a version, depth of a list, prefix length of a cidr
	v4   bool  // an address of four bytes
}

// NewText makes a text. It keeps s as it is, valid UTF-8 or not, and may share memory with the caller: see Clone.
func NewText(s string) Value { return Value{typ: Text, text: s} }

// NewBytes makes a bytes value from a copy of b.
func NewBytes(b []byte) Value { return Value{typ: Bytes, text: string(b)} }

// NewInt makes an int.
func NewInt(n int64) Value { return Value{typ: Int, hi: uint64(n)} }

// NewFloat makes a float. Every NaN becomes the one canonical NaN.
func NewFloat(f float64) Value {
	if f != f {
		f = math.NaN()
	}
	return Value{typ: Float, hi: math.Float64bits(f)}
}

// NewBool makes a bool.
func NewBool(b bool) Value {
	v := Value{typ: Bool}
	if b {
		v.hi = 1
	}
	return v
}

// NewSize makes a size of n bytes.
func NewSize(n int64) Value { return Value{typ: Size, hi: uint64(n)} }

// NewDuration makes a duration.
func NewDuration(d time.Duration) Value { return Value{typ: Duration, hi: uint64(d)} }

// NewTime makes a time, exact to the nanosecond and in UTC. A moment outside the years 1 to 9999 gives Null:
// it has no written form, and what such a clock meant is not known.
func NewTime(t time.Time) Value { return newTime(t.Unix(), t.Nanosecond()) }

func newTime(sec int64, nano int) Value {
	if sec < minSecond || sec > maxSecond {
		return Value{}
	}
	return Value{typ: Time, hi: uint64(sec), lo: uint64(nano)}
}

// NewIP makes an ip; the invalid address gives Null, and so does a zone of more than 64 bytes. An IPv4-mapped
// address loses its zone, since IPv4 has none.
func NewIP(a netip.Addr) Value {
	if !a.IsValid() || len(a.Zone()) > maxZone {
		return Value{}
	}
	if a.Is4In6() {
		a = a.WithZone("")
	}
	v := Value{typ: IP, v4: a.Is4(), text: a.Zone()}
	v.setAddr(a)
	return v
}

// NewCIDR makes a cidr, with host bits kept as they are; the invalid prefix gives Null.
func NewCIDR(p netip.Prefix) Value {
	if !p.IsValid() {
		return Value{}
	}
	v := Value{typ: CIDR, v4: p.Addr().Is4(), aux: uint8(p.Bits())}
	v.setAddr(p.Addr())
	return v
}

func (v *Value) setAddr(a netip.Addr) {
	b := a.As16()
	v.hi, v.lo = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// addr gives the address of an ip or a cidr, without its zone.
func (v Value) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.hi)
	binary.BigEndian.PutUint64(b[8:], v.lo)
	a := netip.AddrFrom16(b)
	if v.v4 {
		return a.Unmap()
	}
	return a
}

// NewHash makes a hash from a copy of the raw digest.
func NewHash(raw []byte) Value { return Value{typ: Hash, text: string(raw)} }

// NewVersion makes a version that is ordered by the scheme; an unknown scheme is AnyScheme.
func NewVersion(text string, s Scheme) Value {
	if int(s) >= schemeCount {
		s = AnyScheme
	}
	return Value{typ: Version, text: text, aux: uint8(s)}
}

// NewMode makes a mode from st_mode, the bits of the file's kind included.
func NewMode(m uint32) Value { return Value{typ: Mode, hi: uint64(m)} }

// NewList makes a list that shares vs with the caller, who must not change it afterwards.
// A list deeper than MaxListDepth gives Null.
func NewList(vs []Value) Value {
	depth := uint8(0)
	for i := range vs {
		if vs[i].typ == List {
			depth = max(depth, vs[i].aux)
		}
	}
	if depth >= MaxListDepth {
		return Value{}
	}
	return Value{typ: List, list: unsafe.SliceData(vs), lo: uint64(len(vs)), aux: depth + 1}
}

// Type gives the type.
func (v Value) Type() Type { return v.typ }

// IsNull reports whether the value is Null.
func (v Value) IsNull() bool { return v.typ == Null }

// Text gives the text of a text or a version, else "".
func (v Value) Text() string {
	if v.typ == Text || v.typ == Version {
		return v.text
	}
	return ""
}

// Bytes gives a copy of the bytes of a bytes value or a text, else nil.
func (v Value) Bytes() []byte {
	if v.typ == Bytes || v.typ == Text {
		return []byte(v.text)
	}
	return nil
}

// RawText gives the bytes of a text, version, bytes or hash as a string without a copy, else "".
func (v Value) RawText() string {
	switch v.typ {
	case Text, Version, Bytes, Hash:
		return v.text
	}
	return ""
}

// Int gives the number of an int, the bytes of a size, st_mode of a mode, 0 or 1 for a bool, else 0.
func (v Value) Int() int64 {
	switch v.typ {
	case Int, Size, Mode, Bool:
		return int64(v.hi)
	}
	return 0
}

// Float gives a float, or the nearest float to what Int gives.
func (v Value) Float() float64 {
	if v.typ == Float {
		return math.Float64frombits(v.hi)
	}
	return float64(v.Int())
}

// Bool reports whether the value is the bool true.
func (v Value) Bool() bool { return v.typ == Bool && v.hi == 1 }

// Duration gives a duration, else 0.
func (v Value) Duration() time.Duration {
	if v.typ == Duration {
		return time.Duration(v.hi)
	}
	return 0
}

// Time gives a time in UTC, else the zero Time.
func (v Value) Time() time.Time {
	if v.typ == Time {
		return time.Unix(int64(v.hi), int64(v.lo)).UTC()
	}
	return time.Time{}
}

// IP gives the address of an ip, else the invalid address.
func (v Value) IP() netip.Addr {
	if v.typ != IP {
		return netip.Addr{}
	}
	if v.text != "" {
		return v.addr().WithZone(v.text)
	}
	return v.addr()
}

// CIDR gives the prefix of a cidr, else the invalid prefix.
func (v Value) CIDR() netip.Prefix {
	if v.typ == CIDR {
		return netip.PrefixFrom(v.addr(), int(v.aux))
	}
	return netip.Prefix{}
}

// Hash gives a copy of the raw digest of a hash, else nil.
func (v Value) Hash() []byte {
	if v.typ == Hash {
		return []byte(v.text)
	}
	return nil
}

// List gives the elements of a list, which must not be changed, else nil.
func (v Value) List() []Value {
	if v.typ == List {
		return unsafe.Slice(v.list, int(v.lo))
	}
	return nil
}

// Scheme gives the scheme of a version, else AnyScheme.
func (v Value) Scheme() Scheme {
	if v.typ == Version {
		return Scheme(v.aux)
	}
	return AnyScheme
}

// WithScheme gives a version of AnyScheme the scheme s, as a comparison with a version of that scheme
// does; any other value is returned as it is. A set of versions is keyed after it.
func (v Value) WithScheme(s Scheme) Value {
	if v.typ == Version && v.aux == uint8(AnyScheme) {
		return NewVersion(v.text, s)
	}
	return v
}

// Clone gives the same value in memory of its own. Texts may be views into a scanner's buffer, so whoever
// keeps a value past the row that it came in clones it.
func (v Value) Clone() Value {
	if v.text != "" {
		v.text = strings.Clone(v.text)
	}
	if v.typ != List {
		return v
	}
	vs := make([]Value, v.lo)
	for i, e := range v.List() {
		vs[i] = e.Clone()
	}
	v.list = unsafe.SliceData(vs)
	return v
}
