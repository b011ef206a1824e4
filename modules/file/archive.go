package file

import (
	"context"
	"errors"
	"io"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/file/unpack"
)

// archived gives what is inside the entry where that is an archive; what keeps
// it from being looked at is told.
func (w *worker) archived(r *row) (src *io.SectionReader, ok bool) {
	c := &r.e.raw
	if c.phase == fresh {
		c.openFile(r.e)
		w.count[r.req.index].opened++
		w.count[r.req.index].bytes += c.off
	}
	c.rewind()
	if c.phase != ready {
		r.tell(c.fault, c.detail)
		return nil, false
	}
	size := c.attrs.size
	if c.whole() {
		size = int64(c.n)
	}
	src = io.NewSectionReader(&fileReader{c: c}, 0, size)
	if unpack.Detect(c.bytes()) == unpack.None {
		if behind, err := unpack.Behind(src, size); err != nil {
			r.tell(streamFault(err))
			return nil, false
		} else if !behind {
			return nil, false
		}
	}
	return src, !r.tooLarge(c)
}

// members shows the members of an archive as rows of their own, after the
// archive's.
func (w *worker) members(ctx context.Context, r *row) {
	e, to := r.e, r.to
	c := &e.raw
	src, ok := w.archived(r)
	if !ok {
		return
	}
	if w.inner == nil {
		w.inner = &entry{w: w}
		w.inner.raw.w, w.inner.plain.w = w, w
	}
	in := w.inner
	err := unpack.Walk(ctx, src, unpack.NewBudget(), func(m *unpack.Member) error {
		in.begin(e.d, e.base, e.name, kindOf(m.Mode))
		in.shown, in.within, in.named, in.link = e.shown, m.Path, e.named, m.Target
		in.member(m)
		defer in.end()
		r.begin(in, &to)
		w.count[r.req.index].files++
		w.s.emit(r.req, r)
		if r.req.done.Load() || w.s.stopped.Load() {
			return modules.ErrEnough
		}
		return nil
	}, func(path string, err error) {
		in.begin(e.d, e.base, e.name, kindFile)
		in.shown, in.within = e.shown, path
		r.begin(in, &to)
		r.skip(streamFault(err))
	})
	in.end()
	r.begin(e, &to)
	if c.phase == ready && !c.whole() && c.changed() {
		r.tell(modules.SkipChanged, "")
	}
	if err != nil && !errors.Is(err, modules.ErrEnough) && ctx.Err() == nil {
		kind, detail := streamFault(err)
		if c.phase == failed {
			kind, detail = c.fault, c.detail
		}
		r.tell(kind, detail)
	}
}

// member takes what an archive says of a member.
func (e *entry) member(m *unpack.Member) {
	e.statted = true
	t := m.ModTime
	e.attrs = attrs{mode: unixMode(m.Mode), kind: e.kind, size: m.Size, mtime: moment{t.Unix(), int64(t.Nanosecond()), !t.IsZero()}}
	if e.kind == kindFile {
		e.raw.member = m.Open
	}
}
