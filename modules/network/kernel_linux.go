package network

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// What linux/inet_diag.h and linux/sock_diag.h fix.
const (
	sockDiagByFamily = 20
	requestLength    = 56
	answerLength     = 72
)

// askKernel asks the kernel over netlink for the sockets of a protocol. It
// says whether it could be asked; an error is that of yield.
func askKernel(f socketFile, yield func(*socket) error) (asked bool, err error) {
	protocol, ok := map[string]uint8{"tcp": unix.IPPROTO_TCP, "udp": unix.IPPROTO_UDP, "udplite": unix.IPPROTO_UDPLITE}[f.protocol]
	if !ok {
		return false, nil
	}
	family := uint8(unix.AF_INET)
	if f.family == "ipv6" {
		family = unix.AF_INET6
	}
	all, err := dump(request(family, protocol))
	if err != nil {
		return false, nil // the table of text says the same
	}
	list := make([]socket, len(all))
	for i, m := range all {
		if list[i], ok = parseDiag(m); !ok {
			return false, nil
		}
		list[i].protocol, list[i].family = f.protocol, f.family
	}
	for i := range list {
		if err := yield(&list[i]); err != nil {
			return true, err
		}
	}
	return true, nil
}

// request makes an inet_diag_req_v2 that asks for all sockets in any state.
func request(family, protocol uint8) []byte {
	b := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+requestLength)
	b = append(b, family, protocol, 0, 0, 0xff, 0xff, 0xff, 0xff)
	b = append(b, make([]byte, requestLength-8)...)
	e := binary.NativeEndian
	e.PutUint32(b, uint32(len(b)))
	e.PutUint16(b[4:], sockDiagByFamily)
	e.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	return b
}

// dump sends a request and gathers what is answered. An answer that was cut
// short, because sockets came and went, is none.
func dump(request []byte) ([][]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var answers [][]byte
	buf := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		messages, err := syscall.ParseNetlinkMessage(append([]byte(nil), buf[:n]...))
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch {
			case m.Header.Type == unix.NLMSG_ERROR:
				return nil, unix.EPROTO
			case m.Header.Flags&unix.NLM_F_DUMP_INTR != 0:
				return nil, unix.EINTR
			case m.Header.Type == unix.NLMSG_DONE:
				return answers, nil
			}
			answers = append(answers, m.Data)
		}
	}
}

// parseDiag reads an inet_diag_msg.
func parseDiag(b []byte) (socket, bool) {
	if len(b) < answerLength {
		return socket{}, false
	}
	end := func(port, addr int) netip.AddrPort {
		n := 4
		if b[0] == unix.AF_INET6 {
			n = 16
		}
		a, _ := netip.AddrFromSlice(b[addr : addr+n])
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[port:]))
	}
	e := binary.NativeEndian
	return socket{
		state: stateName(uint64(b[1])), local: end(4, 8), remote: end(6, 24),
		uid: int64(e.Uint32(b[64:])), inode: uint64(e.Uint32(b[68:])),
	}, true
}
