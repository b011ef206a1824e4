package probe

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

// errno says what an error of Winsock means about a target.
func errno(n syscall.Errno) (string, bool) {
	switch n {
	case windows.WSAECONNREFUSED, windows.WSAECONNRESET:
		return refused, true
	case windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN, windows.WSAENETDOWN,
		windows.WSAEADDRNOTAVAIL:
		return unreachable, true
	case windows.WSAETIMEDOUT:
		return timeout, true
	}
	return "", false
}

// prepare takes a socket the right, which Go gives it, to send to all hosts of
// a network.
func prepare(network, _ string, c syscall.RawConn) error {
	if strings.HasPrefix(network, "tcp") {
		return nil
	}
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_BROADCAST, 0)
	})
	return errors.Join(err, failed)
}
