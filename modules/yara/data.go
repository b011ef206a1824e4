package yara

import (
	"errors"
	"io"
)

// ErrGone says that bytes of a content that came in blocks are asked for
// again and cannot be read again.
var ErrGone = errors.New("the content cannot be read a second time")

// Data is a content as conditions and modules read it. Whatever part is asked
// for, it is as good as the whole: blocks that have gone by are read again.
type Data struct {
	whole   []byte // all of it, or nil
	head    []byte // the beginning of one that came in blocks
	at      io.ReaderAt
	size    int64 // negative where unknown
	process bool
	spare   []byte
	err     error // the first failure to read
}

// Size is the length in bytes. It is not known of the memory of a process,
// and of a stream until it has ended.
func (d *Data) Size() (n int64, known bool) { return d.size, d.size >= 0 && !d.process }

// Process says that the content is the memory of a process and offsets are
// addresses.
func (d *Data) Process() bool { return d.process }

// Slice gives bytes [off, off+n), or fewer where the content ends before. It
// is valid until the next call of any method, and must not be changed. Of a
// content in memory it is a part, and costs nothing.
func (d *Data) Slice(off int64, n int) ([]byte, error) {
	if off < 0 || n <= 0 {
		return nil, nil
	}
	if d.whole != nil || d.at == nil && d.size == 0 {
		return cut(d.whole, off, n), nil
	}
	if off+int64(n) <= int64(len(d.head)) || !d.process && d.size >= 0 && d.size == int64(len(d.head)) {
		return cut(d.head, off, n), nil
	}
	if d.size >= 0 && !d.process {
		if off >= d.size {
			return nil, nil
		}
		n = int(min(int64(n), d.size-off))
	}
	if d.at == nil {
		return nil, d.fail(ErrGone)
	}
	if cap(d.spare) < n {
		d.spare = make([]byte, n)
	}
	got, err := d.at.ReadAt(d.spare[:n], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, d.fail(err)
	}
	return d.spare[:got], nil
}

// Blocks calls yield with bytes [off, off+n) in parts, as far as there are
// any, until it returns false. A part is valid until yield returns.
func (d *Data) Blocks(off, n int64, yield func([]byte) bool) error {
	const block = 256 << 10 // bytes of a part: what a second cache holds
	for n > 0 {
		b, err := d.Slice(off, int(min(n, block)))
		if err != nil {
			return err
		}
		if len(b) == 0 || !yield(b) {
			return nil
		}
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return nil
}

// ReadAt makes a content a reader for parsers that want one. What is not
// there is io.EOF.
func (d *Data) ReadAt(p []byte, off int64) (int, error) {
	b, err := d.Slice(off, len(p))
	if err != nil {
		return 0, err
	}
	if n := copy(p, b); n < len(p) {
		return n, io.EOF
	}
	return len(p), nil
}

func (d *Data) fail(err error) error {
	if d.err == nil {
		d.err = err
	}
	return err
}

func cut(b []byte, off int64, n int) []byte {
	if off >= int64(len(b)) {
		return nil
	}
	b = b[off:]
	return b[:min(n, len(b))]
}
