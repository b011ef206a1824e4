package binary

import (
	"debug/pe"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/native"
)

// Bounds of the resources of a file.
const (
	maxVersion   = 64 << 10 // bytes of what tells the version; a length there has 16 bits
	maxResources = 1 << 12  // entries of a directory of them
	maxStrings   = 1 << 10  // texts about a version
)

// A versionInfo is what the resource of the version of a file says: its texts
// by their names, and the numbers of its fixed part.
type versionInfo struct {
	texts         map[string]string
	file, product string
}

// Where resources stand: a directory has 16 bytes, with the numbers of entries
// that have a name at 12 and of those that have a number at 14, and behind it
// the entries, of 8 bytes: a name or number, and an offset from the beginning
// of all resources, with the highest bit where it leads to a directory. What
// it leads to else are 16 bytes: the address of the data and its size.
const (
	resourceVersion = 16 // RT_VERSION
	resourceDir     = 1 << 31
)

// version finds and reads the resource of the version; nil for a file without.
func version(f *pe.File) (*versionInfo, error) {
	h, ok := headerOf(f)
	at := h.directories[pe.IMAGE_DIRECTORY_ENTRY_RESOURCE]
	if !ok || at.Size == 0 {
		return nil, nil
	}
	malformed := fmt.Errorf("resources: %w", hostfs.ErrMalformed)
	read := func(address, size uint32) ([]byte, bool) {
		for _, s := range f.Sections {
			if address >= s.VirtualAddress && uint64(address)+uint64(size) <= uint64(s.VirtualAddress)+uint64(s.Size) {
				b := make([]byte, size)
				_, err := s.ReadAt(b, int64(address-s.VirtualAddress))
				return b, err == nil || err == io.EOF
			}
		}
		return nil, false
	}
	off, want := uint32(0), uint32(resourceVersion)
	for level := range 3 { // of kinds, names and languages
		next, ok, found := entryOf(read, at.VirtualAddress+off, want, level == 0)
		if !ok || found && (next&resourceDir != 0) != (level < 2) {
			return nil, malformed
		}
		if !found {
			return nil, nil
		}
		off = next &^ resourceDir
	}
	head, ok := read(at.VirtualAddress+off, 16)
	if !ok {
		return nil, malformed
	}
	size := binary.LittleEndian.Uint32(head[4:])
	if size > maxVersion {
		return nil, malformed
	}
	b, ok := read(binary.LittleEndian.Uint32(head), size)
	if !ok {
		return nil, malformed
	}
	v := &versionInfo{texts: map[string]string{}}
	if !v.parse(b, 0) {
		return nil, malformed
	}
	return v, nil
}

// entryOf gives where an entry of a directory leads: the one of a number, or
// the first.
func entryOf(read func(address, size uint32) ([]byte, bool), at, number uint32, exact bool) (next uint32, ok, found bool) {
	e := binary.LittleEndian
	head, ok := read(at, 16)
	if !ok {
		return 0, false, false
	}
	n := uint32(e.Uint16(head[12:])) + uint32(e.Uint16(head[14:]))
	if n > maxResources {
		return 0, false, false
	}
	b, ok := read(at+16, 8*n)
	for i := uint32(0); ok && i < n; i++ {
		if !exact || e.Uint32(b[8*i:]) == number {
			return e.Uint32(b[8*i+4:]), true, true
		}
	}
	return 0, ok, false
}

// parse reads a part of the version: its length, that of its value, and
// whether that is a text, in two bytes each; a name that ends with a zero; the
// value; and more parts. Value and parts begin at multiples of four. The value
// of the outermost is a VS_FIXEDFILEINFO. A length of a text counts
// characters, and by some linkers bytes: a text ends at its zero anyway.
func (v *versionInfo) parse(b []byte, depth int) bool {
	e := binary.LittleEndian
	if len(b) < 6 || depth > 4 || len(v.texts) > maxStrings {
		return false
	}
	b = b[:min(len(b), int(e.Uint16(b)))]
	if len(b) < 6 {
		return false
	}
	size, isText := int(e.Uint16(b[2:])), e.Uint16(b[4:]) == 1
	name, end := zeroText(b, 6)
	at := (end + 3) &^ 3
	if isText && depth == 3 {
		if at < len(b) {
			v.texts[name], _ = zeroText(b, at)
		}
		return true
	}
	if depth == 0 {
		if at+size > len(b) {
			return false
		}
		v.fixed(b[at : at+size])
	}
	for at += (size + 3) &^ 3; at+6 <= len(b); {
		next := int(e.Uint16(b[at:]))
		if next < 6 || at+next > len(b) {
			return false
		}
		if !v.parse(b[at:at+next], depth+1) && depth > 0 {
			return false
		}
		at += (next + 3) &^ 3
	}
	return true
}

// fixed reads a VS_FIXEDFILEINFO, which has the numbers of the version of the
// file at 8 and of the product at 16.
func (v *versionInfo) fixed(b []byte) {
	const signature = 0xfeef04bd
	e := binary.LittleEndian
	if len(b) < 24 || e.Uint32(b) != signature {
		return
	}
	number := func(b []byte) string {
		return fmt.Sprintf("%d.%d.%d.%d", e.Uint16(b[2:]), e.Uint16(b), e.Uint16(b[6:]), e.Uint16(b[4:]))
	}
	v.file, v.product = number(b[8:]), number(b[16:])
}

// zeroText reads a text in UTF-16 and gives where it ends.
func zeroText(b []byte, at int) (text string, end int) {
	end = at
	for end+2 <= len(b) && (b[end] != 0 || b[end+1] != 0) {
		end += 2
	}
	return native.Text(b[at:end]), end + 2
}

// authenticode reads who signed a file, from the table of certificates, whose
// place is an offset in the file: a length, a revision and a kind before a
// PKCS #7 structure.
func authenticode(f *pe.File, r *io.SectionReader) (signer, error) {
	const head, pkcs7 = 8, 2
	h, _ := headerOf(f)
	at := h.directories[pe.IMAGE_DIRECTORY_ENTRY_SECURITY]
	if at.Size == 0 {
		return signer{}, nil
	}
	if at.Size < head || at.Size > maxSignature || int64(at.VirtualAddress)+int64(at.Size) > r.Size() {
		return signer{}, fmt.Errorf("signature: %w", hostfs.ErrMalformed)
	}
	b := make([]byte, at.Size)
	if _, err := r.ReadAt(b, int64(at.VirtualAddress)); err != nil {
		return signer{}, err
	}
	e := binary.LittleEndian
	size := e.Uint32(b)
	if size < head || size > at.Size || e.Uint16(b[6:]) != pkcs7 {
		return signer{}, fmt.Errorf("signature: %w", hostfs.ErrMalformed)
	}
	return parseSigner(b[head:size])
}
