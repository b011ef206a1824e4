package network

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// A record is bytes written at places, as the headers of a system lay out its
// structures.
type record []byte

func (r record) put32(at int, n uint32) record { binary.LittleEndian.PutUint32(r[at:], n); return r }
func (r record) put64(at int, n uint64) record { binary.LittleEndian.PutUint64(r[at:], n); return r }
func (r record) port(at int, n uint16) record  { binary.BigEndian.PutUint16(r[at:], n); return r }
func (r record) text(at int, b string) record  { copy(r[at:], b); return r }
func (r record) addr(at int, a string) record {
	copy(r[at:], netip.MustParseAddr(a).AsSlice())
	return r
}

// winTable puts rows behind a head as the IP helper does.
func winTable(rows ...record) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(rows)))
	for _, r := range rows {
		b = append(b, r...)
	}
	return b
}

func show(list []socket) string {
	var lines []string
	for _, k := range list {
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s %d", k.protocol, k.family, k.state, k.local, k.remote, k.process))
	}
	return strings.Join(lines, "\n")
}

// The tables of MIB_TCPTABLE_OWNER_MODULE and its like, with the numbers of
// their fields' places in the 64-bit headers.
func TestWindowsSockets(t *testing.T) {
	made := time.Date(2026, 3, 4, 5, 6, 7, 800, time.UTC)
	stamp := uint64(made.UnixNano()/100 + 116444736000000000)
	tables := map[string][]byte{
		"tcp ipv4": winTable(
			make(record, 160).put32(0, 2).addr(4, "0.0.0.0").port(8, 445).addr(12, "0.0.0.0").port(16, 4711).put32(20, 4).put64(24, stamp),
			make(record, 160).put32(0, 5).addr(4, "10.0.0.5").port(8, 50000).addr(12, "192.0.2.7").port(16, 443).put32(20, 812),
			make(record, 160).put32(0, 12).addr(4, "10.0.0.5").port(8, 50001).addr(12, "192.0.2.7").port(16, 443).put32(20, 0)),
		"tcp ipv6": winTable(
			make(record, 192).addr(0, "fe80::1").put32(16, 7).port(20, 3389).addr(24, "fe80::2").port(44, 51000).put32(48, 11).put32(52, 900).put64(56, stamp)),
		"udp ipv4": winTable(make(record, 160).addr(0, "127.0.0.1").port(4, 53).put32(8, 77).put64(16, stamp)),
		"udp ipv6": winTable(make(record, 176).addr(0, "::").port(20, 5353).put32(24, 78).put64(32, stamp)),
	}
	var all []socket
	for _, l := range socketLayouts() {
		list, err := l.parse(tables[l.protocol+" "+l.family])
		if err != nil {
			t.Error(err)
		}
		all = append(all, list...)
	}
	want := `tcp ipv4 listen 0.0.0.0:445 invalid AddrPort 4
tcp ipv4 established 10.0.0.5:50000 192.0.2.7:443 812
tcp ipv4 delete_tcb 10.0.0.5:50001 192.0.2.7:443 0
tcp ipv6 time_wait [fe80::1]:3389 [fe80::2]:51000 900
udp ipv4 unconnected 127.0.0.1:53 invalid AddrPort 77
udp ipv6 unconnected [::]:5353 invalid AddrPort 78`
	if got := show(all); got != want {
		t.Errorf("%s", got)
	}
	for i, want := range []time.Time{made, {}, {}, made, made, made} {
		if got := all[i].created; !got.Equal(want) {
			t.Errorf("%d: %v, not %v", i, got, want)
		}
	}
	for _, cut := range []int{0, 3, 8, 20, 160} {
		l := socketLayouts()[0]
		if list, err := l.parse(tables["tcp ipv4"][:cut]); err == nil || len(list) != 0 {
			t.Errorf("of %d bytes: %v, %v", cut, list, err)
		}
	}
}

func TestWindowsNeighboursAndRoutes(t *testing.T) {
	names := map[int64]string{12: "Ethernet"}
	near, err := parseWinNeighbours(winTable(
		make(record, 88).put32(0, 2).addr(4, "10.0.0.1").put32(28, 12).text(40, "\x00\x11\x22\x33\x44\x55").put32(72, 6).put32(76, 5),
		make(record, 88).put32(0, 23).addr(8, "ff02::1").put32(28, 12).put32(76, 6),
		make(record, 88).put32(0, 2).addr(4, "10.0.0.9").put32(28, 1).put32(76, 0)), names)
	if got, want := showNear(near, err), `10.0.0.1 "00:11:22:33:44:55" Ethernet reachable
ff02::1 "" Ethernet permanent
10.0.0.9 ""  failed <nil>`; got != want {
		t.Error(got)
	}
	far, err := parseWinRoutes(winTable(
		make(record, 104).put32(8, 12).put32(12, 2).addr(16, "0.0.0.0").put32(44, 2).addr(48, "10.0.0.1").put32(84, 25),
		make(record, 104).put32(8, 12).put32(12, 23).addr(20, "fd00::").text(40, "\x40").put32(44, 23).put32(84, 256)), names)
	if got, want := showRoutes(far, err), `0.0.0.0/0 10.0.0.1 Ethernet 25 false true
fd00::/64 invalid IP Ethernet 256 false true <nil>`; got != want {
		t.Error(got)
	}
	far, err = parseWinRoutes(winTable(make(record, 104).put32(12, 2).text(40, "\x21")), names)
	if len(far) != 0 || err == nil {
		t.Errorf("a prefix of 33 bits: %v, %v", far, err)
	}
}

// sized puts the length and kind before a record of macOS, and fills it up.
func sized(kind uint32, r record) record {
	r.put32(0, uint32(len(r))).put32(4, kind)
	return append(r, make(record, (8-len(r)%8)%8)...)
}

// pcbList puts sockets between the head and the end of a list of macOS.
func pcbList(sockets ...[]record) []byte {
	head := make(record, 24).put32(0, 24).put32(4, uint32(len(sockets)))
	b := slices.Clone(head)
	for _, s := range sockets {
		for _, r := range s {
			b = append(b, r...)
		}
	}
	return append(b, head...)
}

// A socket of macOS as bsd/netinet/in_pcb.h and bsd/sys/socketvar.h have it,
// with their packing of four bytes.
func macSocket(flag byte, local, remote string, ports [2]uint16, pid uint32) []record {
	at := 0
	if flag == 1 {
		at = 12
	}
	return []record{
		sized(0x10, make(record, 104).port(16, ports[1]).port(18, ports[0]).text(44, string(flag)).addr(48+at, remote).addr(64+at, local)),
		sized(0x01, make(record, 104).put32(40, 2).put32(64, 501).put32(68, pid)),
		sized(0x02, make(record, 36)), sized(0x04, make(record, 36)), sized(0x08, make(record, 136)),
	}
}

func TestMacSockets(t *testing.T) {
	tcp := func(s []record, state uint32) []record {
		return append(s, sized(0x20, make(record, 204).put32(36, state)))
	}
	list, err := parsePCBs(pcbList(
		tcp(macSocket(1, "0.0.0.0", "0.0.0.0", [2]uint16{22, 0}, 1), 1),
		tcp(macSocket(2, "fe80::1", "fe80::2", [2]uint16{50000, 443}, 321), 4),
		tcp(macSocket(3, "::", "::", [2]uint16{8080, 0}, 99), 9)), "tcp")
	if got, want := show(list), `tcp ipv4 listen 0.0.0.0:22 0.0.0.0:0 1
tcp ipv6 established [fe80::1]:50000 [fe80::2]:443 321
tcp ipv6 fin_wait2 [::]:8080 [::]:0 99`; got != want || err != nil || list[0].uid != 501 {
		t.Errorf("%s\n%v", got, err)
	}
	udp := pcbList(macSocket(1, "10.0.0.3", "0.0.0.0", [2]uint16{68, 0}, 55))
	list, err = parsePCBs(udp, "udp")
	if got, want := show(list), "udp ipv4 unconnected 10.0.0.3:68 0.0.0.0:0 55"; got != want || err != nil {
		t.Errorf("%s\n%v", got, err)
	}
	for _, bad := range [][]byte{nil, udp[:20], udp[:100], pcbList([]record{sized(1, make(record, 104))})} {
		if list, err := parsePCBs(bad, "udp"); err == nil || len(list) != 0 {
			t.Errorf("of %d bytes: %v, %v", len(bad), list, err)
		}
	}
}

// message makes one of the routing information of macOS, as net/route.h has it.
func message(index uint16, flags, which uint32, addresses ...string) []byte {
	r := make(record, 92).put32(8, flags).put32(12, which)
	binary.LittleEndian.PutUint16(r[4:], index)
	r[2], r[3] = 5, 4
	for _, a := range addresses {
		r = append(r, a...)
		for len(r)%4 != 0 {
			r = append(r, 0)
		}
	}
	binary.LittleEndian.PutUint16(r, uint16(len(r)))
	return r
}

func in4(a string) string { return "\x10\x02\x00\x00" + raw(a) + strings.Repeat("\x00", 8) }
func in6(a string) string {
	return "\x1c\x1e" + strings.Repeat("\x00", 6) + raw(a) + "\x00\x00\x00\x00"
}
func raw(a string) string { return string(netip.MustParseAddr(a).AsSlice()) }

// link makes a sockaddr_dl of 20 bytes, with a hardware address or without.
func link(m string) string {
	b := "\x14\x12\x04\x00\x06\x03" + string(byte(len(m))) + "\x00en0" + m
	return b + strings.Repeat("\x00", 20-len(b))
}

func showNear(list []neighbour, err error) string {
	var lines []string
	for _, n := range list {
		lines = append(lines, fmt.Sprintf("%s %q %s %s", n.address, n.mac, n.iface, n.state))
	}
	return fmt.Sprint(strings.Join(lines, "\n"), " ", err)
}

func showRoutes(list []route, err error) string {
	var lines []string
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("%s %s %s %d %v %v", r.destination, r.gateway, r.iface, r.metric, r.reject, r.noReject))
	}
	return fmt.Sprint(strings.Join(lines, "\n"), " ", err)
}

func TestMacRoutesAndNeighbours(t *testing.T) {
	names := map[int64]string{4: "en0", 1: "lo0"}
	const up, gateway, host, reject, cloning, linkLayer, static = 1, 2, 4, 8, 0x100, 0x400, 0x800
	mac := "\x00\x11\x22\x33\x44\x55"
	dump := slices.Concat(
		message(4, up|gateway|static, 7, in4("0.0.0.0"), in4("10.0.0.1"), "\x00\x00\x00\x00"),
		message(4, up|static|cloning, 7, in4("10.0.0.0"), link(""), "\x07\xff\xff\xff\xff\xff\xff\x00"),
		message(1, up|host, 3, in4("127.0.0.1"), in4("127.0.0.1")),
		message(4, up|reject|static, 7, in4("192.0.2.0"), in4("127.0.0.1"), "\x08\x00\x00\x00\xff\xff\xff\x80"),
		message(4, up, 7, in6("fe80:4::"), link(""), "\x10\x1e"+strings.Repeat("\x00", 6)+"\xff\xff\xff\xff\xff\xff\xff\xff"),
		message(4, up|host|linkLayer, 3, in4("10.0.0.1"), link(mac)),
		message(4, up|host|linkLayer, 3, in4("10.0.0.77"), link("")),
		message(4, up|host|linkLayer|static, 3, in6("fe80:4::9"), link(mac)))
	list, err := parseRIBRoutes(dump, names)
	if got, want := showRoutes(list, err), `0.0.0.0/0 10.0.0.1 en0 -1 false false
10.0.0.0/24 invalid IP en0 -1 false false
127.0.0.1/32 127.0.0.1 lo0 -1 false false
192.0.2.0/25 127.0.0.1 en0 -1 true false
fe80::/64 invalid IP en0 -1 false false
fe80::9/128 invalid IP en0 -1 false false <nil>`; got != want {
		t.Error(got)
	}
	near, err := parseRIBNeighbours(dump, names)
	if got, want := showNear(near, err), `10.0.0.1 "00:11:22:33:44:55" en0 reachable
10.0.0.77 "" en0 incomplete
fe80::9 "00:11:22:33:44:55" en0 permanent <nil>`; got != want {
		t.Error(got)
	}
	if _, err := parseRIBRoutes(dump[:len(dump)-1], names); err == nil {
		t.Error("a message that is cut is no message")
	}
}

// What the standard library says of interfaces is what the files say.
func TestSystemInterfaces(t *testing.T) {
	list := systemInterfaces(func(where string, err error) { t.Error(where, err) })
	if !slices.ContainsFunc(list, func(i iface) bool { return i.flags&(1<<3) != 0 && i.said["mtu"] != "" }) {
		t.Errorf("no loopback: %+v", list)
	}
	addresses, err := systemAddresses()
	for _, i := range list {
		if i.flags&(1<<3) != 0 && !slices.Contains(addresses[i.index], netip.MustParsePrefix("127.0.0.1/8")) {
			t.Errorf("%v, %v", addresses, err)
		}
	}
}

// The hosts file of Windows in a mounted image, and a resolver of macOS for a
// domain.
func TestResolversOfOthers(t *testing.T) {
	root := host(t, map[string]string{
		"etc/hosts": "", "etc/resolv.conf": "", "etc/nsswitch.conf": "",
		"WINDOWS/system32/drivers/etc/hosts": "# Microsoft\r\n10.6.6.6\tupdate.example.com\r\n",
		"etc/resolver/corp.example":          "nameserver 10.0.0.53\n",
	})
	check(t, dns(), root, "kind name address path line", nil, []string{
		"host | update.example.com | 10.6.6.6 | /WINDOWS/system32/drivers/etc/hosts | 2",
		"nameserver | null | 10.0.0.53 | /etc/resolver/corp.example | 1",
	})
}

func FuzzTables(f *testing.F) {
	f.Add(winTable(make(record, 160)))
	f.Add(pcbList(macSocket(1, "10.0.0.3", "0.0.0.0", [2]uint16{68, 0}, 55)))
	f.Add(message(4, 3, 7, in4("0.0.0.0"), in4("10.0.0.1"), "\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, l := range socketLayouts() {
			if list, err := l.parse(b); err == nil && len(list)*l.size > len(b) {
				t.Errorf("%d sockets in %d bytes", len(list), len(b))
			}
		}
		parseWinNeighbours(b, nil)
		parseRIBNeighbours(b, nil)
		for _, parse := range []func([]byte, map[int64]string) ([]route, error){parseWinRoutes, parseRIBRoutes} {
			list, _ := parse(b, nil)
			for _, r := range list {
				if !r.destination.IsValid() {
					t.Errorf("%+v", r)
				}
			}
		}
		if list, _ := parsePCBs(b, "tcp"); len(list)*80 > len(b) {
			t.Errorf("%d sockets in %d bytes", len(list), len(b))
		}
	})
}
