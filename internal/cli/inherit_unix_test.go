//go:build unix

package cli

import (
	"strconv"
	"syscall"
)

// inherited opens a file so that commands that are started have it, too.
func inherited(file string) (fd string, closeFD func(), err error) {
	n, err := syscall.Open(file, syscall.O_RDONLY, 0)
	return strconv.Itoa(n), func() { _ = syscall.Close(n) }, err
}
