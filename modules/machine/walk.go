package machine

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// maxWalkDepth bounds how far a walk goes down, and maxWalkFiles how many
// files it remembers to have seen.
const (
	maxWalkDepth = 32
	maxWalkFiles = 1 << 20
)

// A walk goes to the files that match globs of paths, to each once, whatever
// links lead there.
type walk struct {
	*table.Scan
	seen map[string]bool
}

// glob calls visit for each file that matches. A directory behind a link is
// entered only where the pattern names it.
func (w *walk) glob(pattern string, visit func(name string) error) error {
	g, err := value.CompileGlob(pattern, value.GlobOptions{})
	if err != nil {
		return err
	}
	front := g.Prefix()
	if front == "" {
		front = "/" // a pattern that may begin anywhere
	}
	if !g.Literal() {
		return w.dir(front, g, g.Root(), 0, visit)
	}
	if _, err := w.FS.Lstat(front); err != nil {
		if hostfs.SkipOf(front, err).Kind == modules.SkipVanished {
			w.Skip(modules.SkipNotFound, front, "there is none")
			return nil
		}
		w.FS.Fail(front, err)
		return nil
	}
	return w.once(front, visit)
}

// dir goes through a directory: first what is named well, then the links that
// OpenSSL names by hashes, so that a file is known by its better name.
func (w *walk) dir(at string, g *value.Glob, state value.GlobState, depth int, visit func(string) error) error {
	if depth > maxWalkDepth {
		w.Skip(modules.SkipTooDeep, at, "")
		return nil
	}
	entries, err := w.FS.ReadDir(at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.Fail(at, err)
	}
	var later []string
	for _, e := range entries {
		if err := w.Context().Err(); err != nil {
			return err
		}
		next, full, deeper := g.Step(state, e.Name())
		name := path.Join(at, e.Name())
		switch {
		case e.IsDir() && deeper && pseudo(name):
			w.Skip(modules.SkipPseudo, name, "")
		case e.IsDir() && deeper:
			err = w.dir(name, g, next, depth+1, visit)
		case e.IsDir() || !full:
			continue
		case hashed(e.Name()):
			later = append(later, name)
			continue
		default:
			err = w.once(name, visit)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range later {
		if err := w.once(name, visit); err != nil {
			return err
		}
	}
	return nil
}

// pseudo says whether a directory holds what the kernel makes up; a pattern
// may begin there, but does not lead there.
func pseudo(name string) bool { return name == "/proc" || name == "/sys" || name == "/dev" }

// once visits a file that was not seen, and nothing that is no file.
func (w *walk) once(name string, visit func(string) error) error {
	real, err := w.FS.Real(name)
	if err == nil {
		var st fs.FileInfo
		if st, err = w.FS.Stat(name); err == nil && st.IsDir() {
			return nil
		}
	}
	if err != nil {
		w.Fail(name, err)
		return nil
	}
	if w.seen[real] {
		return nil
	}
	if len(w.seen) < maxWalkFiles {
		w.seen[real] = true
	}
	return visit(name)
}

// hashed says whether a name is one that OpenSSL looks for: 8d28ae65.0.
func hashed(name string) bool {
	front, rest, ok := strings.Cut(name, ".")
	_, err1 := hex.DecodeString(front)
	_, err2 := strconv.Atoi(rest)
	return ok && len(front) == 8 && err1 == nil && err2 == nil
}
