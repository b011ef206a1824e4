package network

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/native"
)

// The tables of Windows' IP helper, of 64-bit systems: a number of rows in
// four bytes, four of nothing, and the rows. Numbers are little-endian; ports
// stand in the order of the network in the first two of four bytes.
const tableHead = 8

// A layout says where things stand in a row of a table of sockets, as
// iprtrmib.h and tcpmib.h have MIB_TCPROW_OWNER_MODULE and its like; -1 where
// they do not. The number of the process has 4 bytes, the time 8.
type layout struct {
	protocol, family                        string
	size, state, local, localPort           int
	remote, remotePort, owner, created, len int
}

func socketLayouts() []layout {
	return []layout{
		{"tcp", "ipv4", 160, 0, 4, 8, 12, 16, 20, 24, 4},
		{"tcp", "ipv6", 192, 48, 0, 20, 24, 44, 52, 56, 16},
		{"udp", "ipv4", 160, -1, 0, 4, -1, -1, 8, 16, 4},
		{"udp", "ipv6", 176, -1, 0, 20, -1, -1, 24, 32, 16},
	}
}

// rows calls yield for each row of a table.
func rows(table []byte, size int, yield func(row []byte)) error {
	if len(table) < 4 {
		return fmt.Errorf("table: %w", hostfs.ErrMalformed)
	}
	n := int(binary.LittleEndian.Uint32(table))
	if n > 0 && (len(table)-tableHead)/size < n {
		return fmt.Errorf("table of %d rows in %d bytes: %w", n, len(table), hostfs.ErrMalformed)
	}
	for i := range n {
		yield(table[tableHead+i*size:][:size])
	}
	return nil
}

// parse reads a table of sockets.
func (l *layout) parse(table []byte) ([]socket, error) {
	var list []socket
	e := binary.LittleEndian
	end := func(row []byte, addr, port int) netip.AddrPort {
		a, _ := netip.AddrFromSlice(row[addr : addr+l.len])
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(row[port:]))
	}
	err := rows(table, l.size, func(row []byte) {
		k := socket{
			protocol: l.protocol, family: l.family, uid: -1, state: "unconnected",
			local: end(row, l.local, l.localPort), process: int64(e.Uint32(row[l.owner:])),
			created: native.FileTime(e.Uint64(row[l.created:])),
		}
		if l.state >= 0 {
			k.state = winStateName(e.Uint32(row[l.state:]))
			k.remote = end(row, l.remote, l.remotePort)
		}
		if k.state == "listen" {
			k.remote = netip.AddrPort{} // what stands there means nothing
		}
		list = append(list, k)
	})
	return list, err
}

// winStateName names a MIB_TCP_STATE.
func winStateName(n uint32) string {
	names := [...]string{1: "unconnected", "listen", "syn_sent", "syn_recv", "established", "fin_wait1", "fin_wait2",
		"close_wait", "closing", "last_ack", "time_wait", "delete_tcb"}
	if n < uint32(len(names)) {
		return names[n]
	}
	return ""
}

// The address families of Windows, as a SOCKADDR_INET has them in its first
// two bytes: then two of a port, and an address at 4, or at 8 for IPv6.
const (
	winINET  = 2
	winINET6 = 23
)

// winAddress reads a SOCKADDR_INET, which has 28 bytes.
func winAddress(b []byte) (netip.Addr, bool) {
	switch binary.LittleEndian.Uint16(b) {
	case winINET:
		return netip.AddrFrom4([4]byte(b[4:8])), true
	case winINET6:
		return netip.AddrFrom16([16]byte(b[8:24])), true
	}
	return netip.Addr{}, false
}

// parseWinNeighbours reads a MIB_IPNET_TABLE2: an address at 0, the number of
// the interface at 28, 32 bytes for a hardware address at 40, its length at
// 72, the state at 76.
func parseWinNeighbours(table []byte, names map[int64]string) ([]neighbour, error) {
	const row = 88
	states := [...]string{"failed", "incomplete", "probe", "delay", "stale", "reachable", "permanent"}
	var list []neighbour
	e := binary.LittleEndian
	err := rows(table, row, func(b []byte) {
		a, ok := winAddress(b)
		if !ok {
			return
		}
		n := neighbour{address: a, iface: names[int64(e.Uint32(b[28:]))]}
		if size := e.Uint32(b[72:]); size > 0 && size <= 32 {
			n.mac = net.HardwareAddr(b[40 : 40+size]).String()
		}
		if s := e.Uint32(b[76:]); s < uint32(len(states)) {
			n.state = states[s]
		}
		list = append(list, n)
	})
	return list, err
}

// parseWinRoutes reads a MIB_IPFORWARD_TABLE2: the number of the interface at
// 8, the destination at 12 with the length of its prefix at 40, the next hop
// at 44, the metric at 84.
func parseWinRoutes(table []byte, names map[int64]string) ([]route, error) {
	const row = 104
	var list []route
	e := binary.LittleEndian
	bad := 0
	err := rows(table, row, func(b []byte) {
		a, ok := winAddress(b[12:])
		to := netip.PrefixFrom(a, int(b[40]))
		if !ok || !to.IsValid() {
			bad++
			return
		}
		r := route{destination: to, iface: names[int64(e.Uint32(b[8:]))], metric: int64(e.Uint32(b[84:])), noReject: true}
		if hop, ok := winAddress(b[44:]); ok && !hop.IsUnspecified() {
			r.gateway = hop
		}
		list = append(list, r)
	})
	if bad > 0 && err == nil {
		err = fmt.Errorf("%d routes: %w", bad, hostfs.ErrMalformed)
	}
	return list, err
}
