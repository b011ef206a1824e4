package hostfs

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// noTrace opens something so that its time of access stays as it is.
const noTrace = unix.O_NOATIME

// OpenDir opens a directory.
func (f *FS) OpenDir(name string) (*Dir, error) {
	d := &Dir{fs: f, name: name, fd: -1}
	if f.root != nil {
		st, err := f.Stat(name)
		if err == nil && !st.IsDir() {
			err = &fs.PathError{Op: "open", Path: name, Err: unix.ENOTDIR}
		}
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	if err := f.refuse("open", name, true); err != nil {
		return nil, err
	}
	fd, err := quietly(name, func(flag int) (int, error) {
		return retry(func() (int, error) {
			return unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC|flag, 0)
		})
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	d.fd = fd
	return d, nil
}

// Close lets go of it.
func (d *Dir) Close() error {
	if d.fd < 0 {
		return nil
	}
	return unix.Close(d.fd)
}

// Owner gives the number of the user whose directory it is; false where it is
// not held open.
func (d *Dir) Owner() (uid int64, ok bool) {
	var st unix.Stat_t
	if d.fd < 0 || unix.Fstat(d.fd, &st) != nil {
		return 0, false
	}
	return int64(st.Uid), true
}

// OpenDir opens a directory below this one.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	if d.fd < 0 {
		return d.fs.OpenDir(d.path(name))
	}
	if err := d.fs.refuse("open", d.path(name), true); err != nil {
		return nil, err
	}
	fd, err := quietly(d.name, func(flag int) (int, error) {
		return retry(func() (int, error) {
			return unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC|flag, 0)
		})
	})
	if err != nil {
		return nil, d.wrap("open", name, err)
	}
	return &Dir{fs: d.fs, name: d.path(name), fd: fd}, nil
}

// Append is FS.Append for a name in the directory.
func (d *Dir) Append(dst []byte, name string, limit int) ([]byte, error) {
	if d.fd < 0 {
		return d.fs.Append(dst, d.path(name), limit)
	}
	if d.fs.deny != nil { // a path that is put together costs as much as a small read
		if err := d.fs.refuse("open", d.path(name), true); err != nil {
			return dst, err
		}
	}
	fd, err := quietly(d.name, func(flag int) (int, error) {
		return retry(func() (int, error) {
			return unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|flag, 0)
		})
	})
	if err != nil {
		return dst, d.wrap("open", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return dst, d.wrap("stat", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return dst, d.wrap("open", name, ErrSpecial)
	}
	return fill(dst, d.path(name), limit, func(b []byte) (int, error) {
		return retry(func() (int, error) { return unix.Read(fd, b) })
	})
}

// Readlink gives where a symbolic link in the directory points.
func (d *Dir) Readlink(name string) (string, error) {
	if d.fd < 0 {
		return d.fs.Readlink(d.path(name))
	}
	buf := make([]byte, 256)
	for {
		n, err := retry(func() (int, error) { return unix.Readlinkat(d.fd, name, buf) })
		if err != nil {
			return "", d.wrap("readlink", name, err)
		}
		if n < len(buf) {
			return string(buf[:n]), nil
		}
		buf = make([]byte, 2*len(buf))
	}
}

// Names lists the directory, in the order of the system.
func (d *Dir) Names() ([]string, error) {
	if d.fd < 0 {
		entries, err := d.fs.ReadDir(d.name)
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = e.Name()
		}
		return names, err
	}
	if _, err := unix.Seek(d.fd, 0, 0); err != nil {
		return nil, d.wrap("seek", "", err)
	}
	var names []string
	buf := make([]byte, 8<<10)
	for {
		n, err := retry(func() (int, error) { return unix.ReadDirent(d.fd, buf) })
		if err != nil {
			return names, d.wrap("read", "", err)
		}
		if n == 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// maxTarget is how long the target of a link is, in bytes, as Linux bounds it.
const maxTarget = 4 << 10

// Links calls yield for each symbolic link in the directory with where it
// points, which is valid until yield returns. One that is gone before it was
// read is left out. It is what the descriptors of a process are listed with,
// and does no more for each than to ask the system.
func (d *Dir) Links(yield func(name string, target []byte)) error {
	if d.fd < 0 {
		return d.eachLink(yield)
	}
	names, err := d.Names()
	if len(names) == 0 {
		return err
	}
	buf := make([]byte, maxTarget)
	for _, name := range names {
		n, err := retry(func() (int, error) { return unix.Readlinkat(d.fd, name, buf) })
		switch {
		case err == unix.EACCES || err == unix.EPERM:
			return d.wrap("readlink", name, err)
		case err == nil:
			yield(name, buf[:n])
		}
	}
	return err
}
