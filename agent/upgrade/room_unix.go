//go:build unix

package upgrade

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isFull says whether a write failed for want of room.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
