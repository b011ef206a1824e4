package hostfs

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"

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
		real, err := f.whither(clean, last)
		if err != nil && last { // it is not there, which in a folder that is denied is nobody's to know
			real, err = f.whither(clean, false)
		}
		if err != nil || !f.deny(real) {
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

// whither gives where a name leads on the host.
func (f *FS) whither(name string, last bool) (string, error) {
	if f.root != nil {
		return f.resolve(name, last)
	}
	if last {
		real, err := filepath.EvalSymlinks(name)
		return filepath.ToSlash(real), err
	}
	real, err := filepath.EvalSymlinks(path.Dir(name))
	return path.Join(filepath.ToSlash(real), path.Base(name)), err
}
