package binary

import (
	"debug/macho"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A machFile is a file of one architecture or of several.
type machFile struct {
	one  *macho.File // the first
	arch []string
	sign func() (*codeSign, error)
}

type machProgram = program[machFile]

func machoModule() modules.Module {
	return table.New(schema("macho", "Programs and libraries in Mach-O, the format of macOS.", "/Applications/**/MacOS/*"),
		slices.Concat(machoColumns(), codeSignColumns(), goColumns[machFile]()), programs(isMacho, openMacho)).By()
}

// isMacho knows the formats of one architecture, of either width and order of
// bytes. Those of several begin as classes of Java do: openMacho tells them
// apart.
func isMacho(head []byte) bool {
	switch binary.BigEndian.Uint32(head) {
	case macho.Magic32, macho.Magic64, 0xcefaedfe, 0xcffaedfe, macho.MagicFat:
		return true
	}
	return false
}

// maxArchitectures is more than a file has; a class of Java has its version
// there, which is larger.
const maxArchitectures = 30

func openMacho(r *io.SectionReader) (*machFile, error) {
	head := make([]byte, 8)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(head) != macho.MagicFat {
		f, err := macho.NewFile(r)
		if err != nil {
			return nil, err
		}
		return &machFile{f, []string{machArchitecture(f.Cpu)}, once(func() (*codeSign, error) { return readCodeSign(f, r) })}, nil
	}
	if binary.BigEndian.Uint32(head[4:]) > maxArchitectures {
		return nil, errOther
	}
	fat, err := macho.NewFatFile(r)
	if err != nil {
		return nil, err
	}
	if len(fat.Arches) == 0 {
		return nil, errors.New("no architecture")
	}
	first := fat.Arches[0]
	part := io.NewSectionReader(r, int64(first.Offset), int64(first.Size))
	m := &machFile{one: first.File, sign: once(func() (*codeSign, error) { return readCodeSign(first.File, part) })}
	for _, a := range fat.Arches {
		m.arch = append(m.arch, machArchitecture(a.Cpu))
	}
	return m, nil
}

func machoColumns() []table.Column[machProgram] {
	return []table.Column[machProgram]{
		table.Text("path", "The file.", func(p *machProgram) string { return p.path }).To("file").Shown(),
		table.Text("type", "What it is.", func(p *machProgram) string { return machType(p.format.one.Type) }).Shown().
			OneOf("object", "executable", "library", "bundle", "other"),
		table.Texts("architectures", "The processors that it is for; what the other columns say is of the first.", func(p *machProgram) []string { return p.format.arch }).Shown(),
		table.Computed("libraries", value.List, "The libraries that it asks for.", func(_ *table.Scan, p *machProgram) (value.Value, error) {
			list, err := p.format.one.ImportedLibraries()
			if err != nil {
				err = malformed(err)
			}
			return texts(list, err)
		}).Of(value.Text).Shown(),
		table.Computed("sections", value.List, "The names of its sections, with their segments.", func(_ *table.Scan, p *machProgram) (value.Value, error) {
			var list []string
			for _, s := range p.format.one.Sections {
				list = append(list, s.Seg+"."+s.Name)
			}
			return texts(list, nil)
		}).Of(value.Text),
		table.Text("uuid", "The identity that the linker gave it, as hexadecimal digits.", func(p *machProgram) string { return machUUID(p.format.one) }),
		table.Bool("signed", "Whether it carries a signature, which is not verified.", func(p *machProgram) bool { return command(p.format.one, codeSignature) != nil }).Shown(),
		table.Bool("pie", "Whether it may lie anywhere in memory.", func(p *machProgram) bool { return p.format.one.Flags&macho.FlagPIE != 0 }),
		table.Bool("encrypted", "Whether a part of it is encrypted, as shops do it.", func(p *machProgram) bool {
			return encrypted(p.format.one, encryption32) || encrypted(p.format.one, encryption64)
		}),
	}
}

// codeSignColumns are what the signature says.
func codeSignColumns() []table.Column[machProgram] {
	said := func(name string, t value.Type, doc string, get func(*codeSign) value.Value) table.Column[machProgram] {
		return table.Computed(name, t, doc, func(_ *table.Scan, p *machProgram) (value.Value, error) {
			s, err := p.format.sign()
			if s == nil || err != nil {
				return value.Value{}, err
			}
			return get(s), nil
		}).Costs(modules.Read)
	}
	named := func(name, doc string, get func(*codeSign) string) table.Column[machProgram] {
		return said(name, value.Text, doc, func(s *codeSign) value.Value { return table.TextOf(get(s)) })
	}
	return []table.Column[machProgram]{
		named("identifier", "What the signature calls it, such as com.apple.ls.", func(s *codeSign) string { return s.identifier }),
		named("team", "The identity of the team of developers that the signature names; null for those of Apple itself and of nobody.", func(s *codeSign) string { return s.team }),
		said("sign_flags", value.List, "How it is signed: adhoc, which is by nobody, runtime for the hardened runtime, linker-signed, kill and others.", func(s *codeSign) value.Value {
			return table.ListOf(s.flagNames(), value.NewText)
		}).Of(value.Text),
		named("cdhash", "The hash of the code directory, by which macOS knows it, in hexadecimal digits.", func(s *codeSign) string { return s.hash }),
		said("entitlements", value.List, "The names of what it asks to be allowed, such as com.apple.security.get-task-allow.", func(s *codeSign) value.Value {
			return table.ListOf(s.entitlements, value.NewText)
		}).Of(value.Text),
		table.Computed("signer", value.Text, "Whom its signature names, which is not verified; null for one by nobody.", func(_ *table.Scan, p *machProgram) (value.Value, error) {
			s, err := p.format.sign()
			if s == nil || err != nil {
				return value.Value{}, err
			}
			return table.TextOf(s.signer.name), s.broken
		}).Costs(modules.Read),
		named("signer_issuer", "Who vouches for that.", func(s *codeSign) string { return s.signer.issuer }),
	}
}

// Commands that debug/macho keeps as bytes, as mach-o/loader.h numbers them.
const (
	uuidCommand   = 0x1b
	codeSignature = 0x1d
	encryption32  = 0x21
	encryption64  = 0x2c
)

// command gives the bytes of the first load command of a kind, or nil.
func command(f *macho.File, kind uint32) []byte {
	for _, l := range f.Loads {
		if b := l.Raw(); len(b) >= 8 && f.ByteOrder.Uint32(b) == kind {
			return b
		}
	}
	return nil
}

func machUUID(f *macho.File) string {
	if b := command(f, uuidCommand); len(b) >= 24 {
		return hex.EncodeToString(b[8:24])
	}
	return ""
}

// encrypted says whether a command names an encryption that is in use.
func encrypted(f *macho.File, kind uint32) bool {
	b := command(f, kind)
	return len(b) >= 20 && f.ByteOrder.Uint32(b[16:]) != 0
}

func machType(t macho.Type) string {
	switch t {
	case macho.TypeObj:
		return "object"
	case macho.TypeExec:
		return "executable"
	case macho.TypeDylib:
		return "library"
	case macho.TypeBundle:
		return "bundle"
	}
	return "other"
}

func machArchitecture(c macho.Cpu) string {
	switch c {
	case macho.Cpu386:
		return "386"
	case macho.CpuAmd64:
		return "amd64"
	case macho.CpuArm:
		return "arm"
	case macho.CpuArm64:
		return "arm64"
	}
	return strings.ToLower(strings.TrimPrefix(c.String(), "Cpu"))
}
