package evtx

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The types of values.
const (
	typeNull       = 0x00
	typeText       = 0x01
	typeANSI       = 0x02
	typeInt8       = 0x03
	typeUint8      = 0x04
	typeInt16      = 0x05
	typeUint16     = 0x06
	typeInt32      = 0x07
	typeUint32     = 0x08
	typeInt64      = 0x09
	typeUint64     = 0x0a
	typeFloat      = 0x0b
	typeDouble     = 0x0c
	typeBool       = 0x0d
	typeBinary     = 0x0e
	typeGUID       = 0x0f
	typeSize       = 0x10
	typeFiletime   = 0x11
	typeSystemtime = 0x12
	typeSID        = 0x13
	typeHex32      = 0x14
	typeHex64      = 0x15
	typeBinXML     = 0x21
	typeList       = 0x80
)

// text gives a value as the system's own viewer has it. A value that has not
// the size of its type is given in hexadecimal.
func (v value) text() string {
	if v.kind&typeList != 0 {
		return strings.Join(v.texts(), "|")
	}
	switch v.kind {
	case typeNull:
		return ""
	case typeText:
		return strings.TrimRight(utf16Text(v.b), "\x00")
	case typeANSI:
		return latin(v.b)
	case typeSID:
		return sid(v.b)
	case typeSize:
		if len(v.b) == 4 || len(v.b) == 8 {
			return "0x" + strconv.FormatUint(unsigned(v.b), 16)
		}
	case typeBinary:
		return strings.ToUpper(hex.EncodeToString(v.b))
	}
	if len(v.b) != width(v.kind) {
		return hex.EncodeToString(v.b)
	}
	return v.fixed()
}

// fixed gives a value of a type that has one size.
func (v value) fixed() string {
	n := unsigned(v.b)
	switch v.kind {
	case typeInt8:
		return strconv.Itoa(int(int8(n)))
	case typeInt16:
		return strconv.Itoa(int(int16(n)))
	case typeInt32:
		return strconv.Itoa(int(int32(n)))
	case typeInt64:
		return strconv.FormatInt(int64(n), 10)
	case typeUint8, typeUint16, typeUint32, typeUint64:
		return strconv.FormatUint(n, 10)
	case typeFloat:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(n))), 'g', -1, 32)
	case typeDouble:
		return strconv.FormatFloat(math.Float64frombits(n), 'g', -1, 64)
	case typeBool:
		return strconv.FormatBool(n != 0)
	case typeGUID:
		return fmt.Sprintf("{%08X-%04X-%04X-%X-%X}", u32(v.b, 0), u16(v.b, 4), u16(v.b, 6), v.b[8:10], v.b[10:])
	case typeFiletime:
		return timeText(filetime(n))
	case typeSystemtime:
		return timeText(time.Date(u16(v.b, 0), time.Month(u16(v.b, 2)), u16(v.b, 6), u16(v.b, 8), u16(v.b, 10), u16(v.b, 12), u16(v.b, 14)*1e6, time.UTC))
	case typeHex32, typeHex64:
		return "0x" + strconv.FormatUint(n, 16)
	}
	return hex.EncodeToString(v.b)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.0000000Z")
}

// width is how many bytes a type has; -1 for any.
func width(kind byte) int {
	switch kind {
	case typeInt8, typeUint8:
		return 1
	case typeInt16, typeUint16:
		return 2
	case typeInt32, typeUint32, typeFloat, typeBool, typeHex32:
		return 4
	case typeInt64, typeUint64, typeDouble, typeFiletime, typeHex64:
		return 8
	case typeGUID, typeSystemtime:
		return 16
	}
	return -1
}

func unsigned(b []byte) uint64 {
	n := uint64(0)
	for i := range min(len(b), 8) {
		n |= uint64(b[i]) << (8 * i)
	}
	return n
}

// latin gives a text of one byte a character: whose code page it is of, the
// file does not say.
func latin(b []byte) string {
	r := make([]rune, 0, len(b))
	for _, c := range b {
		if c != 0 {
			r = append(r, rune(c))
		}
	}
	return string(r)
}

// texts gives the members of a list.
func (v value) texts() []string {
	kind := v.kind &^ typeList
	switch kind {
	case typeText:
		text := strings.TrimSuffix(utf16Text(v.b), "\x00")
		if text == "" && len(v.b) == 0 {
			return nil
		}
		return strings.Split(text, "\x00")
	case typeANSI:
		return strings.FieldsFunc(string(v.b), func(r rune) bool { return r == 0 })
	case typeSID:
		return sids(v.b)
	}
	w := width(kind)
	if kind == typeSize {
		w = 8
	}
	if w < 1 || len(v.b)%w != 0 {
		return []string{hex.EncodeToString(v.b)}
	}
	var list []string
	for i := 0; i < len(v.b); i += w {
		list = append(list, value{kind: kind, b: v.b[i : i+w]}.text())
	}
	return list
}

const sidHead = 8

// sid gives a security identifier as text.
func sid(b []byte) string {
	if len(b) < sidHead || len(b) < sidHead+4*int(b[1]) {
		return hex.EncodeToString(b)
	}
	authority := uint64(0)
	for _, c := range b[2:8] {
		authority = authority<<8 | uint64(c)
	}
	text := fmt.Sprintf("S-%d-%d", b[0], authority)
	for i := range int(b[1]) {
		text += "-" + strconv.FormatUint(uint64(u32(b, sidHead+4*i)), 10)
	}
	return text
}

func sids(b []byte) []string {
	var list []string
	for len(b) >= sidHead {
		n := sidHead + 4*int(b[1])
		list = append(list, sid(b[:min(n, len(b))]))
		b = b[min(n, len(b)):]
	}
	return list
}
