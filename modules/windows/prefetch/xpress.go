package prefetch

import (
	"encoding/binary"
	"fmt"
)

// What LZ77 with Huffman of MS-XCA fixes.
const (
	symbols   = 512         // of which 256 are bytes
	tableSize = symbols / 2 // bytes of their lengths
	maxLength = 15          // bits of a code
	blockSize = 64 << 10    // bytes that one table serves
)

// Decompress undoes the method that Microsoft calls Xpress with Huffman
// (MS-XCA), for so many bytes of plain data: each 64 KiB of them have a table
// of 512 lengths of 4 bits, and then codes in words of 16 bits, from their
// highest bit on. Codes up to 255 are bytes; others copy what stands before:
// in their low 4 bits a length, which goes on in bytes between the words, and
// above them how many bits of distance follow.
func Decompress(b []byte, size int) ([]byte, error) {
	out := make([]byte, 0, min(size, 64*len(b)+blockSize))
	in := bitReader{b: b}
	for len(out) < size {
		table, err := in.table()
		if err != nil {
			return nil, err
		}
		in.begin()
		if out, err = in.block(out, table, min(size, len(out)+blockSize), size); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// A bitReader reads words of 16 bits ahead, as the format wants: bytes that
// stand between are behind those that were read.
type bitReader struct {
	b    []byte
	at   int
	bits uint32
	left int // bits that are at hand beyond 16
}

func (r *bitReader) bad(what string) error {
	return bad(r.at, "in what is compressed: "+what)
}

// word reads 16 bits; behind the end there are zeros.
func (r *bitReader) word() uint32 {
	w := uint32(0)
	if r.at+2 <= len(r.b) {
		w = uint32(binary.LittleEndian.Uint16(r.b[r.at:]))
	}
	r.at += 2
	return w
}

func (r *bitReader) begin() {
	r.bits = r.word()<<16 | r.word()
	r.left = 16
}

func (r *bitReader) drop(n int) {
	r.bits <<= n
	if r.left -= n; r.left < 0 {
		r.bits |= r.word() << -r.left
		r.left += 16
	}
}

// A code is a symbol and how many bits it has.
type code struct {
	symbol uint16
	bits   uint8
}

// table reads lengths, and gives the code for each 15 bits.
func (r *bitReader) table() ([]code, error) {
	if r.at+tableSize > len(r.b) {
		return nil, r.bad("cut in a table")
	}
	table := make([]code, 0, 1<<maxLength)
	lengths := r.b[r.at : r.at+tableSize]
	for bits := uint8(1); bits <= maxLength; bits++ {
		for s := range symbols {
			if lengths[s/2]>>(s%2*4)&15 != bits {
				continue
			}
			n := 1 << (maxLength - bits)
			if len(table)+n > 1<<maxLength {
				return nil, r.bad("a table that says too much")
			}
			for range n {
				table = append(table, code{uint16(s), bits})
			}
		}
	}
	if len(table) == 0 {
		return nil, r.bad("an empty table")
	}
	r.at += tableSize
	return table, nil
}

// block decodes up to where a table ends, and a copy beyond it up to the size.
func (r *bitReader) block(out []byte, table []code, end, size int) ([]byte, error) {
	for len(out) < end {
		i := int(r.bits >> (32 - maxLength))
		if i >= len(table) || r.at > len(r.b)+4 {
			return nil, r.bad("a code that is none")
		}
		c := table[i]
		r.drop(int(c.bits))
		if c.symbol < 256 {
			out = append(out, byte(c.symbol))
			continue
		}
		length, err := r.length(int(c.symbol & 15))
		if err != nil {
			return nil, err
		}
		distance := 1
		if n := int(c.symbol-256) >> 4; n > 0 {
			distance = 1<<n + int(r.bits>>(32-n))
			r.drop(n)
		}
		if distance > len(out) {
			return nil, r.bad(fmt.Sprintf("a copy from %d bytes before", distance))
		}
		for range min(length, size-len(out)) {
			out = append(out, out[len(out)-distance])
		}
	}
	return out, nil
}

// length reads how many bytes are copied.
func (r *bitReader) length(n int) (int, error) {
	if n == 15 {
		if r.at >= len(r.b) {
			return 0, r.bad("cut in a length")
		}
		more := int(r.b[r.at])
		r.at++
		if more == 255 {
			if r.at+2 > len(r.b) {
				return 0, r.bad("cut in a length")
			}
			if more = int(binary.LittleEndian.Uint16(r.b[r.at:])) - 15; more < 0 {
				return 0, r.bad("a length that is none")
			}
			r.at += 2
		}
		n += more
	}
	return n + 3, nil
}
