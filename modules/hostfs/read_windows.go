package hostfs

import (
	"errors"
	"io/fs"
	"syscall"
)

const nonBlocking = 0

// windowsHost says whether paths have drives here, and systemDrive which one
// Windows is on; it is elsewhere where somebody took pains.
const (
	windowsHost = true
	systemDrive = "C:/"
)

// absent says that something is not there.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Append reads a regular file of at most limit bytes and appends it to dst,
// which it gives back as it was where that fails.
func (f *FS) Append(dst []byte, name string, limit int) ([]byte, error) {
	return f.appendFile(dst, name, limit)
}
