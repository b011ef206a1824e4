package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// begin watches the folder of a locator's front, so that its coming and going
// is seen, and what is wanted below it.
func (w *watch) begin(l *locator, what string) {
	res := resolver{root: w.root, known: map[string]string{}}
	real, _, err := res.resolve(l.shown)
	if err != nil {
		dir, name := filepath.Split(l.shown)
		folder, _, above := res.resolve(trimEnd(dir))
		if !errors.Is(err, fs.ErrNotExist) || above != nil || name == "" {
			kind := skipKind(err)
			if kind == modules.SkipVanished {
				kind = modules.SkipUnsupported // it was not looked for in vain: it cannot be waited for
			}
			w.req.Report.Skip(modules.Skip{Kind: kind, Where: l.shown, Detail: "it cannot be watched: " + words(err)})
			return
		}
		real = join(folder, name)
	}
	if kind, detail := w.denier.keeps(real); kind != "" {
		w.req.Report.Skip(modules.Skip{Kind: kind, Where: l.shown, Detail: detail})
		return
	}
	front := mark{loc: l, real: real, shown: l.shown}
	if l.glob != nil {
		front.glob = l.glob.Root()
	}
	if folder := filepath.Dir(real); folder != real {
		w.watch([]mark{{loc: l, real: folder, only: filepath.Base(real)}})
	}
	if fi, err := os.Lstat(real); err == nil && fi.IsDir() && l.depth != 0 {
		var st unix.Stat_t
		if unix.Lstat(real, &st) == nil {
			front.dev = st.Dev
		}
		front.pseudo = isPseudo(real)
		w.enter([]mark{front}, what)
	}
}

func isPseudo(real string) bool {
	var st unix.Statfs_t
	if unix.Statfs(real, &st) != nil {
		return false
	}
	_, pseudo := pseudoNames()[uint32(st.Type)]
	return pseudo
}

// enter watches a directory, and then lists it: what is made in between is
// told by the kernel. With a word, what is found is shown as that.
func (w *watch) enter(marks []mark, what string) {
	marks = w.admitted(marks)
	if len(marks) == 0 || w.err != nil {
		return
	}
	n := w.watch(marks)
	if n == nil {
		return
	}
	f, err := os.Open(marks[0].real)
	if err != nil {
		w.skip(marks[0], skipKind(err), words(err))
		return
	}
	defer f.Close()
	fresh := &node{marks: marks} // of n, what is new
	for w.err == nil && w.ctx.Err() == nil {
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			paths, below := w.step(fresh, e.Name(), e.IsDir())
			if what != "" {
				n.note(e.Name())
				w.now(paths, what)
			}
			w.enter(below, what)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			w.skip(marks[0], skipKind(err), words(err))
			return
		}
	}
}

// note remembers what was told of a directory that is new.
func (n *node) note(name string) {
	if n.listed == nil {
		n.listed = map[string]bool{}
	}
	n.listed[name] = true
	n.until = time.Now().Add(relist)
}

// admitted leaves out other file systems, where the query or the kind of the
// system says so.
func (w *watch) admitted(marks []mark) []mark {
	if len(marks) == 0 {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(marks[0].real, &st); err != nil {
		w.skip(marks[0], skipKind(err), words(err))
		return nil
	}
	var kept []mark
	for _, m := range marks {
		if m.level > maxDepth {
			w.skip(m, modules.SkipTooDeep, "")
			continue
		}
		if m.dev == 0 {
			m.dev = st.Dev
		}
		if m.dev != st.Dev && w.req.Settings.OneFilesystem {
			continue
		}
		if m.dev != st.Dev && !m.pseudo && isPseudo(m.real) {
			w.skip(m, modules.SkipPseudo, "")
			continue
		}
		kept = append(kept, m)
	}
	return kept
}

// watch has the kernel tell of a directory; nil: it does not.
func (w *watch) watch(marks []mark) *node {
	if len(w.nodes) >= maxWatches {
		w.skip(marks[0], modules.SkipLimit, "more directories than are watched at once")
		return nil
	}
	wd, err := unix.InotifyAddWatch(w.fd, marks[0].real, watchMask)
	switch {
	case errors.Is(err, unix.ENOSPC):
		w.skip(marks[0], modules.SkipLimit, "more directories than the kernel watches (fs.inotify.max_user_watches)")
		return nil
	case err != nil:
		w.skip(marks[0], skipKind(err), err.Error())
		return nil
	}
	n := w.nodes[int32(wd)]
	if n == nil {
		n = &node{wd: int32(wd)}
		w.nodes[n.wd] = n
		w.looked++
	}
	for _, m := range marks {
		if !n.has(m) {
			n.marks = append(n.marks, m)
		}
	}
	return n
}

func (n *node) has(m mark) bool {
	for _, have := range n.marks {
		if have.loc == m.loc && have.real == m.real && have.only == m.only && have.shown == m.shown && have.glob == m.glob {
			return true
		}
	}
	return false
}

func (w *watch) skip(m mark, kind modules.SkipKind, detail string) {
	w.req.Report.Skip(modules.Skip{Kind: kind, Where: m.told(), Detail: detail})
}

// told gives the directory as an account names it.
func (m mark) told() string {
	if m.only != "" {
		return m.loc.shown
	}
	return m.shown
}

// drop ends the watching of a directory that was moved away, and of all in it:
// the kernel would tell of them by names that they have no more.
func (w *watch) drop(real string) {
	for _, n := range w.nodes {
		here := func(m mark) bool { return m.real == real || strings.HasPrefix(m.real, real+separator) }
		kept := n.marks[:0:0]
		for _, m := range n.marks {
			if !here(m) {
				kept = append(kept, m)
			}
		}
		switch {
		case len(kept) == len(n.marks):
		case len(kept) > 0:
			n.marks = kept
		default:
			n.dropped = true
			// It fails where the directory is gone, and then it is ended, too.
			_, _ = unix.InotifyRmWatch(w.fd, uint32(n.wd))
		}
	}
}

// A sight is the report of one look at something that has changed.
type sight struct {
	modules.Report
	absent bool
}

// Skip keeps to itself that there is nothing any more.
func (s *sight) Skip(k modules.Skip) {
	if k.Kind == modules.SkipNotFound || k.Kind == modules.SkipVanished {
		s.absent = true
		return
	}
	s.Report.Skip(k)
}

// show gives the row of a change: what is there now, or its path alone.
func (w *watch) show(path, what string) {
	if w.err != nil || w.ctx.Err() != nil {
		return
	}
	at := time.Now()
	give := func(row modules.Row) error {
		w.err = w.yield(modules.NewChange(row, len(w.m.schema.Columns), what, at))
		return w.err
	}
	if what == modules.Deleted || what == modules.MovedAway {
		_ = give(&goneRow{path: path, req: w.req})
		return
	}
	req := *w.req
	s := &sight{Report: w.req.Report}
	req.Report, req.Locators, req.Keys = s, nil, []value.Value{value.NewText(path)}
	found := false
	err := w.m.Scan(w.ctx, &req, func(row modules.Row) error {
		found = true
		return give(row)
	})
	switch {
	case w.err != nil || w.ctx.Err() != nil:
	case err != nil:
		w.req.Report.Skip(modules.Skip{Kind: modules.SkipIO, Where: path, Detail: err.Error()})
	case !found && s.absent:
		_ = give(&goneRow{path: path, req: w.req})
	}
}
