package file

import (
	"errors"
	"io"

	"github.com/quaestor-engine/quaestor/modules"
)

// maxDevice is how much of a character device that was named is read: it may
// have no end.
const maxDevice = 16 << 20

// phase says what is known of a content.
type phase uint8

const (
	fresh  phase = iota // nobody asked
	ready               // its beginning stands in buf
	failed              // it cannot be read, and why is known
)

// content is what is inside an entry: a buffer over a file, or over a stream
// that is made from one.
type content struct {
	w     *worker
	buf   []byte
	phase phase
	n     int   // bytes in buf
	eof   bool  // nothing follows them
	moved bool  // buf has gone on from the beginning
	off   int64 // where in the content buf ends

	h      handle
	isOpen bool
	limit  int64 // bytes after which reading gives up; 0: none
	attrs  attrs

	open func() (io.Reader, error) // makes the stream; nil for a file
	rd   io.Reader

	member func() (io.Reader, error) // the same of a member, before it is opened

	fault  modules.SkipKind
	detail string
	sums   sums
}

// whole says that buf holds everything.
func (c *content) whole() bool { return c.eof && !c.moved }

func (c *content) bytes() []byte { return c.buf[:c.n] }

// fail notes why the content cannot be read.
func (c *content) fail(kind modules.SkipKind, detail string) {
	c.phase, c.fault, c.detail = failed, kind, detail
}

// reset makes a content ready to be filled.
func (c *content) reset() {
	if c.buf == nil {
		c.buf = make([]byte, bufBytes)
	}
	c.phase, c.n, c.eof, c.moved, c.off = ready, 0, false, false, 0
	c.limit, c.open, c.rd = 0, nil, nil
	c.sums.known = 0
}

// openFile opens the entry and reads its beginning.
func (c *content) openFile(e *entry) {
	c.reset()
	h, err := c.w.fs.open(e.base, e.name)
	if err != nil && isFull(err) {
		h, err = c.w.patiently(func() (handle, error) { return c.w.fs.open(e.base, e.name) })
	}
	if err != nil {
		c.fail(skipKind(err), words(err))
		return
	}
	c.h, c.isOpen = h, true
	// A name that its directory calls a file needs no second look unless it
	// is a large one, which is a twentieth of what a small file costs. If it
	// has become something else since, it was opened so that nothing waits.
	quick := e.kind == kindFile && e.d != nil && e.d.exact
	c.attrs = attrs{kind: kindFile}
	if !quick && !c.examine(e) {
		return
	}
	c.more()
	if quick && c.phase == ready && !c.eof {
		c.examine(e)
	}
}

// examine asks what was opened, and says whether it may be read.
func (c *content) examine(e *entry) bool {
	if err := c.w.fs.fstat(c.h, &c.attrs); err != nil {
		c.fail(skipKind(err), words(err))
		return false
	}
	switch c.attrs.kind {
	case kindFile:
		return true
	case kindChar:
		c.limit = maxDevice
		fallthrough
	case kindBlock:
		if e.named {
			return true
		}
	}
	c.fail(modules.SkipSpecial, "not a regular file")
	return false
}

// openStream makes the content that open gives, and reads its beginning.
func (c *content) openStream(open func() (io.Reader, error)) {
	c.reset()
	c.open = open
	rd, err := open()
	if err != nil {
		c.fail(modules.SkipArchive, words(err))
		return
	}
	c.rd = rd
	c.more()
}

// more reads the next part of the content over the last one.
func (c *content) more() {
	if c.off > 0 {
		c.moved = true
	}
	c.n = 0
	for c.n < len(c.buf) && c.phase == ready {
		n, err := c.read(c.buf[c.n:])
		c.n += n
		c.off += int64(n)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			c.broken(err)
			return
		case n == 0 || err != nil:
			c.eof = true
			return
		case c.limit > 0 && c.off > c.limit:
			c.fail(modules.SkipLimit, "")
		}
	}
}

func (c *content) read(b []byte) (int, error) {
	if c.rd != nil {
		for range 100 {
			if n, err := c.rd.Read(b); n > 0 || err != nil {
				return n, err
			}
		}
		return 0, io.ErrNoProgress
	}
	off := c.off
	if c.attrs.kind == kindChar {
		off = -1
	}
	return c.w.fs.read(c.h, b, off)
}

// broken notes an error of reading.
func (c *content) broken(err error) {
	switch {
	case c.rd != nil:
		kind, detail := streamFault(err)
		c.fail(kind, detail)
	case isDry(err):
		c.fail(modules.SkipSpecial, words(err))
	default:
		c.fail(skipKind(err), words(err))
	}
}

// rewind goes back to the beginning.
func (c *content) rewind() {
	if !c.moved || c.phase != ready {
		return
	}
	c.n, c.off, c.eof, c.moved = 0, 0, false, false
	if c.open != nil {
		rd, err := c.open()
		if err != nil {
			c.broken(err)
			return
		}
		c.rd = rd
	} else if c.attrs.kind == kindChar {
		c.fail(modules.SkipSpecial, "cannot be read twice")
		return
	}
	c.more()
}

// changed says whether a file is another than it was when it was opened.
func (c *content) changed() bool {
	if c.open != nil || c.attrs.kind != kindFile {
		return false
	}
	a := &c.w.spare
	if c.w.fs.fstat(c.h, a) != nil {
		return false
	}
	return a.size != c.attrs.size || a.mtime != c.attrs.mtime
}

func (c *content) close() {
	if c.isOpen {
		c.w.fs.close(c.h)
		c.isOpen = false
	}
	if closer, ok := c.rd.(io.Closer); ok {
		closer.Close()
	}
	c.rd, c.open = nil, nil
}
