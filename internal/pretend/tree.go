package pretend

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// A Tree is the files of a host: those whose text stands in a section each,
// and what lines say of paths beside it.
type Tree struct {
	Files map[string][]byte // by path below the root, with slashes
	Pack  map[string][]byte // what archives are made from
	// Unowned leaves the owners of files alone, which only root may set: see
	// Owners.
	Unowned bool
	// Now is what times may count from; zero: the function Now.
	Now time.Time

	lines []treeLine
	made  int // bytes of content so far
}

// A treeLine says of one path what a text cannot.
type treeLine struct {
	path string
	set  map[string]string
}

var treeKeys = []string{"dir", "fifo", "unreadable", "mode", "mtime", "uid", "gid", "size", "link", "hard",
	"base64", "hex", "repeat", "zip", "tar", "tgz", "gzip", "zstd", "xz"}

// Bounds of a tree.
const (
	maxMade = 256 << 20 // bytes of content, of all files together
	maxSize = 1 << 40   // bytes of a file that size= makes, which holds none of them
)

// treeTime is the modification time of everything that no line gives one.
var treeTime = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// NewTree makes a tree without files.
func NewTree() *Tree { return &Tree{Files: map[string][]byte{}, Pack: map[string][]byte{}} }

// Parse adds lines of the form PATH KEY[=VALUE]…: see the docs of the tests
// that are written in them.
func (t *Tree) Parse(text string) error {
	for _, l := range Lines(text) {
		path, rest, _ := strings.Cut(l, " ")
		if q, err := strconv.QuotedPrefix(l); err == nil && l[0] == '"' {
			rest = l[len(q):]
			path, _ = strconv.Unquote(q) // QuotedPrefix has read it
		}
		words := strings.Fields(rest)
		line := treeLine{path: path, set: map[string]string{}}
		if len(words) == 0 || !filepath.IsLocal(filepath.FromSlash(path)) || path == "." {
			return fmt.Errorf("%q is not PATH KEY[=VALUE]…, with the path below the root", l)
		}
		for _, w := range words {
			k, v, _ := strings.Cut(w, "=")
			if !slices.Contains(treeKeys, k) {
				return fmt.Errorf("no key %q: there are %s", k, strings.Join(treeKeys, ", "))
			}
			line.set[k] = v
		}
		t.lines = append(t.lines, line)
	}
	return nil
}

// With gives a tree with what both have. Of a path that both have, that of
// more counts.
func (t *Tree) With(more *Tree) *Tree {
	both := &Tree{Files: maps.Clone(t.Files), Pack: maps.Clone(t.Pack), Unowned: t.Unowned || more.Unowned, Now: t.Now}
	maps.Copy(both.Files, more.Files)
	maps.Copy(both.Pack, more.Pack)
	theirs := map[string]bool{}
	for _, l := range more.lines {
		theirs[l.path] = true
	}
	for _, l := range t.lines {
		if !theirs[l.path] {
			both.lines = append(both.lines, l)
		}
	}
	both.lines = append(both.lines, more.lines...)
	return both
}

// Needs says whether some line has one of the keys.
func (t *Tree) Needs(keys ...string) bool {
	return slices.ContainsFunc(t.lines, func(l treeLine) bool {
		return slices.ContainsFunc(keys, func(k string) bool { _, ok := l.set[k]; return ok })
	})
}

// Build writes the tree into a folder, which must be empty, and gives a
// function that makes it possible to remove again what cannot be read. Nothing
// outside of the folder is touched: a name that leads out of it is an error.
func (t *Tree) Build(dir string) (undo func(), err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return func() {}, err
	}
	defer root.Close()
	t.made = 0
	for _, name := range slices.Sorted(maps.Keys(t.Files)) {
		if err := put(root, name, t.Files[name]); err != nil {
			return func() {}, err
		}
		t.made += len(t.Files[name])
	}
	packs := maps.Clone(t.Pack) // to which lines add
	b := builder{tree: t, root: root, dir: dir, packs: packs}
	for _, l := range t.lines {
		if err := b.make(l); err != nil {
			return func() {}, fmt.Errorf("tree: %s: %w", l.path, err)
		}
	}
	if err := settleTimes(dir); err != nil {
		return func() {}, err
	}
	return b.finish()
}

// Made is how many bytes of content the last Build wrote.
func (t *Tree) Made() int { return t.made }

// A builder writes one tree.
type builder struct {
	tree  *Tree
	root  *os.Root // all that is touched lies below it
	dir   string   // the same folder
	packs map[string][]byte
}

// finish sets what would be disturbed by work on other paths.
func (b *builder) finish() (undo func(), err error) {
	var closed []string
	undo = func() {
		for _, p := range closed {
			_ = os.Chmod(p, 0o700)
		}
	}
	lines := slices.DeleteFunc(slices.Clone(b.tree.lines), func(l treeLine) bool { return strings.HasPrefix(l.path, "pack/") })
	for _, l := range lines {
		if err := b.attributes(l); err != nil {
			return undo, fmt.Errorf("tree: %s: %w", l.path, err)
		}
	}
	for _, l := range lines {
		if _, ok := l.set["unreadable"]; ok {
			if err := b.root.Chmod(filepath.FromSlash(l.path), 0); err != nil {
				return undo, fmt.Errorf("tree: %w", err)
			}
			// The root has followed the path, so that it leads to nowhere else.
			closed = append(closed, filepath.Join(b.dir, filepath.FromSlash(l.path)))
		}
	}
	return undo, nil
}

func put(root *os.Root, name string, data []byte) error {
	name = filepath.FromSlash(name)
	if err := makeParents(root, name); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func makeParents(root *os.Root, name string) error {
	dir := filepath.Dir(name)
	if dir == "." {
		return nil
	}
	return root.MkdirAll(dir, 0o755)
}

// make creates what a line speaks of, where it is not there yet.
func (b *builder) make(l treeLine) error {
	p := filepath.FromSlash(l.path)
	data, made, err := b.content(l)
	if err != nil {
		return err
	}
	if b.tree.made += len(data); b.tree.made > maxMade {
		return fmt.Errorf("more than %d bytes are made", maxMade)
	}
	if name, ok := strings.CutPrefix(l.path, "pack/"); ok && made {
		b.packs[name] = data
		return nil
	}
	if made {
		return put(b.root, l.path, data)
	}
	if err := makeParents(b.root, p); err != nil {
		return err
	}
	if to, ok := l.set["link"]; ok {
		return b.root.Symlink(to, p)
	}
	if to, ok := l.set["hard"]; ok {
		return b.root.Link(filepath.FromSlash(to), p)
	}
	if _, ok := l.set["dir"]; ok {
		return b.root.MkdirAll(p, 0o755)
	}
	if _, ok := l.set["fifo"]; ok {
		// That there is nothing yet was asked through the root, which no link
		// leads out of.
		if _, err := b.root.Lstat(p); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, errors.New("it is there already"))
		}
		return makeFIFO(filepath.Join(b.dir, p))
	}
	if size, ok := l.set["size"]; ok {
		return sparse(b.root, p, size)
	}
	if _, err = b.root.Lstat(p); errors.Is(err, fs.ErrNotExist) {
		return put(b.root, l.path, nil)
	}
	return err
}

// content gives the bytes that a line spells out.
func (b *builder) content(l treeLine) (data []byte, made bool, err error) {
	for _, k := range treeKeys {
		v, ok := l.set[k]
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
			data, err = packer(b.packs).packed(k, v)
		default:
			continue
		}
		return data, true, err
	}
	return nil, false, nil
}

// maxRepeat bounds what one line can make, in bytes.
const maxRepeat = 64 << 20

// repeat makes TEXT*N, where TEXT has Go's escapes, \x20 for a blank.
func repeat(v string) ([]byte, error) {
	i := strings.LastIndexByte(v, '*')
	if i < 0 {
		return nil, errors.New("repeat is not TEXT*N")
	}
	n, err := strconv.Atoi(v[i+1:])
	text, bad := strconv.Unquote(`"` + v[:i] + `"`)
	if err != nil || bad != nil || n < 0 || n > maxRepeat/max(len(text), 1) {
		return nil, fmt.Errorf("repeat=%s is not TEXT*N with at most %d bytes", v, maxRepeat)
	}
	return []byte(strings.Repeat(text, n)), nil
}

// sparse makes the file, or changes its length.
func sparse(root *os.Root, p, size string) error {
	n, err := value.ParseSize(size)
	if err != nil {
		if n, err = strconv.ParseInt(size, 10, 64); err != nil {
			return fmt.Errorf("size=%s: %w", size, err)
		}
	}
	if n < 0 || n > maxSize {
		return fmt.Errorf("size=%s is not from 0 to %s", size, value.FormatSize(maxSize))
	}
	f, err := root.OpenFile(p, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(n), f.Close())
}

func (b *builder) attributes(l treeLine) error {
	p := filepath.FromSlash(l.path)
	info, err := b.root.Lstat(p)
	if err != nil {
		return err
	}
	uid, gid, err := l.owner()
	if err != nil {
		return err
	}
	if (uid >= 0 || gid >= 0) && !b.tree.Unowned {
		if err := b.root.Lchown(p, uid, gid); err != nil {
			return err
		}
	}
	if v, ok := l.set["mode"]; ok {
		m, err := strconv.ParseUint(v, 8, 12)
		if err != nil {
			return fmt.Errorf("mode=%s: %w", v, err)
		}
		if err := b.root.Chmod(p, fileMode(uint32(m))); err != nil {
			return err
		}
	}
	v, ok := l.set["mtime"]
	if !ok {
		return nil
	}
	at, err := b.tree.parseTime(v)
	if err != nil {
		return fmt.Errorf("mtime=%s: %w", v, err)
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return b.root.Chtimes(p, at, at)
	}
	return setTimes(filepath.Join(b.dir, p), at) // of the link itself, to which the root has led
}

// parseTime reads a time: 2026-11-20, RFC 3339, now-2d.
func (t *Tree) parseTime(text string) (time.Time, error) {
	now := t.Now
	if now.IsZero() {
		now = Now()
	}
	v, err := value.Convert(value.NewText(text), value.Time, now)
	return v.Time(), err
}

// owner gives the numbers of a line, -1 where it has none.
func (l treeLine) owner() (uid, gid int, err error) {
	ids := [2]int{-1, -1}
	for i, key := range []string{"uid", "gid"} {
		if v, ok := l.set[key]; ok {
			n, err := strconv.ParseUint(v, 10, 31)
			if err != nil {
				return 0, 0, fmt.Errorf("%s=%s is no number of an owner", key, v)
			}
			ids[i] = int(n)
		}
	}
	return ids[0], ids[1], nil
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
func settleTimes(dir string) error {
	return filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return setTimes(p, treeTime)
	})
}
