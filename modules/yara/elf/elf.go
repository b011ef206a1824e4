// Package elf reads programs of Linux and the BSDs as YARA's module "elf"
// shows them to rules: headers, sections, segments, symbols.
//
// A newcomer needs [Parse], which says whether content is such a program, and
// the methods of [File]. Tables are read entry by entry, as rules ask for
// them: a file that says it has a billion symbols costs no memory. It must
// not be used to load programs.
package elf

import (
	"encoding/binary"

	"github.com/quaestor-engine/quaestor/modules/yara/view"
)

// File is a program. It is not safe for use by several goroutines.
type File struct {
	data     *view.View
	order    binary.ByteOrder
	wide     bool // 64 bits
	sections Table
	segments Table
	names    Table // of sections
	symbols  map[uint64]*symbolTable
	loader   struct {
		looked bool
		table  *Table
	}
}

// layout says where numbers stand in a structure: {place, width} of 32 and of
// 64 bits.
type layout struct{ at32, width32, at64, width64 int64 }

// Kinds of sections and segments that are looked for.
const (
	kindSymbols        = 2
	kindNoBits         = 8
	kindDynamicSymbols = 11
	segmentDynamic     = 2
	typeExecutable     = 2
	maxSectionCount    = 0xff00 // from here on the number stands elsewhere
	maxSegmentCount    = 0xffff
)

func same(at, width int64) layout { return layout{at, width, at, width} }

// address is a number as wide as addresses, at different places.
func address(at32, at64 int64) layout { return layout{at32, 4, at64, 8} }

var (
	headType      = same(16, 2)
	headMachine   = same(18, 2)
	headEntry     = address(24, 24)
	headSegments  = address(28, 32)
	headSections  = address(32, 40)
	headPSize     = layout{42, 2, 54, 2}
	headPCount    = layout{44, 2, 56, 2}
	headSSize     = layout{46, 2, 58, 2}
	headSCount    = layout{48, 2, 60, 2}
	headNames     = layout{50, 2, 62, 2}
	sectionName   = same(0, 4)
	sectionType   = same(4, 4)
	sectionFlags  = address(8, 8)
	sectionAddr   = address(12, 16)
	sectionOffset = address(16, 24)
	sectionSize   = address(20, 32)
	sectionLink   = layout{24, 4, 40, 4}
	segmentType   = same(0, 4)
	segmentFlags  = layout{24, 4, 4, 4}
	segmentOffset = address(4, 8)
	segmentAddr   = address(8, 16)
	segmentPhys   = address(12, 24)
	segmentFile   = address(16, 32)
	segmentMemory = address(20, 40)
	segmentAlign  = address(28, 48)
	symbolName    = same(0, 4)
	symbolInfo    = layout{12, 1, 4, 1}
	symbolSection = layout{14, 2, 6, 2}
	symbolValue   = address(4, 8)
	symbolSize    = address(8, 16)
	dynamicType   = address(0, 0)
	dynamicValue  = address(4, 8)
)

// A Table is an array of structures in the file.
type Table struct{ at, size, count int64 }

// Count is how many there are.
func (t Table) Count() int { return int(t.count) }

// Parse reads the header. It reports false of what is no such program.
func Parse(data *view.View) (*File, bool) {
	ident := data.Bytes(0, 16)
	if ident == nil || string(ident[:4]) != "\x7fELF" {
		return nil, false
	}
	f := &File{data: data, order: binary.LittleEndian, wide: ident[4] == 2, symbols: map[uint64]*symbolTable{}}
	if ident[5] == 2 {
		f.order = binary.BigEndian
	}
	if ident[4] != 1 && ident[4] != 2 || ident[5] != 1 && ident[5] != 2 || data.Size() <= f.pick(52, 64) {
		return nil, false
	}
	f.sections = f.table(headSections, headSCount, f.pick(40, 64), maxSectionCount)
	f.segments = f.table(headSegments, headPCount, f.pick(32, 56), maxSegmentCount)
	names := int64(f.Head(headNames))
	if names >= f.sections.count {
		f.sections.count = 0
	}
	if f.sections.count > 0 {
		f.names = Table{at: int64(f.section(names, sectionOffset)), size: 1, count: int64(f.section(names, sectionSize))}
	}
	return f, true
}

func (f *File) pick(narrow, wide int64) int64 {
	if f.wide {
		return wide
	}
	return narrow
}

// table is one of the header's; empty where it does not lie in the file.
func (f *File) table(at, count layout, size int64, limit uint64) Table {
	place, n := f.Head(at), f.Head(count)
	if n >= limit || place >= uint64(f.data.Size()) || !f.data.Fits(int64(place), int64(n)*size) {
		return Table{}
	}
	return Table{int64(place), size, int64(n)}
}

func (f *File) number(at int64, l layout) uint64 {
	place, width := l.at32, l.width32
	if f.wide {
		place, width = l.at64, l.width64
	}
	v, _ := f.data.Uint(f.order, at+place, width)
	return v
}

// Head reads a number of the header.
func (f *File) Head(l layout) uint64 { return f.number(0, l) }

func (f *File) section(i int64, l layout) uint64 {
	return f.number(f.sections.at+i*f.sections.size, l)
}

func (f *File) segment(i int64, l layout) uint64 {
	return f.number(f.segments.at+i*f.segments.size, l)
}

// name reads a name from a table of names, whose first byte is zero.
func (f *File) name(names Table, i uint64) (string, bool) {
	if int64(i) < 0 || int64(i) >= names.count || !f.data.Fits(names.at, 1) {
		return "", false
	}
	if b := f.data.Bytes(names.at, 1); b == nil || b[0] != 0 {
		return "", false
	}
	room := names.count - int64(i)
	s, ok := f.data.Text(names.at+int64(i), room)
	return s, ok && int64(len(s)) < room && names.at+int64(i)+int64(len(s)) < f.data.Size()
}

// EntryPoint is the offset in the file at which it begins; false where no
// part of the file lies there.
func (f *File) EntryPoint() (int64, bool) {
	entry := f.Head(headEntry)
	if entry == 0 {
		return 0, false
	}
	if f.Head(headType) == typeExecutable {
		for i := range f.segments.count {
			if at := f.segment(i, segmentAddr); entry >= at && entry-at < f.segment(i, segmentMemory) {
				return int64(f.segment(i, segmentOffset) + entry - at), true
			}
		}
		return 0, false
	}
	for i := range f.sections.count {
		kind := f.section(i, sectionType)
		if at := f.section(i, sectionAddr); kind != 0 && kind != kindNoBits && entry >= at && entry-at < f.section(i, sectionSize) {
			return int64(f.section(i, sectionOffset) + entry - at), true
		}
	}
	return 0, false
}

type symbolTable struct {
	Table
	names Table
}

// symbolsOf finds the last section of a kind of symbols; nil where there is
// none that lies in the file.
func (f *File) symbolsOf(kind uint64) *symbolTable {
	if t, ok := f.symbols[kind]; ok {
		return t
	}
	var found *symbolTable
	for i := range f.sections.count {
		if f.section(i, sectionType) != kind {
			continue
		}
		link := int64(f.section(i, sectionLink))
		if link >= f.sections.count {
			continue
		}
		at, size := int64(f.section(i, sectionOffset)), int64(f.section(i, sectionSize))
		namesAt, namesSize := int64(f.section(link, sectionOffset)), int64(f.section(link, sectionSize))
		if !f.data.Fits(at, size) || !f.data.Fits(namesAt, namesSize) {
			continue
		}
		entry := f.pick(16, 24)
		found = &symbolTable{Table{at, entry, size / entry}, Table{namesAt, 1, namesSize}}
	}
	f.symbols[kind] = found
	return found
}

// dynamicTable finds the instructions for the loader, up to the one that ends
// them; nil where nothing says that there are any.
func (f *File) dynamicTable() *Table {
	if f.loader.looked {
		return f.loader.table
	}
	f.loader.looked = true
	const maxDynamic = 1 << 16 // entries: a program has some thirty
	for i := range f.segments.count {
		at := int64(f.segment(i, segmentOffset))
		if f.segment(i, segmentType) != segmentDynamic {
			continue
		}
		found := Table{at: at, size: f.pick(8, 16)}
		for found.count < maxDynamic && f.data.Fits(at, found.size) {
			found.count++
			if f.number(at, dynamicType) == 0 {
				break
			}
			at += found.size
		}
		f.loader.table = &found
	}
	return f.loader.table
}
