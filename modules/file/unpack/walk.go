package unpack

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// A Member is one entry of an archive.
type Member struct {
	// Path is the member's name as it is stored, after those of the archives
	// that it is nested in: "lib/a.jar!/org/X.class". It is no path on a disk.
	Path    string
	Size    int64       // of the content, as the archive says; -1 where it does not
	Mode    fs.FileMode // permissions and type
	ModTime time.Time   // as the archive says; a zip without a zone is read as UTC
	Type    fs.FileMode // Mode.Type(): 0 for a regular file
	Target  string      // what a link in a tar points to, a hard one too
	// Open gives the content from its beginning, as long as visit runs. In a
	// compressed tar it can be called once for each member that is no small
	// archive. The content of what is not a regular file is empty.
	Open func() (io.Reader, error)
}

// Walk visits the members of the zip, the tar or the compressed tar that src
// holds, in their order. A member that is such an archive
// itself is visited and then descended into. What is no archive has no
// members; the outermost may be a zip behind something else: see [Behind].
//
// An error from visit ends the walk and is returned, as are an error of src, a
// cancelled ctx, the end of the budget and damage to the outermost archive. A
// member that could not be opened, read or descended into otherwise is told to
// skip, once and after its visit, and the walk goes on; so visit need not
// report what Open or a reader said.
func Walk(ctx context.Context, src *io.SectionReader, b *Budget,
	visit func(*Member) error, skip func(path string, err error)) error {
	w := &walker{ctx: ctx, budget: b, visit: visit, skip: skip}
	w.src = &outer{ctx: ctx, r: src}
	err := w.archive(io.NewSectionReader(w.src, 0, src.Size()), place{depth: 1})
	if fatal := w.fatal(); fatal != nil {
		return fatal
	}
	return err
}

type walker struct {
	ctx     context.Context
	budget  *Budget
	visit   func(*Member) error
	skip    func(path string, err error)
	src     *outer
	stopped error // what visit returned
}

// A place is where an archive stands: what its members' paths begin with and
// how many layers it is down.
type place struct {
	prefix string
	depth  int
}

func (p place) deeper() place { return place{p.prefix, p.depth + 1} }

// outer is the outermost file. Its errors, of which a cancelled context is
// one, end the walk however deep they are met.
type outer struct {
	ctx context.Context
	r   io.ReaderAt
	err error
}

// ReadAt implements io.ReaderAt.
func (o *outer) ReadAt(p []byte, at int64) (int, error) {
	if err := o.ctx.Err(); err != nil {
		o.err = err
		return 0, err
	}
	n, err := o.r.ReadAt(p, at)
	if err != nil && err != io.EOF {
		o.err = err
	}
	return n, err
}

// fatal gives what ends the whole walk.
func (w *walker) fatal() error {
	switch {
	case w.stopped != nil:
		return w.stopped
	case w.src.err != nil:
		return w.src.err
	case w.budget.spent != nil:
		return w.budget.spent
	}
	return w.ctx.Err()
}

// malformed says what an error of a parser means.
func (w *walker) malformed(what string, err error) error {
	if isOurs(err) || w.src.err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, ErrMalformed, unexpected(err))
}

// archive walks content that can be read at any place.
func (w *walker) archive(s *io.SectionReader, at place) error {
	head := make([]byte, headSize)
	n, err := s.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	switch f := Detect(head[:n]); {
	case f == None && at.depth == 1:
		ok, err := Behind(s, s.Size())
		if !ok || err != nil {
			return err
		}
		return w.zip(s, at)
	case f == None:
		return nil
	case f.Compressed():
		return w.compressed(s, f, at)
	default:
		if err := w.budget.depth(at.depth); err != nil {
			return err
		}
		if f == Zip {
			return w.zip(s, at)
		}
		return w.tar(s, at)
	}
}

// compressed walks what a compressed stream holds, if that is an archive.
func (w *walker) compressed(r io.Reader, f Format, at place) error {
	if err := w.budget.depth(at.depth); err != nil {
		return err
	}
	m, err := newMeter(r, f, w.budget)
	if err != nil {
		return err
	}
	defer m.Close()
	return w.stream(&watched{w: w, r: m}, -1, at.deeper())
}

// stream walks content of so many bytes, -1 if that is not known, that can be
// read once.
func (w *walker) stream(r io.Reader, size int64, at place) error {
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	p := &prefixed{head: head[:n], r: r}
	f := Detect(head[:n])
	if f == None {
		return nil
	}
	if f.Compressed() {
		return w.compressed(p, f, at)
	}
	if err := w.budget.depth(at.depth); err != nil {
		return err
	}
	if f == Zip {
		s, free, err := w.keep(p, size)
		if err != nil {
			return err
		}
		defer free()
		return w.zip(s, at)
	}
	if err := w.tar(p, at); err != nil {
		return err
	}
	// What follows a tar's end decides whether the compressed stream is whole.
	_, err = io.Copy(io.Discard, struct{ io.Reader }{p})
	return err
}

// keep reads a stream into memory, which free gives back to the budget.
func (w *walker) keep(r io.Reader, size int64) (s *io.SectionReader, free func(), err error) {
	limit := w.budget.MaxBuffer
	if size > limit {
		return nil, nil, fmt.Errorf("%w: MaxBuffer, %d bytes to keep a nested archive in", ErrBudget, limit)
	}
	if size >= 0 {
		limit = size
	}
	if err := w.budget.hold(limit); err != nil {
		return nil, nil, err
	}
	free = func() { w.budget.release(limit) }
	data, err := readUpTo(r, limit, size >= 0)
	if err != nil {
		free()
		return nil, nil, err
	}
	return data, free, nil
}

// zip walks a zip.
func (w *walker) zip(s *io.SectionReader, at place) error {
	d, err := openZip(s, s.Size())
	if err != nil {
		return err
	}
	for {
		z, err := d.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		mode := z.header().Mode()
		e := &entry{w: w, member: Member{
			Path: at.prefix + z.name, Size: z.size, Mode: mode, ModTime: z.time, Type: mode.Type(),
		}}
		if mode.IsRegular() || mode&fs.ModeSymlink != 0 {
			e.reopen = func() (io.ReadCloser, error) { return d.open(z, w.budget) }
			e.section, _ = d.stored(z)
		}
		if err := e.walk(at); err != nil {
			return err
		}
	}
}

// watched reads for as long as the walk may go on.
type watched struct {
	w *walker
	r io.Reader
}

// Read implements io.Reader.
func (g *watched) Read(p []byte) (int, error) {
	if err := g.w.ctx.Err(); err != nil {
		return 0, err
	}
	return g.r.Read(p)
}

// prefixed gives back what was read from a stream to recognise it.
type prefixed struct {
	head []byte
	r    io.Reader
}

// Read implements io.Reader.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.r.Read(b)
}
