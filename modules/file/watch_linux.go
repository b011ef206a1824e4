package file

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

const (
	// maxWatches bounds the directories that are watched at once: the kernel
	// keeps about a kilobyte for each.
	maxWatches = 100_000
	// settle is how long writing to a file, and setting its attributes, is
	// gathered into one change.
	settle = 200 * time.Millisecond
	// maxPending bounds the changes that are gathered.
	maxPending = 4096
	// maxBacklog bounds what was taken from the kernel and not dealt with, in
	// bytes: it keeps 16,384 changes unless told otherwise, and this some hundred
	// thousand. drainEvery is after how many of them it is asked for more.
	maxBacklog = 16 << 20
	drainEvery = 64
	// relist is for how long a file that was found in a new directory is known
	// not to be another one than that of which the kernel tells then.
	relist = 2 * time.Second

	watchMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_MODIFY | unix.IN_CLOSE_WRITE |
		unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK
)

// A watch is one Watch. Only its own goroutine uses it.
type watch struct {
	m      *module
	ctx    context.Context
	req    *modules.Request // without the columns of changes
	yield  func(modules.Row) error
	fd     int
	file   *os.File // of fd
	locs   []*locator
	root   string
	denier denier
	nodes  map[int32]*node
	looked int64 // directories that are told

	buf     []byte
	backlog []byte // what the kernel told and was not dealt with

	pending map[change]bool
	order   []change // of pending
	due     time.Time
	err     error // of yield
}

// A change waits for others like it.
type change struct{ path, what string }

// A node is a directory that is watched.
type node struct {
	wd      int32
	marks   []mark
	listed  map[string]bool // what was found in it and told, and of which the kernel may tell, too
	until   time.Time       // when listed is forgotten
	dropped bool            // it was moved away: what is said of it still was before
}

// A mark is what a locator wants of a directory.
type mark struct {
	loc    *locator
	real   string // of the directory
	only   string // it is the folder of the locator's front, which has this name
	shown  string // the directory as rows show it, else
	glob   value.GlobState
	level  int
	dev    uint64 // of the front
	pseudo bool
}

// Watch reports changes by inotify.
func (m *module) Watch(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
	w := &watch{m: m, ctx: ctx, yield: yield, nodes: map[int32]*node{}, pending: map[change]bool{}}
	if err := w.prepare(req); err != nil {
		return err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("file: the system gives no inotify (fs.inotify.max_user_instances): %w", err)
	}
	w.fd, w.file = fd, os.NewFile(uintptr(fd), "inotify")
	defer w.file.Close()
	for _, l := range w.locs {
		w.begin(l, "")
	}
	w.tell()
	release := context.AfterFunc(ctx, func() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) })
	defer release()
	return w.loop()
}

// prepare reads the locators. The columns of changes are not the scan's.
func (w *watch) prepare(req *modules.Request) error {
	own := *req
	own.Columns, own.Filter, own.Workers, own.Settings.Archives = w.own(req.Columns), w.own(req.Filter), 1, false
	w.req = &own
	r := &request{Request: req}
	var err error
	if w.root, err = realRoot(req.Host.Root); err != nil {
		return err
	}
	w.denier = newDenier(req.Host, w.root)
	for _, text := range req.Locators {
		l, err := newLocator(r, text)
		if err != nil {
			return err
		}
		w.locs = append(w.locs, l)
	}
	for _, k := range req.Keys {
		if k.Type() == value.Text && k.Text() != "" {
			w.locs = append(w.locs, &locator{req: r, shown: trimEnd(strings.Clone(k.Text()))})
		}
	}
	return nil
}

// own leaves out the columns of changes.
func (w *watch) own(columns []int) []int {
	return slices.DeleteFunc(slices.Clone(columns), func(c int) bool { return c >= len(w.m.schema.Columns) })
}

// loop reads what the kernel tells.
func (w *watch) loop() error {
	w.buf = make([]byte, 64<<10)
	for w.err == nil {
		due := time.Time{}
		if len(w.order) > 0 {
			due = w.due
		}
		if err := w.file.SetReadDeadline(due); err != nil {
			return fmt.Errorf("file: inotify: %w", err)
		}
		if w.ctx.Err() != nil { // its end may have set an earlier deadline
			w.abandon()
			return context.Cause(w.ctx)
		}
		n, err := w.file.Read(w.buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return fmt.Errorf("file: inotify: %w", err)
		}
		w.backlog = append(w.backlog, w.buf[:max(n, 0)]...)
		w.events()
		if len(w.order) > 0 && !time.Now().Before(w.due) {
			w.flush()
		}
		w.tell()
	}
	if errors.Is(w.err, modules.ErrEnough) {
		return modules.ErrEnough
	}
	return w.err
}

// abandon says what changed so late that it is not looked at any more.
func (w *watch) abandon() {
	for _, c := range w.order {
		w.req.Report.Skip(modules.Skip{Kind: modules.SkipLimit, Where: c.path, Detail: "it changed when the watching ended"})
	}
	if len(w.backlog) > 0 {
		w.req.Report.Skip(modules.Skip{Kind: modules.SkipLimit, Where: w.locs[0].shown, Detail: "more had changed than was looked at when the watching ended"})
	}
}

// tell adds to the account.
func (w *watch) tell() {
	if w.looked > 0 {
		w.req.Report.Looked("watched directories", w.looked)
		w.looked = 0
	}
}

// drain takes what the kernel has, so that it has room for more.
func (w *watch) drain() {
	for len(w.backlog) < maxBacklog {
		n, err := unix.Read(w.fd, w.buf)
		if err != nil || n <= 0 {
			return // there is nothing, or the next Read meets it
		}
		w.backlog = append(w.backlog, w.buf[:n]...)
	}
}

// events deals with what was read: struct inotify_event, again and again.
func (w *watch) events() {
	for i := 1; len(w.backlog) >= unix.SizeofInotifyEvent && w.err == nil && w.ctx.Err() == nil; i++ {
		if i%drainEvery == 0 {
			w.drain()
		}
		if len(w.order) > maxPending {
			w.flush()
		}
		buf := w.backlog
		wd := int32(binary.NativeEndian.Uint32(buf))
		mask := binary.NativeEndian.Uint32(buf[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[12:]))
		if end > len(buf) {
			return
		}
		name, _, _ := strings.Cut(string(buf[unix.SizeofInotifyEvent:end]), "\x00")
		w.backlog = buf[end:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			w.overflow()
			continue
		}
		if n := w.nodes[wd]; n != nil {
			w.event(n, mask, name)
		}
	}
}

// overflow says that changes were lost, and watches what was made meanwhile.
func (w *watch) overflow() {
	w.req.Report.Skip(modules.Skip{
		Kind: modules.SkipLimit, Where: w.locs[0].shown,
		Detail: "more happened than the kernel keeps (fs.inotify.max_queued_events): changes were lost",
	})
	for _, l := range w.locs {
		w.begin(l, "")
	}
}

// event takes one thing that the kernel tells of a directory.
func (w *watch) event(n *node, mask uint32, name string) {
	switch {
	case mask&unix.IN_IGNORED != 0:
		delete(w.nodes, n.wd)
		return
	case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT) != 0:
		w.lost(n, mask)
		return
	case name == "":
		return // its folder tells the same, with its name
	case n.dropped:
		w.req.Report.Skip(modules.Skip{Kind: modules.SkipChanged, Where: join(n.marks[0].real, name), Detail: "it changed while its folder was moved"})
		return
	}
	if n.listed != nil && time.Now().After(n.until) {
		n.listed = nil
	}
	isDir := mask&unix.IN_ISDIR != 0
	paths, below := w.step(n, name, isDir)
	switch {
	case mask&unix.IN_CREATE != 0:
		if known := n.listed[name]; known {
			delete(n.listed, name)
			return
		}
		w.appeared(paths, below, modules.Created)
	case mask&unix.IN_MOVED_TO != 0:
		delete(n.listed, name)
		w.appeared(paths, below, modules.Moved)
	case mask&unix.IN_DELETE != 0:
		delete(n.listed, name)
		w.now(paths, modules.Deleted)
	case mask&unix.IN_MOVED_FROM != 0:
		delete(n.listed, name)
		w.now(paths, modules.MovedAway)
		for _, m := range below {
			w.drop(m.real)
		}
	case mask&(unix.IN_MODIFY|unix.IN_CLOSE_WRITE) != 0:
		w.later(paths, modules.Modified)
	case mask&unix.IN_ATTRIB != 0:
		w.later(paths, modules.Attributes)
	}
}

// lost takes the end of a directory. That of most is told by their folder; of
// one that is watched for a front in it nobody else tells.
func (w *watch) lost(n *node, mask uint32) {
	for _, m := range n.marks {
		if m.only != "" || mask&unix.IN_UNMOUNT != 0 {
			where := m.shown
			if m.only != "" {
				where = m.loc.shown
			}
			w.req.Report.Skip(modules.Skip{Kind: modules.SkipVanished, Where: where, Detail: "its folder has gone, and it is watched no more"})
		}
	}
}

// step says which paths an entry of a directory has that are wanted, and what
// is wanted below it.
func (w *watch) step(n *node, name string, isDir bool) (paths []string, below []mark) {
	for _, m := range n.marks {
		l := m.loc
		next := mark{loc: l, real: join(m.real, name), dev: m.dev, pseudo: m.pseudo}
		full, deeper := l.itself(), true
		if m.only != "" {
			if name != m.only {
				continue
			}
			next.shown, deeper = l.shown, l.depth != 0
			if l.glob != nil {
				next.glob = l.glob.Root()
			}
		} else {
			next.shown, next.level = join(m.shown, name), m.level+1
			full = true
			if l.glob != nil {
				next.glob, full, deeper = l.glob.Step(m.glob, name)
			}
			deeper = deeper && (l.depth < 0 || m.level+1 < l.depth)
		}
		if kind, detail := w.denier.keeps(next.real); kind != "" && (full || deeper) {
			w.req.Report.Skip(modules.Skip{Kind: kind, Where: m.told(), Detail: detail})
			continue
		}
		switch {
		case full && w.denier.allows(next.real):
			paths = append(paths, next.shown)
		case full:
			w.req.Report.Skip(modules.Skip{Kind: modules.SkipPolicy, Where: next.shown, Detail: outsideDetail})
		}
		if isDir && deeper {
			below = append(below, next)
		}
	}
	return paths, below
}

// appeared takes an entry that was not there; what is in a directory that
// appears has appeared with it.
func (w *watch) appeared(paths []string, below []mark, what string) {
	w.now(paths, what)
	w.enter(below, what)
}

// later gathers changes that come in numbers.
func (w *watch) later(paths []string, what string) {
	for _, p := range paths {
		c := change{p, what}
		if w.pending[c] {
			continue
		}
		if len(w.order) == 0 {
			w.due = time.Now().Add(settle)
		}
		w.pending[c] = true
		w.order = append(w.order, c)
	}
}

// flush shows what was gathered.
func (w *watch) flush() {
	order := w.order
	w.order = nil
	clear(w.pending)
	for _, c := range order {
		w.show(c.path, c.what)
	}
}

// now shows a change behind those that came before it.
func (w *watch) now(paths []string, what string) {
	for _, p := range paths {
		if w.pending[change{p, modules.Modified}] || w.pending[change{p, modules.Attributes}] {
			w.flush()
		}
		w.show(p, what)
	}
}
