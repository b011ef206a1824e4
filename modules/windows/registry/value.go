package registry

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/windows/regf"
)

// A Value is a value of a key.
type Value struct {
	Name string // "" for the default one
	Type uint32
	read func() ([]byte, error)
}

// The types that have a form of their own as text.
const (
	typeText     = 1
	typeExpand   = 2
	typeBinary   = 3
	typeDWord    = 4
	typeDWordBig = 5
	typeLink     = 6
	typeMulti    = 7
	typeQWord    = 11
)

// maxHex is how many bytes of a value are shown in its text.
const maxHex = 256

// TypeNames are those of the types, by number.
func TypeNames() []string {
	return []string{
		"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_LINK", "REG_MULTI_SZ",
		"REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD",
	}
}

// TypeName gives the name of a value's type; programs may use any number.
func (v Value) TypeName() string {
	if names := TypeNames(); int(v.Type) < len(names) {
		return names[v.Type]
	}
	return "0x" + strconv.FormatUint(uint64(v.Type), 16)
}

// Data reads the bytes.
func (v Value) Data() ([]byte, error) { return v.read() }

// Text gives a value as people read it: texts up to their end, several with a
// | between them, numbers, and bytes in hexadecimal, as far as that is short.
func (v Value) Text() (string, error) {
	b, err := v.read()
	if err != nil {
		return "", err
	}
	switch v.Type {
	case typeText, typeExpand, typeLink:
		text, _, _ := strings.Cut(regf.UTF16(b), "\x00")
		return text, nil
	case typeMulti:
		return strings.Join(Multi(b), "|"), nil
	}
	if n, ok := number(v.Type, b); ok {
		return strconv.FormatUint(n, 10), nil
	}
	if len(b) > maxHex {
		return hex.EncodeToString(b[:maxHex]) + fmt.Sprintf("… (%d bytes)", len(b)), nil
	}
	return hex.EncodeToString(b), nil
}

// Multi gives the texts in a value that holds several.
func Multi(b []byte) []string {
	return strings.FieldsFunc(regf.UTF16(b), func(r rune) bool { return r == 0 })
}

// Int gives the number that a value is, or that its text is.
func (v Value) Int() (n int64, ok bool, err error) {
	b, err := v.read()
	if err != nil {
		return 0, false, err
	}
	if n, ok := number(v.Type, b); ok {
		return int64(n), true, nil
	}
	if v.Type == typeText {
		text, _, _ := strings.Cut(regf.UTF16(b), "\x00")
		n, err := strconv.ParseInt(strings.TrimSpace(text), 0, 64)
		return n, err == nil, nil
	}
	return 0, false, nil
}

func number(kind uint32, b []byte) (uint64, bool) {
	switch {
	case kind == typeDWord && len(b) == 4:
		return uint64(binary.LittleEndian.Uint32(b)), true
	case kind == typeDWordBig && len(b) == 4:
		return uint64(binary.BigEndian.Uint32(b)), true
	case kind == typeQWord && len(b) == 8:
		return binary.LittleEndian.Uint64(b), true
	}
	return 0, false
}
