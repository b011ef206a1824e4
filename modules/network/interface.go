package network

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// interfaceDir has a folder for each interface.
const interfaceDir = "/sys/class/net"

// An iface is a network interface.
type iface struct {
	name  string
	index int64
	flags uint64
	// said is what the system itself says in the place of files, by their
	// names; nil on Linux and in a tree.
	said map[string]string
	// addresses are those of all interfaces by their number, once somebody
	// asked; nil where they cannot be had.
	addresses *addressBook
}

// An addressBook knows the addresses of all interfaces.
type addressBook struct {
	asked bool
	list  map[int64][]netip.Prefix
	err   error
}

// file reads one of the small files about an interface.
func (i *iface) file(s *table.Scan, name string) (string, error) {
	if i.said != nil {
		return i.said[name], nil
	}
	b, err := s.FS.ReadFile(interfaceDir + "/" + i.name + "/" + name)
	return strings.TrimSpace(string(b)), err
}

// interfaceNames gives the names of interfaces by their numbers.
func interfaceNames(f *hostfs.FS) map[int64]string {
	names := map[int64]string{}
	if f.Live() && asksSystem {
		for _, i := range systemInterfaces(func(string, error) {}) {
			names[i.index] = i.name
		}
		return names
	}
	for _, name := range f.List(interfaceDir) {
		b, ok := f.Get(interfaceDir + "/" + name + "/ifindex")
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 32); ok && err == nil {
			names[n] = name
		}
	}
	return names
}

func interfaces() modules.Module {
	return table.New(modules.Schema{
		Name: "interface", Doc: "The network interfaces of the host, without those that containers have to themselves.", Key: "name",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "name", Doc: "a glob of names", Example: "'eth*'"},
	}, []table.Column[iface]{
		table.Text("name", "Its name.", func(i *iface) string { return i.name }).Shown(),
		table.Int("index", "Its number.", func(i *iface) int64 { return i.index }),
		fromFile("mac", value.Text, "Its hardware address, in lower case with colons; null where it has none.", hardware).Shown(),
		table.Computed("addresses", value.List, "Its addresses, each with its network.", addressesOf).Of(value.CIDR).Costs(modules.Read).Shown(),
		fromFile("state", value.Text, "Whether it carries something, as the driver says: up, down, dormant, unknown.", text).Shown(),
		table.Bool("up", "Whether it is switched on.", func(i *iface) bool { return i.flags&1 != 0 }),
		table.Value("promiscuous", value.Bool, "Whether it takes what is meant for others, as somebody who listens to the network has it do.", func(i *iface) value.Value {
			if i.said != nil {
				return value.Value{}
			}
			return value.NewBool(i.flags&0x100 != 0)
		}).Shown().On("linux"),
		fromFile("mtu", value.Int, "The largest packet that it carries, in bytes.", decimal),
		table.Texts("flags", "What else is set: broadcast, loopback, pointtopoint, noarp, allmulti, multicast.", func(i *iface) []string { return flagNames(i.flags) }),
		fromFile("type", value.Int, "What kind it is, by its ARP number: 1 is Ethernet, 772 the loopback.", decimal).On("linux"),
	}, listInterfaces)
}

// listInterfaces gives the interfaces with what is known of their addresses.
func listInterfaces(s *table.Scan, yield func(*iface) error) error {
	book := &addressBook{}
	if s.FS.Live() && asksSystem {
		list := systemInterfaces(s.Fail)
		for i := range list {
			list[i].addresses = book
		}
		return yieldAll(list, yield)
	}
	for _, name := range s.FS.List(interfaceDir) {
		i := iface{name: name, addresses: book}
		index, err := i.file(s, "ifindex")
		if err != nil {
			continue // bonding_masters and the like
		}
		flags, err := i.file(s, "flags")
		var err1, err2 error
		i.index, err1 = strconv.ParseInt(index, 10, 32)
		i.flags, err2 = strconv.ParseUint(flags, 0, 32)
		if err != nil || err1 != nil || err2 != nil {
			s.Fail("interface "+name, hostfs.ErrMalformed)
			continue
		}
		if err := yield(&i); err != nil {
			return err
		}
	}
	return nil
}

// An ifaceAddress is an address of an interface.
type ifaceAddress struct {
	iface   string
	address netip.Prefix
}

func interfaceAddresses() modules.Module {
	return table.New(modules.Schema{
		Name: "interface_address", Doc: "The addresses of the network interfaces: one row for each.",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "interface", Doc: "a glob of names of interfaces", Example: "'eth*'"},
	}, []table.Column[ifaceAddress]{
		table.Text("interface", "The name of the interface.", func(a *ifaceAddress) string { return a.iface }).To("interface").Shown(),
		table.IP("address", "The address.", func(a *ifaceAddress) netip.Addr { return a.address.Addr() }).Shown(),
		table.Value("network", value.CIDR, "The network that is on the link with it.", func(a *ifaceAddress) value.Value { return value.NewCIDR(a.address.Masked()) }).Shown(),
	}, func(s *table.Scan, yield func(*ifaceAddress) error) error {
		return listInterfaces(s, func(i *iface) error {
			list, err := i.prefixes(s)
			if err != nil {
				s.Fail("addresses", err)
			}
			for _, p := range list {
				if err := yield(&ifaceAddress{i.name, p}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// fromFile makes a column of the file of that name; mac is in address, state
// in operstate.
func fromFile(name string, t value.Type, doc string, made func(string) (value.Value, error)) table.Column[iface] {
	file := map[string]string{"mac": "address", "state": "operstate"}[name]
	if file == "" {
		file = name
	}
	return table.Computed(name, t, doc, func(s *table.Scan, i *iface) (value.Value, error) {
		line, err := i.file(s, file)
		if err != nil || line == "" && i.said != nil {
			return value.Value{}, err
		}
		return made(line)
	}).Costs(modules.Stat)
}

// systemInterfaces asks the standard library, which knows the interfaces of
// every system.
func systemInterfaces(fail func(where string, err error)) []iface {
	found, err := net.Interfaces()
	if err != nil {
		fail("interfaces", err)
	}
	list := make([]iface, len(found))
	for n, f := range found {
		list[n] = iface{name: f.Name, index: int64(f.Index), said: map[string]string{"address": f.HardwareAddr.String(), "operstate": "down"}}
		if f.MTU > 0 {
			list[n].said["mtu"] = strconv.Itoa(f.MTU)
		}
		if f.Flags&net.FlagRunning != 0 {
			list[n].said["operstate"] = "up"
		}
		for flag, bit := range map[net.Flags]uint64{net.FlagUp: 1, net.FlagBroadcast: 1 << 1, net.FlagLoopback: 1 << 3, net.FlagPointToPoint: 1 << 4, net.FlagMulticast: 1 << 12} {
			if f.Flags&flag != 0 {
				list[n].flags |= bit
			}
		}
	}
	return list
}

// systemAddresses asks it for the addresses of all interfaces, by number.
func systemAddresses() (map[int64][]netip.Prefix, error) {
	found, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	list := map[int64][]netip.Prefix{}
	for _, f := range found {
		addresses, err := f.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				list[int64(f.Index)] = append(list[int64(f.Index)], p)
			}
		}
	}
	return list, nil
}

func text(line string) (value.Value, error) { return table.TextOf(line), nil }

func hardware(line string) (value.Value, error) {
	if strings.Trim(line, "0:") == "" {
		return value.Value{}, nil
	}
	return value.NewText(strings.ToLower(line)), nil
}

func decimal(line string) (value.Value, error) {
	n, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		return value.Value{}, hostfs.ErrMalformed
	}
	return value.NewInt(n), nil
}

// flagNames names the bits that linux/if.h defines, without those that have
// columns.
func flagNames(flags uint64) []string {
	var list []string
	for bit, name := range [...]string{1: "broadcast", 3: "loopback", 4: "pointtopoint", 7: "noarp", 9: "allmulti", 12: "multicast"} {
		if name != "" && flags>>bit&1 != 0 {
			list = append(list, name)
		}
	}
	return list
}

func addressesOf(s *table.Scan, i *iface) (value.Value, error) {
	list, err := i.prefixes(s)
	if err != nil || i.addresses.err != nil {
		return value.Value{}, err
	}
	return table.ListOf(list, value.NewCIDR), nil
}

// prefixes gives the addresses of an interface. An error is given once.
func (i *iface) prefixes(s *table.Scan) ([]netip.Prefix, error) {
	b := i.addresses
	if !b.asked {
		b.asked = true
		b.list, b.err = liveAddresses(s.FS.Live())
		if !s.FS.Live() {
			b.list = inet6Addresses(s.FS)
		}
		return b.list[i.index], b.err
	}
	return b.list[i.index], nil
}

// inet6Addresses reads /proc/net/if_inet6 of a tree: the address, the numbers
// of the interface and of the bits of its network, scope and flags in
// hexadecimal digits, and the name. Of IPv4 no file says which interface has
// an address.
func inet6Addresses(f *hostfs.FS) map[int64][]netip.Prefix {
	list := map[int64][]netip.Prefix{}
	b, ok := f.Get("/proc/net/if_inet6")
	if !ok {
		return list
	}
	for _, line := range table.Lines(b) {
		w := strings.Fields(line)
		if len(w) < 3 {
			continue
		}
		raw, err1 := hex.DecodeString(w[0])
		index, err2 := strconv.ParseInt(w[1], 16, 32)
		bits, err3 := strconv.ParseInt(w[2], 16, 16)
		addr, whole := netip.AddrFromSlice(raw)
		if err1 != nil || err2 != nil || err3 != nil || !whole || bits > 128 {
			continue
		}
		list[index] = append(list[index], netip.PrefixFrom(addr, int(bits)))
	}
	return list
}
