package hivetest

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

var le = binary.LittleEndian

// Filetime is a time in units of 100 ns since 1601.
func Filetime(t time.Time) uint64 { return uint64(t.UnixNano()/100) + 116444736000000000 }

// A writer lays cells one behind the other.
type writer struct{ b []byte }

const bin = 32 // bytes of the head of the only bin

// cell appends a cell and gives its offset.
func (w *writer) cell(data []byte) uint32 {
	at := uint32(len(w.b))
	size := (len(data) + 4 + 7) / 8 * 8
	w.b = le.AppendUint32(w.b, uint32(-int32(size)))
	w.b = append(w.b, data...)
	w.b = append(w.b, make([]byte, size-4-len(data))...)
	return at
}

// hive makes the file.
func (k *key) hive() []byte {
	w := &writer{b: make([]byte, bin)}
	security := w.security()
	root := w.key(k, 0xffffffff, security, 0x2c)
	if rest := (4096 - len(w.b)%4096) % 4096; rest >= 8 {
		at := len(w.b)
		w.b = append(w.b, make([]byte, rest)...)
		le.PutUint32(w.b[at:], uint32(rest))
	}
	copy(w.b, "hbin")
	le.PutUint32(w.b[8:], uint32(len(w.b)))
	le.PutUint64(w.b[20:], Filetime(Now()))
	head := make([]byte, 4096)
	copy(head, "regf")
	le.PutUint32(head[4:], 1)
	le.PutUint32(head[8:], 1)
	le.PutUint64(head[12:], Filetime(Now()))
	for at, v := range map[int]uint32{20: 1, 24: 5, 32: 1, 36: root, 40: uint32(len(w.b)), 44: 1} {
		le.PutUint32(head[at:], v)
	}
	Sign(head)
	return append(head, w.b...)
}

// Sign puts the checksum into a base block.
func Sign(head []byte) {
	sum := uint32(0)
	for i := 0; i < 508; i += 4 {
		sum ^= le.Uint32(head[i:])
	}
	le.PutUint32(head[508:], sum)
}

// security is a descriptor that lets everybody do everything: tools of others
// want one.
func (w *writer) security() uint32 {
	sd := []byte{1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0,
		2, 0, 28, 0, 1, 0, 0, 0, 0, 0, 20, 0, 0xff, 0xff, 0x1f, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}
	b := append(make([]byte, 20), sd...)
	copy(b, "sk")
	at := uint32(len(w.b))
	le.PutUint32(b[4:], at)
	le.PutUint32(b[8:], at)
	le.PutUint32(b[12:], 1)
	le.PutUint32(b[16:], uint32(len(sd)))
	return w.cell(b)
}

// key appends a key with all that is in it.
func (w *writer) key(k *key, parent, security uint32, flags uint16) uint32 {
	name, latin := latin1(k.name)
	if latin {
		flags |= 0x20
	}
	b := append(make([]byte, 76), name...)
	copy(b, "nk")
	le.PutUint16(b[2:], flags)
	le.PutUint64(b[4:], Filetime(k.at))
	le.PutUint32(b[16:], parent)
	le.PutUint32(b[20:], uint32(len(k.keys)))
	le.PutUint32(b[36:], uint32(len(k.values)))
	for _, at := range []int{28, 32, 40, 48} {
		le.PutUint32(b[at:], 0xffffffff)
	}
	le.PutUint32(b[44:], security)
	le.PutUint16(b[72:], uint16(len(name)))
	at := w.cell(b)
	if len(k.values) > 0 {
		var list []byte
		for _, v := range k.values {
			list = le.AppendUint32(list, w.value(v))
		}
		to := w.cell(list)
		le.PutUint32(w.b[at+4+40:], to)
	}
	if len(k.keys) > 0 {
		to := w.keys(k, at, security)
		le.PutUint32(w.b[at+4+28:], to)
	}
	return at
}

// keys appends the keys in a key, and the list of them.
func (w *writer) keys(k *key, at, security uint32) uint32 {
	slices.SortFunc(k.keys, func(a, b *key) int { return cmp.Compare(strings.ToUpper(a.name), strings.ToUpper(b.name)) })
	list := []byte{'l', 'h', 0, 0}
	le.PutUint16(list[2:], uint16(len(k.keys)))
	for _, c := range k.keys {
		hash := uint32(0)
		for _, r := range strings.ToUpper(c.name) {
			hash = hash*37 + uint32(r)
		}
		list = le.AppendUint32(list, w.key(c, at, security, 0))
		list = le.AppendUint32(list, hash)
	}
	return w.cell(list)
}

const segment = 16344

func (w *writer) value(v val) uint32 {
	name, latin := latin1(v.name)
	b := append(make([]byte, 20), name...)
	copy(b, "vk")
	le.PutUint16(b[2:], uint16(len(name)))
	le.PutUint32(b[4:], uint32(len(v.data)))
	le.PutUint32(b[12:], v.kind)
	if latin {
		le.PutUint16(b[16:], 1)
	}
	switch {
	case len(v.data) <= 4:
		le.PutUint32(b[4:], uint32(len(v.data))|1<<31)
		copy(b[8:], v.data)
	case len(v.data) > segment:
		var list []byte
		for part := range slices.Chunk(v.data, segment) {
			list = le.AppendUint32(list, w.cell(append(slices.Clone(part), 0, 0, 0, 0)))
		}
		db := []byte{'d', 'b', byte(len(list) / 4), 0, 0, 0, 0, 0, 0, 0, 0, 0}
		le.PutUint32(db[4:], w.cell(list))
		le.PutUint32(b[8:], w.cell(db))
	default:
		le.PutUint32(b[8:], w.cell(v.data))
	}
	return w.cell(b)
}

// latin1 gives a name in Latin-1, or in UTF-16 where that has it not.
func latin1(s string) ([]byte, bool) {
	var b []byte
	for _, r := range s {
		if r > 0xff {
			return wide(s), false
		}
		b = append(b, byte(r))
	}
	return b, true
}
