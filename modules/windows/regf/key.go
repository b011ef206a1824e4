package regf

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf16"
)

// A Key is one of the keys of a hive.
type Key struct {
	Name     string
	Modified time.Time

	hive               *Hive
	at                 uint32
	depth              int
	keys, values       uint32 // how many
	keyList, valueList uint32 // where
	class              uint32
	classSize          int
}

const keyHead = 76

// key reads a key.
func (h *Hive) key(at uint32) (*Key, error) {
	b, err := h.cell(at, keyHead+maxName)
	where := int64(at) + headSize
	switch {
	case err != nil:
		return nil, err
	case len(b) < keyHead || string(b[:2]) != "nk":
		return nil, bad(where, "no key")
	case u16(b, 72) > len(b)-keyHead:
		return nil, bad(where, "a key's name beyond its cell")
	}
	return &Key{
		Name: text(b[keyHead:keyHead+u16(b, 72)], u16(b, 2)&latinKey != 0), Modified: Filetime(u64(b, 4)),
		hive: h, at: at, keys: u32(b, 20), keyList: u32(b, 28), values: u32(b, 36), valueList: u32(b, 40),
		class: u32(b, 48), classSize: u16(b, 74),
	}, nil
}

// Class gives the class of a key, a text that programs may leave with it.
func (k *Key) Class() (string, error) {
	if k.classSize == 0 || k.class == noOffset {
		return "", nil
	}
	b, err := k.hive.cell(k.class, k.classSize)
	if err != nil {
		return "", err
	}
	return text(b, false), nil
}

// text makes a text of a name.
func text(b []byte, latin bool) string {
	if !latin {
		return UTF16(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// UTF16 makes a text of UTF-16 with the small end first.
func UTF16(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = uint16(u16(b, 2*i))
	}
	return string(utf16.Decode(u))
}

// Subkeys gives the keys in a key, in the order of the hive. An error stands
// for a key, or for a list of them, that is not in the format.
func (k *Key) Subkeys() iter.Seq2[*Key, error] {
	return func(yield func(*Key, error) bool) {
		if k.keys == 0 {
			return
		}
		if k.depth >= MaxDeep {
			yield(nil, bad(int64(k.at)+headSize, "more keys in each other than there can be"))
			return
		}
		offsets, err := k.hive.list(k.keyList)
		if err == nil && len(offsets) != int(k.keys) {
			err = bad(int64(k.keyList)+headSize, fmt.Sprintf("a list of %d keys where there should be %d", len(offsets), k.keys))
		}
		if err != nil && !yield(nil, err) {
			return
		}
		seen := make(map[uint32]bool, len(offsets))
		for _, at := range offsets {
			sub, err := k.sub(at, seen)
			if !yield(sub, err) {
				return
			}
		}
	}
}

// sub reads one of the keys in a key. Each says in which it is, and is there
// once, so that lists which lead back are found.
func (k *Key) sub(at uint32, seen map[uint32]bool) (*Key, error) {
	if seen[at] {
		return nil, bad(int64(at)+headSize, "a key that is listed twice")
	}
	seen[at] = true
	sub, err := k.hive.key(at)
	if err != nil {
		return nil, err
	}
	b, err := k.hive.cell(at, 20)
	if err == nil && u32(b, 16) != k.at {
		err = bad(int64(at)+headSize, "a key that says it is elsewhere")
	}
	if err != nil {
		return nil, err
	}
	sub.depth = k.depth + 1
	return sub, nil
}

// list gives the offsets of a list of keys, those of lists of lists too.
func (h *Hive) list(at uint32) ([]uint32, error) {
	b, err := h.cell(at, 4+8*0xffff)
	if err != nil {
		return nil, err
	}
	if len(b) < 4 {
		return nil, bad(int64(at)+headSize, "no list of keys")
	}
	if string(b[:2]) != "ri" {
		return leaf(nil, b, at)
	}
	lists := bytes.Clone(b[4:min(len(b), 4+4*u16(b, 2))])
	var all []uint32
	for i := 0; i+4 <= len(lists); i += 4 {
		to := u32(lists, i)
		b, err := h.cell(to, 4+8*0xffff)
		if err == nil {
			all, err = leaf(all, b, to)
		}
		if err == nil && len(all) > maxKeys {
			err = bad(int64(at)+headSize, "more keys in one than there can be")
		}
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// leaf appends the offsets of a list that holds keys.
func leaf(all []uint32, b []byte, at uint32) ([]uint32, error) {
	width := 8
	if len(b) < 4 {
		return all, bad(int64(at)+headSize, "no list of keys")
	}
	switch string(b[:2]) {
	case "lf", "lh":
	case "li":
		width = 4
	default:
		return all, bad(int64(at)+headSize, "no list of keys")
	}
	n := u16(b, 2)
	if 4+n*width > len(b) {
		return all, bad(int64(at)+headSize, "a list longer than its cell")
	}
	for i := range n {
		all = append(all, u32(b, 4+i*width))
	}
	return all, nil
}

// Subkey gives the key of that name, in any case; nil where there is none.
// The error is that of a list or key that could not be read meanwhile, and
// may have been it.
func (k *Key) Subkey(name string) (*Key, error) {
	var failed error
	for sub, err := range k.Subkeys() {
		if err != nil {
			failed = err
		} else if strings.EqualFold(sub.Name, name) {
			return sub, nil
		}
	}
	return nil, failed
}

// A Value is one of the values of a key.
type Value struct {
	Name string // "" for the default one
	Type uint32

	key  *Key
	at   uint32
	size uint32
	data uint32
}

const valueHead = 20

// Values gives the values of a key. An error stands for one that is not in
// the format.
func (k *Key) Values() iter.Seq2[*Value, error] {
	return func(yield func(*Value, error) bool) {
		if k.values == 0 {
			return
		}
		where := int64(k.valueList) + headSize
		if k.values > maxKeys {
			yield(nil, bad(where, "more values than there can be"))
			return
		}
		b, err := k.hive.cell(k.valueList, int(4*k.values))
		if err == nil && len(b) < int(4*k.values) {
			err = bad(where, "a list of values longer than its cell")
		}
		if err != nil && !yield(nil, err) {
			return
		}
		list := bytes.Clone(b)
		for i := 0; i+4 <= len(list); i += 4 {
			if !yield(k.value(u32(list, i))) {
				return
			}
		}
	}
}

func (k *Key) value(at uint32) (*Value, error) {
	b, err := k.hive.cell(at, valueHead+maxLong)
	where := int64(at) + headSize
	switch {
	case err != nil:
		return nil, err
	case len(b) < valueHead || string(b[:2]) != "vk":
		return nil, bad(where, "no value")
	case u16(b, 2) > len(b)-valueHead:
		return nil, bad(where, "a value's name beyond its cell")
	}
	return &Value{
		Name: text(b[valueHead:valueHead+u16(b, 2)], u16(b, 16)&latinValue != 0), Type: u32(b, 12),
		key: k, at: at, size: u32(b, 4), data: u32(b, 8),
	}, nil
}

// Data reads the bytes of a value.
func (v *Value) Data() ([]byte, error) {
	h, where := v.key.hive, int64(v.at)+headSize
	size := int(v.size &^ resident)
	switch {
	case v.size&resident != 0 && size <= 4:
		b := [4]byte{byte(v.data), byte(v.data >> 8), byte(v.data >> 16), byte(v.data >> 24)}
		return b[:size], nil
	case v.size&resident != 0:
		return nil, bad(where, "more than 4 bytes in place of an offset")
	case size == 0:
		return []byte{}, nil
	case size > MaxData:
		return nil, bad(where, fmt.Sprintf("a value of %d bytes", size))
	}
	b, err := h.cell(v.data, size)
	if err != nil {
		return nil, err
	}
	if size > segment && h.minor > 3 && len(b) >= 8 && string(b[:2]) == "db" {
		return v.parts(u16(b, 2), u32(b, 4), size)
	}
	if len(b) < size {
		return nil, bad(where, "a value longer than its cell")
	}
	return bytes.Clone(b), nil
}

// parts reads data that is stored in several cells.
func (v *Value) parts(n int, at uint32, size int) ([]byte, error) {
	h := v.key.hive
	b, err := h.cell(at, 4*n)
	if err != nil {
		return nil, err
	}
	list := bytes.Clone(b)
	data := make([]byte, 0, min(size, len(list)/4*segment))
	for i := 0; i+4 <= len(list) && len(data) < size; i += 4 {
		b, err := h.cell(u32(list, i), min(segment, size-len(data)))
		if err != nil {
			return nil, err
		}
		data = append(data, b...)
	}
	if len(data) < size {
		return nil, bad(int64(at)+headSize, "a value whose parts are too few")
	}
	return data, nil
}
