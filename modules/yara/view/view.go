// Package view reads numbers and texts at any place of a content, for the
// parsers of rule modules: a place that the content does not have is no
// error, and reading is bounded by a page.
//
// A newcomer needs [New] and the methods of [View]. It knows no format.
package view

import "encoding/binary"

// A Source is a content; yara.Data is one.
type Source interface {
	Slice(off int64, n int) ([]byte, error)
	Size() (n int64, known bool)
}

// View reads one content. It belongs to one goroutine.
type View struct {
	src  Source
	size int64
	page []byte
	at   int64 // where page begins
	err  error
}

// pageSize is how many bytes are read at once: headers lie close together.
const pageSize = 8 << 10

// MaxBytes is the most that Bytes gives at once.
const MaxBytes = 1 << 20

// New views a content whose size is known.
func New(src Source) *View {
	size, _ := src.Size()
	return &View{src: src, size: size}
}

// Size is the length of the content.
func (v *View) Size() int64 { return v.size }

// Err is the first failure to read; what came after it is as if it were not
// there.
func (v *View) Err() error { return v.err }

// Fits says whether n bytes at a place are all there.
func (v *View) Fits(at, n int64) bool {
	return at >= 0 && n >= 0 && at <= v.size && n <= v.size-at
}

// Bytes gives n bytes at a place, or nil where they are not all there or are
// more than MaxBytes. They are valid until the next call.
func (v *View) Bytes(at, n int64) []byte {
	if !v.Fits(at, n) || n > MaxBytes || v.err != nil {
		return nil
	}
	if at < v.at || at+n > v.at+int64(len(v.page)) {
		b, err := v.src.Slice(at, int(max(n, pageSize)))
		if err != nil {
			v.err = err
			return nil
		}
		v.at, v.page = at, append(v.page[:0], b...)
		if int64(len(b)) < n {
			return nil // it became shorter
		}
	}
	return v.page[at-v.at : at-v.at+n : at-v.at+n]
}

// Uint reads a number of 1, 2, 4 or 8 bytes.
func (v *View) Uint(order binary.ByteOrder, at, width int64) (uint64, bool) {
	b := v.Bytes(at, width)
	if b == nil {
		return 0, false
	}
	switch width {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(order.Uint16(b)), true
	case 4:
		return uint64(order.Uint32(b)), true
	case 8:
		return order.Uint64(b), true
	}
	return 0, false
}

// Text reads up to a zero, the end of the content or a bound.
func (v *View) Text(at, most int64) (string, bool) {
	if at < 0 || at >= v.size {
		return "", false
	}
	const step = 256
	most = min(most, v.size-at, MaxBytes)
	var text []byte
	for int64(len(text)) < most {
		b := v.Bytes(at+int64(len(text)), min(step, most-int64(len(text))))
		if b == nil {
			return "", false
		}
		for i, c := range b {
			if c == 0 {
				return string(append(text, b[:i]...)), true
			}
		}
		text = append(text, b...)
	}
	return string(text), true
}
