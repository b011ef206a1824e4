//go:build !unix

package pretend

import (
	"errors"
	"os"
	"time"
)

// setTimes sets the times of a path. A link has none of its own here, and what
// it points to is not touched.
func setTimes(path string, at time.Time) error {
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink != 0 {
		return err
	}
	return os.Chtimes(path, at, at)
}

func makeFIFO(string) error { return errors.New("this system has no FIFOs in directories") }

// AsUser makes the whole process one that permissions apply to.
func AsUser() (back func(), err error) {
	return nil, errors.New("this system has no permissions that a test could take away")
}
