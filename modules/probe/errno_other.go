//go:build !windows

package probe

import (
	"errors"
	"strings"
	"syscall"
)

// errno says what an error of the system means about a target.
func errno(n syscall.Errno) (string, bool) {
	switch n {
	case syscall.ECONNREFUSED, syscall.ECONNRESET:
		return refused, true
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN,
		syscall.EADDRNOTAVAIL, syscall.EPROTO, syscall.ENOPROTOOPT:
		return unreachable, true
	case syscall.ETIMEDOUT:
		return timeout, true
	case syscall.EPERM:
		return blocked, true
	}
	return "", false
}

// prepare takes a socket the right, which Go gives it, to send to all hosts of
// a network, and has it told what routers say.
func prepare(network, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		if !strings.HasPrefix(network, "tcp") {
			failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_BROADCAST, 0)
		}
		failed = errors.Join(failed, errorsToo(int(fd), strings.Contains(network, "6")))
	})
	return errors.Join(err, failed)
}
