package hostfs

import (
	"errors"
	"io/fs"
	"path"
)

// A Dir is a directory that is held open: names are looked up in it, even
// when another has taken its place, as with the processes of /proc. In a tree,
// where nothing moves, and on other systems than Linux it is only a path.
type Dir struct {
	fs   *FS
	name string
	fd   int // -1 where it is not held: in a tree, and on systems without openat
}

// Name gives the path by which it was opened.
func (d *Dir) Name() string { return d.name }

// path gives the path of something in it.
func (d *Dir) path(name string) string { return path.Join(d.name, name) }

// wrap names what an error is about.
func (d *Dir) wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: d.path(name), Err: err}
}

// eachLink is Links by names, where the directory is not held.
func (d *Dir) eachLink(yield func(name string, target []byte)) error {
	names, err := d.Names()
	for _, name := range names {
		target, err := d.Readlink(name)
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		if err == nil {
			yield(name, []byte(target))
		}
	}
	return err
}
