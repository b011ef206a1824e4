package network

import (
	"net/netip"

	"golang.org/x/sys/windows"

	"github.com/quaestor-engine/quaestor/modules/native"
)

// asksSystem says that a live machine is asked by calls, not through /proc.
const asksSystem = true

// systemSockets gives the sockets of TCP and UDP.
func systemSockets(fail func(where string, err error)) []socket {
	var all []socket
	for _, l := range socketLayouts() {
		family := uint32(windows.AF_INET)
		if l.family == "ipv6" {
			family = windows.AF_INET6
		}
		table, err := native.Sockets(l.protocol, family)
		if err == nil {
			var list []socket
			list, err = l.parse(table)
			all = append(all, list...)
		}
		if err != nil {
			fail(l.protocol+" "+l.family, err)
		}
	}
	return all
}

func systemRoutes(names map[int64]string) ([]route, error) {
	table, err := native.Routes()
	if err != nil {
		return nil, err
	}
	return parseWinRoutes(table, names)
}

func liveNeighbours(names map[int64]string) ([]neighbour, error) {
	table, err := native.Neighbours()
	if err != nil {
		return nil, err
	}
	return parseWinNeighbours(table, names)
}

// systemResolvers gives the nameservers and domains of the interfaces.
func systemResolvers() ([]resolution, error) {
	adapters, err := native.Adapters()
	var list []resolution
	for _, a := range adapters {
		for _, ip := range a.Servers {
			if address, ok := netip.AddrFromSlice(ip); ok {
				list = append(list, resolution{kind: "nameserver", address: address.Unmap()})
			}
		}
		if a.Suffix != "" {
			list = append(list, resolution{kind: "search", name: a.Suffix})
		}
	}
	return list, err
}
