//go:build !linux

package hostfs

import "io/fs"

// noTrace is the flag of Linux, which other systems do not have.
const noTrace = 0

// OpenDir opens a directory.
func (f *FS) OpenDir(name string) (*Dir, error) {
	st, err := f.Stat(name)
	if err == nil && !st.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return nil, err
	}
	return &Dir{fs: f, name: name, fd: -1}, nil
}

// Close lets go of it.
func (d *Dir) Close() error { return nil }

// Owner gives the number of the user whose directory it is; false where it is
// not held open.
func (d *Dir) Owner() (uid int64, ok bool) { return 0, false }

// OpenDir opens a directory below this one.
func (d *Dir) OpenDir(name string) (*Dir, error) { return d.fs.OpenDir(d.path(name)) }

// Append is FS.Append for a name in the directory.
func (d *Dir) Append(dst []byte, name string, limit int) ([]byte, error) {
	return d.fs.Append(dst, d.path(name), limit)
}

// Readlink gives where a symbolic link in the directory points.
func (d *Dir) Readlink(name string) (string, error) { return d.fs.Readlink(d.path(name)) }

// Names lists the directory, in the order of the system.
func (d *Dir) Names() ([]string, error) {
	entries, err := d.fs.ReadDir(d.name)
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

// Links calls yield for each symbolic link in the directory with where it
// points, which is valid until yield returns. One that is gone before it was
// read is left out.
func (d *Dir) Links(yield func(name string, target []byte)) error { return d.eachLink(yield) }
