package pe

import (
	"crypto/md5"
	_ "embed"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
)

// A Library is a DLL that is asked for, and what is taken from it.
type Library struct {
	Name      string
	Functions []Import
}

// An Import is a function that is taken from a library, by name or by number.
type Import struct {
	Name      string
	Ordinal   int64
	ByOrdinal bool
	Address   int64 // of the place that the loader fills
}

// Bounds of what is read: as many as YARA reads.
const (
	maxLibraries  = 16384
	maxFunctions  = 16384 // of a library
	maxImportName = 512
	// maxLooked bounds entries of all libraries together, those without a
	// name included: a hostile file has every library point to the same ones.
	maxLooked = 1 << 16
	// maxLibraryName is in bytes; Windows has paths of 260.
	maxLibraryName = 4096
)

// Imports lists the libraries that the loader fetches when it starts.
func (f *File) Imports() []Library { return f.libraries.get(f.readImports) }

// Functions counts what is taken from libraries.
func Functions(libraries []Library) (n int64) {
	for _, l := range libraries {
		n += int64(len(l.Functions))
	}
	return n
}

func (f *File) readImports() []Library {
	dir, ok := f.directory(dirImport)
	if !ok {
		return nil
	}
	at := f.Offset(uint64(dir.At))
	if at < 0 {
		return nil
	}
	const size = 20
	var list []Library
	left := maxLooked
	for n := 0; f.data.Fits(at, size) && n < maxLibraries; n, at = n+1, at+size {
		nameAt, _ := f.u32(at + 12)
		if nameAt == 0 {
			break
		}
		name, ok := f.libraryName(nameAt)
		if !ok {
			continue
		}
		names, _ := f.u32(at)
		addresses, _ := f.u32(at + 16)
		functions := f.thunks(name, names, addresses, &left)
		if len(functions) > 0 {
			list = append(list, Library{name, functions})
		}
	}
	return list
}

// libraryName reads the name of a library, which Windows could not load if
// it had other characters.
func (f *File) libraryName(rva uint64) (string, bool) {
	at := f.Offset(rva)
	name, ok := f.data.Text(at, maxLibraryName)
	if !ok || name == "" || len(name) == maxLibraryName || at+int64(len(name)) >= f.data.Size() {
		return "", false
	}
	for _, c := range []byte(name) {
		if c < ' ' || strings.IndexByte(`"*<>?|`, c) >= 0 {
			return "", false
		}
	}
	return name, true
}

// word is the width of an address.
func (f *File) word() int64 {
	if f.wide {
		return 8
	}
	return 4
}

// byOrdinal is the bit that says that a function is asked for by number.
func (f *File) byOrdinal(v uint64) bool { return v>>(8*f.word()-1)&1 != 0 }

func (f *File) thunks(library string, names, addresses uint64, left *int) []Import {
	at := f.Offset(names)
	if at <= 0 {
		at = f.Offset(addresses) // some linkers leave the list of names out
	}
	if at < 0 {
		return nil
	}
	var list []Import
	width := f.word()
	for i := int64(0); *left > 0 && i < maxFunctions; i++ {
		*left--
		v, ok := f.uint(at+i*width, width)
		if !ok || v == 0 {
			break
		}
		imp := Import{Address: int64(addresses) + i*width}
		if f.byOrdinal(v) {
			imp.ByOrdinal, imp.Ordinal = true, int64(v&0xffff)
			imp.Name = ordinalName(library, imp.Ordinal)
		} else if imp.Name, ok = f.importName(v); !ok {
			continue
		}
		list = append(list, imp)
	}
	return list
}

// importName reads a name behind its hint.
func (f *File) importName(rva uint64) (string, bool) {
	at := f.Offset(rva)
	if at < 0 || !f.data.Fits(at, 3) {
		return "", false
	}
	name, ok := f.data.Text(at+2, maxImportName)
	return name, ok && functionName(name)
}

// functionName refuses what no linker writes.
func functionName(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("._?@$()<>", c) < 0 {
			return false
		}
	}
	return s != ""
}

// DelayedImports lists the libraries that are fetched when they are first
// called.
func (f *File) DelayedImports() []Library { return f.delayed.get(f.readDelayed) }

func (f *File) readDelayed() []Library {
	dir, ok := f.directory(dirDelayed)
	if !ok {
		return nil
	}
	at := f.Offset(uint64(dir.At))
	const size = 32
	var list []Library
	left := maxLooked
	for n := 0; at >= 0 && f.data.Fits(at, size) && n < maxLibraries && left > 0; n, at = n+1, at+size {
		d := f.delayDescriptor(at)
		if d.end || d.attributes > 1 {
			break
		}
		image := f.optional(56, 4)
		if d.names >= image || d.addresses >= image || d.name < dosHeader || d.names < dosHeader {
			break
		}
		name, ok := f.libraryName(d.name)
		if !ok {
			continue
		}
		list = append(list, Library{name, f.delayedFunctions(name, d, &left)})
	}
	return list
}

// descriptor is what is kept of an entry of the table of delayed imports.
type descriptor struct {
	attributes, name, addresses, names uint64
	end                                bool
}

func (f *File) delayDescriptor(at int64) (d descriptor) {
	var words [8]uint64
	d.end = true
	for i := range words {
		words[i], _ = f.u32(at + int64(i)*4)
		d.end = d.end && words[i] == 0
	}
	d.attributes, d.name, d.addresses, d.names = words[0], words[1], words[3], words[4]
	if !f.wide && d.attributes == 0 {
		d.name, d.addresses, d.names = f.relative(d.name), f.relative(d.addresses), f.relative(d.names)
	}
	return d
}

// relative mends the addresses of an old linker, which counted them from
// zero.
func (f *File) relative(address uint64) uint64 {
	base := f.optional(28, 4)
	if f.wide {
		base = f.optional(24, 8)
	}
	if address > base {
		return address - base
	}
	return address
}

func (f *File) delayedFunctions(library string, d descriptor, left *int) []Import {
	var list []Import
	width := f.word()
	for i := int64(0); *left > 0 && i < maxFunctions; i++ {
		*left--
		names, ok1 := f.uint(f.Offset(d.names+uint64(i*width)), width)
		address, ok2 := f.uint(f.Offset(d.addresses+uint64(i*width)), width)
		if !ok1 || !ok2 || names == 0 || address == 0 {
			break
		}
		imp := Import{Address: int64(d.addresses) + i*width}
		if f.byOrdinal(names) {
			imp.ByOrdinal, imp.Ordinal = true, int64(names&0xffff)
			imp.Name = ordinalName(library, imp.Ordinal)
		} else {
			if d.attributes == 0 {
				names = f.relative(names)
			}
			imp.Name, _ = f.data.Text(f.Offset(names+2), maxImportName)
		}
		list = append(list, imp)
	}
	return list
}

//go:embed ordinals.txt
var ordinals string

var ordinalNames = sync.OnceValue(func() map[string]string {
	names := map[string]string{}
	for line := range strings.Lines(ordinals) {
		library, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		names[library+" "+strings.ToLower(rest[:strings.IndexByte(rest, ' ')])] = rest[strings.IndexByte(rest, ' ')+1:]
	}
	return names
})

// ordinalName gives the name of a function that is asked for by number, where
// the world agrees on one; hashes of imports are made of names.
func ordinalName(library string, n int64) string {
	key := ""
	switch l := strings.ToLower(library); {
	case strings.HasPrefix(l, "ws2_32.dll"), strings.HasPrefix(l, "wsock32.dll"):
		key = "ws2_32"
	case strings.HasPrefix(l, "oleaut32.dll"):
		key = "oleaut32"
	}
	number := strconv.FormatInt(n, 10)
	if name, ok := ordinalNames()[key+" "+number]; ok {
		return name
	}
	return "ord" + number
}

// ImportHash is the imphash: what two builds of the same source have in
// common.
func (f *File) ImportHash() string {
	h := md5.New()
	first := true
	for _, l := range f.Imports() {
		name := strings.ToLower(l.Name)
		if i := strings.IndexByte(name, '.'); i >= 0 && len(name) >= i+4 {
			switch name[i : i+4] {
			case ".ocx", ".sys", ".dll":
				name = name[:i]
			}
		}
		for _, imp := range l.Functions {
			if !first {
				h.Write([]byte{','})
			}
			first = false
			h.Write([]byte(name + "." + strings.ToLower(imp.Name)))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
