package unpack

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// A zip ends in a directory, whose entries are read here one at a time:
// package archive/zip keeps them all, some 300 bytes for each of 46 that a
// hostile file spends on it.
const (
	zipEntrySig    = "PK\x01\x02"
	zipLocalSig    = "PK\x03\x04"
	zipEndSig      = "PK\x05\x06"
	zip64EndSig    = "PK\x06\x06"
	zip64LocateSig = "PK\x06\x07"

	zipEntrySize    = 46
	zipLocalSize    = 30
	zipEndSize      = 22
	zip64EndSize    = 56
	zip64LocateSize = 20
	zipMaxComment   = math.MaxUint16

	zipEncrypted = 1 // bit of an entry's flags

	zipExtra64   = 0x0001 // sizes that do not fit in 32 bits
	zipExtraTime = 0x5455 // seconds since 1970
)

// The methods that can be read.
const (
	zipStore   = 0
	zipDeflate = 8
	zipBzip2   = 12
	zipZstd    = 93
	zipXz      = 95
)

// A zipDir reads the directory of a zip.
type zipDir struct {
	src   io.ReaderAt
	base  int64 // what stands before the zip, such as a program that unpacks it
	start int64 // of the directory
	in    *bufio.Reader
	left  int64 // bytes of the directory
}

// A zipEntry is one entry of the directory.
type zipEntry struct {
	name          string
	mode          uint32 // as the creator's system wrote it
	creator       uint16
	flags, method uint16
	crc           uint32
	packed, size  int64
	offset        int64 // of the local header
	time          time.Time
}

// openZip finds the directory.
func openZip(src io.ReaderAt, size int64) (*zipDir, error) {
	tail := make([]byte, min(size, zipEndSize+zipMaxComment))
	if err := readAt(src, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	at := bytes.LastIndex(tail, []byte(zipEndSig))
	for at > 0 && len(tail)-at < zipEndSize {
		at = bytes.LastIndex(tail[:at], []byte(zipEndSig))
	}
	if at < 0 || len(tail)-at < zipEndSize {
		return nil, fmt.Errorf("zip: %w: no end of the directory", ErrMalformed)
	}
	end := tail[at:]
	endAt := size - int64(len(tail)) + int64(at)
	dirSize, dirAt := int64(le32(end[12:])), int64(le32(end[16:]))
	if dirSize == math.MaxUint32 || dirAt == math.MaxUint32 || le16(end[10:]) == math.MaxUint16 {
		var err error
		if endAt, dirSize, dirAt, err = zip64End(src, endAt, dirSize, dirAt); err != nil {
			return nil, err
		}
	}
	if dirSize < 0 || dirAt < 0 || dirSize > endAt || dirAt > endAt-dirSize {
		return nil, fmt.Errorf("zip: %w: place of the directory", ErrMalformed)
	}
	// The directory stands right before its end; if it should stand
	// elsewhere, something was put in front of the zip.
	d := &zipDir{src: src, start: endAt - dirSize, left: dirSize}
	d.base = d.start - dirAt
	if d.base != 0 && d.entryAt(dirAt) && !d.entryAt(d.start) {
		d.start, d.base = dirAt, 0
	}
	d.in = bufio.NewReaderSize(io.NewSectionReader(src, d.start, dirSize), 8<<10)
	return d, nil
}

// Behind says whether a zip stands behind something else, as behind the program
// or the script that unpacks it. An error is one of reading src.
func Behind(src io.ReaderAt, size int64) (bool, error) {
	var head [4]byte
	if size < int64(len(head))+zipEndSize {
		return false, nil
	}
	if err := readAt(src, head[:], 0); err != nil {
		return false, err
	}
	if s := string(head[:]); s != "\x7fELF" && s[:2] != "MZ" && s[:2] != "#!" {
		return false, nil
	}
	tail := make([]byte, min(size, behindTail))
	if err := readAt(src, tail, size-int64(len(tail))); err != nil {
		return false, err
	}
	at := bytes.LastIndex(tail, []byte(zipEndSig))
	if at < 0 || len(tail)-at < zipEndSize || at+zipEndSize+int(le16(tail[at+20:])) != len(tail) {
		return false, nil
	}
	d, err := openZip(src, size)
	if errors.Is(err, ErrMalformed) {
		return false, nil
	}
	return err == nil && d.left > 0 && d.entryAt(d.start), err
}

// behindTail is how much of a file's end is looked at for a zip that stands
// behind something else, in bytes: few of those have a comment, and each
// program is asked.
const behindTail = 1 << 10

// zip64End replaces what did not fit in the end of the directory.
func zip64End(src io.ReaderAt, endAt, dirSize, dirAt int64) (int64, int64, int64, error) {
	loc := make([]byte, zip64LocateSize)
	if endAt < zip64LocateSize || readAt(src, loc, endAt-zip64LocateSize) != nil || string(loc[:4]) != zip64LocateSig {
		return endAt, dirSize, dirAt, nil // the values are meant as they are
	}
	end := make([]byte, zip64EndSize)
	at := int64(le64(loc[8:]))
	if at < 0 || at > endAt-zip64LocateSize-zip64EndSize || readAt(src, end, at) != nil || string(end[:4]) != zip64EndSig {
		at = endAt - zip64LocateSize - zip64EndSize // something stands in front of the zip
		if at < 0 || readAt(src, end, at) != nil || string(end[:4]) != zip64EndSig {
			return 0, 0, 0, fmt.Errorf("zip: %w: 64-bit end of the directory", ErrMalformed)
		}
	}
	return at, int64(le64(end[40:])), int64(le64(end[48:])), nil
}

func (d *zipDir) entryAt(at int64) bool {
	var sig [4]byte
	return readAt(d.src, sig[:], at) == nil && string(sig[:]) == zipEntrySig
}

// next gives the next entry, io.EOF after the last.
func (d *zipDir) next() (*zipEntry, error) {
	if d.left == 0 {
		return nil, io.EOF
	}
	var h [zipEntrySize]byte
	if _, err := io.ReadFull(d.in, h[:]); err != nil {
		return nil, malformedZip("directory", err)
	}
	if string(h[:4]) != zipEntrySig {
		return nil, fmt.Errorf("zip: %w: entry of the directory", ErrMalformed)
	}
	nameLen, extraLen, commentLen := int(le16(h[28:])), int(le16(h[30:])), int(le16(h[32:]))
	if d.left -= int64(len(h) + nameLen + extraLen + commentLen); d.left < 0 {
		return nil, fmt.Errorf("zip: %w: entry beyond the directory", ErrMalformed)
	}
	rest := make([]byte, nameLen+extraLen)
	if _, err := io.ReadFull(d.in, rest); err != nil {
		return nil, malformedZip("directory", err)
	}
	if _, err := d.in.Discard(commentLen); err != nil {
		return nil, malformedZip("directory", err)
	}
	e := &zipEntry{
		name:    string(rest[:nameLen]),
		creator: le16(h[4:]),
		flags:   le16(h[8:]),
		method:  le16(h[10:]),
		time:    dosTime(le16(h[14:]), le16(h[12:])),
		crc:     le32(h[16:]),
		packed:  int64(le32(h[20:])),
		size:    int64(le32(h[24:])),
		mode:    le32(h[38:]),
		offset:  int64(le32(h[42:])),
	}
	return e, e.extras(rest[nameLen:])
}

// extras reads what an entry has beyond its fixed fields.
func (e *zipEntry) extras(b []byte) error {
	for len(b) >= 4 {
		id, n := le16(b), int(le16(b[2:]))
		if b = b[4:]; n > len(b) {
			return nil // padding, as some tools write it
		}
		field := b[:n]
		b = b[n:]
		switch {
		case id == zipExtraTime && n >= 5 && field[0]&1 != 0:
			e.time = time.Unix(int64(int32(le32(field[1:]))), 0).UTC()
		case id == zipExtra64:
			for _, v := range []*int64{&e.size, &e.packed, &e.offset} {
				if *v != math.MaxUint32 {
					continue
				}
				if len(field) < 8 {
					return nil
				}
				*v = int64(le64(field))
				field = field[8:]
			}
		}
	}
	return nil
}

// header gives the entry in the form of archive/zip, which knows how systems
// write modes.
func (e *zipEntry) header() *zip.FileHeader {
	return &zip.FileHeader{Name: e.name, CreatorVersion: e.creator, ExternalAttrs: e.mode}
}

// section gives the packed bytes of an entry.
func (d *zipDir) section(e *zipEntry) (*io.SectionReader, error) {
	if e.packed < 0 || e.size < 0 || e.offset < 0 || e.offset > d.start-d.base {
		return nil, fmt.Errorf("zip: %w: place of the entry", ErrMalformed)
	}
	var h [zipLocalSize]byte
	at := d.base + e.offset
	if err := readAt(d.src, h[:], at); err != nil {
		return nil, err
	}
	if string(h[:4]) != zipLocalSig {
		return nil, fmt.Errorf("zip: %w: no entry where the directory says", ErrMalformed)
	}
	at += zipLocalSize + int64(le16(h[26:])) + int64(le16(h[28:]))
	if at > d.start || e.packed > d.start-at {
		return nil, fmt.Errorf("zip: %w: entry beyond the directory", ErrMalformed)
	}
	return io.NewSectionReader(d.src, at, e.packed), nil
}

// stored gives the content of an entry that is not packed, which can be read
// at any place.
func (d *zipDir) stored(e *zipEntry) (*io.SectionReader, bool) {
	if e.method != zipStore || e.flags&zipEncrypted != 0 || e.packed != e.size {
		return nil, false
	}
	s, err := d.section(e)
	return s, err == nil
}

// open gives the content of an entry.
func (d *zipDir) open(e *zipEntry, b *Budget) (io.ReadCloser, error) {
	if e.flags&zipEncrypted != 0 {
		return nil, fmt.Errorf("zip: %w", ErrEncrypted)
	}
	s, err := d.section(e)
	if err != nil {
		return nil, err
	}
	r := &zipReader{entry: e, left: e.size}
	switch e.method {
	case zipStore, zipDeflate:
		r.in, r.close = newRawMeter(s, e.method == zipDeflate, b)
	case zipBzip2, zipZstd, zipXz:
		format := map[uint16]Format{zipBzip2: Bzip2, zipZstd: Zstd, zipXz: Xz}[e.method]
		m, err := newMeter(s, format, b)
		if err != nil {
			return nil, fmt.Errorf("zip: %w", err)
		}
		r.in, r.close = m, func() { m.Close() }
	default:
		return nil, fmt.Errorf("zip: %w: method %d", ErrUnsupported, e.method)
	}
	return r, nil
}

// newRawMeter is newMeter for the two methods that no file has for itself.
func newRawMeter(s io.Reader, deflated bool, b *Budget) (io.Reader, func()) {
	m := &meter{format: Zip, budget: b, src: &source{r: s}, free: func() {}}
	m.dec = m.src
	if deflated {
		m.dec, m.free = newFlate(bufio.NewReaderSize(m.src, 4<<10))
	}
	return m, func() { m.Close() }
}

// A zipReader checks that an entry has the size and the sum that the
// directory says.
type zipReader struct {
	entry *zipEntry
	in    io.Reader
	close func()
	crc   uint32
	left  int64
	err   error
}

// Read implements io.Reader.
func (r *zipReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.in.Read(p)
	r.crc = crc32.Update(r.crc, crc32.IEEETable, p[:n])
	r.left -= int64(n)
	switch {
	case r.left < 0:
		err = fmt.Errorf("zip: %w: more than the directory says", ErrMalformed)
	case err == io.EOF && r.left > 0:
		err = fmt.Errorf("zip: %w: less than the directory says", ErrMalformed)
	case err == io.EOF && r.crc != r.entry.crc:
		err = fmt.Errorf("zip: %w: checksum", ErrMalformed)
	}
	r.err = err
	return n, err
}

// Close implements io.Closer.
func (r *zipReader) Close() error {
	if r.err == nil {
		r.err = errClosed
	}
	r.close()
	return nil
}

// readAt fills p, or says that the file is too short.
func readAt(src io.ReaderAt, p []byte, at int64) error {
	n, err := src.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	return malformedZip("file", err)
}

// malformedZip says what it means that a part of a zip could not be read.
func malformedZip(what string, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("zip: %w: %s is cut short", ErrMalformed, what)
	}
	return fmt.Errorf("zip: %w", err)
}

// dosTime reads a time of MS-DOS, which has no zone: UTC stands for it. No
// date is the zero Time.
func dosTime(date, clock uint16) time.Time {
	if date == 0 {
		return time.Time{}
	}
	return time.Date(int(date>>9)+1980, time.Month(date>>5&15), int(date&31),
		int(clock>>11), int(clock>>5&63), int(clock&31)*2, 0, time.UTC)
}

func le16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func le64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
