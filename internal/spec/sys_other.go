//go:build !unix

package spec

import (
	"errors"
	"os"
	"time"
)

func setTimes(path string, at time.Time) error { return os.Chtimes(path, at, at) }

func makeFIFO(string) error { return errors.New("this system has no FIFOs in directories") }

func asUser() (back func(), err error) {
	return nil, errors.New("this system has no permissions that a test could take away")
}
