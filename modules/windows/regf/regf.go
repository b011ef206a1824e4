// Package regf reads hives, the files of the Windows registry.
//
// [Open] gives a [Hive], whose [Hive.Root] is a [Key] with [Key.Subkeys] and
// [Key.Values]. Nothing is held but a few pages: a hive may be larger than the
// memory that a guest should take. The package knows no path of the registry
// and no meaning of a value, and never writes.
//
// # The format
//
// Numbers have the small end first. A file begins with a base block of 4096
// bytes:
//
//	  0 "regf"
//	  4 primary sequence number, 8 secondary: differ while it is written
//	 12 time of the last write, in units of 100 ns since 1601
//	 20 major version 1, 24 minor version 3 to 6
//	 28 type: 0 for a hive; 1, 2 and 6 for logs
//	 36 offset of the root's cell
//	 40 size of what follows the base block
//	508 checksum: the first 127 numbers of 32 bits, each xor the others;
//	    0 is written as 1, and 0xffffffff as 0xfffffffe
//
// Offsets count from behind it. There are cells: a size of 32 bits, negative
// where the cell is used, which counts itself, and then what it holds:
//
//	"nk" a key:   2 flags (0x20: name in Latin-1, else UTF-16)  4 time
//	             16 parent  20 number of subkeys  28 list of them
//	             36 number of values  40 list of them
//	             48 class  72 length of the name  74 that of the class  76 name
//	"vk" a value: 2 length of the name  4 size of the data, of which bit 31
//	             says that up to 4 bytes stand in place of their offset
//	              8 offset of the data  12 type  16 flags (1: Latin-1)  20 name
//	"lf" "lh"     2 number  4 pairs of a key's offset and a hint
//	"li"          2 number  4 offsets of keys
//	"ri"          2 number  4 offsets of further lists
//	"db"          2 number of segments  4 offset of a list of their offsets;
//	             each holds up to 16344 bytes of data that is larger than that
//
// A list of values is offsets without a head.
//
// A log (.LOG1, .LOG2) begins with a base block, of which the first 512 bytes
// count. Type 6 is followed by entries:
//
//	"HvLE"  4 size  12 sequence number  20 number of pages
//	       24 Marvin32 of what follows offset 40, 32 of the first 32 bytes
//	       40 pairs of offset and size of each page, and then the pages
//
// Types 1 and 2 are followed by "DIRT", a bit for each 512 bytes of the hive,
// and, from the next 512 bytes on, those whose bit is set.
package regf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrMalformed says that bytes are not in the format. What wraps it says
// where.
var ErrMalformed = errors.New("malformed")

// Magic begins each hive and each log.
const Magic = "regf"

const (
	headSize   = 4096 // bytes of the base block
	noOffset   = 0xffffffff
	resident   = 1 << 31
	latinKey   = 0x20
	latinValue = 1
)

// Bounds of a hive.
const (
	MaxSize = 4 << 30  // bytes of a file; Windows itself has no larger ones
	MaxData = 16 << 20 // bytes of a value that is read
	MaxDeep = 512      // keys above one another, as in Windows
	maxName = 1 << 10  // bytes of a name; a key has 255 characters, a value more
	maxLong = 32 << 10 // bytes of the name of a value
	maxKeys = 1 << 21  // subkeys of one key
	segment = 16344    // bytes in a part of a value that is stored in parts
)

// A Hive is an open file. It is for one goroutine.
type Hive struct {
	p     *pages
	root  uint32
	minor uint32
	// Dirty says that the file was being written when it was last put down,
	// and that no log says what was to be written.
	Dirty bool
	// Applied is how many entries of logs were applied to what is read.
	Applied int
	// Written is when the system wrote the file.
	Written time.Time
}

// bad makes an error of what is wrong at an offset of the file.
func bad(at int64, what string) error {
	return fmt.Errorf("at offset %d: %s: %w", at, what, ErrMalformed)
}

// Open opens a hive of so many bytes, and applies what logs of it hold, in
// memory. A log that is empty, or of another hive, counts for nothing.
func Open(r io.ReaderAt, size int64, logs ...[]byte) (*Hive, error) {
	if size > MaxSize {
		return nil, bad(0, "larger than any hive")
	}
	head := make([]byte, headSize)
	if n, err := r.ReadAt(head, 0); n < headSize {
		if err == nil || err == io.EOF {
			err = bad(int64(n), "cut in the base block")
		}
		return nil, err
	}
	if string(head[:4]) != Magic {
		return nil, bad(0, "no hive")
	}
	if major, kind := u32(head, 20), u32(head, 28); major != 1 || kind != 0 {
		return nil, bad(20, "a version or type that is not known")
	}
	h := &Hive{p: newPages(r, size-headSize), root: u32(head, 36), minor: u32(head, 24), Written: Filetime(u64(head, 12))}
	whole := checksum(head) == u32(head, 508)
	if !whole || u32(head, 4) != u32(head, 8) {
		h.recover(head, whole, logs)
	}
	return h, nil
}

// checksum is that of a base block.
func checksum(head []byte) uint32 {
	sum := uint32(0)
	for i := 0; i < 508; i += 4 {
		sum ^= u32(head, i)
	}
	switch sum {
	case 0:
		return 1
	case 0xffffffff:
		return 0xfffffffe
	}
	return sum
}

// Filetime makes a time of units of 100 ns since 1601, of which 0 is none, and
// the largest is never.
func Filetime(n uint64) time.Time {
	const until1970 = 116444736000000000
	if n == 0 || n >= 1<<63-1 {
		return time.Time{}
	}
	d := int64(n) - until1970
	return time.Unix(d/1e7, d%1e7*100).UTC()
}

// Root gives the key that all others are in.
func (h *Hive) Root() (*Key, error) {
	k, err := h.key(h.root)
	if err != nil {
		return nil, fmt.Errorf("the root: %w", err)
	}
	return k, nil
}

// cell reads what a cell holds, up to limit bytes; what it gives is valid
// until the next call of cell.
func (h *Hive) cell(at uint32, limit int) ([]byte, error) {
	where := int64(at) + headSize
	if at == noOffset || at%8 != 0 {
		return nil, bad(where, "no cell")
	}
	b, err := h.p.bytes(int64(at), 4)
	if err != nil {
		return nil, err
	}
	size := -int64(int32(u32(b, 0)))
	if size < 8 {
		return nil, bad(where, "a cell that is not used")
	}
	if int64(at)+size > h.p.size {
		return nil, bad(where, "a cell beyond the end")
	}
	return h.p.bytes(int64(at)+4, int(min(size-4, int64(limit))))
}

func u16(b []byte, at int) int    { return int(binary.LittleEndian.Uint16(b[at:])) }
func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func u64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
