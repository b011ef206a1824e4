package persistence

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/file/unpack"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A loadedModule is a line of /proc/modules.
type loadedModule struct {
	name, state, taint string
	address            string // 0 only where the kernel hides it
	size, refcount     int64  // refcount is -1 where the kernel cannot unload
	usedBy             []string
}

// parseModules reads /proc/modules: name, size, count of references, who uses
// it with a comma behind each, state, address and, in brackets, what it taints
// the kernel with. It gives the numbers of lines that are none of that.
func parseModules(text []byte) (list []loadedModule, bad []int) {
	for n, line := range table.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		m, ok := loadedLine(f)
		if !ok {
			bad = append(bad, n)
			continue
		}
		list = append(list, m)
	}
	return list, bad
}

func loadedLine(f []string) (loadedModule, bool) {
	if len(f) < 5 {
		return loadedModule{}, false
	}
	m := loadedModule{name: f[0], state: strings.ToLower(f[4]), refcount: -1}
	size, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil || size < 0 || !slices.Contains(moduleStates(), m.state) {
		return loadedModule{}, false
	}
	m.size = size
	if f[2] != "-" {
		if m.refcount, err = strconv.ParseInt(f[2], 10, 64); err != nil || m.refcount < 0 {
			return loadedModule{}, false
		}
	}
	for user := range strings.SplitSeq(f[3], ",") {
		if user != "" && user != "-" && user[0] != '[' { // [permanent]: it cannot be unloaded
			m.usedBy = append(m.usedBy, user)
		}
	}
	if len(f) > 5 && strings.HasPrefix(f[5], "0x") {
		m.address = f[5]
	}
	if last := f[len(f)-1]; len(f) > 5 && last[0] == '(' {
		m.taint = strings.Trim(last, "()+-")
	}
	return m, true
}

func moduleStates() []string { return []string{"live", "loading", "unloading"} }

// A modinfo is what a module's file says of itself.
type modinfo struct {
	signed bool
	fields map[string][]string
}

// Bounds of a module's file: the largest with all their symbols have some 100
// MB, and what one says of itself some thousand bytes.
const (
	maxModule  = 256 << 20 // bytes, of a file as it is
	maxPacked  = 64 << 20  // bytes of what is in a compressed file, which is held
	maxModinfo = 1 << 20   // bytes of the section .modinfo
)

// signedMagic ends a module that is signed. Before it stand twelve bytes, the
// last four of which say how long the signature is that stands before them.
const signedMagic = "~Module signature appended~\n"

// moduleName gives the name of the module in a file, as the kernel calls it;
// "" for what is no such file.
func moduleName(file string) string {
	file = path.Base(file)
	for _, ext := range []string{".gz", ".xz", ".zst"} {
		file = strings.TrimSuffix(file, ext)
	}
	name, ok := strings.CutSuffix(file, ".ko")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(name, "-", "_")
}

// readModule reads what a module's file says of itself.
func readModule(f *hostfs.FS, name string) (*modinfo, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > maxModule {
		return nil, hostfs.ErrTooLarge
	}
	var format unpack.Format
	switch path.Ext(name) {
	case ".gz":
		format = unpack.Gzip
	case ".xz":
		format = unpack.Xz
	case ".zst":
		format = unpack.Zstd
	default:
		return parseModule(file, st.Size())
	}
	budget := unpack.NewBudget()
	budget.MaxBytes = maxPacked
	r, err := unpack.NewReader(file, format, budget)
	if err != nil {
		return nil, packed(err)
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, packed(err)
	}
	return parseModule(bytes.NewReader(text), int64(len(text)))
}

// packed says in the words of package hostfs what is wrong with a compressed
// file.
func packed(err error) error {
	switch {
	case errors.Is(err, unpack.ErrBudget):
		return hostfs.ErrTooLarge
	case errors.Is(err, unpack.ErrMalformed), errors.Is(err, unpack.ErrUnsupported):
		return hostfs.ErrMalformed
	}
	return err
}

// parseModule reads the section .modinfo of a module, which is an ELF file:
// texts of the form key=value with a zero behind each.
func parseModule(r io.ReaderAt, size int64) (*modinfo, error) {
	file, err := elf.NewFile(io.NewSectionReader(r, 0, size))
	if err != nil {
		return nil, hostfs.ErrMalformed
	}
	m := &modinfo{signed: isSigned(r, size), fields: map[string][]string{}}
	section := file.Section(".modinfo")
	if section == nil {
		return m, nil
	}
	if section.FileSize > maxModinfo || section.Type == elf.SHT_NOBITS {
		return nil, hostfs.ErrMalformed
	}
	text := make([]byte, section.FileSize)
	// Not Section.Data, which would uncompress what is none of the format.
	if _, err := io.ReadFull(io.NewSectionReader(r, int64(section.Offset), int64(section.FileSize)), text); err != nil {
		return nil, hostfs.ErrMalformed
	}
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		if key, value, ok := strings.Cut(string(entry), "="); ok {
			m.fields[key] = append(m.fields[key], value)
		}
	}
	return m, nil
}

// isSigned says whether a signature is appended. Whether it is a good one,
// and whose, is for the kernel to say.
func isSigned(r io.ReaderAt, size int64) bool {
	tail := make([]byte, 12+len(signedMagic))
	if size < int64(len(tail)) {
		return false
	}
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return false
	}
	length := int64(binary.BigEndian.Uint32(tail[8:12]))
	return string(tail[12:]) == signedMagic && length > 0 && length <= size-int64(len(tail))
}
