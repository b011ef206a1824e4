// Package hostfs reads the files of a host: those of the live machine, or of
// a tree that stands for one, such as a mounted image.
//
// Most modules need no more than [Open], [FS.Get] and [FS.Glob]. In a tree
// every symbolic link means what it means on the host whose tree it is, and
// none leads out of it, whatever the tree holds. Only regular files are
// opened: a pipe that somebody put in the place of a file does not hold a
// scan up. What whoever rules the host denies is refused by every name that
// leads there, and reported, whichever module asks. The package never writes
// and runs nothing.
package hostfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/quaestor-engine/quaestor/modules"
)

// MaxFile is how much of a file FS.Get reads at most, in bytes. Configuration
// is smaller; /proc/cpuinfo of a machine with a thousand processors has 1.5 MB.
const MaxFile = 16 << 20

// maxLinks is how many symbolic links are followed on the way to one file, as
// in Linux.
const maxLinks = 40

var (
	// ErrTooLarge says that a file is larger than what would be read of it.
	ErrTooLarge = errors.New("larger than what is read of such a file")
	// ErrSpecial says that there is a device, a pipe or a socket in the place
	// of a file.
	ErrSpecial = errors.New("not a regular file")
	// ErrChanged says that a file was being written when it was put down, or
	// while it was read.
	ErrChanged = errors.New("it was being written")
	// ErrMalformed says that a file is not in its format.
	ErrMalformed = errors.New("malformed")

	errLoop = errors.New("too many symbolic links")
)

// An FS is the files of a host. Paths are absolute, with slashes. Its methods
// may be called from several goroutines.
type FS struct {
	root   *os.Root // nil on the live machine
	report modules.Report
	deny   func(string) bool // nil: nothing is denied
	kept   map[string][]byte // what files held that cannot be opened any more

	mu      sync.Mutex
	refused string // the path that was denied last

	foldMu    sync.Mutex
	foldNames map[string][]string // by directory, for paths of Windows
}

// Open opens the files of a host. What cannot be read goes to the report.
func Open(h modules.Host, r modules.Report) (*FS, error) {
	if h.Root == "" || h.Root == "/" {
		return &FS{report: r, deny: h.Deny, kept: h.Kept}, nil
	}
	root, err := os.OpenRoot(h.Root)
	if err != nil {
		return nil, fmt.Errorf("open the host's tree: %w", err)
	}
	return &FS{root: root, report: r, deny: h.Deny}, nil
}

// Close lets go of the tree.
func (f *FS) Close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// Live says whether these are the files of the machine that this runs on.
func (f *FS) Live() bool { return f.root == nil }

// Get reads a file that need not be there. It gives false where it is not,
// and where it could not be read, which goes to the report.
func (f *FS) Get(name string) ([]byte, bool) {
	b, err := f.Append(nil, name, MaxFile)
	if err != nil {
		if !absent(err) {
			f.Fail(name, err)
		}
		return nil, false
	}
	return b, true
}

// ReadFile reads a file of at most MaxFile bytes.
func (f *FS) ReadFile(name string) ([]byte, error) {
	if b, ok := f.kept[name]; ok && (f.deny == nil || !f.deny(name)) {
		return b, nil
	}
	return f.Append(nil, name, MaxFile)
}

// Fail reports that something could not be looked at, in the kind of skip
// that the error is. Where says what, and is a path for the most part.
func (f *FS) Fail(where string, err error) {
	if !errors.Is(err, ErrDenied) {
		f.report.Skip(SkipOf(where, err))
	}
}

// SkipOf makes a skip of an error.
func SkipOf(where string, err error) modules.Skip {
	s := modules.Skip{Kind: modules.SkipIO, Where: where, Detail: err.Error()}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		s.Detail = pe.Err.Error()
	}
	switch {
	case errors.Is(err, ErrDenied):
		s.Kind = modules.SkipPolicy
	case errors.Is(err, fs.ErrPermission):
		s.Kind = modules.SkipPermission
	case absent(err):
		s.Kind = modules.SkipVanished
	case errors.Is(err, ErrTooLarge):
		s.Kind = modules.SkipLimit
	case errors.Is(err, ErrSpecial):
		s.Kind = modules.SkipSpecial
	case errors.Is(err, ErrChanged):
		s.Kind = modules.SkipChanged
	case errors.Is(err, errLoop), errors.Is(err, syscall.ELOOP):
		s.Kind = modules.SkipLoop
	case errors.Is(err, errors.ErrUnsupported):
		s.Kind = modules.SkipUnsupported
	}
	return s
}

// Open opens a regular file. It never waits for somebody to write to a pipe.
func (f *FS) Open(name string) (*os.File, error) {
	file, err := f.openAny(name)
	if err != nil {
		return nil, err
	}
	st, err := file.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrSpecial}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// openAny opens whatever is there, a directory too.
func (f *FS) openAny(name string) (*os.File, error) {
	if err := f.refuse("open", name, true); err != nil {
		return nil, err
	}
	if f.root == nil {
		return quietly(name, func(flag int) (*os.File, error) { return os.OpenFile(name, os.O_RDONLY|nonBlocking|flag, 0) })
	}
	real, err := f.resolve(name, true)
	if err != nil {
		return nil, err
	}
	file, err := quietly(name, func(flag int) (*os.File, error) {
		return f.root.OpenFile(relative(real), os.O_RDONLY|nonBlocking|flag, 0)
	})
	return file, named("open", name, err)
}

// Stat says what a name leads to.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	if err := f.refuse("stat", name, true); err != nil {
		return nil, err
	}
	if f.root == nil {
		return os.Stat(name)
	}
	real, err := f.resolve(name, true)
	if err != nil {
		return nil, err
	}
	st, err := f.root.Lstat(relative(real))
	return st, named("stat", name, err)
}

// Lstat says what a name is; a symbolic link is one.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	if err := f.refuse("lstat", name, false); err != nil {
		return nil, err
	}
	if f.root == nil {
		return os.Lstat(name)
	}
	real, err := f.resolve(name, false)
	if err != nil {
		return nil, err
	}
	st, err := f.root.Lstat(relative(real))
	return st, named("lstat", name, err)
}

// Exists says whether there is something of that name that may be looked at;
// what is denied goes to the report.
func (f *FS) Exists(name string) bool {
	_, err := f.Lstat(name)
	return err == nil
}

// Readlink gives where a symbolic link points, as it says so itself.
func (f *FS) Readlink(name string) (string, error) {
	if err := f.refuse("readlink", name, false); err != nil {
		return "", err
	}
	if f.root == nil {
		return os.Readlink(name)
	}
	real, err := f.resolve(name, false)
	if err != nil {
		return "", err
	}
	to, err := f.root.Readlink(relative(real))
	return filepath.ToSlash(to), named("readlink", name, err)
}

// ReadDir lists a directory in the order of its names.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	d, err := f.openAny(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	list, err := d.ReadDir(-1)
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, named("read", name, err)
}

// List gives the names in a directory that need not be there, in order. What
// keeps it from being read goes to the report.
func (f *FS) List(name string) []string {
	entries, err := f.ReadDir(name)
	if err != nil && !absent(err) {
		f.Fail(name, err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// Real gives the path without symbolic links that a name leads to.
func (f *FS) Real(name string) (string, error) {
	if f.root == nil {
		return filepath.EvalSymlinks(name)
	}
	return f.resolve(name, true)
}

// resolve follows the symbolic links of a tree as the host would: one that is
// absolute begins at the tree's root. Whether the last part is followed is
// for the caller to say. The way that it finds is opened through os.Root,
// which lets nothing out that was changed in between.
func (f *FS) resolve(name string, last bool) (string, error) {
	rest := strings.Split(strings.Trim(name, "/"), "/")
	at := "/"
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		st, err := f.root.Lstat(relative(next))
		if err != nil && absent(err) && f.isPrivate(next) {
			next = "/private" + next
			st, err = f.root.Lstat(relative(next))
		}
		if err != nil {
			return "", named("open", name, err)
		}
		if st.Mode().Type() != fs.ModeSymlink || len(rest) == 0 && !last {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: name, Err: errLoop}
		}
		to, err := f.root.Readlink(relative(next))
		if err != nil {
			return "", named("open", name, err)
		}
		to = filepath.ToSlash(to)
		if strings.HasPrefix(to, "/") {
			at = "/"
		}
		rest = append(strings.Split(strings.Trim(to, "/"), "/"), rest...)
	}
	return at, nil
}

// isPrivate says whether a path is a link into /private that macOS keeps on
// the volume with the system, while the tree is that with the data.
func (f *FS) isPrivate(name string) bool {
	if name != "/etc" && name != "/var" && name != "/tmp" {
		return false
	}
	st, err := f.root.Lstat("private" + name)
	return err == nil && st.IsDir()
}

// relative gives the path in the form that os.Root wants.
func relative(name string) string {
	if name = strings.Trim(name, "/"); name == "" {
		return "."
	}
	return filepath.FromSlash(name)
}

// named makes an error speak of the path as the host has it.
func named(op, name string, err error) error {
	if err == nil {
		return nil
	}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return &fs.PathError{Op: op, Path: name, Err: pe.Err}
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
