package value

import (
	"encoding/binary"
	"math"
)

// The tags of keys for numbers: a whole number that fits int64 has one form whatever its type.
const (
	keyWhole = iota + 1
	keyFloat
)

// AppendKey writes a key for maps: two values have the same key exactly where Order gives 0, so equal values
// have equal keys (1, 1.0 and a size of 1 byte), all Null have one key, and so have all NaN. Keys
// are self-delimiting: those of a row may be written one after another.
//
// Two equalities cannot be seen in a key, as they hold for a pair only: that of a hash with a text (Convert
// the text first), and that of a version of AnyScheme with one of a scheme (see Value.WithScheme).
// A key is for memory: it is not the wire form and may change.
func (v Value) AppendKey(dst []byte) []byte {
	dst = append(dst, classes[v.typ])
	switch v.typ {
	case Text, Bytes, Hash:
		return appendString(dst, v.text)
	case Int, Size, Mode:
		return binary.BigEndian.AppendUint64(append(dst, keyWhole), v.hi)
	case Float:
		return appendFloatKey(dst, math.Float64frombits(v.hi))
	case Bool:
		return append(dst, byte(v.hi))
	case Duration:
		return binary.BigEndian.AppendUint64(dst, v.hi)
	case Time:
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(dst, v.hi), uint32(v.lo))
	case IP:
		// The sixteen bytes of an IPv4 address are those of its mapped form.
		dst = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, v.hi), v.lo)
		return appendString(dst, v.text)
	case CIDR:
		return append(v.appendAddr(dst), v.aux)
	case Version:
		// Its length is known only afterwards.
		dst = append(dst, v.aux, 0, 0, 0, 0)
		at := len(dst)
		dst = appendVersionKey(dst, v.text, Scheme(v.aux))
		binary.BigEndian.PutUint32(dst[at-4:], uint32(len(dst)-at))
		return dst
	case List:
		dst = binary.AppendUvarint(dst, v.lo)
		for _, e := range v.List() {
			dst = e.AppendKey(dst)
		}
	}
	return dst
}

func appendFloatKey(dst []byte, f float64) []byte {
	if f >= -1<<63 && f < 1<<63 && f == math.Trunc(f) {
		return binary.BigEndian.AppendUint64(append(dst, keyWhole), uint64(int64(f)))
	}
	return binary.BigEndian.AppendUint64(append(dst, keyFloat), math.Float64bits(f))
}
