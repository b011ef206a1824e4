package unpack

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// A directory of a zip names one entry of 9 MiB ten thousand times: few bytes
// of a file that stand for 90 GB, none of them nested, and none beyond the
// ratio of what deflate can do.
func TestEntriesThatOverlap(t *testing.T) {
	one := zipOf(t, zip.Deflate, file{"kernel", string(make([]byte, 9<<20))})
	const end, times = 22, 10_000
	tail := bytes.Clone(one[len(one)-end:])
	at := binary.LittleEndian.Uint32(tail[16:])
	entry := one[at : len(one)-end]
	data := append(bytes.Clone(one[:at]), bytes.Repeat(entry, times)...)
	binary.LittleEndian.PutUint16(tail[8:], times)
	binary.LittleEndian.PutUint16(tail[10:], times)
	binary.LittleEndian.PutUint32(tail[12:], uint32(times*len(entry)))
	data = append(data, tail...)
	b := NewBudget()
	b.MaxBytes = 64 << 20
	got := walk(data, b, true)
	if !errors.Is(got.err, ErrBudget) || len(got.paths) > 8 {
		t.Errorf("%d paths of %d bytes, %v", len(got.paths), len(data), got.err)
	}
}
