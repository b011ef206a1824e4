// Package prefetch reads the files in which Windows remembers what programs
// load, to start them faster the next time: NAME.EXE-12345678.pf.
//
// [Parse] reads one. Since Windows 10 they are compressed, by a method that
// [Decompress] undoes. The package knows no host, and never writes.
//
// # The format
//
// Numbers have the small end first. A compressed file is "MAM", 04, the size
// of what follows once it is decompressed (32 bits), and that; with 84 in place
// of 04 a checksum of 32 bits stands between.
//
//	  0 version: 17 (XP), 23 (Vista, 7), 26 (8), 30 and 31 (10, 11)
//	  4 "SCCA"   12 size of the file
//	 16 name of the program in UTF-16, up to a zero and 30 units
//	 76 hash of its path, and of its arguments for some
//	 84 offset of metrics, 88 their number
//	100 offset of file names, 104 their size: texts in UTF-16 with a zero each
//	108 offset of volumes, 112 their number, 116 their size
//
// When it ran is a time, in units of 100 ns since 1601, at 120 in version 17
// and at 128 in 23, and eight of them from 128 on since 26, the latest first
// and 0 for none. How often it ran is at 144 in version 17, 152 in 23, and 208
// since 26; at 200 where the metrics begin before 304.
//
// A volume has 40 bytes in version 17, 104 in 23 and 26, 96 since:
//
//	0 offset of its name from the first volume, 4 length in units of UTF-16
//	8 when it was made   16 serial number
package prefetch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
)

// ErrMalformed says that bytes are not in the format. What wraps it says
// where.
var ErrMalformed = errors.New("malformed")

// Bounds of a file.
const (
	MaxFile    = 16 << 20 // bytes; the system writes less than one
	maxFiles   = 1 << 14  // names of what was loaded; the system keeps a thousand
	maxVolumes = 64
)

const (
	head     = 84
	minFile  = 156 // bytes of the head of the oldest version
	nameAt   = 16
	nameSize = 60
)

// A File is what the system remembers of a program.
type File struct {
	Version    int
	Executable string // its name, cut to 29 characters
	Hash       uint32
	RunCount   int64
	LastRuns   []time.Time // the latest first
	Volumes    []Volume
	Files      []string // what was loaded, by names of the kernel
}

// A Volume is one on which such files were.
type Volume struct {
	Device  string
	Created time.Time
	Serial  uint32
}

func bad(at int, what string) error {
	return fmt.Errorf("at offset %d: %s: %w", at, what, ErrMalformed)
}

// Parse reads a file, compressed or not.
func Parse(b []byte) (*File, error) {
	if len(b) >= 8 && string(b[:3]) == "MAM" {
		size := int(u32(b, 4))
		at := 8
		switch b[3] {
		case 0x04:
		case 0x84:
			at = 12
		default:
			return nil, bad(3, fmt.Sprintf("compressed by method 0x%02x, which is not known", b[3]))
		}
		if size > MaxFile || at > len(b) {
			return nil, bad(4, "larger than any such file")
		}
		plain, err := Decompress(b[at:], size)
		if err != nil {
			return nil, err
		}
		b = plain
	}
	if len(b) < minFile || string(b[4:8]) != "SCCA" {
		return nil, bad(0, "no prefetch file")
	}
	f := &File{Version: int(u32(b, 0)), Executable: until0(text(b[nameAt : nameAt+nameSize])), Hash: u32(b, 76)}
	if size := int(u32(b, 12)); size != len(b) {
		return nil, bad(12, fmt.Sprintf("%d bytes where it says that it has %d", len(b), size))
	}
	err := f.runs(b)
	if err == nil {
		err = f.names(b)
	}
	if err == nil {
		err = f.volumes(b)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// runs reads when and how often a program ran.
func (f *File) runs(b []byte) error {
	first, times, count := 128, 8, 208
	switch f.Version {
	case 17:
		first, times, count = 120, 1, 144
	case 23:
		times, count = 1, 152
	case 26:
	case 30, 31:
		if u32(b, head) < 304 {
			count = 200
		}
	default:
		return bad(0, fmt.Sprintf("version %d, which is not known", f.Version))
	}
	if len(b) < count+4 {
		return bad(count, "cut")
	}
	for i := range times {
		if n := binary.LittleEndian.Uint64(b[first+8*i:]); n != 0 {
			f.LastRuns = append(f.LastRuns, filetime(n))
		}
	}
	f.RunCount = int64(u32(b, count))
	return nil
}

// names reads the names of what was loaded.
func (f *File) names(b []byte) error {
	part, err := section(b, 100, int(u32(b, 104)))
	if err != nil {
		return err
	}
	for _, name := range strings.Split(strings.TrimRight(text(part), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		if len(f.Files) == maxFiles {
			return bad(100, "more names than there can be")
		}
		f.Files = append(f.Files, name)
	}
	return nil
}

// section gives the bytes whose offset stands at a place.
func section(b []byte, at, size int) ([]byte, error) {
	from := int(u32(b, at))
	if size < 0 || from < 0 || from > len(b) || size > len(b)-from {
		return nil, bad(at, "a part beyond the end")
	}
	return b[from : from+size], nil
}

func (f *File) volumes(b []byte) error {
	part, err := section(b, 108, int(u32(b, 116)))
	if err != nil {
		return err
	}
	width := 96
	switch f.Version {
	case 17:
		width = 40
	case 23, 26:
		width = 104
	}
	n := int(u32(b, 112))
	if n > maxVolumes || n*width > len(part) {
		return bad(112, fmt.Sprintf("%d volumes", n))
	}
	for i := range n {
		v := part[i*width:]
		from, size := int(u32(v, 0)), 2*int(u32(v, 4))
		if from > len(part) || size > len(part)-from {
			return bad(108, "the name of a volume beyond the end")
		}
		f.Volumes = append(f.Volumes, Volume{
			Device: until0(text(part[from : from+size])), Created: filetime(binary.LittleEndian.Uint64(v[8:])), Serial: u32(v, 16),
		})
	}
	return nil
}

func text(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(u))
}

func until0(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
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

func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
