package elf

import (
	"debug/elf"
	"os"
	"runtime"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/yara/view"
)

type memory []byte

func (m memory) Slice(off int64, n int) ([]byte, error) {
	if off >= int64(len(m)) {
		return nil, nil
	}
	return m[off:min(int64(len(m)), off+int64(n))], nil
}

func (m memory) Size() (int64, bool) { return int64(len(m)), true }

// Sections, segments and symbols are those that Go's own reader finds in this
// test.
func TestAgainstDebugELF(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this test is no ELF file here")
	}
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	want, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	f, ok := Parse(view.New(memory(b)))
	if !ok || f.sections.Count() != len(want.Sections) || f.segments.Count() != len(want.Progs) {
		t.Fatalf("%v: %d sections of %d, %d segments of %d", ok, f.sections.Count(), len(want.Sections), f.segments.Count(), len(want.Progs))
	}
	for i, s := range want.Sections {
		name, _ := f.name(f.names, f.section(int64(i), sectionName))
		if name != s.Name || f.section(int64(i), sectionOffset) != s.Offset || f.section(int64(i), sectionFlags) != uint64(s.Flags) {
			t.Errorf("section %d is %q", i, name)
		}
	}
	for i, p := range want.Progs {
		if f.segment(int64(i), segmentType) != uint64(p.Type) || f.segment(int64(i), segmentMemory) != p.Memsz || f.segment(int64(i), segmentAlign) != p.Align {
			t.Errorf("segment %d differs", i)
		}
	}
	if entry, ok := f.EntryPoint(); !ok || entry <= 0 || entry >= int64(len(b)) {
		t.Errorf("it begins at %d", entry)
	}
	symbols, err := want.Symbols()
	if err != nil {
		t.Skip("this test was stripped")
	}
	table := f.symbolsOf(kindSymbols)
	if table == nil || table.Count() != len(symbols)+1 {
		t.Fatalf("%v: %d symbols", table, len(symbols))
	}
	last := table.at + int64(len(symbols))*table.size
	if name, _ := f.name(table.names, f.number(last, symbolName)); name != symbols[len(symbols)-1].Name {
		t.Errorf("the last symbol is %q", name)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01" + string(make([]byte, 200))))
	f.Add([]byte("\x7fELF\x01\x02\x01" + string(make([]byte, 200))))
	if b, err := os.ReadFile("testdata/small.o"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := Parse(view.New(memory(b)))
		if !ok {
			return
		}
		p.EntryPoint()
		p.imports()
		p.symbolsOf(kindSymbols)
		p.dynamicTable()
		for i := range p.sections.count {
			p.name(p.names, p.section(i, sectionName))
		}
	})
}
