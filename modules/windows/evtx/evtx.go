// Package evtx reads the files of the Windows event log, since Vista.
//
// [Open] gives a [File], whose [File.Chunks] hold records; [Record.Event]
// decodes one into elements of XML. The head of a record says its number and
// time, so that what is too old need not be decoded. The package knows no
// channel and no meaning of an event, and never writes.
//
// # The format
//
// Numbers have the small end first. A file begins with a head of 4096 bytes:
//
//	  0 "ElfFile\0"   24 number of the next record   36 minor, 38 major version 3
//	 42 number of chunks (16 bits, and of no use once it has run over)
//	120 flags: 1 while it is written, 2 when it is full
//	124 CRC-32 of the first 120 bytes
//
// Chunks of 65536 bytes follow:
//
//	  0 "ElfChnk\0"   24 number of the first record, 32 of the last
//	 48 where what is free begins   52 CRC-32 of the records
//	124 CRC-32 of bytes 0 to 120 and 128 to 512
//	512 records, one behind the other:
//
//	  0 "**\0\0"   4 size   8 number   16 time, in units of 100 ns since 1601
//	 24 binary XML, and in the last 4 bytes the size again
//
// Binary XML is tokens, of which bit 0x40 says that more of the kind follow:
//
//	0f fragment  1 major, minor, flags
//	0c template  1 byte  4 number  4 where its definition is, in the chunk:
//	             there, or here when it is used for the first time.
//	             A definition: 4 next one  16 GUID  4 size, and the tokens.
//	             Then: 4 number of values, for each 2 size, 1 type, 1 byte,
//	             and what they hold
//	01 element   2 value that it depends on  4 size  4 where its name is; 41 has
//	             a list of attributes of 4 bytes' size
//	02 its head ends, 03 it is empty, 04 it ends
//	06 attribute 4 where its name is, and a value
//	05 value     1 type (01)  2 length in units of UTF-16, and they
//	07 CDATA     2 length, and text     08 character  2 its number
//	09 entity    4 where its name is
//	0a, 0b       instructions           00 the end
//	0d, 0e       2 number of a value of the template, 1 its type; 0e leaves out
//	             what has none
//
// A name is 4 bytes, a hash of 2, its length in units of UTF-16, they, and a
// zero; it stands where it is used for the first time. In a value that is
// binary XML itself, elements depend on nothing and lack these 2 bytes.
package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"time"
)

// ErrMalformed says that bytes are not in the format. What wraps it says
// where.
var ErrMalformed = errors.New("malformed")

// Magic begins each file.
const Magic = "ElfFile\x00"

const (
	fileHead   = 4096
	chunkSize  = 64 << 10
	chunkHead  = 512
	recordHead = 24
)

// MaxSize is how large a file may be, in bytes; the system lets a log have as
// much, and writes 20 MB unless it is told otherwise.
const MaxSize = 16 << 30

// A File is an open log. It is for one goroutine.
type File struct {
	r      io.ReaderAt
	chunks int64
	cut    int64 // bytes of a chunk that is not whole
	// Dirty says that it was being written when it was last put down, so that
	// the checksums of its last chunks are those of an earlier state.
	Dirty bool
}

func bad(at int64, what string) error {
	return fmt.Errorf("at offset %d: %s: %w", at, what, ErrMalformed)
}

// Open opens a log of so many bytes.
func Open(r io.ReaderAt, size int64) (*File, error) {
	if size > MaxSize {
		return nil, bad(0, "larger than any log")
	}
	head := make([]byte, 128)
	if n, err := r.ReadAt(head, 0); n < len(head) {
		if err == nil || err == io.EOF {
			err = bad(int64(n), "cut in the head")
		}
		return nil, err
	}
	switch {
	case string(head[:8]) != Magic:
		return nil, bad(0, "no event log")
	case u16(head, 38) != 3:
		return nil, bad(38, fmt.Sprintf("version %d, which is not known", u16(head, 38)))
	case u32(head, 124) != crc32.ChecksumIEEE(head[:120]):
		return nil, bad(124, "the checksum of the head is wrong")
	}
	body := max(size-fileHead, 0)
	return &File{r: r, chunks: body / chunkSize, cut: body % chunkSize, Dirty: u32(head, 120)&1 != 0}, nil
}

// A Chunk is 64 KiB of a log. It is valid until the next one is asked for.
type Chunk struct {
	at    int64 // in the file
	b     []byte
	end   int  // where its records end
	dirty bool // what its head says may be of an earlier state
	names map[uint32]string
	tmpls map[uint32]*template
}

// Chunks gives the chunks that hold records. An error stands for one that is
// damaged, whose records are not given.
func (f *File) Chunks() iter.Seq2[*Chunk, error] {
	return func(yield func(*Chunk, error) bool) {
		b := make([]byte, chunkSize)
		for i := range f.chunks {
			at := fileHead + i*chunkSize
			if n, err := f.r.ReadAt(b, at); n < chunkSize {
				yield(nil, fmt.Errorf("at offset %d: %w", at, err))
				return
			}
			c := &Chunk{at: at, b: b, names: map[uint32]string{}, tmpls: map[uint32]*template{}}
			used, err := c.check(f.Dirty)
			if (used || err != nil) && !yield(c, err) {
				return
			}
		}
		if f.cut > 0 {
			yield(nil, bad(fileHead+f.chunks*chunkSize, "a chunk that is cut"))
		}
	}
}

// check says whether a chunk holds records, and what is wrong with it.
func (c *Chunk) check(dirty bool) (used bool, err error) {
	if string(c.b[:8]) != "ElfChnk\x00" {
		if len(bytes.Trim(c.b, "\x00")) == 0 {
			return false, nil // room for records to come
		}
		return false, bad(c.at, "no chunk")
	}
	end := int(u32(c.b, 48))
	sum := crc32.Update(crc32.ChecksumIEEE(c.b[:120]), crc32.IEEETable, c.b[128:chunkHead])
	whole := sum == u32(c.b, 124) && end >= chunkHead && end <= chunkSize && crc32.ChecksumIEEE(c.b[chunkHead:end]) == u32(c.b, 52)
	switch {
	case whole:
		c.end = end
	case dirty:
		c.end, c.dirty = chunkSize, true
	default:
		return false, bad(c.at, "a chunk whose checksum is wrong")
	}
	return true, nil
}

// Dirty says that a chunk was being written: its checksum is wrong, and a
// record is taken for one where it is whole in itself.
func (c *Chunk) Dirty() bool { return c.dirty }

// Offset is where the chunk begins in the file.
func (c *Chunk) Offset() int64 { return c.at }

// A Record is an event that is not decoded yet. It is valid as long as its
// chunk.
type Record struct {
	ID   uint64
	Time time.Time

	chunk *Chunk
	at    int // of its binary XML
	end   int
}

// Records gives the records of a chunk. An error stands for the rest of them.
func (c *Chunk) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		last := uint64(0)
		for at := chunkHead; at+recordHead+4 <= c.end; {
			size := int(u32(c.b, at+4))
			whole := string(c.b[at:at+4]) == "**\x00\x00" && size >= recordHead+4 && size <= c.end-at
			if whole {
				whole = int(u32(c.b, at+size-4)) == size
			}
			r := &Record{ID: u64(c.b, at+8), Time: filetime(u64(c.b, at+16)), chunk: c, at: at + recordHead, end: at + size - 4}
			if c.dirty && (!whole || r.ID <= last) {
				return // the end of what was written, or what was there before
			}
			if !whole {
				yield(nil, bad(c.at+int64(at), "no record"))
				return
			}
			last = r.ID
			if !yield(r, nil) {
				return
			}
			at += size
		}
	}
}

// filetime makes a time of units of 100 ns since 1601, of which 0 is none.
func filetime(n uint64) time.Time {
	const until1970 = 116444736000000000
	if n == 0 || n >= 1<<63 {
		return time.Time{}
	}
	d := int64(n) - until1970
	return time.Unix(d/1e7, d%1e7*100).UTC()
}

func u16(b []byte, at int) int    { return int(binary.LittleEndian.Uint16(b[at:])) }
func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
func u64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
