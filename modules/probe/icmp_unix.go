//go:build linux || darwin

package probe

import (
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// echoSocket opens a socket of datagrams that are echoes to one host. What
// comes back is what was asked by it alone.
func echoSocket(a netip.Addr) (net.Conn, error) {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if a.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	unix.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "icmp")
	defer file.Close() // FileConn has a copy
	if err := errorsToo(fd, a.Is6()); err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, sockaddr(a)); err != nil {
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(file)
}

func sockaddr(a netip.Addr) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4()}
	}
	zone, err := strconv.ParseUint(a.Zone(), 10, 32)
	if err != nil {
		if i, err := net.InterfaceByName(a.Zone()); err == nil {
			zone = uint64(i.Index)
		}
	}
	return &unix.SockaddrInet6{Addr: a.As16(), ZoneId: uint32(zone)}
}
