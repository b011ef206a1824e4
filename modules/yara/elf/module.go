package elf

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/field"
	"github.com/quaestor-engine/quaestor/modules/yara/view"
)

// errMemory says why a rule over the memory of a process is undecided.
var errMemory = errors.New("elf reads files, and not the memory of processes")

// Module is what `import "elf"` brings.
func Module() *yara.Module {
	t := fileTable()
	return &yara.Module{Name: "elf", Fields: t.Fields(), Load: func(d *yara.Data) (yara.Value, error) {
		if d.Process() {
			return yara.Undefined(), errMemory
		}
		v := view.New(d)
		f, ok := Parse(v)
		if err := v.Err(); err != nil {
			return yara.Undefined(), err
		}
		if !ok {
			return t.Object(nil), nil
		}
		return t.Object(f), nil
	}}
}

// Err is the first failure to read the file.
func (f *File) Err() error {
	if f == nil {
		return nil
	}
	return f.data.Err()
}

// An entry is one of a table: a section, a segment, a symbol.
type entry struct {
	f     *File
	at    int64
	names Table
}

// Err is the first failure to read the file.
func (e entry) Err() error { return e.f.Err() }

func number(l layout) field.Field[entry] {
	return field.Int(func(e entry) int64 { return int64(e.f.number(e.at, l)) })
}

func name(l layout) field.Field[entry] {
	return field.Text(func(e entry) (string, bool) { return e.f.name(e.names, e.f.number(e.at, l)) })
}

func head(l layout) field.Field[*File] {
	return perhaps(func(f *File) (int64, bool) { return int64(f.Head(l)), true })
}

func perhaps(get func(*File) (int64, bool)) field.Field[*File] {
	return field.Perhaps(func(f *File) (int64, bool) {
		if f == nil {
			return 0, false
		}
		return get(f)
	})
}

// entries is an array of structures, which are read as rules ask for them.
func entries(of field.Table[entry], get func(f *File) (Table, Table)) field.Field[*File] {
	return field.Field[*File]{Type: yara.ArrayOf(of.Type()), Get: func(f *File) yara.Value {
		var t, names Table
		if f != nil {
			t, names = get(f)
		}
		return yara.List(t.Count(), func(i int) (yara.Value, error) {
			return of.Object(entry{f, t.at + int64(i)*t.size, names}), nil
		})
	}}
}

func fileTable() field.Table[*File] {
	t := field.Table[*File]{
		"type": head(headType), "machine": head(headMachine),
		"number_of_sections": head(headSCount), "number_of_segments": head(headPCount),
		"sh_offset": head(headSections), "sh_entry_size": head(headSSize),
		"ph_offset": head(headSegments), "ph_entry_size": head(headPSize),
		"entry_point": perhaps((*File).EntryPoint),
		"sections": entries(field.Table[entry]{
			"name": name(sectionName), "type": number(sectionType), "flags": number(sectionFlags),
			"address": number(sectionAddr), "offset": number(sectionOffset), "size": number(sectionSize),
		}, func(f *File) (Table, Table) { return f.sections, f.names }),
		"segments": entries(field.Table[entry]{
			"type": number(segmentType), "flags": number(segmentFlags), "offset": number(segmentOffset),
			"virtual_address": number(segmentAddr), "physical_address": number(segmentPhys),
			"file_size": number(segmentFile), "memory_size": number(segmentMemory), "alignment": number(segmentAlign),
		}, func(f *File) (Table, Table) { return f.segments, Table{} }),
		"dynamic": entries(field.Table[entry]{
			"type": number(dynamicType), "val": number(dynamicValue),
		}, func(f *File) (Table, Table) {
			if t := f.dynamicTable(); t != nil {
				return *t, Table{}
			}
			return Table{}, Table{}
		}),
		"dynamic_section_entries": perhaps(func(f *File) (int64, bool) {
			t := f.dynamicTable()
			if t == nil {
				return 0, false
			}
			return t.count, true
		}),
		"import_md5": importHash(),
	}
	addSymbols(t, "symtab", kindSymbols)
	addSymbols(t, "dynsym", kindDynamicSymbols)
	addConstants(t)
	return t
}

func addSymbols(t field.Table[*File], name string, kind uint64) {
	t[name] = entries(symbolFields(), func(f *File) (Table, Table) {
		if s := f.symbolsOf(kind); s != nil {
			return s.Table, s.names
		}
		return Table{}, Table{}
	})
	t[name+"_entries"] = perhaps(func(f *File) (int64, bool) {
		s := f.symbolsOf(kind)
		if s == nil {
			return 0, false
		}
		return s.count, true
	})
}

func symbolFields() field.Table[entry] {
	return field.Table[entry]{
		"name": name(symbolName), "value": number(symbolValue), "size": number(symbolSize), "shndx": number(symbolSection),
		"type": field.Int(func(e entry) int64 { return int64(e.f.number(e.at, symbolInfo) & 0xf) }),
		"bind": field.Int(func(e entry) int64 { return int64(e.f.number(e.at, symbolInfo) >> 4) }),
	}
}

// importHash is what two builds of one source have in common: a sum over the
// names of the symbols that are somebody else's.
func importHash() field.Field[*File] {
	return field.Func(field.Call[*File]{Result: yara.String, Do: func(f *File, _ []yara.Value) yara.Value {
		if f == nil {
			return yara.Undefined()
		}
		names, ok := f.imports()
		if !ok {
			return yara.Undefined()
		}
		sum := md5.Sum([]byte(strings.Join(names, ",")))
		return yara.Text(hex.EncodeToString(sum[:]))
	}})
}

// maxImports bounds the symbols that a hash is made of.
const maxImports = 1 << 18

func (f *File) imports() (names []string, ok bool) {
	s := f.symbolsOf(kindDynamicSymbols)
	if s == nil {
		return nil, false
	}
	for i := range min(s.count, maxImports) {
		at := s.at + i*s.size
		if f.number(at, symbolSection) != 0 {
			continue
		}
		if n, ok := f.name(s.names, f.number(at, symbolName)); ok && n != "" {
			names = append(names, strings.ToLower(n))
		}
	}
	slices.Sort(names)
	return names, true
}
