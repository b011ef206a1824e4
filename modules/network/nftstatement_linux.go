package network

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// statement decodes what does something with a packet.
func (d *nftDecoder) statement(name string, f map[uint16][]byte) bool {
	switch name {
	case "log":
		return d.log(f)
	case "limit":
		return d.limit(f)
	case "reject":
		return d.reject(f)
	case "notrack":
		return d.say("notrack")
	case "masq":
		d.rule.verdict = "masquerade"
		return d.translate("masquerade", "", f[2], f[3], f[1])
	case "nat":
		return d.nat(f)
	case "redir":
		d.rule.verdict = "redirect"
		return d.translate("redirect", "", f[1], f[2], f[3])
	}
	return false
}

// Why a packet is rejected, as nft calls the codes of ICMP, of ICMPv6, and of
// whichever of them fits (linux/netfilter/nf_tables.h).
var (
	icmpCodes   = map[uint64]string{0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 3: "port-unreachable", 9: "net-prohibited", 10: "host-prohibited", 13: "admin-prohibited"}
	icmpv6Codes = map[uint64]string{0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable", 4: "port-unreachable", 5: "policy-fail", 6: "reject-route"}
	icmpxCodes  = map[uint64]string{0: "no-route", 1: "port-unreachable", 2: "host-unreachable", 3: "admin-prohibited"}
)

// reject decodes why a packet is sent back. What is the rule where nothing is
// said is not said, as nft does.
func (d *nftDecoder) reject(f map[uint16][]byte) bool {
	d.rule.verdict = "reject"
	kind, code := number(f[1]), number(f[2])
	switch {
	case kind == 1:
		return d.say("reject with tcp reset")
	case kind == 2 && icmpxCodes[code] == "port-unreachable":
		return d.say("reject")
	case kind == 2 && icmpxCodes[code] != "":
		return d.say("reject with icmpx %s", icmpxCodes[code])
	case kind == 0 && d.family == familyIPv6 && icmpv6Codes[code] == "port-unreachable", kind == 0 && d.family == familyIPv4 && icmpCodes[code] == "port-unreachable":
		return d.say("reject")
	case kind == 0 && (d.family == familyIPv6 || d.network == "ipv6") && icmpv6Codes[code] != "":
		return d.say("reject with icmpv6 %s", icmpv6Codes[code])
	case kind == 0 && (d.family == familyIPv4 || d.network == "ipv4") && icmpCodes[code] != "":
		return d.say("reject with icmp %s", icmpCodes[code])
	}
	return false
}

// Families of tables, as the kernel numbers them.
const (
	familyIPv4 = 2
	familyIPv6 = 10
)

// levels are those of syslog, as nft calls them; 4 is meant where none is said.
var levels = [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"}

// logFlags are what a log says beside the rest.
var logFlags = [...]string{"tcp sequence", "tcp options", "ip options", "skuid", "", "ether"}

func (d *nftDecoder) log(f map[uint16][]byte) bool {
	text := "log"
	if prefix := plain(f[2]); prefix != "" {
		text += fmt.Sprintf(" prefix %q", prefix)
	}
	if len(f[1]) > 0 {
		text += fmt.Sprintf(" group %d", number(f[1]))
	}
	if n := number(f[3]); n > 0 {
		text += fmt.Sprintf(" snaplen %d", n)
	}
	if n := number(f[4]); n > 0 {
		text += fmt.Sprintf(" queue-threshold %d", n)
	}
	if level := number(f[5]); len(f[5]) > 0 && level != 4 {
		if level >= uint64(len(levels)) {
			return false
		}
		text += " level " + levels[level]
	}
	switch flags := number(f[6]); {
	case flags == 0:
	case flags == 0x2f:
		text += " flags all"
	case flags == 3:
		text += " flags tcp sequence,options"
	case flags&(flags-1) == 0 && flags <= 0x20 && flags != 0x10:
		text += " flags " + logFlags[lowest(flags)]
	default:
		return false
	}
	return d.say("%s", text)
}

// lowest gives the place of the one bit that is set.
func lowest(n uint64) int {
	i := 0
	for ; n > 1; n >>= 1 {
		i++
	}
	return i
}

func (d *nftDecoder) nat(f map[uint16][]byte) bool {
	kind := map[uint64]string{0: "snat", 1: "dnat"}[number(f[1])]
	d.rule.verdict = kind
	from, ok := d.value(f[3])
	to, okTo := d.value(f[4])
	if kind == "" || !ok || !okTo {
		return false
	}
	where := ""
	if from != nil {
		where = addressText(from)
		if to != nil && !bytes.Equal(from, to) {
			where += "-" + addressText(to)
		}
		if d.family == 1 {
			kind += " " + map[bool]string{true: "ip6", false: "ip"}[len(from) == 16]
		}
	}
	return d.translate(kind, where, f[5], f[6], f[7])
}

// value gives what a register holds, nil where none is named; it is not ok
// where that is nothing that was written into the rule.
func (d *nftDecoder) value(register []byte) (data []byte, ok bool) {
	if len(register) == 0 {
		return nil, true
	}
	l := d.at(register)
	if l == nil || l.data == nil {
		return nil, false
	}
	return l.data, true
}

// translate says where packets go: an address, a port or several, and how.
func (d *nftDecoder) translate(kind, where string, portFrom, portTo, flags []byte) bool {
	from, ok := d.value(portFrom)
	to, okTo := d.value(portTo)
	how, known := natFlags(number(flags))
	if !ok || !okTo || !known {
		return false
	}
	if from != nil {
		if strings.Contains(where, ":") {
			where = "[" + where + "]"
		}
		where += ":" + strconv.FormatUint(number(from), 10)
		if to != nil && !bytes.Equal(from, to) {
			where += "-" + strconv.FormatUint(number(to), 10)
		}
	}
	if where != "" {
		kind += " to " + where
	}
	return d.say("%s", strings.TrimSpace(kind+" "+how))
}

// natFlags writes how a port or address is chosen (linux/netfilter/nf_nat.h):
// the first two bits say what is in the rule, which its text shows.
func natFlags(n uint64) (how string, known bool) {
	var words []string
	for _, f := range [...]struct {
		bit  uint64
		word string
	}{{4, "random"}, {16, "fully-random"}, {8, "persistent"}} {
		if n&f.bit != 0 {
			words = append(words, f.word)
		}
	}
	return strings.Join(words, ","), n&^uint64(1|2|4|8|16) == 0
}
