package unpack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errOnce is the answer to a second Open where the first has used up the
// content.
var errOnce = errors.New("unpack: this content can be opened once")

// smallest is the size below which content cannot be an archive with members.
const smallest = 22

// An entry is a member while it is visited.
type entry struct {
	w       *walker
	member  Member
	reopen  func() (io.ReadCloser, error) // the content anew; nil if it can be read once, or has none
	once    io.Reader                     // the content, if it can be read once
	section *io.SectionReader             // the content, if it can be read at any place

	head   []byte // the beginning of once, already read
	used   bool   // once was handed out
	opened []io.Closer
	failed error // the first error that Open or a reader gave
}

// walk visits an entry and descends into it.
func (e *entry) walk(at place) error {
	w := e.w
	if err := w.budget.member(); err != nil {
		return err
	}
	format := e.detect()
	free := e.retain(format)
	defer free()
	e.member.Open = e.open
	if err := w.visit(&e.member); err != nil {
		w.stopped = err
	}
	for _, c := range e.opened {
		c.Close()
	}
	if e.failed == nil && format != None && w.stopped == nil {
		e.failed = e.descend(place{e.member.Path + "!/", at.depth + 1})
	}
	if err := w.fatal(); err != nil {
		return err
	}
	if e.failed != nil {
		w.skip(e.member.Path, e.failed)
	}
	return nil
}

// detect recognises what the content is.
func (e *entry) detect() Format {
	if e.section == nil && e.once == nil && e.reopen == nil {
		return None
	}
	if !e.member.Mode.IsRegular() || e.member.Size >= 0 && e.member.Size < smallest {
		return None
	}
	head := make([]byte, headSize)
	var n int
	var err error
	switch {
	case e.section != nil:
		n, err = e.section.ReadAt(head, 0)
	case e.once != nil:
		n, err = io.ReadFull(e.once, head)
		e.head = head[:n]
	default:
		var r io.ReadCloser
		if r, err = e.reopen(); err == nil {
			n, err = io.ReadFull(r, head)
			r.Close()
		}
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		e.failed = err
	}
	return Detect(head[:n])
}

// retain keeps an archive that can be read once, so that it can be both
// visited and descended into. One that is too large stays as it is.
func (e *entry) retain(f Format) (free func()) {
	size := e.member.Size
	if f == None || e.once == nil || e.failed != nil || size > e.w.budget.MaxBuffer {
		return func() {}
	}
	if e.w.budget.MaxMemory-e.w.budget.memory < size {
		return func() {}
	}
	s, free, err := e.w.keep(&prefixed{e.head, e.once}, size)
	if err != nil {
		e.failed = err
		return func() {}
	}
	e.section, e.once = s, nil
	return free
}

// open is Member.Open.
func (e *entry) open() (io.Reader, error) {
	r, err := e.content()
	if err != nil {
		if e.failed == nil {
			e.failed = err
		}
		return nil, err
	}
	return &watched{e.w, &noting{e, r}}, nil
}

func (e *entry) content() (io.Reader, error) {
	switch {
	case e.once != nil && e.used:
		return nil, errOnce
	case e.once != nil:
		e.used = true
		return &prefixed{e.head, e.once}, nil
	case e.reopen != nil:
		r, err := e.reopen()
		if err == nil {
			e.opened = append(e.opened, r)
		}
		return r, err
	case e.section != nil:
		return &exact{r: io.NewSectionReader(e.section, 0, e.section.Size()), left: e.section.Size()}, nil
	}
	return bytes.NewReader(nil), nil
}

// descend walks what is inside.
func (e *entry) descend(at place) error {
	switch {
	case e.section != nil:
		return e.w.archive(e.section, at)
	case e.once != nil && e.used:
		return fmt.Errorf("%w: MaxBuffer, %d bytes to keep a nested archive in", ErrBudget, e.w.budget.MaxBuffer)
	case e.once != nil:
		return e.w.stream(&prefixed{e.head, e.once}, e.member.Size, at)
	}
	r, err := e.reopen()
	if err != nil {
		return err
	}
	defer r.Close()
	return e.w.stream(r, e.member.Size, at)
}

// noting remembers the error in which the reading of an entry ended.
type noting struct {
	e *entry
	r io.Reader
}

// Read implements io.Reader.
func (n *noting) Read(p []byte) (int, error) {
	c, err := n.r.Read(p)
	if err != nil && err != io.EOF && n.e.failed == nil {
		n.e.failed = err
	}
	return c, err
}

// exact ends in an error if there is less than there should be.
type exact struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (x *exact) Read(p []byte) (int, error) {
	n, err := x.r.Read(p)
	if x.left -= int64(n); err == io.EOF && x.left > 0 {
		err = fmt.Errorf("%w: cut short", ErrMalformed)
	}
	return n, err
}

// readUpTo reads all of r into memory: limit bytes if that is its size, else
// no more than limit.
func readUpTo(r io.Reader, limit int64, known bool) (*io.SectionReader, error) {
	if known {
		data := make([]byte, limit)
		if _, err := io.ReadFull(r, data); err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				err = fmt.Errorf("%w: cut short", ErrMalformed)
			}
			return nil, err
		}
		return io.NewSectionReader(bytes.NewReader(data), 0, limit), nil
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: MaxBuffer, %d bytes to keep a nested archive in", ErrBudget, limit)
	}
	return io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), nil
}
