package file

import (
	"context"
	"slices"
	"sync"
	"syscall"

	"github.com/quaestor-engine/quaestor/modules"
)

// Bounds of a walk.
const (
	maxDepth   = 10_000    // levels: no honest tree is deeper, and each costs memory
	listBytes  = 64 << 10  // what one call lists: about 2,000 names
	bufBytes   = 256 << 10 // what one read takes: stays in the cache of a core
	shareBytes = 2 << 10   // a listing shorter than this is not shared out
	flushEvery = 4096      // files between two accounts of progress
)

// A dir is a directory that is to be read, or has been while others below it
// are not.
type dir struct {
	parent *dir
	name   []byte // in the parent; NUL behind
	real   []byte // the path instead, of a front or a place that a link led to
	nest   *front // fronts below it, or nil
	states []state
	one    [1]state // room for the usual one
	reqs   []*request
	height int
	dev    uint64
	inode  uint64
	linked bool // reached by a link
	pseudo bool // on a file system that shows the kernel's state
	exact  bool // on one whose sizes can be relied on
	own    bool // it is ours

	mu      sync.Mutex
	h       handle
	isOpen  bool
	users   int // who uses h now
	pending int // children and pieces that will need h
}

// A worker walks. All that it needs for a file it keeps and uses again.
type worker struct {
	s       *scan
	fs      fsys
	stack   []task
	list    []byte
	states  []state // of the directory that is being found
	entry   entry
	rows    []row
	count   []tally
	since   int // files since the last account
	spare   attrs
	place   string // the real path of the directory of a listing, where some may be denied
	hashers hashers
	carry   carry
	viewer  viewer
	inner   *entry // a member of an archive
}

// tally counts for one request.
type tally struct{ dirs, files, opened, bytes int64 }

func newWorker(s *scan) *worker {
	w := &worker{s: s, fs: s.fs, list: make([]byte, listBytes), rows: make([]row, len(s.reqs)), count: make([]tally, len(s.reqs))}
	w.entry.w = w
	w.entry.raw.w, w.entry.plain.w = w, w
	for i, r := range s.reqs {
		w.rows[i] = row{w: w, req: r, answers: make([]answer, len(r.ask.list)), rules: r.rules.NewScanner()}
		if r.ask.set != nil {
			w.rows[i].scanner = r.ask.set.NewScanner()
		}
	}
	return w
}

// work goes on until there is nothing left for anybody.
func (w *worker) work(ctx context.Context) {
	for {
		var t task
		if n := len(w.stack); n > 0 {
			t, w.stack = w.stack[n-1], w.stack[:n-1]
		} else {
			w.flush()
			var ok bool
			if t, ok = w.s.take(); !ok {
				return
			}
		}
		switch {
		case w.s.stopped.Load():
			w.drop(t)
		case t.front != nil:
			w.front(ctx, t.front)
		case t.piece != nil:
			w.piece(ctx, t.dir, t.piece)
		default:
			w.directory(ctx, t.dir)
		}
	}
}

// drop lets go of what a task holds.
func (w *worker) drop(t task) {
	switch {
	case t.front != nil:
	case t.piece != nil:
		w.settle(t.dir)
	case t.dir.parent != nil:
		w.settle(t.dir.parent)
	}
}

// front looks at the place where locators begin.
func (w *worker) front(ctx context.Context, f *front) {
	e := &w.entry
	path := terminated(f.real)
	e.begin(nil, nowhere(), path, kindUnknown)
	e.base.path = ""
	e.named = true
	defer e.end()
	w.states = w.states[:0]
	if kind, detail := w.s.denier.keeps(f.real); kind != "" {
		for _, l := range f.locs {
			l.req.Report.Skip(modules.Skip{Kind: kind, Where: l.shown, Detail: detail})
		}
		return
	}
	if !e.stat() {
		for _, l := range f.locs {
			l.req.Report.Skip(modules.Skip{Kind: frontKind(e.statErr), Where: l.shown, Detail: words(e.statErr)})
		}
		return
	}
	e.kind = e.attrs.kind
	w.arrive(f, e.kind == kindDir)
	for _, t := range e.wanted {
		if e.kind != kindDir {
			w.count[t.loc.req.index].files++
		}
	}
	if len(e.wanted) > 0 && w.allowed(nil, f.real, nil) {
		w.show(ctx)
	}
	if len(w.states) > 0 {
		w.descend(&dir{real: path, nest: nestOf(f)})
	}
}

// arrive adds the locators of a front to what is wanted of an entry.
func (w *worker) arrive(f *front, isDir bool) {
	for _, l := range f.locs {
		if l.req.done.Load() {
			continue
		}
		switch {
		case l.itself():
			w.entry.want(l, nil)
		case !isDir: // what would lie below a file is not there
			l.req.Report.Skip(modules.Skip{Kind: modules.SkipNotFound, Where: l.shown, Detail: words(syscall.ENOTDIR)})
		}
		if l.depth != 0 && isDir {
			st := state{loc: l}
			if l.glob != nil {
				st.glob = l.glob.Root()
			}
			w.states = append(w.states, st)
		}
	}
}

// nestOf gives the front if others lie below it.
func nestOf(f *front) *front {
	if f == nil || len(f.children) == 0 {
		return nil
	}
	return f
}

// descend queues the directory d with the states that were gathered.
func (w *worker) descend(d *dir) {
	if len(w.states) == 1 {
		d.one[0] = w.states[0]
		d.states = d.one[:]
	} else {
		d.states = slices.Clone(w.states)
	}
	for i := range d.states {
		st := &d.states[i]
		if st.base == nil {
			st.base = d
		}
	}
	if p := d.parent; p != nil {
		d.height = p.height + 1
		if d.height > maxDepth {
			w.skipDir(d, modules.SkipTooDeep, "")
			return
		}
		if len(d.states) == len(p.states) && len(d.states) == 1 && d.states[0].loc.req == p.states[0].loc.req {
			d.reqs = p.reqs
		}
		p.mu.Lock()
		p.pending++
		p.mu.Unlock()
	}
	if d.reqs == nil {
		for i := range d.states {
			if r := d.states[i].loc.req; !slices.Contains(d.reqs, r) {
				d.reqs = append(d.reqs, r)
			}
		}
	}
	w.stack = append(w.stack, task{dir: d})
}

// skipDir tells each request that asked for it why a directory was not read.
func (w *worker) skipDir(d *dir, kind modules.SkipKind, detail string) {
	for _, r := range d.reqs {
		i := slices.IndexFunc(d.states, func(st state) bool { return st.loc.req == r })
		if i < 0 {
			continue
		}
		r.Report.Skip(modules.Skip{Kind: kind, Where: d.shown(d.states[i].loc, d.states[i].base), Detail: detail})
	}
}

// appendNames adds the names from below base to d, each with a separator.
func (d *dir) appendNames(b []byte, base *dir) []byte {
	n := len(b)
	for at := d; at != base; at = at.parent {
		b = append(b, at.name...)
		slices.Reverse(b[len(b)-len(at.name):])
		b = append(b, separator...)
	}
	// The names stand last to first and each is reversed: turn it all round,
	// so that only the separator must change sides.
	tail := b[n:]
	if len(tail) > 0 {
		slices.Reverse(tail[:len(tail)-1])
	}
	return b
}

// directory reads d.
func (w *worker) directory(ctx context.Context, d *dir) {
	h, err := w.acquire(d)
	if d.parent != nil {
		w.settle(d.parent)
	}
	if err != nil {
		w.skipDir(d, skipKind(err), words(err))
		return
	}
	defer w.release(d)
	if !w.admit(d, h) {
		return
	}
	h.own = d.own
	for _, r := range d.reqs {
		w.count[r.index].dirs++
	}
	for !w.s.stopped.Load() {
		n, err := w.fs.list(h, w.list)
		if err != nil {
			w.skipDir(d, skipKind(err), words(err))
			return
		}
		if n == 0 {
			return
		}
		w.listing(ctx, d, h, w.list[:n])
	}
}

// admit looks at a directory that has just been opened and keeps the states
// that may go on in it.
func (w *worker) admit(d *dir, h handle) bool {
	a := &w.spare
	if err := w.fs.fstat(h, a); err != nil {
		w.skipDir(d, skipKind(err), words(err))
		return false
	}
	d.dev, d.inode, d.own = a.dev, a.inode, a.unix && int(a.uid) == w.fs.self
	d.mu.Lock()
	d.h.own = d.own
	d.mu.Unlock()
	p := d.parent
	if p != nil && p.dev == d.dev && !d.linked {
		d.pseudo, d.exact = p.pseudo, p.exact
		return true
	}
	if d.linked && d.loops() {
		w.skipDir(d, modules.SkipLoop, "")
		return false
	}
	name, pseudo, exact := w.fs.system(h)
	d.pseudo, d.exact = pseudo, exact
	kept := d.states[:0:0]
	entered := true
	for _, st := range d.states {
		own := st.base == d
		switch {
		case !own && pseudo && !p.pseudo:
			entered = false
		case !own && st.loc.req.Settings.OneFilesystem && st.base.dev != d.dev:
		default:
			kept = append(kept, st)
		}
	}
	if !entered {
		all := d.states
		d.states = slices.DeleteFunc(slices.Clone(all), func(st state) bool { return st.base == d })
		w.skipDir(d, modules.SkipPseudo, name)
	}
	d.states = kept
	return len(kept) > 0
}

// loops says whether d is one of the directories above it.
func (d *dir) loops() bool {
	for p := d.parent; p != nil; p = p.parent {
		if p.dev == d.dev && p.inode == d.inode && d.inode != 0 {
			return true
		}
	}
	return false
}

// piece goes through a piece of a listing that another worker gave away.
func (w *worker) piece(ctx context.Context, d *dir, buf []byte) {
	h, err := w.acquire(d)
	w.settle(d)
	if err != nil {
		w.skipDir(d, skipKind(err), words(err))
		return
	}
	defer w.release(d)
	w.listing(ctx, d, h, buf)
}

// listing goes through entries of d.
func (w *worker) listing(ctx context.Context, d *dir, h handle, buf []byte) {
	var name []byte
	var kind uint8
	files := int64(0)
	if w.place = ""; w.s.denier.asks() {
		w.place = d.place()
	}
	for len(buf) > 0 && !w.s.stopped.Load() {
		if w.s.hungry.Load() > 0 {
			buf = w.share(d, buf)
		}
		name, kind, buf = nextRecord(buf)
		if isDot(name) {
			continue
		}
		if kind != kindDir {
			files++
		}
		w.consider(ctx, d, h, name, kind)
	}
	for _, r := range d.reqs {
		w.count[r.index].files += files
	}
	if w.since += int(files); w.since > flushEvery {
		w.flush()
	}
}

// share gives idle workers the upper half of the own stack, or failing that
// the second half of the listing.
func (w *worker) share(d *dir, buf []byte) []byte {
	if n := len(w.stack); n > 0 {
		give := (n + 1) / 2
		w.s.offer(w.stack[:give]...)
		w.stack = append(w.stack[:0], w.stack[give:]...)
		return buf
	}
	if len(buf) < shareBytes {
		return buf
	}
	rest := buf
	for len(rest) > len(buf)/2 {
		_, _, rest = nextRecord(rest)
	}
	if len(rest) == 0 {
		return buf
	}
	d.mu.Lock()
	d.pending++
	d.mu.Unlock()
	w.s.offer(task{dir: d, piece: slices.Clone(rest)})
	return buf[:len(buf)-len(rest)]
}
