package network

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// What linux/inet_diag.h and linux/sock_diag.h fix.
const (
	sockDiagByFamily = 20
	requestLength    = 56
	getTCPSockets    = 18
	getLength        = 60
	answerLength     = 72
)

// askKernel asks the kernel over netlink for the sockets of a protocol, of
// both families. It says whether it could be asked; an error is that of yield.
func askKernel(protocol string, yield func(*socket) error) (asked bool, err error) {
	var requests [][]byte
	switch protocol {
	case "tcp":
		// The older request looks at both families in one walk over the
		// kernel's table, which is where the time goes: it has a place for
		// each socket that the machine's memory could hold.
		requests = [][]byte{request(getTCPSockets, getLength, func(b []byte) { binary.NativeEndian.PutUint32(b[52:], ^uint32(0)) })}
	case "udp":
		requests = [][]byte{byFamily(unix.AF_INET, unix.IPPROTO_UDP), byFamily(unix.AF_INET6, unix.IPPROTO_UDP)}
	default:
		return false, nil
	}
	// A list that was cut short is none, so all of it is looked at before any
	// of it is told.
	var answers [][]byte
	for _, r := range requests {
		if answers, err = dump(answers, r); err != nil {
			return false, nil // the table of text says the same
		}
	}
	for _, b := range answers {
		for ; len(b) > 0; b = b[messageLength(b):] {
			k, _ := parseDiag(b[unix.SizeofNlMsghdr:])
			k.protocol = protocol
			if err := yield(&k); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// request makes a message that asks for a list.
func request(kind uint16, length int, fill func(body []byte)) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+length)
	e := binary.NativeEndian
	e.PutUint32(b, uint32(len(b)))
	e.PutUint16(b[4:], kind)
	e.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	fill(b[unix.SizeofNlMsghdr:])
	return b
}

// byFamily makes an inet_diag_req_v2 that asks for sockets in any state.
func byFamily(family, protocol uint8) []byte {
	return request(sockDiagByFamily, requestLength, func(b []byte) {
		b[0], b[1] = family, protocol
		binary.NativeEndian.PutUint32(b[4:], ^uint32(0))
	})
}

// errNoList says that the kernel answered with something else than a list of
// sockets.
var errNoList = errors.New("no list of sockets")

// maxAnswer is how much the kernel hands over at once, in bytes.
const maxAnswer = 32 << 10

// dump sends a request and appends what is answered to the answers: messages,
// one behind the other, of which each is a socket. An answer that was cut
// short, because sockets came and went, is none.
func dump(answers [][]byte, request []byte) ([][]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var buf []byte
	for {
		if len(buf) < maxAnswer {
			buf = make([]byte, 4*maxAnswer)
		}
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		sockets, done, err := whole(buf[:n])
		if err != nil {
			return nil, err
		}
		if len(sockets) > 0 {
			answers = append(answers, sockets)
		}
		if done {
			return answers, nil
		}
		buf = buf[n:]
	}
}

// whole checks the messages of one answer and gives those that are sockets.
func whole(b []byte) (sockets []byte, done bool, err error) {
	for at := 0; at < len(b); {
		m := b[at:]
		n := messageLength(m)
		switch {
		case n == 0:
			return nil, false, errNoList
		case binary.NativeEndian.Uint16(m[6:])&unix.NLM_F_DUMP_INTR != 0:
			return nil, false, unix.EINTR
		case binary.NativeEndian.Uint16(m[4:]) == unix.NLMSG_DONE:
			return b[:at], true, nil
		case binary.NativeEndian.Uint16(m[4:]) == unix.NLMSG_ERROR:
			return nil, false, errNoList
		}
		if _, ok := parseDiag(m[unix.SizeofNlMsghdr:n]); !ok {
			return nil, false, errNoList
		}
		at += n
	}
	return b, false, nil
}

// messageLength gives the length of the first message with what pads it; 0
// where there is none.
func messageLength(b []byte) int {
	if len(b) < unix.SizeofNlMsghdr {
		return 0
	}
	n := int(binary.NativeEndian.Uint32(b))
	if n < unix.SizeofNlMsghdr || n > len(b) {
		return 0
	}
	return min((n+3)&^3, len(b))
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
	family := "ipv4"
	if b[0] == unix.AF_INET6 {
		family = "ipv6"
	}
	e := binary.NativeEndian
	return socket{
		family: family, state: stateName(uint64(b[1])), local: end(4, 8), remote: end(6, 24),
		uid: int64(e.Uint32(b[64:])), inode: uint64(e.Uint32(b[68:])),
	}, true
}
