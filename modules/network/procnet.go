package network

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// maxTable is how much of a table of sockets is read, in bytes: a line has
// some 150, so that a million sockets fit.
const maxTable = 256 << 20

// A socketFile is a table of /proc/net.
type socketFile struct {
	name, protocol, family string
}

func internetFiles() []socketFile {
	return []socketFile{
		{"tcp", "tcp", "ipv4"}, {"tcp6", "tcp", "ipv6"}, {"udp", "udp", "ipv4"}, {"udp6", "udp", "ipv6"},
		{"udplite", "udplite", "ipv4"}, {"udplite6", "udplite", "ipv6"}, {"raw", "raw", "ipv4"}, {"raw6", "raw", "ipv6"},
		{"icmp", "icmp", "ipv4"}, {"icmp6", "icmp", "ipv6"},
	}
}

// sockets yields the sockets of a namespace. The kernel is asked directly
// where it can be; its tables of text take it longer to write.
func (n namespace) sockets(s *table.Scan, yield func(*socket) error) error {
	asked := map[string]bool{}
	if n.own {
		for _, protocol := range []string{"tcp", "udp"} {
			if !s.Wanted("protocol", protocol) {
				continue
			}
			var err error
			if asked[protocol], err = askKernel(protocol, yield); err != nil {
				return err
			}
		}
	}
	for _, f := range internetFiles() {
		if asked[f.protocol] || !s.Wanted("protocol", f.protocol) {
			continue
		}
		if err := n.table(s, f.name, yield, func(line string) (socket, bool) { return parseInternet(line, f) }); err != nil {
			return err
		}
	}
	if s.Wanted("protocol", "unix") {
		if err := n.table(s, "unix", yield, parseUnix); err != nil {
			return err
		}
	}
	if !s.Wanted("protocol", "packet") {
		return nil
	}
	var names map[int64]string
	return n.table(s, "packet", yield, func(line string) (socket, bool) {
		if names == nil && (n.own || !s.FS.Live()) {
			names = interfaceNames(s.FS)
		}
		return parsePacket(line, names)
	})
}

// table reads one of the tables, whose first line is a heading. What is not
// in its format is named.
func (n namespace) table(s *table.Scan, name string, yield func(*socket) error, parse func(string) (socket, bool)) error {
	path := n.dir + "/" + name
	text, err := s.FS.Append(nil, path, maxTable)
	if err != nil {
		if s.FS.Exists(path) {
			s.Fail(path, err)
		}
		return nil // a kernel without that protocol
	}
	first := true
	for line := range bytes.Lines(text) {
		if first {
			first = false
			continue
		}
		k, ok := parse(string(line))
		if !ok {
			s.Fail(path, hostfs.ErrMalformed)
			return nil
		}
		if err := yield(&k); err != nil {
			return err
		}
	}
	return nil
}

// parseInternet reads a line of tcp, udp and their like, as proc_net(5) has it.
func parseInternet(line string, f socketFile) (socket, bool) {
	w := strings.Fields(line)
	k := socket{protocol: f.protocol, family: f.family}
	if len(w) < 10 {
		return k, false
	}
	var ok1, ok2 bool
	k.local, ok1 = hexEnd(w[1])
	k.remote, ok2 = hexEnd(w[2])
	state, err1 := strconv.ParseUint(w[3], 16, 8)
	uid, err2 := strconv.ParseUint(w[7], 10, 32)
	inode, err3 := strconv.ParseUint(w[9], 10, 64)
	k.state, k.uid, k.inode = stateName(state), int64(uid), inode
	return k, ok1 && ok2 && err1 == nil && err2 == nil && err3 == nil && k.local.Addr().Is4() == (f.family == "ipv4")
}

// hexEnd reads an address and a port. The address is written in words of four
// bytes, in the order of the machine; all that are left have the small end
// first.
func hexEnd(text string) (netip.AddrPort, bool) {
	address, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	for w := raw; len(w) > 0; w = w[4:] {
		binary.BigEndian.PutUint32(w, binary.LittleEndian.Uint32(w))
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a, uint16(n)), true
}

// parseUnix reads a line of the table of unix sockets. A path may hold blanks.
func parseUnix(line string) (socket, bool) {
	k := socket{protocol: "unix", family: "unix", uid: -1}
	line = strings.TrimSuffix(line, "\n")
	var w [7]string
	rest := line
	for i := range w {
		rest = strings.TrimLeft(rest, " ")
		w[i], rest, _ = strings.Cut(rest, " ")
	}
	flags, err1 := strconv.ParseUint(w[3], 16, 32)
	state, err2 := strconv.ParseUint(w[5], 16, 8)
	inode, err3 := strconv.ParseUint(w[6], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return k, false
	}
	const acceptsConnections, connected = 1 << 16, 3
	switch {
	case flags&acceptsConnections != 0:
		k.state = "listen"
	case state == connected:
		k.state = "established"
	default:
		k.state = "unconnected"
	}
	k.inode, k.path = inode, rest
	return k, true
}

// parsePacket reads a line of the table of packet sockets, which see what the
// interfaces carry.
func parsePacket(line string, names map[int64]string) (socket, bool) {
	k := socket{protocol: "packet", family: "packet", state: "unconnected"}
	w := strings.Fields(line)
	if len(w) < 9 {
		return k, false
	}
	iface, err1 := strconv.ParseInt(w[4], 10, 32)
	uid, err2 := strconv.ParseUint(w[7], 10, 32)
	inode, err3 := strconv.ParseUint(w[8], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return k, false
	}
	if k.uid, k.inode = int64(uid), inode; iface != 0 {
		k.iface = names[iface]
		if k.iface == "" {
			k.iface = "#" + w[4]
		}
	}
	return k, true
}
