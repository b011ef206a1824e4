//go:build unix

package pretend

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// nobody is a user who owns nothing.
const nobody = 65534

func makeFIFO(path string) error { return syscall.Mkfifo(path, 0o644) }

// setTimes sets the times of a path, of a link itself.
func setTimes(path string, at time.Time) error {
	ts, err := unix.TimeToTimespec(at)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// AsUser makes the whole process one that permissions apply to, until back is
// called. It must not be used beside parallel tests.
func AsUser() (back func(), err error) {
	if os.Geteuid() != 0 {
		return func() {}, nil
	}
	if err := syscall.Setreuid(-1, nobody); err != nil {
		return nil, err
	}
	return func() {
		if err := syscall.Setreuid(-1, 0); err != nil {
			panic("pretend: cannot be root again: " + err.Error())
		}
	}, nil
}
