package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// The sockets of macOS, as sysctl net.inet.tcp.pcblist_n and its like give
// them: a head of its own length, then records, each with its length and kind
// in four bytes each and filled up to a multiple of eight, and an end that has
// the form of the head. A socket is several records; the last but for TCP is
// XSO_STATS, which TCP follows with XSO_TCPCB. Numbers are little-endian,
// ports and addresses in the order of the network.
const (
	pcbHead = 24

	xsoSocket = 0x001
	xsoInet   = 0x010
	xsoTCP    = 0x020
)

// parsePCBs reads the list of a protocol.
func parsePCBs(b []byte, protocol string) ([]socket, error) {
	malformed := fmt.Errorf("pcblist_n of %s: %w", protocol, hostfs.ErrMalformed)
	e := binary.LittleEndian
	if len(b) < pcbHead || e.Uint32(b) < pcbHead || uint64(e.Uint32(b)) > uint64(len(b)) {
		return nil, malformed
	}
	var list []socket
	b = b[min(len(b), int(roundUp(uint64(e.Uint32(b))))):]
	for len(b) >= 8 {
		size := roundUp(uint64(e.Uint32(b)))
		if size <= pcbHead {
			return list, nil // the end
		}
		if size > uint64(len(b)) {
			return list, malformed
		}
		record := b[:size]
		b = b[size:]
		kind := e.Uint32(record[4:])
		switch {
		case kind == xsoInet: // which begins a socket
			k, ok := parseInetPCB(record)
			if !ok {
				return list, malformed
			}
			k.protocol = protocol
			list = append(list, k)
		case len(list) == 0:
			return list, malformed
		case kind == xsoSocket && len(record) >= 72:
			k := &list[len(list)-1]
			k.uid, k.process = int64(e.Uint32(record[64:])), int64(e.Uint32(record[68:]))
		case kind == xsoTCP && len(record) >= 40:
			list[len(list)-1].state = bsdStateName(e.Uint32(record[36:]))
		}
	}
	return list, nil
}

func roundUp(n uint64) uint64 { return (n + 7) &^ 7 }

// parseInetPCB reads an xinpcb_n: the ports of the other end at 16 and of this
// one at 18, at 44 which versions of IP it speaks, and at 48 and 64 the
// addresses in 16 bytes, of which those of IPv4 are the last four.
func parseInetPCB(b []byte) (socket, bool) {
	const v4, v6 = 1, 2
	if len(b) < 80 {
		return socket{}, false
	}
	k := socket{family: "ipv6", uid: -1, state: "unconnected"}
	end := func(addr, port int) netip.AddrPort {
		a, n := netip.AddrFrom16([16]byte(b[addr:addr+16])), binary.BigEndian.Uint16(b[port:])
		if k.family == "ipv4" {
			a = netip.AddrFrom4([4]byte(b[addr+12 : addr+16]))
		}
		return netip.AddrPortFrom(a, n)
	}
	if b[44]&v6 == 0 && b[44]&v4 != 0 {
		k.family = "ipv4"
	}
	k.local, k.remote = end(64, 18), end(48, 16)
	return k, b[44]&(v4|v6) != 0
}

// bsdStateName names a state of TCP as tcp_fsm.h numbers them.
func bsdStateName(n uint32) string {
	names := [...]string{"unconnected", "listen", "syn_sent", "syn_recv", "established", "close_wait", "fin_wait1",
		"closing", "last_ack", "fin_wait2", "time_wait"}
	if n < uint32(len(names)) {
		return names[n]
	}
	return ""
}
