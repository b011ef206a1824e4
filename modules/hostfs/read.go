package hostfs

import (
	"io"
	"io/fs"
	"slices"
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
