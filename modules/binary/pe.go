package binary

import (
	"debug/pe"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A peImage is a file with what is read of it when it is first asked for.
type peImage struct {
	*pe.File
	version func() (*versionInfo, error)
	signer  func() (signer, error)
}

type peFile = program[peImage]

func peModule() modules.Module {
	list := programs(func(head []byte) bool { return head[0] == 'M' && head[1] == 'Z' }, openPE)
	return table.New(schema("pe", "Programs and libraries in PE, the format of Windows.", "/srv/share/**/*.exe"),
		slices.Concat(peColumns(), peVersionColumns(), goColumns[peImage]()), list).By()
}

// openPE parses a file. One of DOS, which begins in the same way, is
// malformed as PE.
func openPE(r *io.SectionReader) (*peImage, error) {
	f, err := pe.NewFile(r)
	if err != nil {
		return nil, err
	}
	return &peImage{
		f, once(func() (*versionInfo, error) { return version(f) }), once(func() (signer, error) { return authenticode(f, r) }),
	}, nil
}

// Bits of the characteristics of a file and of a section, as the PE format
// has them.
const (
	peDLL          = 0x2000
	peSystem       = 0x1000
	sectionExecute = 0x2000_0000
	sectionWrite   = 0x8000_0000
)

// header is what is kept of the optional header, of either width.
type header struct {
	entry, base    uint64
	subsystem      uint16
	characteristic uint16
	directories    [16]pe.DataDirectory
}

func headerOf(f *pe.File) (h header, ok bool) {
	switch o := f.OptionalHeader.(type) {
	case *pe.OptionalHeader32:
		return header{uint64(o.AddressOfEntryPoint), uint64(o.ImageBase), o.Subsystem, o.DllCharacteristics, o.DataDirectory}, true
	case *pe.OptionalHeader64:
		return header{uint64(o.AddressOfEntryPoint), o.ImageBase, o.Subsystem, o.DllCharacteristics, o.DataDirectory}, true
	}
	return header{}, false
}

func peColumns() []table.Column[peFile] {
	fact := func(name, doc string, get func(header) bool) table.Column[peFile] {
		return table.Value(name, value.Bool, doc, func(p *peFile) value.Value {
			h, ok := headerOf(p.format.File)
			if !ok {
				return value.Value{}
			}
			return value.NewBool(get(h))
		})
	}
	return []table.Column[peFile]{
		table.Text("path", "The file.", func(p *peFile) string { return p.path }).To("file").Shown(),
		table.Text("type", "What it is.", func(p *peFile) string { return peType(p.format.File) }).OneOf("exe", "dll", "driver").Shown(),
		table.Text("architecture", "The processor that it is for, in Go's words where Go has one.", func(p *peFile) string { return peArchitecture(p.format.File) }).Shown(),
		table.Text("subsystem", "What it runs under.", func(p *peFile) string { return subsystem(p.format.File) }),
		table.Time("linked", "When it was linked, as it says itself; linkers that build the same twice write something else there.", func(p *peFile) time.Time {
			if t := p.format.TimeDateStamp; t != 0 {
				return time.Unix(int64(t), 0)
			}
			return time.Time{}
		}).Shown(),
		table.Text("entry_point", "Where it begins, from the beginning of the image, in 16 hexadecimal digits.", func(p *peFile) string {
			h, ok := headerOf(p.format.File)
			if !ok {
				return ""
			}
			return hexAddress(h.entry)
		}),
		fact("signed", "Whether it carries a signature, which is not verified.", func(h header) bool { return h.directories[pe.IMAGE_DIRECTORY_ENTRY_SECURITY].Size > 0 }).Shown(),
		fact("dotnet", "Whether it is a program of .NET.", func(h header) bool { return h.directories[pe.IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR].Size > 0 }),
		fact("aslr", "Whether it may lie anywhere in memory.", func(h header) bool { return h.characteristic&pe.IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE != 0 }),
		fact("nx", "Whether its data cannot be executed.", func(h header) bool { return h.characteristic&pe.IMAGE_DLLCHARACTERISTICS_NX_COMPAT != 0 }),
		table.Bool("writable_code", "Whether a section of it can be written and executed, as packers need it.", func(p *peFile) bool {
			for _, s := range p.format.Sections {
				if s.Characteristics&sectionExecute != 0 && s.Characteristics&sectionWrite != 0 {
					return true
				}
			}
			return false
		}).Shown(),
		table.Computed("sections", value.List, "The names of its sections.", func(_ *table.Scan, p *peFile) (value.Value, error) {
			var list []string
			for _, s := range p.format.Sections {
				list = append(list, s.Name)
			}
			return texts(list, nil)
		}).Of(value.Text),
		table.Computed("imports", value.List, "What it takes from libraries, as name:LIBRARY.", func(_ *table.Scan, p *peFile) (value.Value, error) {
			list, err := p.format.ImportedSymbols()
			if err != nil {
				err = malformed(err)
			}
			return texts(list, err)
		}).Of(value.Text).Costs(modules.Read),
		table.Text("packed", "What it was packed with, by the names of its sections: upx.", func(p *peFile) string {
			for _, s := range p.format.Sections {
				if strings.HasPrefix(s.Name, "UPX") {
					return "upx"
				}
			}
			return ""
		}),
	}
}

// peVersionColumns are what the resource of the version and the signature say.
func peVersionColumns() []table.Column[peFile] {
	said := func(name string, t value.Type, doc string, get func(*versionInfo) value.Value) table.Column[peFile] {
		return table.Computed(name, t, doc, func(_ *table.Scan, p *peFile) (value.Value, error) {
			v, err := p.format.version()
			if v == nil || err != nil {
				return value.Value{}, err
			}
			return get(v), nil
		}).Costs(modules.Read)
	}
	named := func(name, key, doc string) table.Column[peFile] {
		return said(name, value.Text, doc, func(v *versionInfo) value.Value { return table.TextOf(v.texts[key]) })
	}
	number := func(name, doc string, get func(*versionInfo) string) table.Column[peFile] {
		return said(name, value.Version, doc, func(v *versionInfo) value.Value {
			if get(v) == "" {
				return value.Value{}
			}
			return value.NewVersion(get(v), value.AnyScheme)
		})
	}
	signed := func(name, doc string, get func(signer) string) table.Column[peFile] {
		return table.Computed(name, value.Text, doc, func(_ *table.Scan, p *peFile) (value.Value, error) {
			s, err := p.format.signer()
			return table.TextOf(get(s)), err
		}).Costs(modules.Read)
	}
	return []table.Column[peFile]{
		number("file_version", "The version of the file, in four numbers.", func(v *versionInfo) string { return v.file }),
		number("product_version", "The version of what it is a part of.", func(v *versionInfo) string { return v.product }),
		named("product", "ProductName", "What it is a part of, as it says itself."),
		named("company", "CompanyName", "Whose it is, as it says itself."),
		named("description", "FileDescription", "What it is, as it says itself."),
		named("original_name", "OriginalFilename", "The name that it had when it was made: a system's own tool under another name shows so."),
		named("internal_name", "InternalName", "What its makers call it."),
		signed("signer", "Whom its signature names, which is not verified.", func(s signer) string { return s.name }),
		signed("signer_issuer", "Who vouches for that.", func(s signer) string { return s.issuer }),
		signed("signer_thumbprint", "The SHA-1 of the certificate that the signature names, in hexadecimal digits.", func(s signer) string { return s.thumbprint }),
	}
}

func peType(f *pe.File) string {
	h, _ := headerOf(f)
	const native = 1
	switch {
	case f.Characteristics&peSystem != 0 || h.subsystem == native:
		return "driver"
	case f.Characteristics&peDLL != 0:
		return "dll"
	}
	return "exe"
}

func peArchitecture(f *pe.File) string {
	switch f.Machine {
	case pe.IMAGE_FILE_MACHINE_I386:
		return "386"
	case pe.IMAGE_FILE_MACHINE_AMD64:
		return "amd64"
	case pe.IMAGE_FILE_MACHINE_ARM64:
		return "arm64"
	case pe.IMAGE_FILE_MACHINE_ARMNT, pe.IMAGE_FILE_MACHINE_ARM:
		return "arm"
	}
	return ""
}

func subsystem(f *pe.File) string {
	h, _ := headerOf(f)
	return map[uint16]string{
		1: "native", 2: "gui", 3: "console", 7: "posix", 9: "ce", 10: "efi_application", 11: "efi_boot_driver",
		12: "efi_runtime_driver", 13: "efi_rom", 16: "boot_application",
	}[h.subsystem]
}
