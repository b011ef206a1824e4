package pe

import (
	"encoding/binary"

	"github.com/quaestor-engine/quaestor/modules/yara/view"
)

// Rich is what Microsoft's linker notes of the tools that made the parts,
// between the header of DOS and the one of Windows, closed with a key.
type Rich struct {
	At, Key       int64
	Raw, Clear    string
	Versions      string // of the tools alone, without their counts
	tools, counts []uint32
}

const (
	richEnd   = 0x6863_6952 // "Rich"
	richBegin = 0x536e_6144 // "DanS"
	richHead  = 16          // the mark and three times the key
	// maxRich is how far the header of Windows may stand behind that of DOS
	// for the mark to be looked for.
	maxRich = view.MaxBytes
)

// Rich gives the note; nil where there is none.
func (f *File) Rich() *Rich { return f.rich.get(f.readRich) }

func (f *File) readRich() *Rich {
	if f.nt < 4 || f.nt > maxRich-4 {
		return nil
	}
	b := f.data.Bytes(0, f.nt+4)
	word := func(at int64) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	end := f.nt - 4
	for end >= dosHeader && word(end) != richEnd {
		end -= 4
	}
	if end < dosHeader {
		return nil
	}
	key := word(end + 4)
	begin := end - 4
	for begin >= dosHeader && word(begin)^key != richBegin {
		begin -= 4
	}
	if key == 0 || begin < dosHeader || end-begin < richHead {
		return nil
	}
	if k := word(begin + 4); k != word(begin+8) || k != word(begin+12) || word(begin)^k != richBegin {
		return nil
	}
	return openRich(begin, key, append([]byte(nil), b[begin:end]...))
}

func openRich(at int64, key uint32, raw []byte) *Rich {
	r := &Rich{At: at, Key: int64(key), Raw: string(raw)}
	for i := 0; i+4 <= len(raw); i += 4 {
		binary.LittleEndian.PutUint32(raw[i:], binary.LittleEndian.Uint32(raw[i:])^key)
	}
	r.Clear = string(raw)
	var versions []byte
	for i := richHead; i+8 <= len(raw); i += 8 {
		versions = append(versions, raw[i:i+4]...)
		r.tools = append(r.tools, binary.LittleEndian.Uint32(raw[i:]))
		r.counts = append(r.counts, binary.LittleEndian.Uint32(raw[i+4:]))
	}
	r.Versions = string(versions)
	return r
}

// Count adds up how many parts were made by a version of a tool; negative
// numbers stand for any.
func (r *Rich) Count(version, tool int64) (n int64) {
	for i, t := range r.tools {
		if (version < 0 || int64(t&0xffff) == version) && (tool < 0 || int64(t>>16) == tool) {
			n += int64(r.counts[i])
		}
	}
	return n
}

// Bounds and marks of what debuggers are told.
const (
	debugSize     = 28
	debugCodeView = 2
	maxDebug      = 4096 // entries of the directory
	maxPath       = 260  // as Windows
	markPDB20     = 0x3031_424e
	markPDB70     = 0x5344_5352
	markMTOC      = 0x434f_544d
)

// DebugPath is where the file for debuggers lay when the program was built.
func (f *File) DebugPath() (string, bool) {
	dir, ok := f.directory(dirDebug)
	if !ok || dir.Size == 0 || dir.Size%debugSize != 0 {
		return "", false
	}
	at := f.Offset(uint64(dir.At))
	if at < 0 {
		return "", false
	}
	for i := int64(0); i < min(dir.Size/debugSize, maxDebug) && f.data.Fits(at, debugSize); i, at = i+1, at+debugSize {
		if kind, _ := f.u32(at + 12); kind != debugCodeView {
			continue
		}
		if path, ok := f.codeView(at); ok {
			return path, true
		}
	}
	return "", false
}

func (f *File) codeView(entry int64) (string, bool) {
	place := int64(-1)
	if rva, _ := f.u32(entry + 20); rva != 0 {
		place = f.Offset(rva)
	}
	if raw, _ := f.u32(entry + 24); place <= 0 {
		place = int64(raw)
	}
	if place <= 0 {
		return "", false
	}
	head := int64(0)
	switch mark, _ := f.u32(place); mark {
	case markPDB20:
		head = 16
	case markPDB70:
		head = 24
	case markMTOC:
		head = 20
	}
	if head == 0 || !f.data.Fits(place, head+1) {
		return "", false
	}
	path, ok := f.data.Text(place+head, maxPath)
	return path, ok && path != "" && len(path) < maxPath
}
