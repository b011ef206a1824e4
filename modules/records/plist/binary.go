package plist

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
)

const (
	binaryHead = 8  // bytes
	binaryTail = 32 // bytes
)

// A binaryFile is a list in the binary form. Each object is read once; what
// it amounts to is counted as often as it is reached.
type binaryFile struct {
	data    []byte // without the tail
	table   []byte // the offsets
	offset  int    // bytes of one of them
	ref     int    // bytes of a reference
	objects []object
	left    budget // for what is read, shared or not
}

// An object is one that was read, with all that is in it.
type object struct {
	value  *Value
	open   bool // it is being read
	values int
	text   int
	depth  int
}

func decodeBinary(data []byte) (*Value, error) {
	if len(data) < binaryHead+binaryTail {
		return nil, malformed("it is cut short")
	}
	if data[6] != '0' {
		return nil, malformed("a version %q that nobody knows", data[6:binaryHead])
	}
	tail := data[len(data)-binaryTail:]
	count, top, table := binary.BigEndian.Uint64(tail[8:]), binary.BigEndian.Uint64(tail[16:]), binary.BigEndian.Uint64(tail[24:])
	f := &binaryFile{data: data[:len(data)-binaryTail], offset: int(tail[6]), ref: int(tail[7]), left: newBudget()}
	end := uint64(len(f.data))
	switch {
	case f.offset < 1 || f.offset > 8 || f.ref < 1 || f.ref > 8:
		return nil, malformed("offsets of %d bytes, references of %d", f.offset, f.ref)
	case table < binaryHead || table > end || count > (end-table)/uint64(f.offset) || top >= count:
		return nil, malformed("object %d of %d, whose table begins at byte %d of %d", top, count, table, len(data))
	case count > maxValues:
		return nil, errMany
	}
	f.table, f.objects = f.data[table:], make([]object, count)
	f.data = f.data[:table]
	o, err := f.object(top, 0)
	if err != nil {
		return nil, err
	}
	return o.value, nil
}

// number reads a number of up to 8 bytes.
func number(b []byte) uint64 {
	n := uint64(0)
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// object gives the n-th object with all that is in it.
func (f *binaryFile) object(n uint64, depth int) (*object, error) {
	if n >= uint64(len(f.objects)) {
		return nil, malformed("a reference to object %d of %d", n, len(f.objects))
	}
	o := &f.objects[n]
	switch {
	case o.open:
		return nil, malformed("object %d contains itself", n)
	case o.value != nil:
		return o, nil
	case depth >= maxDepth:
		return nil, errDeep
	}
	at := number(f.table[n*uint64(f.offset):][:f.offset])
	if at < binaryHead || at >= uint64(len(f.data)) {
		return nil, malformed("object %d at byte %d of %d", n, at, len(f.data))
	}
	o.open = true
	v, err := f.read(o, f.data[at:], depth)
	if err != nil {
		return nil, err
	}
	o.values, o.text, o.depth = o.values+1, o.text+len(v.text), o.depth+1
	switch {
	case o.values > maxValues:
		return nil, errMany
	case o.text > maxText:
		return nil, errLong
	case o.depth > maxDepth:
		return nil, errDeep
	}
	o.open, o.value = false, v
	return o, nil
}

// read reads an object that stands at the beginning of b.
func (f *binaryFile) read(o *object, b []byte, depth int) (*Value, error) {
	kind, n := b[0]>>4, int(b[0]&0xf)
	b = b[1:]
	switch kind {
	case 0x0:
		return f.simple(n, b)
	case 0x1, 0x2:
		return f.number(kind, n, b)
	case 0x3:
		if n != 3 || len(b) < 8 {
			return nil, malformed("a date of 2^%d bytes", n)
		}
		return &Value{Kind: Date, bits: binary.BigEndian.Uint64(b)}, nil
	case 0x8:
		if len(b) <= n || n >= 8 {
			return nil, malformed("a UID of %d bytes", n+1)
		}
		return &Value{Kind: UID, bits: number(b[:n+1])}, nil
	}
	if n == 0xf {
		var err error
		if n, b, err = length(b); err != nil {
			return nil, err
		}
	}
	switch kind {
	case 0x4, 0x5, 0x6, 0x7:
		return f.bytes(kind, n, b)
	case 0xa, 0xb, 0xc, 0xd:
		return f.members(o, kind == 0xd, n, b, depth)
	}
	return nil, malformed("a kind of object %#x that nobody knows", kind)
}

// length reads the integer that says how long an object is.
func length(b []byte) (int, []byte, error) {
	if len(b) == 0 || b[0]>>4 != 1 || b[0]&0xf > 3 || len(b) < 1+1<<(b[0]&0xf) {
		return 0, nil, malformed("a length that is no integer")
	}
	size := 1 << (b[0] & 0xf)
	n := number(b[1 : 1+size])
	if n > MaxFile {
		return 0, nil, malformed("a length of %d", n)
	}
	return int(n), b[1+size:], nil
}

// simple reads an object that has no length.
func (f *binaryFile) simple(n int, b []byte) (*Value, error) {
	switch n {
	case 0x0:
		return &Value{Kind: Null}, nil
	case 0x8, 0x9:
		return &Value{Kind: Bool, bits: uint64(n & 1)}, nil
	case 0xc:
		if len(b) == 0 || b[0]>>4 < 5 || b[0]>>4 > 7 {
			return nil, malformed("a URL that is no text")
		}
		return f.read(nil, b, maxDepth)
	case 0xe:
		if len(b) < 16 {
			break
		}
		h := hex.EncodeToString(b[:16])
		return &Value{Kind: Text, text: h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]}, nil
	}
	return nil, malformed("a kind of object 0x%02x that nobody knows", n)
}

// number reads an integer or a real.
func (f *binaryFile) number(kind byte, n int, b []byte) (*Value, error) {
	if n > 4 || len(b) < 1<<n {
		return nil, malformed("a number of 2^%d bytes", n)
	}
	b = b[:1<<n]
	switch {
	case kind == 1 && n < 4:
		return &Value{Kind: Int, bits: number(b)}, nil
	case kind == 1:
		i := new(big.Int).SetBytes(b)
		if b[0] >= 0x80 {
			i.Sub(i, new(big.Int).Lsh(big.NewInt(1), 128))
		}
		if i.IsInt64() {
			return &Value{Kind: Int, bits: uint64(i.Int64())}, nil
		}
		return &Value{Kind: Int, text: i.String()}, nil
	case n == 2:
		return &Value{Kind: Real, bits: math.Float64bits(float64(math.Float32frombits(binary.BigEndian.Uint32(b))))}, nil
	case n == 3:
		return &Value{Kind: Real, bits: binary.BigEndian.Uint64(b)}, nil
	}
	return nil, malformed("a real of 2^%d bytes", n)
}

// bytes reads data or a text.
func (f *binaryFile) bytes(kind byte, n int, b []byte) (*Value, error) {
	size := n
	if kind == 0x6 {
		size = 2 * n
	}
	if size > len(b) {
		return nil, malformed("%d bytes where %d are left", size, len(b))
	}
	if err := f.left.take(0, size); err != nil {
		return nil, err
	}
	switch kind {
	case 0x4:
		return &Value{Kind: Data, text: string(b[:size])}, nil
	case 0x6:
		return &Value{Kind: Text, text: textOf16(b[:size], binary.BigEndian)}, nil
	}
	return &Value{Kind: Text, text: string(b[:size])}, nil
}

// members reads what is in a list or a dictionary of n members.
func (f *binaryFile) members(o *object, dict bool, n int, b []byte, depth int) (*Value, error) {
	refs := n
	v := &Value{Kind: List}
	if dict {
		refs, v.Kind = 2*n, Dict
	}
	if refs > len(b)/f.ref {
		return nil, malformed("%d references where %d bytes are left", refs, len(b))
	}
	if err := f.left.take(refs, 0); err != nil {
		return nil, err
	}
	v.list = make([]*Value, 0, n)
	for i := range refs {
		item, err := f.object(number(b[i*f.ref:][:f.ref]), depth+1)
		if err != nil {
			return nil, err
		}
		if o.text += item.text; o.text > maxText {
			return nil, errLong
		}
		if dict && i < n {
			if item.value.Kind != Text {
				return nil, malformed("a key that is no text")
			}
			v.keys = append(v.keys, item.value.text)
			continue
		}
		v.list = append(v.list, item.value)
		if o.values += item.values; o.values > maxValues {
			return nil, errMany
		}
		o.depth = max(o.depth, item.depth)
	}
	return v, nil
}
