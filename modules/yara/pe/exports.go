package pe

import "github.com/quaestor-engine/quaestor/modules/yara/view"

// Exports are what a library gives to others.
type Exports struct {
	Timestamp int64
	Name      string // that of the library itself
	Named     bool
	Functions []Export
}

// An Export is a function that others may call.
type Export struct {
	Ordinal, Address int64
	Offset           int64 // in the file; -1 for nowhere, or where it is forwarded
	Name             string
	Named            bool
	Forward          string
	Forwarded        bool
}

// Bounds of what is read: as many as YARA reads.
const (
	maxExports    = 8192
	maxExportName = 512
)

// Exports gives the directory of exports; nil where there is none.
func (f *File) Exports() *Exports { return f.exports.get(f.readExports) }

func (f *File) readExports() *Exports {
	dir, ok := f.directory(dirExport)
	if !ok {
		return nil
	}
	start := f.Offset(uint64(dir.At))
	const size = 40
	if start < 0 || !f.data.Fits(start, size) {
		return nil
	}
	word := func(at int64) uint64 { v, _ := f.u32(start + at); return v }
	e := &Exports{Timestamp: int64(word(4))}
	if at := f.Offset(word(12)); at > 0 {
		e.Name, e.Named = f.data.Text(at, view.MaxBytes)
	}
	count := int64(min(word(20), maxExports))
	names := f.exportNames(word, count)
	if names == nil {
		return e
	}
	functions := f.Offset(word(28))
	if functions < 0 || !f.data.Fits(functions, count*4) {
		return e
	}
	for i := range count {
		address, _ := f.u32(functions + i*4)
		x := Export{Ordinal: int64(word(16)) + i, Address: int64(address), Offset: f.Offset(address)}
		if x.Offset > start && x.Offset < start+dir.Size {
			x.Forward, x.Forwarded = f.data.Text(x.Offset, maxExportName)
			x.Offset = -1
		}
		x.Name, x.Named = names(i)
		e.Functions = append(e.Functions, x)
	}
	return e
}

// exportNames gives a function that names the i-th export; nil where the
// tables lie outside of the file.
func (f *File) exportNames(word func(int64) uint64, count int64) func(int64) (string, bool) {
	named := int64(word(24))
	table := int64(-1)
	if named > 0 {
		if table = f.Offset(word(32)); table < 0 || !f.data.Fits(table, named*4) {
			return nil
		}
	}
	ordinals := f.Offset(word(36))
	if ordinals < 0 || !f.data.Fits(ordinals, count*2) {
		return nil
	}
	first := map[uint64]int64{}
	for j := range min(named, count) {
		if o, _ := f.u16(ordinals + j*2); o < uint64(count) {
			if _, ok := first[o]; !ok {
				first[o] = j
			}
		}
	}
	return func(i int64) (string, bool) {
		j, ok := first[uint64(i)]
		if !ok {
			return "", false
		}
		rva, _ := f.u32(table + j*4)
		at := f.Offset(rva)
		if at <= 0 {
			return "", false
		}
		return f.data.Text(at, maxExportName)
	}
}
