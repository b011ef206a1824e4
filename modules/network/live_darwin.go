package network

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// asksSystem says that a live machine is asked by calls, not through /proc.
const asksSystem = true

// systemSockets gives the sockets of TCP and UDP.
func systemSockets(fail func(where string, err error)) []socket {
	var all []socket
	for _, protocol := range []string{"tcp", "udp"} {
		name := "net.inet." + protocol + ".pcblist_n"
		b, err := unix.SysctlRaw(name)
		if err == nil {
			var list []socket
			list, err = parsePCBs(b, protocol)
			all = append(all, list...)
		}
		if err != nil {
			fail(name, err)
		}
	}
	return all
}

func systemRoutes(names map[int64]string) ([]route, error) {
	b, err := syscall.RouteRIB(syscall.NET_RT_DUMP, 0)
	if err != nil {
		return nil, err
	}
	return parseRIBRoutes(b, names)
}

func liveNeighbours(names map[int64]string) ([]neighbour, error) {
	b, err := syscall.RouteRIB(syscall.NET_RT_FLAGS, syscall.RTF_LLINFO)
	if err != nil {
		return nil, err
	}
	return parseRIBNeighbours(b, names)
}

// systemResolvers gives none: /etc/resolv.conf has them, and
// /etc/resolver those of single domains.
func systemResolvers() ([]resolution, error) { return nil, nil }
