package network

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// prefixOf counts the ones that a mask begins with; -1 where others follow.
func prefixOf(mask []byte) int {
	n, done := 0, false
	for _, b := range mask {
		ones := bits.LeadingZeros8(^b)
		if done && b != 0 || bits.OnesCount8(b) != ones {
			return -1
		}
		n += ones
		done = done || ones < 8
	}
	return n
}

func addressText(b []byte) string {
	a, ok := netip.AddrFromSlice(b)
	if !ok {
		return fmt.Sprintf("0x%x", b)
	}
	return a.String()
}

// format writes a value of the kind that a register holds.
func (l *loaded) format(b []byte) string {
	switch l.kind {
	case "address", "address6":
		whole := map[string]int{"address": 4, "address6": 16}[l.kind]
		if len(b) < whole { // the beginning of it: a network
			return addressText(append(append([]byte(nil), b...), make([]byte, whole-len(b))...)) + "/" + strconv.Itoa(len(b)*8)
		}
		return addressText(b)
	case "number":
		return strconv.FormatUint(number(b), 10)
	case "host", "mark", "state", "index":
		if len(b) != 4 {
			break
		}
		n := binary.NativeEndian.Uint32(b)
		switch l.kind {
		case "mark":
			return fmt.Sprintf("0x%08x", n)
		case "state":
			return stateNames(n)
		case "index":
			if i, err := net.InterfaceByIndex(int(n)); err == nil {
				return strconv.Quote(i.Name)
			}
		}
		return strconv.FormatUint(uint64(n), 10)
	case "name":
		if len(b) > 0 && len(b) < l.size && b[len(b)-1] != 0 { // the beginning of one
			return strconv.Quote(plain(b) + "*")
		}
		return strconv.Quote(plain(b))
	case "mac":
		return macOf(b)
	case "family":
		if len(b) == 1 {
			return map[string]string{"ip": "ipv4", "ip6": "ipv6"}[nftFamily(b[0])]
		}
	case "ethertype":
		if name := map[uint64]string{0x0800: "ip", 0x86dd: "ip6", 0x0806: "arp"}[number(b)]; name != "" && len(b) == 2 {
			return name
		}
	case "protocol":
		if len(b) == 1 {
			return protocolName(b[0])
		}
	}
	return fmt.Sprintf("0x%x", b)
}

func stateNames(n uint32) string {
	var out []string
	for i, name := range [...]string{"invalid", "established", "related", "new"} {
		if n>>i&1 != 0 {
			out = append(out, name)
		}
	}
	if n>>6&1 != 0 {
		out = append(out, "untracked")
	}
	return strings.Join(out, ",")
}

func protocolName(n byte) string {
	switch n {
	case 1:
		return "icmp"
	case 2:
		return "igmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 47:
		return "gre"
	case 50:
		return "esp"
	case 51:
		return "ah"
	case 58:
		return "ipv6-icmp"
	case 132:
		return "sctp"
	}
	return strconv.Itoa(int(n))
}
