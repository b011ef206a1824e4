package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
)

// The rules of iptables-legacy, as the kernel gives them (linux/netfilter/
// x_tables.h, netfilter_ipv4/ip_tables.h and netfilter_ipv6/ip6_tables.h):
// entries behind one another, each a packet's header to compare, matches, and
// a target. Numbers are in the byte order of the machine, but ports of
// addresses; a jump names the offset of the entry that it leads to.

// A legacyForm is where things are in an entry of one family.
type legacyForm struct {
	family  string
	address int  // bytes of one
	names   int  // offset of the names of interfaces, four of 16 bytes
	proto   int  // offset of the protocol, two bytes
	flags   int  // offset of the flags; those that turn round follow
	jumps   byte // the flag of goto
	head    int  // offset of the header's end, where four bytes of cache are
	counts  int  // offset of the two counters
	size    int
}

var (
	legacyIPv4 = legacyForm{family: "ip", address: 4, names: 16, proto: 80, flags: 82, jumps: 2, head: 84, counts: 96, size: 112}
	legacyIPv6 = legacyForm{family: "ip6", address: 16, names: 64, proto: 128, flags: 131, jumps: 4, head: 136, counts: 152, size: 168}
)

// Verdicts of the standard target: negative ones are final.
const (
	legacyDrop   = -1
	legacyAccept = -2
	legacyQueue  = -4
	legacyReturn = -5
)

// xtHeader is the size of what stands before the data of a match or target:
// two bytes of size, 29 of name, one of revision.
const xtHeader = 32

// errLegacy says that a table is not in the form that is known.
var errLegacy = errors.New("the rules of iptables are not in the form that is known")

// A legacyTable reads the entries of one table.
type legacyTable struct {
	form    legacyForm
	name    string
	entries []byte
	hooks   [5]int // offsets of the chains that packets meet; negative: none
	under   [5]int // offsets of the entries that are their policies
	chains  map[int]string
}

// legacyHooks are the chains that packets meet, in the kernel's order.
var legacyHooks = [5]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

// each calls yield with each rule and each policy.
func (t *legacyTable) each(yield func(*filterRule) error) error {
	if err := t.findChains(); err != nil {
		return err
	}
	chain, position := "", int64(0)
	policies := t.policies()
	return t.walk(func(at int, e []byte) error {
		if name, begins := t.chains[at]; begins {
			chain, position = name, 0
			if p := policies[name]; p != "" {
				if err := yield(&filterRule{origin: fromKernel, family: t.form.family, table: t.name, chain: name, hook: builtinHook(name), policy: p, text: "policy " + p, verdict: p, packets: -1, bytes: -1}); err != nil {
					return err
				}
			}
		}
		name, _, err := t.targetOf(e)
		if err != nil {
			return err
		}
		if name == "ERROR" || t.isPolicy(at) {
			return nil
		}
		r, err := t.rule(e)
		if err != nil {
			return err
		}
		if r.verdict == "return" && t.last(at, e) {
			return nil // the end of a chain that others jump to
		}
		position++
		r.chain, r.position, r.hook, r.policy = chain, position, builtinHook(chain), policies[chain]
		r.text = strings.TrimSpace("-A " + chain + " " + r.text)
		return yield(r)
	})
}

// walk calls visit with each entry.
func (t *legacyTable) walk(visit func(at int, e []byte) error) error {
	for at := 0; at < len(t.entries); {
		e := t.entries[at:]
		if len(e) < t.form.size {
			return errLegacy
		}
		next := int(binary.NativeEndian.Uint16(e[t.form.head+6:]))
		target := int(binary.NativeEndian.Uint16(e[t.form.head+4:]))
		if next < t.form.size || next > len(e) || target < t.form.size || target+xtHeader > next {
			return errLegacy
		}
		if err := visit(at, e[:next]); err != nil {
			return err
		}
		at += next
	}
	return nil
}

// findChains notes where chains begin: those of hooks, and behind the entries
// that carry the name of one.
func (t *legacyTable) findChains() error {
	t.chains = map[int]string{}
	for i, at := range t.hooks {
		if at >= 0 {
			t.chains[at] = legacyHooks[i]
		}
	}
	return t.walk(func(at int, e []byte) error {
		name, data, err := t.targetOf(e)
		if err == nil && name == "ERROR" {
			if chain := plain(data[:min(len(data), 30)]); chain != "ERROR" {
				t.chains[at+len(e)] = chain
			}
		}
		return err
	})
}

func (t *legacyTable) isPolicy(at int) bool {
	for i, u := range t.under {
		if t.hooks[i] >= 0 && u == at {
			return true
		}
	}
	return false
}

// last says whether the next entry begins a chain, or there is none.
func (t *legacyTable) last(at int, e []byte) bool {
	next := at + len(e)
	if next >= len(t.entries) {
		return true
	}
	name, _, err := t.targetOf(t.entries[next:])
	return err == nil && name == "ERROR"
}

// policies gives the verdict at the end of each chain of a hook.
func (t *legacyTable) policies() map[string]string {
	out := map[string]string{}
	for i, at := range t.under {
		if t.hooks[i] < 0 || at < 0 || at+t.form.size > len(t.entries) {
			continue
		}
		if name, data, err := t.targetOf(t.entries[at:]); err == nil && name == "" && len(data) >= 4 {
			out[legacyHooks[i]] = t.verdict(int32(binary.NativeEndian.Uint32(data)))
		}
	}
	return out
}

// targetOf gives the name and the data of an entry's target.
func (t *legacyTable) targetOf(e []byte) (name string, data []byte, err error) {
	at := int(binary.NativeEndian.Uint16(e[t.form.head+4:]))
	if at < t.form.size || at+xtHeader > len(e) {
		return "", nil, errLegacy
	}
	size := int(binary.NativeEndian.Uint16(e[at:]))
	if size < xtHeader || at+size > len(e) {
		return "", nil, errLegacy
	}
	return plain(cutName(e[at+2 : at+31])), e[at+xtHeader : at+size], nil
}

// cutName ends a name at its first zero byte.
func cutName(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

func (t *legacyTable) verdict(v int32) string {
	switch v {
	case legacyDrop:
		return "drop"
	case legacyAccept:
		return "accept"
	case legacyQueue:
		return "queue"
	case legacyReturn:
		return "return"
	}
	return ""
}

// Flags of what is turned round in an entry's header.
const (
	notInput, notOutput, notSource, notDest = 1, 2, 8, 16
	notProtocol                             = 64
	notSourcePort, notDPort                 = 1, 2
	maxMatches                              = 64 // of a rule
)

// rule decodes an entry as iptables-save writes it.
func (t *legacyTable) rule(e []byte) (*filterRule, error) {
	f := t.form
	r := &filterRule{origin: fromKernel, family: f.family, table: t.name}
	r.packets = int64(binary.NativeEndian.Uint64(e[f.counts:]))
	r.bytes = int64(binary.NativeEndian.Uint64(e[f.counts+8:]))
	flags, not := e[f.flags], e[f.flags+1]
	var text []string
	say := func(turned byte, option, value string, to *string) {
		if value == "" {
			return
		}
		mark := ""
		if not&turned != 0 {
			mark = "! "
		}
		*to = mark + value
		text = append(text, mark+option+" "+value)
	}
	say(notSource, "-s", f.network(e, 0), &r.source)
	say(notDest, "-d", f.network(e, 1), &r.destination)
	say(notInput, "-i", f.device(e, 0), &r.input)
	say(notOutput, "-o", f.device(e, 1), &r.output)
	if p := binary.NativeEndian.Uint16(e[f.proto:]); p != 0 {
		say(notProtocol, "-p", protocolName(byte(p)), &r.protocol)
	}
	matches, err := t.matches(e, r)
	if err != nil {
		return nil, err
	}
	text = append(text, matches...)
	if target := t.jump(e, r, flags&f.jumps != 0); target != "" {
		text = append(text, target)
	}
	r.text = strings.Join(text, " ")
	return r, nil
}

// network gives the source or destination of a header; "" for any.
func (f legacyForm) network(e []byte, which int) string {
	n := f.address
	address, mask := e[which*n:(which+1)*n], e[(2+which)*n:(3+which)*n]
	ones, _ := net.IPMask(mask).Size()
	switch {
	case bytes.Equal(mask, make([]byte, n)) && bytes.Equal(address, make([]byte, n)):
		return ""
	case ones == 0 && !bytes.Equal(mask, make([]byte, n)):
		return addressText(address) + "/" + addressText(mask)
	}
	return fmt.Sprintf("%s/%d", addressText(address), ones)
}

// device gives the interface of a header: its mask says whether a name goes on.
func (f legacyForm) device(e []byte, which int) string {
	name := e[f.names+16*which : f.names+16*which+16]
	mask := e[f.names+32+16*which : f.names+48+16*which]
	text := plain(cutName(name))
	if text != "" && len(text) < 16 && mask[len(text)] == 0 && !strings.HasSuffix(text, "+") {
		return text + "+"
	}
	return text
}

// matches decodes what extensions compare. Those that are not known are named.
func (t *legacyTable) matches(e []byte, r *filterRule) ([]string, error) {
	end := int(binary.NativeEndian.Uint16(e[t.form.head+4:]))
	var text []string
	for at, n := t.form.size, 0; at < end; n++ {
		if n == maxMatches || at+xtHeader > end {
			return nil, errLegacy
		}
		size := int(binary.NativeEndian.Uint16(e[at:]))
		if size < xtHeader || at+size > end {
			return nil, errLegacy
		}
		name, data := plain(cutName(e[at+2:at+31])), e[at+xtHeader:at+size]
		known := legacyMatch(name, data, r)
		if known == "" {
			r.partly = true
			known = fmt.Sprintf("<match %s: %d bytes>", name, len(data))
		}
		text = append(text, known)
		at += size
	}
	return text, nil
}

// legacyMatch decodes one match; "" where it is not known.
func legacyMatch(name string, data []byte, r *filterRule) string {
	switch {
	case (name == "tcp" || name == "udp") && len(data) >= 9:
		turned := data[8]
		if name == "tcp" {
			if len(data) < 12 || data[8] != 0 || data[9] != 0 || data[10] != 0 {
				return "" // options and flags of TCP
			}
			turned = data[11]
		}
		text := "-m " + name
		for i, p := range [...]struct {
			option string
			not    byte
			to     *string
		}{{"--sport", notSourcePort, &r.sport}, {"--dport", notDPort, &r.dport}} {
			from, to := binary.NativeEndian.Uint16(data[4*i:]), binary.NativeEndian.Uint16(data[4*i+2:])
			if from == 0 && to == 0xffff {
				continue
			}
			value := fmt.Sprint(from)
			if from != to {
				value += ":" + fmt.Sprint(to)
			}
			mark := ""
			if turned&p.not != 0 {
				mark = "! "
			}
			*p.to = mark + value
			text += " " + mark + p.option + " " + value
		}
		return text
	case name == "comment" && len(data) > 0:
		r.comment = plain(cutName(data))
		if plainComment(r.comment) {
			return "-m comment --comment " + r.comment
		}
		return fmt.Sprintf("-m comment --comment %q", r.comment)
	case name == "conntrack" && len(data) >= conntrackLength:
		return conntrackState(data)
	}
	return ""
}

func plainComment(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// Of the match conntrack, from revision 1 on: where its flags are, what is
// turned round, and the mask of states.
const (
	conntrackFlags, conntrackNot, conntrackMask = 146, 148, 150
	conntrackLength                             = 152
	conntrackByState                            = 1
	conntrackAlias                              = 1 << 13 // it was written as state
)

// conntrackState writes a match of states; "" where it compares more.
func conntrackState(data []byte) string {
	flags := binary.NativeEndian.Uint16(data[conntrackFlags:])
	if flags&^conntrackAlias != conntrackByState {
		return ""
	}
	mask := binary.NativeEndian.Uint16(data[conntrackMask:])
	var names []string
	for _, s := range [...]struct {
		bit  uint16
		name string
	}{{1, "INVALID"}, {8, "NEW"}, {4, "RELATED"}, {2, "ESTABLISHED"}, {256, "UNTRACKED"}, {64, "SNAT"}, {128, "DNAT"}} {
		if mask&s.bit != 0 {
			names = append(names, s.name)
		}
	}
	mark, option := "", "--ctstate"
	if binary.NativeEndian.Uint16(data[conntrackNot:])&conntrackByState != 0 {
		mark = "! "
	}
	match := "conntrack"
	if flags&conntrackAlias != 0 {
		match, option = "state", "--state"
	}
	return "-m " + match + " " + mark + option + " " + strings.Join(names, ",")
}

// jump writes what becomes of a packet.
func (t *legacyTable) jump(e []byte, r *filterRule, isGoto bool) string {
	name, data, err := t.targetOf(e)
	if err != nil {
		return ""
	}
	if name != "" {
		r.verdict = strings.ToLower(name)
		r.partly = r.partly || len(data) > 0
		if len(data) == 0 {
			return "-j " + name
		}
		return fmt.Sprintf("-j %s <target %s: %d bytes>", name, name, len(data))
	}
	if len(data) < 4 {
		return ""
	}
	v := int32(binary.NativeEndian.Uint32(data))
	if v < 0 {
		r.verdict = t.verdict(v)
		return "-j " + strings.ToUpper(r.verdict)
	}
	chain, ok := t.chains[int(v)]
	if !ok {
		return "" // the rule goes on with the next one
	}
	if isGoto {
		r.verdict = "goto " + chain
		return "-g " + chain
	}
	r.verdict = "jump " + chain
	return "-j " + chain
}
