package native

import (
	"encoding/binary"
	"time"
	"unicode/utf16"
)

// fileTimeEpoch is 1970 in the time of Windows, which counts 100 ns from 1601.
const fileTimeEpoch = 116444736000000000

// FileTime reads a time of Windows, a FILETIME or LARGE_INTEGER; 0, and what
// no clock shows, is the zero Time.
func FileTime(t uint64) time.Time {
	if t == 0 || t > 1<<62 {
		return time.Time{}
	}
	ticks := int64(t) - fileTimeEpoch
	return time.Unix(ticks/1e7, ticks%1e7*100).UTC()
}

// Text reads a text of Windows, in UTF-16 and little-endian. Halves of pairs
// become U+FFFD.
func Text(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
