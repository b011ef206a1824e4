package records

import (
	"encoding/binary"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// unpackLZ4 decompresses a field of a journal: its length in eight bytes, then
// a block as lz4_Block_format has it: each sequence is a token, literals, and
// a match in what was written.
func unpackLZ4(b []byte) ([]byte, error) {
	if len(b) < 8 || binary.LittleEndian.Uint64(b) > maxField {
		return nil, hostfs.ErrMalformed
	}
	size := int(binary.LittleEndian.Uint64(b))
	out := make([]byte, 0, size)
	for b = b[8:]; len(b) > 0; {
		token := b[0]
		literals, rest, ok := lz4Length(int(token>>4), b[1:])
		if !ok || literals > len(rest) || literals > size-len(out) {
			return nil, hostfs.ErrMalformed
		}
		out = append(out, rest[:literals]...)
		if b = rest[literals:]; len(b) == 0 {
			break // the last sequence has no match
		}
		if len(b) < 2 {
			return nil, hostfs.ErrMalformed
		}
		back := int(binary.LittleEndian.Uint16(b))
		length, rest, ok := lz4Length(int(token&15), b[2:])
		length += 4
		if !ok || back == 0 || back > len(out) || length > size-len(out) {
			return nil, hostfs.ErrMalformed
		}
		b = rest
		for range length { // one by one: a match may reach into itself
			out = append(out, out[len(out)-back])
		}
	}
	if len(out) != size {
		return nil, hostfs.ErrMalformed
	}
	return out, nil
}

// lz4Length reads what follows a length of 15: bytes that are added to it, up
// to the first that is not 255.
func lz4Length(n int, b []byte) (length int, rest []byte, ok bool) {
	if n < 15 {
		return n, b, true
	}
	for i, c := range b {
		if n += int(c); n > maxField {
			return 0, nil, false
		}
		if c != 255 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}
