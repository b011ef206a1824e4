package unpack

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"strings"
)

// tar walks a tar. One that ends without the two empty blocks that should
// close it is taken for whole, as other programs do.
func (w *walker) tar(r io.Reader, at place) error {
	file, _ := r.(*io.SectionReader)
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return w.malformed("tar", err)
		}
		e, err := w.tarEntry(t, h, file)
		if err != nil {
			return err
		}
		e.member.Path = at.prefix + h.Name
		if err := e.walk(at); err != nil {
			return err
		}
	}
}

// tarEntry makes the entry of a header; file is the tar, if it can be read at
// any place.
func (w *walker) tarEntry(t *tar.Reader, h *tar.Header, file *io.SectionReader) (*entry, error) {
	mode := h.FileInfo().Mode()
	e := &entry{w: w, member: Member{
		Size: h.Size, Mode: mode, ModTime: h.ModTime.UTC(), Type: mode.Type(), Target: h.Linkname,
	}}
	if h.Typeflag == tar.TypeLink { // a further name of a member, whose content stands there and not here
		e.member.Mode |= fs.ModeSymlink
		e.member.Type = fs.ModeSymlink
	}
	if !e.member.Mode.IsRegular() {
		return e, nil
	}
	sparse := isSparse(h)
	if file == nil || sparse {
		e.once = &tarContent{w: w, r: t, sparse: sparse}
		return e, nil
	}
	// The reader stands at the content and has read nothing of it.
	begin, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	e.section = io.NewSectionReader(file, begin, h.Size)
	return e, nil
}

// isSparse says whether a file has holes, which are not in the tar.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// A tarContent is the content of a member that has to be read in order. Holes
// cost nothing to store and are charged as if they were packed.
type tarContent struct {
	w      *walker
	r      *tar.Reader
	sparse bool
}

// Read implements io.Reader.
func (c *tarContent) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.sparse {
		if over := c.w.budget.charge(int64(n), 0, 0); over != nil {
			return 0, over
		}
	}
	if err != nil && err != io.EOF {
		err = c.w.malformed("tar", err)
	}
	return n, err
}
