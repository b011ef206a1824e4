// Package plist reads the property lists of macOS, in which it keeps settings,
// what launchd starts, and what a bundle is.
//
// [Decode] gives the tree of a file in any of the three forms: binary, XML,
// and the one of NeXTSTEP that files of translations still have. A newcomer
// needs that and [Value.Get], which gives a value below another by names and
// is never nil:
//
//	v, err := plist.Decode(data)
//	program := v.Get("ProgramArguments").Texts()
//
// A list that is not in its form is refused as a whole; nothing of it is
// guessed. What a tree may hold is bounded, also where objects are shared, so
// that whoever walks one ends. The package must not be used for files of more
// than [MaxFile].
//
// # The binary form
//
// Numbers are big endian. The file begins with
//
//	bplist0x                x is a digit, 0 for the most part
//
// and ends with 32 bytes:
//
//	6 bytes                 unused; the last is a version for sorting
//	1 byte                  bytes of an offset in the table: 1 to 8
//	1 byte                  bytes of a reference to an object: 1 to 8
//	8 bytes                 the number of objects
//	8 bytes                 the number of the object at the top
//	8 bytes                 where the table of offsets begins
//
// The table has the offset of each object. An object begins with a byte, of
// which the upper half is its kind and the lower its length n:
//
//	00 08 09                null, false, true
//	0c                      a URL, as a text that follows
//	0e                      a UUID of 16 bytes
//	1n                      an integer of 2^n bytes; up to 4 have no sign
//	2n                      a real of 2^n bytes, 4 or 8
//	33                      a date: a real of 8 bytes, seconds since 2001
//	4n 5n 7n                n bytes: data, ASCII, UTF-8
//	6n                      n units of UTF-16
//	8n                      a UID of n+1 bytes, which points into an archive of objects
//	an bn cn                a list, an ordered set, a set of n references
//	dn                      a dictionary: n references to keys, then n to values
//
// Where n is 15, an integer follows that is the length. This says that "a" is
// true, in three objects at 8, 11 and 13:
//
//	62 70 6c 69 73 74 30 30  d1 01 02  51 61  09  08 0b 0d
//	00 00 00 00 00 00  01  01  00 00 00 00 00 00 00 03
//	00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 0e
//
// Objects may be shared; one that contains itself is no tree, and is refused.
package plist

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf16"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// Bounds of a property list.
const (
	// MaxFile is how many bytes a file may have; the preferences of a user
	// have a few hundred thousand.
	MaxFile = 16 << 20

	maxValues = 1 << 19  // values of a tree, each as often as it is reached: 50 MB
	maxText   = 64 << 20 // bytes of its texts, likewise
	maxDepth  = 200      // levels
)

// Kind says what a value is.
type Kind uint8

// The kinds of values. None is that of a value that is not there.
const (
	None Kind = iota
	Null
	Text
	Int
	Real
	Bool
	Date
	Data
	UID
	List
	Dict
)

// A Value is one of a property list, with what is in it. It must not be
// changed: a tree may have it in several places.
type Value struct {
	Kind Kind
	text string   // of Text, Data; of an Int that does not fit 64 bits with a sign
	bits uint64   // of the others
	keys []string // of Dict, one for each of list
	list []*Value // of List and Dict
}

// What a list has too much of.
var (
	errDeep = fmt.Errorf("nested more than %d levels deep: %w", maxDepth, hostfs.ErrTooLarge)
	errMany = fmt.Errorf("more than %d values: %w", maxValues, hostfs.ErrTooLarge)
	errLong = fmt.Errorf("texts of more than %d bytes: %w", maxText, hostfs.ErrTooLarge)
)

// Decode reads a property list. The error is [hostfs.ErrMalformed] where it is
// none, [hostfs.ErrTooLarge] where it is past a bound.
func Decode(data []byte) (*Value, error) {
	if len(data) > MaxFile {
		return nil, hostfs.ErrTooLarge
	}
	if bytes.HasPrefix(data, []byte("bplist")) {
		return decodeBinary(data)
	}
	data = utf8Of(data)
	if start := bytes.TrimLeft(data, " \t\r\n"); len(start) > 0 && start[0] == '<' {
		return decodeXML(data)
	}
	return decodeOld(data)
}

// utf8Of takes the mark of the byte order off, and what it says of UTF-16.
func utf8Of(data []byte) []byte {
	var order binary.ByteOrder = binary.BigEndian
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return data[3:]
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case !bytes.HasPrefix(data, []byte("\xfe\xff")):
		return data
	}
	return []byte(textOf16(data[2:], order))
}

func textOf16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// Get gives the value below this one by names of dictionaries. Where there is
// none, it is one of kind None. Of a name that is there twice, it is the last.
func (v *Value) Get(names ...string) *Value {
	for _, name := range names {
		at := len(v.keys) - 1
		for at >= 0 && v.keys[at] != name {
			at--
		}
		if at < 0 {
			return &Value{}
		}
		v = v.list[at]
	}
	return v
}

// Len is how many values are in a list or a dictionary.
func (v *Value) Len() int { return len(v.list) }

// At gives the i-th value of a list or a dictionary, and its name in that.
func (v *Value) At(i int) (name string, item *Value) {
	if v.Kind == Dict {
		name = v.keys[i]
	}
	return name, v.list[i]
}

// Text is what a text says, and empty for other kinds.
func (v *Value) Text() string {
	if v.Kind != Text {
		return ""
	}
	return v.text
}

// Texts are the texts of a list, without its other values.
func (v *Value) Texts() []string {
	var texts []string
	for _, item := range v.list {
		if v.Kind == List && item.Kind == Text {
			texts = append(texts, item.text)
		}
	}
	return texts
}

// Bool says whether a value is true; a number is where it is not zero, as
// launchd has it.
func (v *Value) Bool() bool {
	switch v.Kind {
	case Bool, Int:
		return v.bits != 0 || v.text != ""
	}
	return false
}

// Int is a whole number, or a UID. It gives false for other kinds, and for
// what does not fit.
func (v *Value) Int() (int64, bool) {
	return int64(v.bits), (v.Kind == Int || v.Kind == UID) && v.text == ""
}

// Data is the bytes of data, and nil for other kinds.
func (v *Value) Data() []byte {
	if v.Kind != Data {
		return nil
	}
	return []byte(v.text)
}

// epoch is when dates of the binary form begin, in seconds since 1970.
const epoch = 978307200

// Time is the moment of a date; the zero one for other kinds, and for a date
// before the year 1 or after 9999.
func (v *Value) Time() time.Time {
	if t, ok := v.moment(); ok && t.Year() > 0 {
		return t
	}
	return time.Time{}
}

// moment gives the time of a date of the years that RFC 3339 can write.
func (v *Value) moment() (time.Time, bool) {
	since := math.Float64frombits(v.bits)
	if v.Kind != Date || !(math.Abs(since) < 1e12) {
		return time.Time{}, false
	}
	whole := math.Floor(since)
	t := time.Unix(int64(whole)+epoch, int64((since-whole)*1e9)).UTC()
	return t, t.Year() >= 0 && t.Year() <= 9999
}

// String gives a value as text: a date as RFC 3339 has it, data in base64.
// What is null, a list or a dictionary has none.
func (v *Value) String() string {
	switch v.Kind {
	case Text:
		return v.text
	case Int, UID:
		if v.text != "" {
			return v.text
		}
		return strconv.FormatInt(int64(v.bits), 10)
	case Real:
		return strconv.FormatFloat(math.Float64frombits(v.bits), 'g', -1, 64)
	case Bool:
		return strconv.FormatBool(v.bits != 0)
	case Date:
		if t, ok := v.moment(); ok {
			return t.Format(time.RFC3339Nano)
		}
		return strconv.FormatFloat(math.Float64frombits(v.bits), 'g', -1, 64)
	case Data:
		return base64.StdEncoding.EncodeToString([]byte(v.text))
	}
	return ""
}

// dateOf makes a date of a moment.
func dateOf(t time.Time) *Value {
	return &Value{Kind: Date, bits: math.Float64bits(float64(t.Unix()-epoch) + float64(t.Nanosecond())/1e9)}
}

// A budget is what may still be added to a tree.
type budget struct{ values, text int }

func newBudget() budget { return budget{maxValues, maxText} }

// take takes values and bytes of text off, and says whether they were there.
func (b *budget) take(values, text int) error {
	if values > b.values {
		return errMany
	}
	if text > b.text {
		return errLong
	}
	b.values, b.text = b.values-values, b.text-text
	return nil
}

// malformed says what is wrong and where.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{hostfs.ErrMalformed}, args...)...)
}
