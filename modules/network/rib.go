package network

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net"
	"net/netip"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// The routing information of macOS: messages, each with its length in two
// bytes, a version, a kind, and a head of ribHead bytes, an rt_msghdr: the
// number of the interface at 4, flags at 8, at 12 which addresses follow. Each
// address begins with its length, is filled up to a multiple of four, and one
// of length 0 takes four. Numbers are little-endian.
const (
	ribHead = 92

	ribUp     = 0x1
	ribHost   = 0x4
	ribReject = 0x8
	ribLink   = 0x400
	ribStatic = 0x800

	bsdINET  = 2
	bsdLink  = 18
	bsdINET6 = 30
)

// The places of addresses, as route.h numbers the bits for them.
const (
	ribDestination = iota
	ribGateway
	ribMask
	ribAddresses = 8
)

// A ribMessage is one of them.
type ribMessage struct {
	index     int64
	flags     uint32
	addresses [ribAddresses][]byte
}

// parseRIB calls yield for each message.
func parseRIB(b []byte, yield func(*ribMessage)) error {
	e := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < 4 || int(e.Uint16(b)) < 4 || int(e.Uint16(b)) > len(b) {
			return fmt.Errorf("routing information: %w", hostfs.ErrMalformed)
		}
		m := b[:e.Uint16(b)]
		b = b[len(m):]
		if len(m) < ribHead {
			continue // of another kind
		}
		r := ribMessage{index: int64(e.Uint16(m[4:])), flags: e.Uint32(m[8:])}
		which, rest := e.Uint32(m[12:]), m[ribHead:]
		for i := range ribAddresses {
			if which>>i&1 == 0 || len(rest) == 0 {
				continue
			}
			size := max(4, (int(rest[0])+3)&^3)
			if size > len(rest) {
				return fmt.Errorf("routing information: address: %w", hostfs.ErrMalformed)
			}
			r.addresses[i], rest = rest[:size], rest[size:]
		}
		yield(&r)
	}
	return nil
}

// bsdAddress reads a sockaddr. The kernel writes the number of the interface
// into addresses of IPv6 that are of a link, which is taken out.
func bsdAddress(b []byte) (netip.Addr, bool) {
	switch {
	case len(b) >= 8 && b[1] == bsdINET:
		return netip.AddrFrom4([4]byte(b[4:8])), true
	case len(b) >= 24 && b[1] == bsdINET6:
		a := [16]byte(b[8:24])
		if a[0] == 0xfe && a[1]&0xc0 == 0x80 || a[0] == 0xff && a[1]&0x0f <= 2 {
			a[2], a[3] = 0, 0
		}
		return netip.AddrFrom16(a), true
	}
	return netip.Addr{}, false
}

// prefix gives the network of a route. A mask is cut behind its last byte that
// is not zero; a route without one is to a host.
func (m *ribMessage) prefix() (netip.Prefix, bool) {
	a, ok := bsdAddress(m.addresses[ribDestination])
	if !ok {
		return netip.Prefix{}, false
	}
	mask := m.addresses[ribMask]
	if mask == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	at, size := 4, 4
	if a.Is6() {
		at, size = 8, 16
	}
	length := 0
	for i := at; i < min(int(mask[0]), len(mask), at+size); i++ {
		length += bits.OnesCount8(mask[i])
	}
	return netip.PrefixFrom(a, length), true
}

// parseRIBRoutes gives the routes of a dump, without the neighbours in it.
func parseRIBRoutes(b []byte, names map[int64]string) ([]route, error) {
	var list []route
	err := parseRIB(b, func(m *ribMessage) {
		to, ok := m.prefix()
		neighbour := m.flags&(ribHost|ribLink|ribStatic) == ribHost|ribLink
		if !ok || m.flags&ribUp == 0 || neighbour {
			return
		}
		r := route{destination: to, iface: names[m.index], metric: noMetric, reject: m.flags&ribReject != 0}
		if hop, ok := bsdAddress(m.addresses[ribGateway]); ok {
			r.gateway = hop
		}
		list = append(list, r)
	})
	return list, err
}

// parseRIBNeighbours gives the neighbours. Their hardware address stands where
// routes have a gateway, as a sockaddr_dl: at 5 the length of a name, at 6
// that of the address, which follows the name at 8.
func parseRIBNeighbours(b []byte, names map[int64]string) ([]neighbour, error) {
	var list []neighbour
	err := parseRIB(b, func(m *ribMessage) {
		a, ok := bsdAddress(m.addresses[ribDestination])
		link := m.addresses[ribGateway]
		if !ok || m.flags&ribLink == 0 || len(link) < 8 || link[1] != bsdLink {
			return
		}
		n := neighbour{address: a, iface: names[m.index], state: "incomplete"}
		if from, size := 8+int(link[5]), int(link[6]); size > 0 && from+size <= len(link) {
			n.mac, n.state = net.HardwareAddr(link[from:from+size]).String(), "reachable"
			if m.flags&ribStatic != 0 {
				n.state = "permanent"
			}
		}
		list = append(list, n)
	})
	return list, err
}
