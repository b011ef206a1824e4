package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// maxLinks is how many symbolic links the front of a locator may pass, as in
// the kernel: more are a loop.
const maxLinks = 40

const separator = string(filepath.Separator)

// A locator is one place that a request names.
type locator struct {
	req   *request
	shown string      // its literal front as the user wrote it, without a separator at the end
	glob  *value.Glob // what must match below the front; nil for everything and the front itself
	depth int         // levels below the front; negative: no bound
	link  string      // where the front points, if it is a link
}

// itself says whether the front is among what the locator names.
func (l *locator) itself() bool { return l.glob == nil }

// under gives the front with a separator, for names to follow.
func (l *locator) under() string {
	if strings.HasSuffix(l.shown, "/") || strings.HasSuffix(l.shown, separator) {
		return l.shown
	}
	return l.shown + separator
}

// A front is a real place at which locators begin. Fronts form a tree by
// path, so that a walk which passes one serves its locators too.
type front struct {
	children map[string]*front
	real     string // the path for the system
	locs     []*locator
	claimed  atomic.Bool // a walk has come by
}

// walks says whether anything below the front is looked at for its own sake.
func (f *front) walks() bool {
	return slices.ContainsFunc(f.locs, func(l *locator) bool { return l.depth != 0 })
}

// below gives the front of the real path, made where it is missing.
func (f *front) below(real string) *front {
	volume := filepath.VolumeName(real)
	at := f
	for _, name := range append([]string{volume}, strings.Split(real[len(volume):], separator)...) {
		if name == "" {
			continue
		}
		next := at.children[name]
		if next == nil {
			if at.children == nil {
				at.children = map[string]*front{}
			}
			next = &front{}
			at.children[name] = next
		}
		at = next
	}
	at.real = real
	return at
}

// tops adds the fronts that nobody came by and that no other one of them
// leads to.
func (f *front) tops(to []*front) []*front {
	if len(f.locs) > 0 && !f.claimed.Load() {
		to = append(to, f)
		if f.walks() {
			return to
		}
	}
	for _, c := range f.children {
		to = c.tops(to)
	}
	return to
}

// locate compiles the locators and keys of a request into the tree.
func (s *scan) locate(r *request) error {
	res := resolver{root: r.root, known: map[string]string{}}
	for _, text := range r.Locators {
		l, err := newLocator(r, text)
		if err != nil {
			return err
		}
		s.place(&res, l)
	}
	for _, k := range r.Keys {
		if k.Type() == value.Text && k.Text() != "" {
			s.place(&res, &locator{req: r, shown: trimEnd(strings.Clone(k.Text()))})
		}
	}
	return nil
}

func newLocator(r *request, text string) (*locator, error) {
	windows := runtime.GOOS == "windows" // where case does not matter
	g, err := value.CompileGlob(text, value.GlobOptions{Windows: windows, Fold: windows})
	if err != nil {
		return nil, fmt.Errorf("file: %w", err)
	}
	l := &locator{req: r, shown: trimEnd(g.Prefix()), glob: g, depth: r.Settings.Depth}
	if g.Prefix() == "" {
		l.shown = separator
	}
	if !filepath.IsAbs(l.shown) {
		return nil, fmt.Errorf("file: %q is not an absolute path", text)
	}
	if g.Literal() || strings.Trim(text, `/\`) == "" {
		l.glob = nil
	}
	return l, nil
}

// trimEnd takes the separators off the end of a path, but for a root's own.
func trimEnd(path string) string {
	root := len(filepath.VolumeName(path)) + 1
	for len(path) > root && os.IsPathSeparator(path[len(path)-1]) {
		path = path[:len(path)-1]
	}
	return path
}

// place puts a locator at its real front, or says that there is none.
func (s *scan) place(res *resolver, l *locator) {
	real, link, err := res.resolve(l.shown)
	if err != nil && s.denier.deniesAbove(res, l.shown) {
		l.req.Report.Skip(modules.Skip{Kind: modules.SkipPolicy, Where: l.shown, Detail: deniedDetail})
		return
	}
	if err != nil {
		l.req.Report.Skip(modules.Skip{Kind: frontKind(err), Where: l.shown, Detail: words(err)})
		return
	}
	if link != "" && l.glob != nil && isLink(real) {
		// The link can be shown; the places beyond it are not there.
		l.req.Report.Skip(modules.Skip{Kind: modules.SkipNotFound, Where: l.shown, Detail: "a link that leads nowhere"})
		return
	}
	l.link = link
	f := s.fronts.below(real)
	f.locs = append(f.locs, l)
}

// frontKind is skipKind for a place that the query names: what is not there
// was looked for, and what lies below a file is not there either.
func frontKind(err error) modules.SkipKind {
	kind := skipKind(err)
	if kind == modules.SkipVanished || errors.Is(err, syscall.ENOTDIR) {
		return modules.SkipNotFound
	}
	return kind
}

func isLink(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && fi.Mode()&fs.ModeSymlink != 0
}

// words gives what the system said, without the path that stands beside it.
func words(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}

// A resolver follows symbolic links below a root as a process would that
// lives in it: an absolute link, and too many .., lead to the root.
type resolver struct {
	root  string // real, "" for the machine's own
	known map[string]string
}

// resolve gives the real path of a front, and where the front points if it is
// a link itself. A link that leads nowhere is its own real path.
func (r *resolver) resolve(path string) (real, link string, err error) {
	dir, name := filepath.Split(path)
	if name == "" || name == "." || name == ".." {
		real, err = r.follow(path, 0)
		return real, "", err
	}
	dir = trimEnd(dir)
	parent, ok := r.known[dir]
	if !ok {
		if parent, err = r.follow(dir, 0); err != nil {
			return "", "", err
		}
		r.known[dir] = parent
	}
	real = join(parent, name)
	fi, err := os.Lstat(real)
	if err != nil {
		return "", "", err
	}
	if fi.Mode()&fs.ModeSymlink == 0 {
		return real, "", nil
	}
	if link, err = os.Readlink(real); err != nil {
		return "", "", err
	}
	end, err := r.target(parent, link)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return real, link, nil
	}
	return end, link, err
}

// target gives the real path to which a link in the real directory leads.
func (r *resolver) target(dir, link string) (string, error) {
	if filepath.IsAbs(link) {
		return r.follow(link, 1)
	}
	return r.walk(dir, link, 1)
}

// follow gives the real path of an absolute one.
func (r *resolver) follow(path string, links int) (string, error) {
	if r.root != "" {
		return r.walk(r.root, path, links)
	}
	volume := filepath.VolumeName(path)
	return r.walk(volume+separator, path[len(volume):], links)
}

// walk follows rest from the real directory at.
func (r *resolver) walk(at, rest string, links int) (string, error) {
	for rest != "" {
		var name string
		i := strings.IndexFunc(rest, func(c rune) bool { return c < 128 && os.IsPathSeparator(byte(c)) })
		if i < 0 {
			i = len(rest)
		}
		name, rest = rest[:i], rest[min(i+1, len(rest)):]
		switch name {
		case "", ".":
			continue
		case "..":
			if at != r.root {
				at = filepath.Dir(at)
			}
			continue
		}
		next := join(at, name)
		fi, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if fi.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: next, Err: syscall.ELOOP}
		}
		link, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(link) {
			at = filepath.VolumeName(link) + separator
			if r.root != "" {
				at = r.root
			}
			link = link[len(filepath.VolumeName(link)):]
		}
		rest = link + separator + rest
	}
	return at, nil
}

// join puts a name below a real directory.
func join(dir, name string) string {
	if os.IsPathSeparator(dir[len(dir)-1]) {
		return dir + name
	}
	return dir + separator + name
}

// realRoot gives the real path of a host's root, "" for the machine's own.
func realRoot(root string) (string, error) {
	if root == "" || trimEnd(root) == separator {
		return "", nil
	}
	abs, err := filepath.Abs(root)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", fmt.Errorf("file: root of the host: %w", err)
	}
	return trimEnd(abs), nil
}
