//go:build !windows

package wholefile

import (
	"os"
	"syscall"
)

// lock takes the lock of an open file.
func lock(f *os.File, wait bool) error {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch err {
		case nil:
			return nil
		case syscall.EINTR: // it goes on waiting
		case syscall.EWOULDBLOCK:
			return ErrHeld
		default:
			return err
		}
	}
}
