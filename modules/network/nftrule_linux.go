package network

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A nftDecoder writes the expressions of one rule as nft does. The kernel has
// them as a little program over registers: one loads a field of the packet
// into a register, the next one compares it.
type nftDecoder struct {
	rule      *filterRule
	family    byte
	elements  func(set string) [][]byte
	registers [20]*loaded // of four bytes
	parts     []string
	transport string // what meta l4proto was compared with
	network   string // what meta nfproto was compared with
	// implied are the parts that say either, by where they stand from 1, which
	// nft leaves out where a field names it.
	implied map[string]int
}

// loaded is what a register holds.
type loaded struct {
	text string // as nft calls it
	kind string // how its values are written
	size int
	mask []byte
	data []byte // where it is a value
	to   *string
}

// expressions decodes a list. What it does not know is named, with its size.
func (d *nftDecoder) expressions(list []byte) {
	attributes(list, 0, func(_ uint16, element []byte) {
		f := fields(element, 0)
		name, data := plain(f[1]), fields(f[2], 0)
		if !d.expression(name, data) {
			d.unknown(name, data, len(f[2]))
		}
	})
	d.rule.text = strings.Join(slices.DeleteFunc(d.parts, func(part string) bool { return part == "" }), " ")
}

func (d *nftDecoder) say(format string, args ...any) bool {
	d.parts = append(d.parts, fmt.Sprintf(format, args...))
	return true
}

// unknown names what could not be decoded.
func (d *nftDecoder) unknown(name string, data map[uint16][]byte, size int) {
	what := name
	if name == "match" || name == "target" { // of iptables, over nftables
		what = name + " " + plain(data[1])
	}
	d.rule.partly = true
	clear(d.registers[:]) // whatever it loaded is not what was there before
	d.say("<%s: %d bytes>", what, size)
	if name == "target" {
		d.rule.verdict = strings.ToLower(plain(data[1]))
	}
}

func (d *nftDecoder) expression(name string, f map[uint16][]byte) bool {
	switch name {
	case "payload":
		return len(f[1]) > 0 && d.load(f[1], d.payload(number(f[2]), number(f[3]), number(f[4])))
	case "meta":
		return len(f[1]) > 0 && d.load(f[1], d.meta(number(f[2])))
	case "ct":
		return len(f[1]) > 0 && d.load(f[1], ctKey(number(f[2])))
	case "immediate":
		return d.immediate(f)
	case "bitwise":
		return d.bitwise(f)
	case "cmp":
		return d.compare(f)
	case "range":
		return d.between(f)
	case "lookup":
		return d.lookup(f)
	case "counter":
		d.rule.bytes, d.rule.packets = int64(number(f[1])), int64(number(f[2]))
		return d.say("counter packets %d bytes %d", d.rule.packets, d.rule.bytes)
	}
	if name == "match" && plain(f[1]) == "comment" {
		d.rule.comment = plain(f[3])
		return true
	}
	return d.statement(name, f)
}

// slot gives the register's place among those of four bytes; negative where
// there is no such register.
func slot(b []byte) int {
	switch n := int(number(b)); {
	case n >= 1 && n <= 4:
		return (n - 1) * 4
	case n >= 8 && n < 8+16:
		return n - 8
	}
	return -1
}

func (d *nftDecoder) load(register []byte, l *loaded) bool {
	i := slot(register)
	const widest = 64 // bytes of all registers
	if i < 0 || l == nil || l.size < 0 || l.size > widest {
		return false
	}
	for k := i; k < min(len(d.registers), i+(l.size+3)/4); k++ {
		d.registers[k] = nil
	}
	d.registers[i] = l
	return true
}

func (d *nftDecoder) at(register []byte) *loaded {
	if i := slot(register); i >= 0 {
		return d.registers[i]
	}
	return nil
}

// payload names a field of a packet: its base (link, network, transport), where
// it begins and how long it is.
func (d *nftDecoder) payload(base, offset, size uint64) *loaded {
	r := d.rule
	l := &loaded{text: fmt.Sprintf("@%s,%d,%d", [...]string{"ll", "nh", "th", "ih"}[min(base, 3)], offset*8, size*8), kind: "hex", size: int(size)}
	set := func(name, kind string, to *string) *loaded {
		l.text, l.kind, l.to = name, kind, to
		if base == 1 {
			d.imply("network")
		}
		return l
	}
	six, four := d.family == 10 || d.network == "ipv6", d.family == 2 || d.network == "ipv4"
	switch {
	case base == 1 && four && offset == 12 && size <= 4:
		return set("ip saddr", "address", &r.source)
	case base == 1 && four && offset == 16 && size <= 4:
		return set("ip daddr", "address", &r.destination)
	case base == 1 && four && offset == 9 && size == 1:
		return set("ip protocol", "protocol", &r.protocol)
	case base == 1 && six && offset == 8 && size <= 16:
		return set("ip6 saddr", "address6", &r.source)
	case base == 1 && six && offset == 24 && size <= 16:
		return set("ip6 daddr", "address6", &r.destination)
	case base == 1 && six && offset == 6 && size == 1:
		return set("ip6 nexthdr", "protocol", &r.protocol)
	case base == 2 && size == 2 && offset == 0 && d.ports():
		return set(d.transportName()+" sport", "number", &r.sport)
	case base == 2 && size == 2 && offset == 2 && d.ports():
		return set(d.transportName()+" dport", "number", &r.dport)
	case base == 2 && size == 1 && offset == 0 && (d.transport == "icmp" || d.transport == "ipv6-icmp"):
		d.imply("transport")
		return set(map[string]string{"icmp": "icmp type", "ipv6-icmp": "icmpv6 type"}[d.transport], "number", nil)
	case base == 0 && size == 6 && offset == 0:
		return set("ether daddr", "mac", &r.destination)
	case base == 0 && size == 6 && offset == 6:
		return set("ether saddr", "mac", &r.source)
	}
	return l
}

func (d *nftDecoder) ports() bool {
	switch d.transport {
	case "", "tcp", "udp", "sctp", "dccp", "udplite":
		return true
	}
	return false
}

// transportName is how nft calls the header, after which it need not say that
// it asked for the protocol.
func (d *nftDecoder) transportName() string {
	if d.transport == "" {
		return "th"
	}
	d.imply("transport")
	return d.transport
}

// imply takes back the part that what follows says by its name. Between the
// two stand others of the kind alone.
func (d *nftDecoder) imply(layer string) {
	at := d.implied[layer]
	if at == 0 {
		return
	}
	for k := at + 1; k <= len(d.parts); k++ {
		if k != d.implied["network"] && k != d.implied["transport"] {
			return
		}
	}
	d.parts[at-1] = ""
	delete(d.implied, layer)
}

// remember notes where a part stands that may be implied.
func (d *nftDecoder) remember(layer string) {
	if d.implied == nil {
		d.implied = map[string]int{}
	}
	d.implied[layer] = len(d.parts)
}

func (d *nftDecoder) meta(key uint64) *loaded {
	r := d.rule
	switch key {
	case 0:
		return &loaded{text: "meta length", kind: "host", size: 4}
	case 1:
		return &loaded{text: "meta protocol", kind: "ethertype", size: 2}
	case 3:
		return &loaded{text: "meta mark", kind: "mark", size: 4}
	case 4, 5:
		to := map[uint64]*string{4: &r.input, 5: &r.output}[key]
		return &loaded{text: map[uint64]string{4: "iif", 5: "oif"}[key], kind: "index", size: 4, to: to}
	case 6, 7:
		to := map[uint64]*string{6: &r.input, 7: &r.output}[key]
		return &loaded{text: map[uint64]string{6: "iifname", 7: "oifname"}[key], kind: "name", size: 16, to: to}
	case 10, 11:
		return &loaded{text: map[uint64]string{10: "meta skuid", 11: "meta skgid"}[key], kind: "host", size: 4}
	case 15:
		return &loaded{text: "meta nfproto", kind: "family", size: 1}
	case 16:
		return &loaded{text: "meta l4proto", kind: "protocol", size: 1, to: &r.protocol}
	}
	return nil
}

func ctKey(key uint64) *loaded {
	switch key {
	case 0:
		return &loaded{text: "ct state", kind: "state", size: 4}
	case 2:
		return &loaded{text: "ct status", kind: "mark", size: 4}
	case 3:
		return &loaded{text: "ct mark", kind: "mark", size: 4}
	}
	return nil
}

func (d *nftDecoder) immediate(f map[uint16][]byte) bool {
	data := fields(f[2], 0)
	if v, ok := data[2]; ok {
		return d.verdict(v)
	}
	return d.load(f[1], &loaded{data: data[1], size: len(data[1])})
}

func (d *nftDecoder) verdict(b []byte) bool {
	v := verdictOf(b)
	if v == "" {
		return false
	}
	d.rule.verdict = v
	return d.say("%s", v)
}

func verdictOf(b []byte) string {
	f := fields(b, 0)
	switch int32(uint32(number(f[1]))) {
	case 0:
		return "drop"
	case 1:
		return "accept"
	case -1:
		return "continue"
	case -3:
		return "jump " + plain(f[2])
	case -4:
		return "goto " + plain(f[2])
	case -5:
		return "return"
	}
	return ""
}

// bitwise keeps the mask of what is compared next. Other uses are not known.
func (d *nftDecoder) bitwise(f map[uint16][]byte) bool {
	l := d.at(f[1])
	mask, xor := fields(f[4], 0)[1], fields(f[5], 0)[1]
	if l == nil || len(mask) != l.size || number(f[6]) != 0 || strings.Trim(string(xor), "\x00") != "" || l.mask != nil {
		return false
	}
	masked := *l
	masked.mask = mask
	return d.load(f[2], &masked)
}

var comparisons = [...]string{"", "!= ", "< ", "<= ", "> ", ">= "}

func (d *nftDecoder) compare(f map[uint16][]byte) bool {
	l, op, v := d.at(f[1]), number(f[2]), fields(f[3], 0)[1]
	if l == nil || l.text == "" || op >= uint64(len(comparisons)) || len(v) == 0 {
		return false
	}
	name, shown := l.text, ""
	switch {
	case l.mask == nil:
		shown = comparisons[op] + l.format(v)
	case l.kind == "state" && op == 1 && number(v) == 0:
		shown = l.format(l.mask)
	case strings.HasPrefix(l.kind, "address") && op <= 1 && prefixOf(l.mask) >= 0:
		shown = comparisons[op] + addressText(v) + "/" + strconv.Itoa(prefixOf(l.mask))
	default:
		name = fmt.Sprintf("%s & 0x%x", l.text, l.mask)
		if shown = comparisons[op] + fmt.Sprintf("0x%x", v); op == 0 {
			shown = "== " + shown
		}
	}
	if l.to != nil {
		*l.to = strings.TrimPrefix(shown, "== ")
	}
	if before := name + " >= "; op == 3 && len(d.parts) > 0 && strings.HasPrefix(d.parts[len(d.parts)-1], before) {
		from := strings.TrimPrefix(d.parts[len(d.parts)-1], before) // two comparisons are a range
		d.parts = d.parts[:len(d.parts)-1]
		if shown = from + "-" + l.format(v); l.to != nil {
			*l.to = shown
		}
	}
	d.say("%s %s", name, shown)
	d.note(l, op, v)
	return true
}

// note remembers what later fields are named by.
func (d *nftDecoder) note(l *loaded, op uint64, v []byte) {
	switch {
	case op != 0 || l.mask != nil:
	case l.kind == "family":
		d.network = l.format(v)
		d.remember("network")
	case l.kind == "ethertype":
		d.network = map[string]string{"ip": "ipv4", "ip6": "ipv6"}[l.format(v)]
	case l.kind == "protocol":
		if d.transport = l.format(v); l.text == "meta l4proto" {
			d.remember("transport")
		}
	}
}

func (d *nftDecoder) between(f map[uint16][]byte) bool {
	l, op := d.at(f[1]), number(f[2])
	from, to := fields(f[3], 0)[1], fields(f[4], 0)[1]
	if l == nil || l.text == "" || l.mask != nil || op > 1 || len(from) == 0 || len(to) == 0 {
		return false
	}
	shown := comparisons[op] + l.format(from) + "-" + l.format(to)
	if l.to != nil {
		*l.to = shown
	}
	return d.say("%s %s", l.text, shown)
}

// lookup asks whether a value, or several that belong together, is in a set.
func (d *nftDecoder) lookup(f map[uint16][]byte) bool {
	set, first := plain(f[1]), slot(f[2])
	if first < 0 || d.registers[first] == nil || d.registers[first].text == "" {
		return false
	}
	verdicts := len(f[3]) > 0 && number(f[3]) == 0
	if len(f[3]) > 0 && !verdicts {
		return false // a map of values, which others use
	}
	shown, size := "@"+set, 0
	list := d.elements(set)
	if strings.HasPrefix(set, "__") {
		shown = ""
	}
	elements := elementsOf(list)
	if len(elements) > 0 {
		size = len(elements[0].key)
	}
	var parts []*loaded
	if shown == "" && len(elements) == 0 {
		return false // a set without a name has some: they could not be read
	}
	for i, n := first, 0; i < len(d.registers) && d.registers[i] != nil && (n == 0 || n < size); {
		l := d.registers[i]
		if l.mask != nil || l.text == "" || l.size == 0 {
			return false
		}
		parts = append(parts, l)
		words := (l.size + 3) / 4
		i, n = i+words, n+words*4
	}
	if shown == "" {
		shown = setText(elements, parts)
	}
	not := ""
	if number(f[5])&1 != 0 {
		not = "!= "
	}
	var names []string
	for _, l := range parts {
		names = append(names, l.text)
	}
	if len(parts) == 1 && parts[0].to != nil {
		*parts[0].to = not + shown
	}
	if verdicts {
		d.rule.verdict = "vmap"
		return d.say("%s vmap %s", strings.Join(names, " . "), shown)
	}
	return d.say("%s %s%s", strings.Join(names, " . "), not, shown)
}

func (d *nftDecoder) limit(f map[uint16][]byte) bool {
	unit, ok := map[uint64]string{1: "second", 60: "minute", 3600: "hour", 86400: "day", 604800: "week"}[number(f[2])]
	if !ok || number(f[4]) != 0 {
		return false
	}
	over := ""
	if number(f[5])&1 != 0 {
		over = "over "
	}
	return d.say("limit rate %s%d/%s burst %d packets", over, number(f[1]), unit, number(f[3]))
}
