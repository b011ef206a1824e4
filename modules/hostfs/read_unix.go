//go:build unix

package hostfs

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

const nonBlocking = unix.O_NONBLOCK

// windowsHost says whether paths have drives here.
const (
	windowsHost = false
	systemDrive = ""
)

// absent says that something is not there, or ended while it was read.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ESRCH)
}

// Append reads a regular file of at most limit bytes and appends it to dst,
// which it gives back as it was where that fails. On the live machine it goes
// to the system directly: an os.File costs twice as much as reading one of the
// small files of /proc.
func (f *FS) Append(dst []byte, name string, limit int) ([]byte, error) {
	if f.root != nil {
		return f.appendFile(dst, name, limit)
	}
	if err := f.refuse("open", name, true); err != nil {
		return dst, err
	}
	fd, err := quietly(name, func(flag int) (int, error) {
		return retry(func() (int, error) { return unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|flag, 0) })
	})
	if err != nil {
		return dst, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return dst, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return dst, &fs.PathError{Op: "open", Path: name, Err: ErrSpecial}
	}
	return fill(dst, name, limit, func(b []byte) (int, error) {
		return retry(func() (int, error) { return unix.Read(fd, b) })
	})
}

// retry goes on where a signal came in between.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
