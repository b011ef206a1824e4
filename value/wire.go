package value

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
)

// ErrMalformed is the one answer to bytes that are not the wire form of a value.
var ErrMalformed = errors.New("malformed value")

// maxZone bounds the zone of an address, in bytes: the names of network interfaces are shorter.
const maxZone = 64

// AppendBinary writes the wire form that the package comment specifies.
func AppendBinary(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.typ))
	switch v.typ {
	case Text, Bytes, Hash:
		return appendString(dst, v.text)
	case Int, Size, Duration:
		return binary.AppendVarint(dst, int64(v.hi))
	case Float:
		return binary.BigEndian.AppendUint64(dst, v.hi)
	case Bool:
		return append(dst, byte(v.hi))
	case Time:
		return binary.AppendUvarint(binary.AppendVarint(dst, int64(v.hi)), v.lo)
	case IP:
		dst = v.appendAddr(dst)
		if v.v4 {
			return dst
		}
		return appendString(dst, v.text)
	case CIDR:
		return append(v.appendAddr(dst), v.aux)
	case Version:
		return appendString(append(dst, v.aux), v.text)
	case Mode:
		return binary.AppendUvarint(dst, v.hi)
	case List:
		dst = binary.AppendUvarint(dst, v.lo)
		for _, e := range v.List() {
			dst = AppendBinary(dst, e)
		}
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func (v Value) appendAddr(dst []byte) []byte {
	if v.v4 {
		return binary.BigEndian.AppendUint32(append(dst, 4), uint32(v.lo))
	}
	dst = binary.BigEndian.AppendUint64(append(dst, 16), v.hi)
	return binary.BigEndian.AppendUint64(dst, v.lo)
}

// DecodeBinary reads one value from the front of b and gives what follows it. The value owns its memory.
// Exactly one encoding of each value is accepted; anything else is ErrMalformed. What is allocated is at
// most about 48 times the length of b.
func DecodeBinary(b []byte) (v Value, rest []byte, err error) {
	d := decoder{b: b}
	v = d.value(MaxListDepth)
	if d.bad {
		return Value{}, nil, ErrMalformed
	}
	return v, d.b, nil
}

// decoder reads from the front of b. Once bad it stays bad and gives zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	t := d.b[:n]
	d.b = d.b[n:]
	return t
}

func (d *decoder) byte() byte {
	if t := d.take(1); t != nil {
		return t[0]
	}
	return 0
}

// uvarint refuses an encoding with a superfluous zero at its end.
func (d *decoder) uvarint() uint64 {
	n, k := binary.Uvarint(d.b)
	if k <= 0 || k > 1 && d.b[k-1] == 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return n
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) string() string { return string(d.take(d.uvarint())) }

func (d *decoder) uint64() uint64 {
	if t := d.take(8); t != nil {
		return binary.BigEndian.Uint64(t)
	}
	return 0
}

func (d *decoder) value(depth int) Value {
	switch t := Type(d.byte()); t {
	case Null:
		return Value{}
	case Text, Bytes, Hash:
		return Value{typ: t, text: d.string()}
	case Int, Size, Duration:
		return Value{typ: t, hi: uint64(d.varint())}
	case Float:
		return d.float()
	case Bool:
		b := d.byte()
		if b > 1 {
			d.fail()
		}
		return NewBool(b == 1)
	case Time:
		return d.time()
	case IP:
		return d.ip()
	case CIDR:
		return d.cidr()
	case Version:
		s := d.byte()
		if int(s) >= schemeCount {
			d.fail()
		}
		return NewVersion(d.string(), Scheme(s))
	case Mode:
		m := d.uvarint()
		if m > math.MaxUint32 {
			d.fail()
		}
		return NewMode(uint32(m))
	case List:
		return d.list(depth)
	}
	d.fail()
	return Value{}
}

func (d *decoder) float() Value {
	bits := d.uint64()
	v := NewFloat(math.Float64frombits(bits))
	if v.hi != bits {
		d.fail()
	}
	return v
}

func (d *decoder) time() Value {
	sec, nano := d.varint(), d.uvarint()
	if sec < minSecond || sec > maxSecond || nano > 999_999_999 {
		d.fail()
		return Value{}
	}
	return newTime(sec, int(nano))
}

func (d *decoder) addr() netip.Addr {
	n := d.byte()
	if n != 4 && n != 16 {
		d.fail()
	}
	a, _ := netip.AddrFromSlice(d.take(uint64(n)))
	return a
}

func (d *decoder) ip() Value {
	a := d.addr()
	if a.Is4() || d.bad {
		return NewIP(a)
	}
	zone := d.string()
	// An address that embeds IPv4 keeps no zone in net/netip.
	if len(zone) > maxZone || zone != "" && a.Is4In6() {
		d.fail()
	}
	return NewIP(a.WithZone(zone))
}

func (d *decoder) cidr() Value {
	a, n := d.addr(), int(d.byte())
	p := netip.PrefixFrom(a, n)
	if !p.IsValid() {
		d.fail()
	}
	return NewCIDR(p)
}

func (d *decoder) list(depth int) Value {
	n := d.uvarint()
	// Each element has a byte at least.
	if depth == 0 || n > uint64(len(d.b)) {
		d.fail()
		return Value{}
	}
	vs := make([]Value, 0, n)
	for range n {
		vs = append(vs, d.value(depth-1))
		if d.bad {
			return Value{}
		}
	}
	return NewList(vs)
}
