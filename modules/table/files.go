package table

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/value"
)

// Bounds of Scan.Files.
const (
	maxFilesDepth = 64      // directories below the front of a locator
	maxFilesSeen  = 1 << 20 // files of which it is remembered that they were visited
)

// Files calls visit for each regular file that the request names, by its keys
// or by locators that are globs of paths, each file once. A directory that a
// locator names without a * means what is in it and below. A place that is
// named so and is not there is reported, and so is what cannot be read.
// A path of Windows, with a drive, is found in a tree in any case.
// Symbolic links are followed as module file does: where the query names one,
// and below only WITH follow_links, to files and not into directories.
func (s *Scan) Files(visit func(name string) error) error {
	w := &fileWalk{Scan: s, visit: visit, seen: map[string]bool{}}
	for _, k := range s.Keys {
		if err := w.file(k.Text()); err != nil {
			return err
		}
	}
	if s.Keys != nil {
		return nil
	}
	for _, l := range s.Locators {
		if err := w.locator(l); err != nil {
			return err
		}
	}
	return nil
}

type fileWalk struct {
	*Scan
	visit func(string) error
	seen  map[string]bool
}

func (w *fileWalk) locator(pattern string) error {
	windows := value.BackslashSeparates(pattern)
	g, err := value.CompileGlob(pattern, value.GlobOptions{Windows: windows, Fold: windows})
	if err != nil {
		return err
	}
	front := g.Prefix()
	if windows {
		front, _ = w.FS.Windows(front)
		front = strings.ReplaceAll(front, `\`, "/")
	} else if !path.IsAbs(front) {
		front = "/"
	}
	st, err := w.FS.Stat(front)
	switch {
	case err != nil && hostfs.SkipOf(front, err).Kind == modules.SkipVanished: // nor is what would lie below a file
		w.Skip(modules.SkipNotFound, front, "")
		return nil
	case err != nil:
		w.Fail(front, err)
		return nil
	case !st.IsDir() && !st.Mode().IsRegular():
		w.Skip(modules.SkipSpecial, front, "not a regular file")
		return nil
	case !st.IsDir() && !g.Literal(): // what would lie below a file is not there
		w.Skip(modules.SkipNotFound, front, "not a directory")
		return nil
	case !st.IsDir():
		return w.file(front)
	}
	state, all := g.Root(), g.Literal()
	return w.dir(front, place{g, state, all}, 0)
}

// A place is where a walk stands in a pattern.
type place struct {
	glob  *value.Glob
	state value.GlobState
	all   bool // everything from here on is meant
}

func (w *fileWalk) dir(at string, p place, depth int) error {
	if depth > maxFilesDepth {
		w.Skip(modules.SkipTooDeep, at, "")
		return nil
	}
	entries, err := w.FS.ReadDir(at)
	if err != nil {
		w.Fail(at, err)
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		name := path.Join(at, e.Name())
		next, full, deeper := p, p.all, p.all
		if !p.all {
			next.state, full, deeper = p.glob.Step(p.state, e.Name())
		}
		switch {
		case e.IsDir() && deeper && (name == "/proc" || name == "/sys" || name == "/dev"):
			w.Skip(modules.SkipPseudo, name, "")
		case e.IsDir() && deeper:
			err = w.dir(name, next, depth+1)
		case e.Type() == fs.ModeSymlink && !w.Settings.FollowLinks:
			continue
		case !e.IsDir() && full:
			err = w.file(name)
		default:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file visits what a name leads to, if that is a file that was not visited.
func (w *fileWalk) file(name string) error {
	st, err := w.FS.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a link that leads nowhere, or a key of something that is gone
	}
	if err != nil {
		w.Fail(name, err)
		return nil
	}
	if !st.Mode().IsRegular() {
		return nil
	}
	real, err := w.FS.Real(name)
	if err != nil {
		w.Fail(name, err)
		return nil
	}
	if w.seen[real] {
		return nil
	}
	if len(w.seen) < maxFilesSeen {
		w.seen[real] = true
	}
	w.Report.Looked("files", 1)
	return w.visit(name)
}
