package network

import (
	"net/netip"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// A neighbour is another host on the same link.
type neighbour struct {
	address           netip.Addr
	mac, iface, state string
}

func neighbours() modules.Module {
	return table.New(modules.Schema{
		Name: "neighbour", Doc: "Hosts on the same link that this one has spoken with, as ARP and NDP remember them.",
	}, []table.Column[neighbour]{
		table.IP("address", "The address of the neighbour.", func(n *neighbour) netip.Addr { return n.address }).Shown(),
		table.Text("mac", "Its hardware address, in lower case with colons; null where it did not answer.", func(n *neighbour) string { return n.mac }).Shown(),
		table.Text("interface", "The interface behind which it is.", func(n *neighbour) string { return n.iface }).To("interface").Shown(),
		table.Text("state", "How sure that is.", func(n *neighbour) string { return n.state }).Shown().
			OneOf("incomplete", "reachable", "stale", "delay", "probe", "failed", "noarp", "permanent"),
	}, func(s *table.Scan, yield func(*neighbour) error) error {
		list, err := arp(s), error(nil)
		if s.FS.Live() {
			if list, err = liveNeighbours(interfaceNames(s.FS)); err != nil {
				s.Fail("neighbours", err)
			}
		}
		return yieldAll(list, yield)
	})
}

// arp reads the neighbours of a tree, which of IPv6 knows none.
func arp(s *table.Scan) []neighbour {
	if s.FS.Live() {
		return nil
	}
	const path = "/proc/net/arp"
	text, _ := s.FS.Get(path)
	var list []neighbour
	for n, line := range table.Lines(text) {
		if n == 1 || line == "" {
			continue
		}
		if k, ok := parseARP(line); ok {
			list = append(list, k)
		} else {
			s.Fail(path, hostfs.ErrMalformed)
		}
	}
	return list
}

// parseARP reads a line of /proc/net/arp: address, type, flags, hardware
// address, mask, device.
func parseARP(line string) (neighbour, bool) {
	w := strings.Fields(line)
	if len(w) != 6 {
		return neighbour{}, false
	}
	a, err := netip.ParseAddr(w[0])
	n := neighbour{address: a, mac: strings.ToLower(w[3]), iface: w[5]}
	switch w[2] {
	case "0x0":
		n.state, n.mac = "incomplete", ""
	case "0x2":
		n.state = "reachable"
	case "0x6":
		n.state = "permanent"
	}
	return n, err == nil
}
