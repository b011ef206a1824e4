package network

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A socket is one end of a connection, or somebody who waits for one.
type socket struct {
	protocol, family, state string
	local, remote           netip.AddrPort
	uid                     int64 // negative: it is not known
	inode                   uint64
	path                    string // of a unix socket; an abstract one begins with @
	iface                   string // of a packet socket that listens to one alone
	namespace               string
	process                 int64 // 0: it is not known, or none has it
	fd                      int64 // where process is known
	created                 time.Time
}

// states of TCP at the kernel's numbers, which other protocols borrow.
func stateName(n uint64) string {
	names := [...]string{"", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait",
		"unconnected", "close_wait", "last_ack", "listen", "closing", "syn_recv", "bound"}
	if n < uint64(len(names)) {
		return names[n]
	}
	return ""
}

func sockets() modules.Module {
	return table.New(modules.Schema{
		Name: "socket", Processes: true, Doc: "Sockets: connections and those who wait for them, one row for each socket and process that has it.",
		Locator: modules.Locator{
			Use: modules.LocatorOptional,
			Doc: "a port at either end, an address, a network, or an address with its port", Example: ":22",
		},
	}, []table.Column[socket]{
		table.Text("protocol", "What is spoken; on Windows and macOS tcp and udp alone are listed.", func(s *socket) string { return s.protocol }).Shown().
			OneOf("tcp", "udp", "udplite", "raw", "icmp", "unix", "packet"),
		table.Text("state", "What it is doing; a socket without a peer that waits for none is unconnected.", func(s *socket) string { return s.state }).Shown().
			OneOf("established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "unconnected", "close_wait", "last_ack", "listen", "closing", "bound", "delete_tcb"),
		table.IP("address", "The address of this end; 0.0.0.0 and :: are all that the host has.", func(s *socket) netip.Addr { return s.local.Addr().Unmap() }).Shown(),
		portOf("port", "The port of this end.", func(s *socket) netip.AddrPort { return s.local }).Shown(),
		table.IP("remote_address", "The address of the other end; null where there is none.", func(s *socket) netip.Addr { return peer(s.remote).Addr().Unmap() }).Shown(),
		portOf("remote_port", "The port of the other end.", func(s *socket) netip.AddrPort { return peer(s.remote) }).Shown(),
		table.Value("process", value.Int, "A process that has it, on macOS the one that used it last; null where none has it any more, or it could not be found out.", func(s *socket) value.Value { return numberOr(s.process, 0) }).
			To("process").Costs(modules.Read).Shown(),
		table.Value("fd", value.Int, "The number of the descriptor by which that process has it, the lowest of several.", func(s *socket) value.Value {
			if s.process == 0 {
				return value.Value{}
			}
			return value.NewInt(s.fd)
		}).Costs(modules.Read).On("linux"),
		table.Text("family", "What kind of addresses it has.", func(s *socket) string { return s.family }).OneOf("ipv4", "ipv6", "unix", "packet"),
		table.Text("path", "The path of a unix socket; an abstract one begins with @.", func(s *socket) string { return s.path }),
		table.Text("interface", "The interface that a packet socket listens to; null for all.", func(s *socket) string { return s.iface }),
		table.Value("uid", value.Int, "The number of the user who made it.", func(s *socket) value.Value { return numberOr(s.uid, -1) }).On("linux", "darwin"),
		table.Value("inode", value.Int, "Its number, as module open_file has it; null where it belongs to nobody any more.", func(s *socket) value.Value { return numberOr(int64(s.inode), 0) }).On("linux"),
		table.Time("created", "When it was bound.", func(s *socket) time.Time { return s.created }).On("windows"),
		table.Text("namespace", "The network namespace that it is in, such as net:[4026531840].", func(s *socket) string { return s.namespace }).Costs(modules.Stat).On("linux"),
	}, listSockets).By()
}

// portOf makes a column of ports; null where there is no address.
func portOf(name, doc string, get func(*socket) netip.AddrPort) table.Column[socket] {
	return table.Value(name, value.Int, doc, func(s *socket) value.Value {
		if a := get(s); a.IsValid() {
			return value.NewInt(int64(a.Port()))
		}
		return value.Value{}
	})
}

// peer is the other end, or none where it stands for anybody.
func peer(a netip.AddrPort) netip.AddrPort {
	if a.IsValid() && a.Port() == 0 && a.Addr().IsUnspecified() {
		return netip.AddrPort{}
	}
	return a
}

func numberOr(n, none int64) value.Value {
	if n == none {
		return value.Value{}
	}
	return value.NewInt(n)
}

// listSockets goes through the network namespaces.
func listSockets(s *table.Scan, yield func(*socket) error) error {
	located, err := locate(s.Locators)
	if err != nil {
		return err
	}
	if s.FS.Live() && asksSystem {
		return listSystem(s, located, yield)
	}
	var owners []owner
	if s.Wants("process") || s.Wants("fd") {
		owners = socketOwners(s)
	}
	return eachNamespace(s, func(ns namespace) error {
		return ns.sockets(s, func(k *socket) error {
			if !located(k) {
				return nil
			}
			k.namespace = ns.name
			their := having(owners, k.inode)
			if k.inode == 0 || len(their) == 0 {
				return yield(k)
			}
			for _, o := range their {
				k.process, k.fd = o.pid, o.fd
				if err := yield(k); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// listSystem lists the sockets of a live system without /proc.
func listSystem(s *table.Scan, located func(*socket) bool, yield func(*socket) error) error {
	s.Skip(modules.SkipUnsupported, "sockets", "only those of tcp and udp are listed on this system")
	return yieldAll(systemSockets(s.Fail), func(k *socket) error {
		if !located(k) {
			return nil
		}
		return yield(k)
	})
}

// locate makes the function that says whether a socket is one of those that
// the locators name.
func locate(locators []string) (func(*socket) bool, error) {
	var tests []func(netip.AddrPort) bool
	for _, text := range locators {
		test, err := endTest(text)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	return func(s *socket) bool {
		for _, test := range tests {
			if s.local.IsValid() && test(s.local) || s.remote.IsValid() && test(peer(s.remote)) {
				return true
			}
		}
		return len(tests) == 0
	}, nil
}

// endTest reads a locator.
func endTest(text string) (func(netip.AddrPort) bool, error) {
	if port, ok := strings.CutPrefix(text, ":"); ok {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			return func(a netip.AddrPort) bool { return a.IsValid() && a.Port() == uint16(n) }, nil
		}
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return func(a netip.AddrPort) bool { return a.Addr().Unmap() == addr.Unmap() }, nil
	}
	if net, err := netip.ParsePrefix(text); err == nil {
		return func(a netip.AddrPort) bool { return net.Contains(a.Addr().Unmap()) }, nil
	}
	if end, err := netip.ParseAddrPort(text); err == nil {
		return func(a netip.AddrPort) bool { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) == end }, nil
	}
	return nil, fmt.Errorf("socket: %q is no place of a socket: write :22, 192.0.2.7, 10.0.0.0/8 or 192.0.2.7:22", text)
}
