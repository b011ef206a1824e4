package file

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"syscall"
	"unsafe"

	"github.com/quaestor-engine/quaestor/value"
)

// consider asks every locator that is at work in d about one entry.
func (w *worker) consider(ctx context.Context, d *dir, h handle, name []byte, kind uint8) {
	e := &w.entry
	e.wanted = e.wanted[:0]
	w.states = w.states[:0]
	kind = w.known(d, h, name, kind)
	follow := kind == kindLink && w.s.follow
	w.step(d, name, kind, false)
	var nest *front
	if d.nest != nil {
		if nest = d.nest.children[string(name)]; nest != nil && len(nest.locs) > 0 && !nest.claimed.Swap(true) {
			w.arrive(nest, kind == kindDir)
		}
	}
	if w.place != "" && w.refuses(d, join(w.place, string(name))) || w.own(d, name, kind) {
		return
	}
	if len(e.wanted) > 0 && (w.place == "" || w.allowed(d, join(w.place, string(name)), name)) {
		e.begin(d, h, name, kind)
		w.show(ctx)
		e.end()
	}
	if len(w.states) > 0 && kind == kindDir {
		w.descend(&dir{parent: d, name: append(slices.Clone(name), 0)[:len(name)], nest: nestOf(nest)})
	}
	if follow {
		w.followed(ctx, d, h, name)
	}
}

// own says whether an entry is a folder of the agent's own into which locators
// go, and tells that it is left out. Where each file is asked about, that is.
func (w *worker) own(d *dir, name []byte, kind uint8) bool {
	return w.s.denier.own != nil && w.place == "" && kind == kindDir && len(w.states) > 0 && w.refuses(d, join(d.place(), string(name)))
}

// known gives the kind of an entry, for which the system is asked where the
// listing does not tell. Where it does not say so either, what may be below the
// entry is lost, and told.
func (w *worker) known(d *dir, h handle, name []byte, kind uint8) uint8 {
	if kind != kindUnknown {
		return kind
	}
	err := w.fs.stat(h, name, &w.spare)
	if err == nil {
		return w.spare.kind
	}
	w.step(d, name, kindDir, false)
	if w.entry.wanted = w.entry.wanted[:0]; len(w.states) > 0 {
		w.lose(d, name, err)
	}
	w.states = w.states[:0]
	return kind
}

// step moves the locators of d on to name. Of a link those come to their turn
// that do not follow it, or with followed those that do.
func (w *worker) step(d *dir, name []byte, kind uint8, followed bool) {
	text := unsafe.String(unsafe.SliceData(name), len(name))
	for i := range d.states {
		st := &d.states[i]
		l := st.loc
		if l.req.done.Load() || w.s.follow && (kind == kindLink || followed) && l.req.Settings.FollowLinks != followed {
			continue
		}
		next, full, deeper := value.GlobState{}, true, true
		if l.glob != nil {
			next, full, deeper = l.glob.Step(st.glob, text)
		}
		if full {
			w.entry.want(l, st.base)
		}
		if deeper && (kind == kindDir || followed) && (l.depth < 0 || st.level+1 < l.depth) {
			w.states = append(w.states, state{loc: l, base: st.base, glob: next, level: st.level + 1})
		}
	}
}

// followed looks at what a link leads to, for the requests that follow links.
// A link that leads nowhere stands for itself, and so does one of which nobody
// can say where it leads, which is told.
func (w *worker) followed(ctx context.Context, d *dir, h handle, name []byte) {
	e := &w.entry
	e.wanted, w.states = e.wanted[:0], w.states[:0]
	w.step(d, name, kindUnknown, true)
	if len(e.wanted) == 0 && len(w.states) == 0 || w.place != "" && w.refuses(d, join(w.place, string(name))) {
		return
	}
	link, err := w.fs.readlink(h, name)
	res := resolver{root: w.s.reqs[0].root}
	for i := range d.states {
		if d.states[i].loc.req.Settings.FollowLinks {
			res.root = d.states[i].loc.req.root
		}
	}
	var real string
	if err == nil {
		real, err = res.target(d.place(), link)
	}
	if err == nil && w.refuses(d, real) {
		return
	}
	path := terminated(real)
	if err == nil {
		err = w.fs.stat(nowhere(), path, &w.spare)
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			w.lose(d, name, err)
		}
		e.begin(d, h, name, kindLink)
		w.show(ctx)
		e.end()
		return
	}
	kind := w.spare.kind
	if w.allowed(d, real, name) {
		e.begin(d, nowhere(), path, kind)
		e.shown = name
		e.link = link
		w.show(ctx)
		e.end()
	}
	if kind == kindDir && len(w.states) > 0 {
		w.descend(&dir{parent: d, name: append(slices.Clone(name), 0)[:len(name)], real: path, linked: true})
	}
}

// place gives the real path of d.
func (d *dir) place() string {
	at := d
	for at.real == nil {
		at = at.parent
	}
	path := string(at.real)
	if at == d {
		return path
	}
	b := []byte(path)
	if b[len(b)-1] != separator[0] {
		b = append(b, separator...)
	}
	b = d.appendNames(b, at)
	return string(b[:len(b)-1])
}

// show hands the entry to everyone who wants it.
func (w *worker) show(ctx context.Context) {
	e := &w.entry
	for i := range e.wanted {
		t := &e.wanted[i]
		if w.s.stopped.Load() {
			return
		}
		r := &w.rows[t.loc.req.index]
		r.begin(e, t)
		w.s.emit(r.req, r)
		if r.req.member && e.kind == kindFile && !r.req.done.Load() && !w.s.stopped.Load() {
			w.members(ctx, r)
		}
	}
}

// flush gives an account of progress.
func (w *worker) flush() {
	w.since = 0
	for i := range w.count {
		c, rep := &w.count[i], w.s.reqs[i].Report
		for _, k := range [...]struct {
			kind string
			n    int64
		}{{"directories", c.dirs}, {"files", c.files}, {"opened", c.opened}, {"bytes", c.bytes}} {
			if k.n > 0 {
				rep.Looked(k.kind, k.n)
			}
		}
		*c = tally{}
	}
}
