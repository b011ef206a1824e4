//go:build unix

package upgrade

import (
	"errors"

	"golang.org/x/sys/unix"
)

// room gives how many bytes can still be written below a folder.
func room(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// isFull says whether a write failed for want of room.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
