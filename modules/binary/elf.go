package binary

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

type elfFile = program[elf.File]

func elfModule() modules.Module {
	list := programs(func(head []byte) bool { return string(head) == elf.ELFMAG }, func(r *io.SectionReader) (*elf.File, error) { return elf.NewFile(r) })
	return table.New(schema("elf", "Programs, libraries and objects in ELF, the format of Linux and the BSDs.", "/usr/bin/*"),
		append(elfColumns(), goColumns[elf.File]()...), list).By()
}

func elfColumns() []table.Column[elfFile] {
	fact := func(name, doc string, get func(*elf.File) bool) table.Column[elfFile] {
		return table.Bool(name, doc, func(p *elfFile) bool { return get(p.format) })
	}
	names := func(name, doc string, get func(*elf.File) ([]string, error)) table.Column[elfFile] {
		return table.Computed(name, value.List, doc, func(_ *table.Scan, p *elfFile) (value.Value, error) {
			list, err := get(p.format)
			if errors.Is(err, elf.ErrNoSymbols) {
				list, err = nil, nil
			}
			if err != nil {
				err = malformed(err)
			}
			return texts(list, err)
		}).Of(value.Text).Costs(modules.Read)
	}
	dynamic := func(tag elf.DynTag) func(*elf.File) ([]string, error) {
		return func(f *elf.File) ([]string, error) { return f.DynString(tag) }
	}
	return []table.Column[elfFile]{
		table.Text("path", "The file.", func(p *elfFile) string { return p.path }).To("file").Shown(),
		table.Text("type", "What it is: an executable that may lie anywhere in memory is a pie.", func(p *elfFile) string { return elfType(p.format) }).Shown().
			OneOf("executable", "pie", "shared", "relocatable", "core"),
		table.Text("architecture", "The processor that it is for, in Go's words where Go has one: amd64, arm64.", func(p *elfFile) string { return elfArchitecture(p.format) }).Shown(),
		table.Int("bits", "32 or 64.", func(p *elfFile) int64 { return elfBits(p.format) }),
		table.Text("byte_order", "Which end of a number comes first.", func(p *elfFile) string { return byteOrder(p.format) }).OneOf("little", "big"),
		table.Text("entry_point", "The address at which it begins, in 16 hexadecimal digits.", func(p *elfFile) string { return hexAddress(p.format.Entry) }),
		table.Text("interpreter", "The loader that it asks for; null where it needs none.", func(p *elfFile) string { return interpreter(p.format) }).To("file"),
		fact("static", "Whether it needs no loader and no library.", isStatic).Shown(),
		fact("stripped", "Whether its table of symbols was taken out.", func(f *elf.File) bool { return f.Section(".symtab") == nil }).Shown(),
		fact("debug", "Whether it has information for debuggers.", func(f *elf.File) bool {
			return f.Section(".debug_info") != nil || f.Section(".zdebug_info") != nil
		}),
		fact("nx", "Whether its stack cannot be executed.", func(f *elf.File) bool { return !stackRuns(f) }),
		fact("writable_code", "Whether a part of it can be written and executed, as packers need it.", writableCode).Shown(),
		table.Text("relro", "How much of its tables of addresses is closed to writing once it runs.", func(p *elfFile) string { return relro(p.format) }).OneOf("none", "partial", "full"),
		names("needed", "The libraries that it asks for, by name.", dynamic(elf.DT_NEEDED)).Shown(),
		names("rpath", "Where libraries are looked for first, by the old rule.", dynamic(elf.DT_RPATH)),
		names("runpath", "Where libraries are looked for first.", dynamic(elf.DT_RUNPATH)),
		names("soname", "The name that it has as a library.", dynamic(elf.DT_SONAME)),
		names("imports", "The symbols that it takes from libraries.", importedSymbols),
		names("exports", "The symbols that it gives to others.", exportedSymbols),
		table.Computed("canary", value.Bool, "Whether it looks for overflows of the stack, by the function that it calls then.", hasCanary).Costs(modules.Read),
		table.Computed("sections", value.List, "The names of its sections.", func(_ *table.Scan, p *elfFile) (value.Value, error) {
			var list []string
			for _, s := range p.format.Sections {
				if s.Name != "" {
					list = append(list, s.Name)
				}
			}
			return texts(list, nil)
		}).Of(value.Text),
		table.Text("build_id", "The identity that the linker gave it, as hexadecimal digits.", func(p *elfFile) string { return buildID(p.format) }),
		table.Computed("packed", value.Text, "What it was packed with, where it shows: upx.", packedWith).Costs(modules.Read),
	}
}

func elfType(f *elf.File) string {
	switch f.Type {
	case elf.ET_EXEC:
		return "executable"
	case elf.ET_REL:
		return "relocatable"
	case elf.ET_CORE:
		return "core"
	case elf.ET_DYN:
		// A pie and a library differ by a flag, and of old by the loader.
		if flags, err := f.DynValue(elf.DT_FLAGS_1); err == nil && len(flags) > 0 && elf.DynFlag1(flags[0])&elf.DF_1_PIE != 0 {
			return "pie"
		}
		if f.Section(".dynamic") != nil && interpreter(f) != "" {
			if soname, err := f.DynString(elf.DT_SONAME); err == nil && len(soname) == 0 {
				return "pie"
			}
		}
		return "shared"
	}
	return ""
}

func elfArchitecture(f *elf.File) string {
	names := map[elf.Machine]string{
		elf.EM_386: "386", elf.EM_X86_64: "amd64", elf.EM_ARM: "arm", elf.EM_AARCH64: "arm64", elf.EM_RISCV: "riscv64",
		elf.EM_S390: "s390x", elf.EM_LOONGARCH: "loong64", elf.EM_PPC64: "ppc64", elf.EM_MIPS: "mips", elf.EM_BPF: "bpf",
	}
	if f.Machine == elf.EM_PPC64 && f.Data == elf.ELFDATA2LSB {
		return "ppc64le"
	}
	if name, ok := names[f.Machine]; ok {
		return name
	}
	return strings.ToLower(strings.TrimPrefix(f.Machine.String(), "EM_"))
}

func elfBits(f *elf.File) int64 {
	if f.Class == elf.ELFCLASS64 {
		return 64
	}
	return 32
}

func byteOrder(f *elf.File) string {
	if f.Data == elf.ELFDATA2MSB {
		return "big"
	}
	return "little"
}

func hexAddress(a uint64) string {
	return "0x" + hex.EncodeToString([]byte{byte(a >> 56), byte(a >> 48), byte(a >> 40), byte(a >> 32), byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}

// maxInterpreter is the length of a path in Linux.
const maxInterpreter = 4096

func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz <= maxInterpreter {
			b := make([]byte, p.Filesz)
			if n, _ := p.ReadAt(b, 0); n == len(b) {
				return text(b)
			}
		}
	}
	return ""
}

func isStatic(f *elf.File) bool {
	needed, err := f.DynString(elf.DT_NEEDED)
	return (f.Type == elf.ET_EXEC || f.Type == elf.ET_DYN) && interpreter(f) == "" && (err != nil || len(needed) == 0) && elfType(f) != "shared"
}

// stackRuns says whether the stack can be executed, which it can where the
// header for it is missing.
func stackRuns(f *elf.File) bool {
	for _, p := range f.Progs {
		if p.Type == elf.PT_GNU_STACK {
			return p.Flags&elf.PF_X != 0
		}
	}
	return f.Type == elf.ET_EXEC || f.Type == elf.ET_DYN
}

func writableCode(f *elf.File) bool {
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool {
		return p.Type == elf.PT_LOAD && p.Flags&(elf.PF_W|elf.PF_X) == elf.PF_W|elf.PF_X
	})
}

func relro(f *elf.File) string {
	if !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_GNU_RELRO }) {
		return "none"
	}
	if flags, err := f.DynValue(elf.DT_FLAGS); err == nil && len(flags) > 0 && elf.DynFlag(flags[0])&elf.DF_BIND_NOW != 0 {
		return "full"
	}
	if flags, err := f.DynValue(elf.DT_FLAGS_1); err == nil && len(flags) > 0 && elf.DynFlag1(flags[0])&elf.DF_1_NOW != 0 {
		return "full"
	}
	return "partial"
}

func importedSymbols(f *elf.File) ([]string, error) { return dynamicSymbols(f, true) }

func exportedSymbols(f *elf.File) ([]string, error) { return dynamicSymbols(f, false) }

// dynamicSymbols lists the symbols that are or are not somebody else's.
func dynamicSymbols(f *elf.File, imported bool) ([]string, error) {
	symbols, err := f.DynamicSymbols()
	var names []string
	for _, s := range symbols {
		if (s.Section == elf.SHN_UNDEF) == imported && s.Name != "" && elf.ST_BIND(s.Info) != elf.STB_LOCAL {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

func hasCanary(_ *table.Scan, p *elfFile) (value.Value, error) {
	names, err := importedSymbols(p.format)
	if errors.Is(err, elf.ErrNoSymbols) {
		return value.Value{}, nil // it cannot be seen
	}
	if err != nil {
		return value.Value{}, malformed(err)
	}
	return value.NewBool(slices.Contains(names, "__stack_chk_fail")), nil
}

// buildID reads the note .note.gnu.build-id: lengths, type and name, then it.
func buildID(f *elf.File) string {
	s := f.Section(".note.gnu.build-id")
	if s == nil || s.Size < 16 || s.Size > 256 {
		return ""
	}
	b, err := s.Data()
	if err != nil || len(b) < 16 {
		return ""
	}
	n := int(f.ByteOrder.Uint32(b[4:]))
	if string(b[12:16]) != "GNU\x00" || n < 0 || 16+n > len(b) {
		return ""
	}
	return hex.EncodeToString(b[16 : 16+n])
}

// packedWith looks for the mark that UPX leaves behind the headers.
func packedWith(_ *table.Scan, p *elfFile) (value.Value, error) {
	head := make([]byte, 1024)
	n, err := p.file.ReadAt(head, 0)
	if n == 0 && err != nil {
		return value.Value{}, err
	}
	if bytes.Contains(head[:n], []byte("UPX!")) {
		return value.NewText("upx"), nil
	}
	return value.Value{}, nil
}
