package binary

import (
	"crypto/sha1"
	"crypto/sha256"
	"debug/macho"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/records/plist"
)

// A codeSign is what the signature of a Mach-O file says. Nothing of it is
// verified: whoever writes a file writes this, too.
type codeSign struct {
	identifier, team string
	flags            uint32
	hash             string // of the code directory, which stands for the file
	entitlements     []string
	signer           signer
	broken           error // why the signer is not known
}

// A signature is a blob of blobs. Numbers are big endian: a magic number and a
// length before each blob, and behind those of the outer one a count and for
// each inner one its kind and its offset from the beginning.
const (
	magicSuper        = 0xfade0cc0
	magicDirectory    = 0xfade0c02
	magicEntitlements = 0xfade7171
	magicCMS          = 0xfade0b01

	maxBlobs = 64
)

// A code directory has flags at 12, at 20 and 48 the offsets of texts, of
// which the second, that of the team, is there from version 2.2 on, and at 37
// the kind of its hashes.
const (
	directoryTeam    = 0x20200
	directoryMinimum = 44
	hashSHA256       = 2
	cdhashLength     = 20
)

// readCodeSign reads the signature of a file of one architecture; nil where it
// has none.
func readCodeSign(f *macho.File, at *io.SectionReader) (*codeSign, error) {
	c := command(f, codeSignature)
	if c == nil {
		return nil, nil
	}
	malformed := fmt.Errorf("signature: %w", hostfs.ErrMalformed)
	if len(c) < 16 {
		return nil, malformed
	}
	from, length := int64(f.ByteOrder.Uint32(c[8:])), int64(f.ByteOrder.Uint32(c[12:]))
	if length < 12 || length > maxSignature || from+length > at.Size() {
		return nil, malformed
	}
	b := make([]byte, length)
	if _, err := at.ReadAt(b, from); err != nil {
		return nil, err
	}
	return parseCodeSign(b)
}

// parseCodeSign reads a signature.
func parseCodeSign(b []byte) (*codeSign, error) {
	e := binary.BigEndian
	malformed := fmt.Errorf("signature: %w", hostfs.ErrMalformed)
	if len(b) < 12 || e.Uint32(b) != magicSuper {
		return nil, malformed
	}
	count := int(e.Uint32(b[8:]))
	if count < 0 || count > maxBlobs || 12+8*count > len(b) {
		return nil, malformed
	}
	s := &codeSign{}
	best := -1
	for i := range count {
		off := uint64(e.Uint32(b[12+8*i+4:]))
		if off+8 > uint64(len(b)) {
			return nil, malformed
		}
		blob := b[off:]
		size := uint64(e.Uint32(blob[4:]))
		if size < 8 || size > uint64(len(blob)) {
			return nil, malformed
		}
		blob = blob[:size]
		switch e.Uint32(blob) {
		case magicDirectory:
			if len(blob) < directoryMinimum {
				return nil, malformed
			}
			if kind := int(blob[37]); kind > best { // SHA-256 goes before SHA-1
				best = kind
				s.directory(blob)
			}
		case magicEntitlements:
			if list, err := plist.Decode(blob[8:]); err == nil {
				for k := range min(list.Len(), maxNames) {
					if name, v := list.At(k); v.Kind != plist.Bool || v.Bool() {
						s.entitlements = append(s.entitlements, name)
					}
				}
			}
		case magicCMS:
			if len(blob) > 8 { // one that is signed by nobody has none
				s.signer, s.broken = parseSigner(blob[8:])
			}
		}
	}
	if best < 0 {
		return nil, malformed
	}
	return s, nil
}

// directory reads a code directory.
func (s *codeSign) directory(b []byte) {
	e := binary.BigEndian
	s.flags = e.Uint32(b[12:])
	text := func(at uint32) string {
		if at == 0 || uint64(at) >= uint64(len(b)) {
			return ""
		}
		return text(b[at:])
	}
	s.identifier, s.team = text(e.Uint32(b[20:])), ""
	if e.Uint32(b[8:]) >= directoryTeam && len(b) >= 52 {
		s.team = text(e.Uint32(b[48:]))
	}
	if b[37] == hashSHA256 {
		sum := sha256.Sum256(b)
		s.hash = hex.EncodeToString(sum[:cdhashLength])
	} else {
		sum := sha1.Sum(b)
		s.hash = hex.EncodeToString(sum[:])
	}
}

// flagNames names the flags as codesign shows them; others by their number.
func (s *codeSign) flagNames() []string {
	var list []string
	for bit := range 32 {
		flag := uint32(1) << bit
		if s.flags&flag == 0 {
			continue
		}
		name := map[uint32]string{
			0x1: "host", 0x2: "adhoc", 0x100: "hard", 0x200: "kill", 0x400: "expires", 0x800: "restrict",
			0x1000: "enforcement", 0x2000: "library-validation", 0x10000: "runtime", 0x20000: "linker-signed",
		}[flag]
		if name == "" {
			name = "0x" + strconv.FormatUint(uint64(flag), 16)
		}
		list = append(list, name)
	}
	return list
}
