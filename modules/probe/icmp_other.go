//go:build !linux && !darwin

package probe

import (
	"errors"
	"net"
	"net/netip"
	"os"
)

// echoSocket is for systems that have sockets of echoes.
func echoSocket(netip.Addr) (net.Conn, error) {
	return nil, os.NewSyscallError("socket", errors.ErrUnsupported)
}
