package hostfs

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
)

// appendFile is Append by an os.File.
func (f *FS) appendFile(dst []byte, name string, limit int) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return dst, err
	}
	defer file.Close()
	return fill(dst, name, limit, func(b []byte) (int, error) {
		n, err := file.Read(b)
		if err == io.EOF {
			return n, nil
		}
		return n, err
	})
}

// quietly opens something so that its time of access stays as it is, which the
// system allows to its owner and to who may act for any owner, and otherwise
// as everybody does. Files that show the kernel's state have no such time.
func quietly[F any](name string, open func(flag int) (F, error)) (F, error) {
	if noTrace == 0 || below(name, "/proc") || below(name, "/sys") {
		return open(0)
	}
	f, err := open(noTrace)
	if errors.Is(err, syscall.EPERM) {
		return open(0)
	}
	return f, err
}

// below says whether a path is a folder or in it.
func below(name, folder string) bool {
	rest, ok := strings.CutPrefix(name, folder)
	return ok && (rest == "" || rest[0] == '/')
}

// firstRead is how much is asked for at first: a page, which most files of
// /proc and of configuration fit.
const firstRead = 4 << 10

// fill appends what read gives until it gives nothing.
func fill(dst []byte, name string, limit int, read func([]byte) (int, error)) ([]byte, error) {
	start, want := len(dst), firstRead
	for {
		if cap(dst)-len(dst) < want {
			dst = slices.Grow(dst, want)
		}
		n, err := read(dst[len(dst):cap(dst)])
		if err != nil {
			return dst[:start], &fs.PathError{Op: "read", Path: name, Err: err}
		}
		if n <= 0 {
			return dst, nil
		}
		dst = dst[:len(dst)+n]
		if len(dst)-start > limit {
			return dst[:start], &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
		}
		want = min(max(firstRead, len(dst)-start), 1<<20)
	}
}
