package network

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes calls yield for each attribute behind the head of a message, as
// netlink(7) lays them out.
func attributes(b []byte, head int, yield func(kind uint16, data []byte)) {
	for len(b) >= head+unix.SizeofRtAttr {
		n := int(binary.NativeEndian.Uint16(b[head:]))
		if n < unix.SizeofRtAttr || head+n > len(b) {
			return
		}
		yield(binary.NativeEndian.Uint16(b[head+2:])&0x3fff, b[head+unix.SizeofRtAttr:head+n])
		head += (n + 3) &^ 3
	}
}

// routeMessages asks the kernel for one of its lists.
func routeMessages(kind int) ([]syscall.NetlinkMessage, error) {
	raw, err := syscall.NetlinkRIB(kind, syscall.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	return syscall.ParseNetlinkMessage(raw)
}

// liveAddresses gives the addresses of interfaces by the interfaces' numbers.
func liveAddresses(live bool) (map[int64][]netip.Prefix, error) {
	if !live {
		return nil, errors.ErrUnsupported
	}
	messages, err := routeMessages(syscall.RTM_GETADDR)
	if err != nil {
		return nil, err
	}
	list := map[int64][]netip.Prefix{}
	for _, m := range messages {
		const head = 8 // an ifaddrmsg
		if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < head {
			continue
		}
		var address, local netip.Addr
		attributes(m.Data, head, func(kind uint16, data []byte) {
			a, _ := netip.AddrFromSlice(data)
			switch kind {
			case unix.IFA_ADDRESS:
				address = a
			case unix.IFA_LOCAL: // of a point-to-point link IFA_ADDRESS is the other end
				local = a
			}
		})
		if !local.IsValid() {
			local = address
		}
		if local.IsValid() {
			index := int64(binary.NativeEndian.Uint32(m.Data[4:]))
			list[index] = append(list[index], netip.PrefixFrom(local, int(m.Data[1])))
		}
	}
	return list, nil
}

// liveNeighbours gives what ARP and NDP know.
func liveNeighbours(names map[int64]string) ([]neighbour, error) {
	messages, err := routeMessages(syscall.RTM_GETNEIGH)
	if err != nil {
		return nil, err
	}
	var list []neighbour
	for _, m := range messages {
		const head = 12 // an ndmsg
		if m.Header.Type != syscall.RTM_NEWNEIGH || len(m.Data) < head {
			continue
		}
		n := neighbour{
			iface: names[int64(int32(binary.NativeEndian.Uint32(m.Data[4:])))],
			state: neighbourState(binary.NativeEndian.Uint16(m.Data[8:])),
		}
		attributes(m.Data, head, func(kind uint16, data []byte) {
			switch kind {
			case unix.NDA_DST:
				n.address, _ = netip.AddrFromSlice(data)
			case unix.NDA_LLADDR:
				n.mac = macOf(data)
			}
		})
		if n.address.IsValid() && n.state != "noarp" {
			list = append(list, n)
		}
	}
	return list, nil
}

func macOf(b []byte) string {
	const digits = "0123456789abcdef"
	parts := make([]string, len(b))
	for i, c := range b {
		parts[i] = string([]byte{digits[c>>4], digits[c&15]})
	}
	return strings.Join(parts, ":")
}

// neighbourState names the bits of linux/neighbour.h.
func neighbourState(bits uint16) string {
	for i, name := range [...]string{"incomplete", "reachable", "stale", "delay", "probe", "failed", "noarp", "permanent"} {
		if bits>>i&1 != 0 {
			return name
		}
	}
	return ""
}
