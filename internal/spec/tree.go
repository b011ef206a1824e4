package spec

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// A treeLine says of one path what a txtar cannot. See the package comment.
type treeLine struct {
	path string
	set  map[string]string
}

var treeKeys = []string{"dir", "fifo", "unreadable", "mode", "mtime", "uid", "gid", "size", "link", "hard",
	"base64", "hex", "repeat", "zip", "tar", "tgz", "gzip", "zstd", "xz"}

// treeTime is the modification time of everything that no line gives one.
var treeTime = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func (s *script) parseTree(text string) error {
	for _, l := range lines(text) {
		path, rest, _ := strings.Cut(l, " ")
		if q, err := strconv.QuotedPrefix(l); err == nil {
			rest = l[len(q):]
			path, _ = strconv.Unquote(q) // QuotedPrefix has read it
		}
		words := strings.Fields(rest)
		t := treeLine{path: path, set: map[string]string{}}
		if len(words) == 0 || filepath.IsAbs(t.path) || strings.HasPrefix(t.path, "..") {
			return fmt.Errorf("%q is not PATH KEY[=VALUE]…, with the path below the root", l)
		}
		for _, w := range words {
			k, v, _ := strings.Cut(w, "=")
			if !slices.Contains(treeKeys, k) {
				return fmt.Errorf("no key %q: there are %s", k, strings.Join(treeKeys, ", "))
			}
			t.set[k] = v
		}
		s.tree = append(s.tree, t)
	}
	return nil
}

// needs says whether some line has one of the keys.
func (s *script) needs(keys ...string) bool {
	return slices.ContainsFunc(s.tree, func(t treeLine) bool {
		return slices.ContainsFunc(keys, func(k string) bool { _, ok := t.set[k]; return ok })
	})
}

// build makes the script's host below root, and gives a function that makes
// it possible to remove again what cannot be read.
func (s *script) build(root string) (undo func(), err error) {
	for name, data := range s.files {
		if err := put(filepath.Join(root, filepath.FromSlash(name)), data); err != nil {
			return func() {}, err
		}
	}
	for _, t := range s.tree {
		if err := s.make(root, t); err != nil {
			return func() {}, fmt.Errorf("tree: %s: %w", t.path, err)
		}
	}
	if err := settleTimes(root); err != nil {
		return func() {}, err
	}
	return s.finish(root)
}

// finish sets what would be disturbed by work on other paths.
func (s *script) finish(root string) (undo func(), err error) {
	var closed []string
	undo = func() {
		for _, p := range closed {
			_ = os.Chmod(p, 0o700)
		}
	}
	for _, t := range s.tree {
		p := filepath.Join(root, filepath.FromSlash(t.path))
		if err := t.attributes(p); err != nil {
			return undo, fmt.Errorf("tree: %s: %w", t.path, err)
		}
	}
	for _, t := range s.tree {
		if _, ok := t.set["unreadable"]; ok {
			p := filepath.Join(root, filepath.FromSlash(t.path))
			closed = append(closed, p)
			if err := os.Chmod(p, 0); err != nil {
				return undo, fmt.Errorf("tree: %w", err)
			}
		}
	}
	return undo, nil
}

func put(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// make creates what a line speaks of, where it is not there yet.
func (s *script) make(root string, t treeLine) error {
	p := filepath.Join(root, filepath.FromSlash(t.path))
	data, made, err := s.content(t)
	if err != nil {
		return err
	}
	if name, ok := strings.CutPrefix(t.path, "pack/"); ok {
		s.pack[name] = data
		return nil
	}
	if made {
		return put(p, data)
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	if to, ok := t.set["link"]; ok {
		return os.Symlink(to, p)
	}
	if to, ok := t.set["hard"]; ok {
		return os.Link(filepath.Join(root, filepath.FromSlash(to)), p)
	}
	if _, ok := t.set["dir"]; ok {
		return os.MkdirAll(p, 0o755)
	}
	if _, ok := t.set["fifo"]; ok {
		return makeFIFO(p)
	}
	if size, ok := t.set["size"]; ok {
		return sparse(p, size)
	}
	_, err = os.Lstat(p)
	return err
}

// content gives the bytes that a line spells out.
func (s *script) content(t treeLine) (data []byte, made bool, err error) {
	for _, k := range treeKeys {
		v, ok := t.set[k]
		if !ok {
			continue
		}
		switch k {
		case "base64":
			data, err = base64.StdEncoding.DecodeString(v)
		case "hex":
			data, err = hex.DecodeString(v)
		case "repeat":
			data, err = repeat(v)
		case "zip", "tar", "tgz", "gzip", "zstd", "xz":
			data, err = s.packed(k, v)
		default:
			continue
		}
		return data, true, err
	}
	return nil, false, nil
}

// maxRepeat bounds what a script can make, in bytes.
const maxRepeat = 64 << 20

// repeat makes TEXT*N, where TEXT has Go's escapes, \x20 for a blank.
func repeat(v string) ([]byte, error) {
	i := strings.LastIndexByte(v, '*')
	if i < 0 {
		return nil, errors.New("repeat is not TEXT*N")
	}
	n, err := strconv.Atoi(v[i+1:])
	text, bad := strconv.Unquote(`"` + v[:i] + `"`)
	if err != nil || bad != nil || n < 0 || n*max(len(text), 1) > maxRepeat {
		return nil, fmt.Errorf("repeat=%s is not TEXT*N with at most %d bytes", v, maxRepeat)
	}
	return []byte(strings.Repeat(text, n)), nil
}

// sparse makes the file, or changes its length.
func sparse(p, size string) error {
	n, err := value.ParseSize(size)
	if err != nil {
		if n, err = strconv.ParseInt(size, 10, 64); err != nil {
			return fmt.Errorf("size=%s: %w", size, err)
		}
	}
	f, err := os.OpenFile(p, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(n), f.Close())
}

func (t treeLine) attributes(p string) error {
	uid, gid := t.number("uid"), t.number("gid")
	if uid >= 0 || gid >= 0 {
		if err := os.Lchown(p, uid, gid); err != nil {
			return err
		}
	}
	if v, ok := t.set["mode"]; ok {
		m, err := strconv.ParseUint(v, 8, 12)
		if err != nil {
			return fmt.Errorf("mode=%s: %w", v, err)
		}
		if err := os.Chmod(p, fileMode(uint32(m))); err != nil {
			return err
		}
	}
	if v, ok := t.set["mtime"]; ok {
		at, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return fmt.Errorf("mtime=%s: %w", v, err)
		}
		return setTimes(p, at)
	}
	return nil
}

// number gives a key's number, or -1.
func (t treeLine) number(key string) int {
	n, err := strconv.Atoi(t.set[key])
	if err != nil {
		return -1
	}
	return n
}

func fileMode(m uint32) os.FileMode {
	mode := os.FileMode(m & 0o777)
	for bit, flag := range map[uint32]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if m&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// settleTimes gives everything the one time that answers may show.
func settleTimes(root string) error {
	return filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return setTimes(p, treeTime)
	})
}
