package pe

import "strings"

// A Section is a part of the image.
type Section struct {
	Name     string
	FullName string // from the table of long names
	Readable bool   // whether that table has it
	Numbers  [9]int64
}

// SectionFields are the names of Section.Numbers, in order.
func SectionFields() []string {
	return []string{
		"characteristics", "virtual_address", "virtual_size", "raw_data_offset", "raw_data_size",
		"pointer_to_relocations", "pointer_to_line_numbers", "number_of_relocations", "number_of_line_numbers",
	}
}

// Indexes into Section.Numbers.
const (
	virtualAddress = 1
	virtualSize    = 2
	rawOffset      = 3
	rawSize        = 4
)

const sectionSize = 40

// maxSectionName is the longest name of a section that is read, in bytes.
const maxSectionName = 4096

// Sections are those whose headers lie in the file, up to maxSections.
func (f *File) Sections() []Section { return f.sections }

func (f *File) readSections() []Section {
	at := f.nt + optionalAt + int64(f.header(16, 2))
	var list []Section
	for range min(f.header(2, 2), maxSections) {
		if !f.data.Fits(at, sectionSize) {
			break
		}
		name := strings.TrimRight(string(f.data.Bytes(at, 8)), "\x00")
		s := Section{Name: name}
		s.FullName, s.Readable = f.longName(name)
		for i, place := range [...][2]int64{{36, 4}, {12, 4}, {8, 4}, {20, 4}, {16, 4}, {24, 4}, {28, 4}, {32, 2}, {34, 2}} {
			v, _ := f.uint(at+place[0], place[1])
			s.Numbers[i] = int64(v)
		}
		list = append(list, s)
		at += sectionSize
	}
	return list
}

// longName looks up "/123" in the table behind the symbols.
func (f *File) longName(name string) (string, bool) {
	symbols := int64(f.header(8, 4))
	if symbols == 0 || len(name) == 0 || name[0] != '/' {
		return name, true
	}
	const symbolSize = 18
	var index int64
	for _, c := range []byte(name[1:]) {
		if c < '0' || c > '9' {
			break
		}
		index = index*10 + int64(c-'0')
	}
	at := symbols + int64(f.header(12, 4))*symbolSize + index
	long, ok := f.data.Text(at, maxSectionName)
	for _, c := range []byte(long) {
		ok = ok && c >= ' ' && c <= '~'
	}
	return long, ok && at+int64(len(long)) < f.data.Size() // a zero ends it
}

// Offset says where in the file an address of the image lies; -1 for nowhere.
func (f *File) Offset(rva uint64) int64 {
	if int(min(f.header(2, 2), maxSections)) > len(f.sections) {
		return -1 // a header of a section lies outside
	}
	size := f.data.Size()
	var base, offset, raw int64
	lowest := int64(0xffff_ffff)
	for i := range f.sections {
		n := &f.sections[i].Numbers
		lowest = min(lowest, n[virtualAddress])
		if rva < uint64(n[virtualAddress]) || rva-uint64(n[virtualAddress]) >= uint64(n[virtualSize]) || base > n[virtualAddress] {
			continue
		}
		base, offset, raw = n[virtualAddress], n[rawOffset], n[rawSize]
		// The loader rounds to sectors, whatever larger alignment is given.
		if align := int64(min(f.optional(36, 4), 0x200)); align > 0 {
			offset -= offset % align
		}
	}
	if rva < uint64(lowest) {
		base, offset, raw = 0, 0, size // headers are mapped as they stand
	}
	if rva-uint64(base) >= uint64(raw) {
		return -1
	}
	if at := offset + int64(rva) - base; at < size {
		return at
	}
	return -1
}

// SectionAt is the index of the section that holds an offset of the file; -1
// for none.
func (f *File) SectionAt(place int64) int {
	for i := range f.sections {
		n := &f.sections[i].Numbers
		if place >= n[rawOffset] && place < n[rawOffset]+n[rawSize] {
			return i
		}
	}
	return -1
}

// SectionNamed is the index of the first section of that name; -1 for none.
func (f *File) SectionNamed(name string) int {
	for i := range f.sections {
		if before, _, _ := strings.Cut(f.sections[i].Name, "\x00"); before == name {
			return i
		}
	}
	return -1
}

// Overlay is what was appended behind the last section; empty where nothing
// was.
func (f *File) Overlay() Range {
	return f.overlay.get(func() Range {
		var end int64
		for i := range f.sections {
			n := &f.sections[i].Numbers
			end = max(end, n[rawOffset]+n[rawSize])
		}
		if end == 0 || f.data.Size() <= end {
			return Range{}
		}
		return Range{end, f.data.Size() - end}
	})
}
