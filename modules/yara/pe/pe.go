// Package pe reads programs of Windows as YARA's module "pe" shows them to
// rules: headers, sections, imports, exports, resources, signatures.
//
// A newcomer needs [Parse], which says whether content is such a program, and
// the methods of [File]. Each part is read when it is first asked for. Files
// are believed as far as YARA believes them: a rule that was written against
// malformed programs finds them here too. It must not be used to decide
// whether a signature is good: it says who signed, and verifies nothing.
package pe

import (
	"encoding/binary"
	"math"

	"github.com/quaestor-engine/quaestor/modules/yara/view"
)

// File is a program of Windows. It is not safe for use by several goroutines.
type File struct {
	data     *view.View
	nt       int64  // where "PE\0\0" stands
	headers  []byte // from there on, as far as an optional header reaches
	wide     bool   // 64 bits
	sections []Section

	libraries, delayed once[[]Library]
	exports            once[*Exports]
	resources          once[*Resources]
	rich               once[*Rich]
	signatures         once[[]Signature]
	overlay            once[Range]
}

// once keeps what was computed when it was first asked for.
type once[T any] struct {
	done  bool
	value T
}

func (o *once[T]) get(read func() T) T {
	if !o.done {
		o.done, o.value = true, read()
	}
	return o.value
}

// Sizes and places of the format.
const (
	dosHeader      = 64
	fileHeader     = 20
	optional32     = 224 // with its sixteen directories
	optional64     = 240
	directoryCount = 16
	newHeaderAt    = 0x3c
	magic64        = 0x20b
	optionalAt     = 4 + fileHeader // from "PE\0\0"
	maxSections    = 96             // as many as Windows loads
)

// The directories that are read.
const (
	dirExport   = 0
	dirImport   = 1
	dirResource = 2
	dirSecurity = 4
	dirDebug    = 6
	dirDelayed  = 13
)

// Parse reads the headers. It reports false of what is no such program.
func Parse(data *view.View) (*File, bool) {
	if b := data.Bytes(0, dosHeader); b == nil || b[0] != 'M' || b[1] != 'Z' {
		return nil, false
	}
	f := &File{data: data}
	nt, _ := f.u32(newHeaderAt)
	if nt > math.MaxInt32 {
		return nil, false
	}
	f.nt = int64(nt)
	if sign, ok := f.u32(f.nt); !ok || sign != 0x4550 || !data.Fits(f.nt, optionalAt+optional32) {
		return nil, false
	}
	magic, _ := f.u16(f.nt + optionalAt)
	f.wide = magic == magic64
	if f.wide && !data.Fits(f.nt, optionalAt+optional64) {
		return nil, false
	}
	size := int64(optionalAt + optional32)
	if f.wide {
		size = optionalAt + optional64
	}
	f.headers = append([]byte(nil), data.Bytes(f.nt, size)...)
	if int64(len(f.headers)) < size {
		return nil, false
	}
	f.sections = f.readSections()
	return f, true
}

// Wide says whether it is of 64 bits.
func (f *File) Wide() bool { return f.wide }

// A Field is a number of the headers: its name in rules, the header that it
// stands in, and where, which depends on the width of the program.
type Field struct {
	Name                         string
	file                         bool // in the file's header
	at32, width32, at64, width64 int64
}

// Fields are the numbers of the headers. The one that stands in programs of
// 32 bits alone has no width in the others.
func Fields() []Field {
	file := func(name string, at, width int64) Field { return Field{name, true, at, width, at, width} }
	both := func(name string, at, width int64) Field { return Field{name, false, at, width, at, width} }
	return []Field{
		file("machine", 0, 2), file("number_of_sections", 2, 2), file("timestamp", 4, 4),
		file("pointer_to_symbol_table", 8, 4), file("number_of_symbols", 12, 4),
		file("size_of_optional_header", 16, 2), file("characteristics", 18, 2),
		both("opthdr_magic", 0, 2), both("linker_version.major", 2, 1), both("linker_version.minor", 3, 1),
		both("size_of_code", 4, 4), both("size_of_initialized_data", 8, 4), both("size_of_uninitialized_data", 12, 4),
		both("entry_point_raw", 16, 4), both("base_of_code", 20, 4),
		{"base_of_data", false, 24, 4, 0, 0}, {"image_base", false, 28, 4, 24, 8},
		both("section_alignment", 32, 4), both("file_alignment", 36, 4),
		both("os_version.major", 40, 2), both("os_version.minor", 42, 2),
		both("image_version.major", 44, 2), both("image_version.minor", 46, 2),
		both("subsystem_version.major", 48, 2), both("subsystem_version.minor", 50, 2),
		both("win32_version_value", 52, 4), both("size_of_image", 56, 4), both("size_of_headers", 60, 4),
		both("checksum", 64, 4), both("subsystem", 68, 2), both("dll_characteristics", 70, 2),
		{"size_of_stack_reserve", false, 72, 4, 72, 8}, {"size_of_stack_commit", false, 76, 4, 80, 8},
		{"size_of_heap_reserve", false, 80, 4, 88, 8}, {"size_of_heap_commit", false, 84, 4, 96, 8},
		{"loader_flags", false, 88, 4, 104, 4}, {"number_of_rva_and_sizes", false, 92, 4, 108, 4},
	}
}

// Number gives a number of the headers; false where this program has none.
func (f *File) Number(n Field) (int64, bool) {
	at, width := n.at32, n.width32
	if f.wide {
		at, width = n.at64, n.width64
	}
	if width == 0 {
		return 0, false
	}
	base := int64(4)
	if !n.file {
		base = optionalAt
	}
	return int64(f.inHeaders(base+at, width)), true
}

// inHeaders reads a number of the headers, counted from "PE\0\0".
func (f *File) inHeaders(at, width int64) uint64 {
	switch p := f.headers[at:]; width {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(p))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p))
	}
	return binary.LittleEndian.Uint64(f.headers[at:])
}

// optional reads a number of the optional header that stands at the same
// place in programs of either width.
func (f *File) optional(at, width int64) uint64 { return f.inHeaders(optionalAt+at, width) }

// header reads a number of the file's header.
func (f *File) header(at, width int64) uint64 { return f.inHeaders(4+at, width) }

// Characteristics are the flags of the file's header.
func (f *File) Characteristics() uint64 { return f.header(18, 2) }

// EntryPoint is the offset in the file at which it begins; -1 where the
// address lies outside of the file.
func (f *File) EntryPoint() int64 { return f.Offset(f.optional(16, 4)) }

// EntryAddress is the address at which it begins, from that of the image.
func (f *File) EntryAddress() int64 { return int64(f.optional(16, 4)) }

// A Range is a part of a file or of an image.
type Range struct{ At, Size int64 }

// Directories lists the directories that the header says it has.
func (f *File) Directories() []Range {
	n := f.optional(92, 4)
	if f.wide {
		n = f.optional(108, 4)
	}
	list := make([]Range, min(n, directoryCount))
	for i := range list {
		list[i] = f.directoryAt(i)
	}
	return list
}

func (f *File) directoryAt(i int) Range {
	at := int64(optionalAt + 96 + 8*i)
	if f.wide {
		at += 16
	}
	return Range{int64(f.inHeaders(at, 4)), int64(f.inHeaders(at+4, 4))}
}

// directory gives a directory that lies inside the optional header, whatever
// the header says of how many there are: that number lies in some programs.
func (f *File) directory(i int) (Range, bool) {
	first := int64(96)
	if f.wide {
		first = 112
	}
	if first+int64(i)*8 > int64(f.header(16, 2)) {
		return Range{}, false
	}
	r := f.directoryAt(i)
	return r, r.At != 0
}

// Checksum is the sum that a header of this content should hold.
func (f *File) Checksum() int64 {
	field := f.nt + optionalAt + 64
	var sum uint64
	const step = 4096
	for at := int64(0); at < f.data.Size(); at += step {
		b := f.data.Bytes(at, min(step, f.data.Size()-at))
		for i := 0; i < len(b); i += 4 {
			if at+int64(i) == field {
				continue
			}
			var word [4]byte
			copy(word[:], b[i:])
			sum += uint64(binary.LittleEndian.Uint32(word[:]))
			sum = sum&0xffff_ffff + sum>>32
		}
	}
	sum = sum&0xffff + sum>>16
	sum += sum >> 16
	return int64(sum&0xffff) + f.data.Size()
}

func (f *File) uint(at, width int64) (uint64, bool) {
	return f.data.Uint(binary.LittleEndian, at, width)
}

func (f *File) u16(at int64) (uint64, bool) { return f.uint(at, 2) }
func (f *File) u32(at int64) (uint64, bool) { return f.uint(at, 4) }
