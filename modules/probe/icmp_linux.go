package probe

import "golang.org/x/sys/unix"

// errorsToo has a socket told at once what routers on the way say: without
// that, TCP tries again until its time is over, and UDP hears nothing.
func errorsToo(fd int, six bool) error {
	if six {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
}
