package hostfs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
)

// ErrDenied says that whoever rules the host keeps a path from being looked
// at: see modules.Host.Deny. It was reported when it was refused, so that no
// module can be silent about it, and FS.Fail does not report it again.
var ErrDenied = errors.New("kept from being looked at by the policy")

// refuse gives an error for a path that is denied, by its name or by where it
// leads. With last the last part is followed, too, where it is a link.
func (f *FS) refuse(op, name string, last bool) error {
	if f.deny == nil {
		return nil
	}
	clean := path.Clean(name)
	if !f.deny(clean) {
		real, err := f.whither(name, last)
		if err != nil && last { // it is not there, which in a folder that is denied is nobody's to know
			real, err = f.whither(name, false)
		}
		if (err != nil || !f.deny(real)) && !(last && f.deniesOpen(name)) {
			return nil // what is not there is found to be so by whoever opens it
		}
	}
	f.mu.Lock()
	again := f.refused == clean
	f.refused = clean
	f.mu.Unlock()
	if !again { // a file is asked for its size before it is opened
		f.report.Skip(modules.Skip{Kind: modules.SkipPolicy, Where: clean, Detail: ErrDenied.Error()})
	}
	return &fs.PathError{Op: op, Path: name, Err: ErrDenied}
}

// deniesOpen says whether a name is a link to a file that is denied and open
// somewhere, as those of /proc/1/fd are: it can be opened when the file has no
// name any more, and the link says which it had.
func (f *FS) deniesOpen(name string) bool {
	if f.root != nil {
		return false
	}
	to, err := os.Readlink(name)
	return err == nil && path.IsAbs(to) && f.deny(path.Clean(to))
}

// whither gives where a name leads on the host. The name is not cleaned before:
// what .. means is known when the links before it were followed.
func (f *FS) whither(name string, last bool) (string, error) {
	if f.root != nil {
		return f.resolve(name, last)
	}
	dir, base := path.Split(strings.TrimRight(name, "/"))
	if last || dir == "" || base == "." || base == ".." {
		real, err := filepath.EvalSymlinks(name)
		return filepath.ToSlash(real), err
	}
	real, err := filepath.EvalSymlinks(dir)
	return path.Join(filepath.ToSlash(real), base), err
}
