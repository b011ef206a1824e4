package network

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/table"
)

// What linux/netfilter/nf_tables.h fixes: the lists that are asked for, and the
// attributes of what is in them.
const (
	nftSubsystem  = 10 << 8
	getNftChain   = nftSubsystem | 4
	getNftRule    = nftSubsystem | 7
	getNftElement = nftSubsystem | 13
	nfgenLength   = 4 // family, version, and two bytes of resource

	chainTable, chainName, chainHook, chainPolicy = 1, 3, 4, 5
	ruleTable, ruleChain, ruleExprs, ruleData     = 1, 2, 4, 7
	elemTable, elemSet, elemList                  = 1, 2, 3
	netfilterAnswer                               = 64 << 10 // bytes: what the kernel answers at once
	maxElements                                   = 64       // of a set that a rule's text shows
)

// liveFirewall asks the kernel for the rules that are in force.
func liveFirewall(s *table.Scan, yield func(*filterRule) error) error {
	if err := legacyRules(s, yield); err != nil {
		return err
	}
	if err := eachNamespace(s, func(ns namespace) error {
		if !ns.own {
			s.Skip(modules.SkipUnsupported, ns.name, "the rules of another network are not read")
		}
		return nil
	}); err != nil {
		return err
	}
	if asleep(s, "nf_tables") {
		return nil // to ask would load it
	}
	chains, err := dumpNetfilter(getNftChain, nil)
	var rules [][]byte
	if err == nil {
		rules, err = dumpNetfilter(getNftRule, nil)
	}
	if err != nil {
		s.Fail("nftables", os.NewSyscallError("netlink", err))
		return nil
	}
	return eachNft(chains, rules, func(family byte, table, set string) [][]byte {
		var body []byte
		body = appendAttribute(body, elemTable, append([]byte(table), 0))
		body = appendAttribute(body, elemSet, append([]byte(set), 0))
		list, err := dumpNetfilter(getNftElement, append([]byte{family, 0, 0, 0}, body...))
		if err != nil {
			return nil
		}
		return list
	}, yield)
}

// asleep says whether a module of the kernel is there and not loaded.
func asleep(s *table.Scan, name string) bool {
	loaded, ok := s.FS.Get("/proc/modules")
	if !ok || bytes.HasPrefix(loaded, []byte(name+" ")) || bytes.Contains(loaded, []byte("\n"+name+" ")) {
		return false
	}
	release, _ := s.FS.Get("/proc/sys/kernel/osrelease")
	dir := "/lib/modules/" + strings.TrimSpace(string(release))
	file := []byte("/" + name + ".ko")
	builtin, _ := s.FS.Get(dir + "/modules.builtin")
	depends, _ := s.FS.Get(dir + "/modules.dep")
	return !bytes.Contains(builtin, file) && bytes.Contains(depends, file)
}

// dumpNetfilter asks for a list, again where it was changed while it was read.
func dumpNetfilter(kind uint16, body []byte) ([][]byte, error) {
	const tries = 5
	if body == nil {
		body = make([]byte, nfgenLength)
	}
	var list [][]byte
	var err error
	for range tries {
		if list, err = netfilter(request(kind, len(body), func(b []byte) { copy(b, body) })); err != unix.EINTR {
			break
		}
	}
	return list, err
}

// netfilter sends a request and gathers the messages that are answered.
func netfilter(request []byte) ([][]byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	var answers [][]byte
	buf := make([]byte, netfilterAnswer)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		messages, err := syscall.ParseNetlinkMessage(bytes.Clone(buf[:n]))
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch {
			case m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4:
				return nil, unix.Errno(-int32(binary.NativeEndian.Uint32(m.Data)))
			case m.Header.Type == unix.NLMSG_ERROR:
				return nil, unix.EPROTO
			case m.Header.Flags&unix.NLM_F_DUMP_INTR != 0:
				return nil, unix.EINTR
			case m.Header.Type == unix.NLMSG_DONE:
				return answers, nil
			}
			answers = append(answers, m.Data)
		}
	}
}

func appendAttribute(b []byte, kind uint16, data []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(data)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// fields gives the attributes of a message, or of an attribute, by number.
func fields(b []byte, head int) map[uint16][]byte {
	m := map[uint16][]byte{}
	attributes(b, head, func(kind uint16, data []byte) { m[kind] = data })
	return m
}

func plain(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }

// number reads a number in the order of networks, of up to eight bytes.
func number(b []byte) uint64 {
	n := uint64(0)
	for _, c := range b[:min(len(b), 8)] {
		n = n<<8 | uint64(c)
	}
	return n
}

func nftFamily(n byte) string {
	switch n {
	case 1:
		return "inet"
	case 2:
		return "ip"
	case 3:
		return "arp"
	case 5:
		return "netdev"
	case 7:
		return "bridge"
	case 10:
		return "ip6"
	}
	return "other"
}

// eachNft calls yield for the policies of chains and the rules in them.
func eachNft(chains, rules [][]byte, elements func(family byte, table, set string) [][]byte, yield func(*filterRule) error) error {
	type place struct {
		family       byte
		table, chain string
	}
	known := map[place]filterRule{}
	for _, m := range chains {
		if len(m) < nfgenLength {
			continue
		}
		f := fields(m, nfgenLength)
		r := filterRule{origin: fromKernel, family: nftFamily(m[0]), table: plain(f[chainTable]), chain: plain(f[chainName]), packets: -1, bytes: -1}
		if hook, ok := f[chainHook]; ok {
			r.hook = nftHook(m[0], number(fields(hook, 0)[1]))
			if r.policy = "accept"; number(f[chainPolicy]) == 0 && len(f[chainPolicy]) > 0 {
				r.policy = "drop"
			}
		}
		known[place{m[0], r.table, r.chain}] = r
		if r.policy == "" {
			continue
		}
		r.text, r.verdict = "policy "+r.policy, r.policy
		if err := yield(&r); err != nil {
			return err
		}
	}
	positions := map[place]int64{}
	for _, m := range rules {
		if len(m) < nfgenLength {
			continue
		}
		f := fields(m, nfgenLength)
		p := place{m[0], plain(f[ruleTable]), plain(f[ruleChain])}
		positions[p]++
		r := filterRule{
			origin: fromKernel, family: nftFamily(m[0]), table: p.table, chain: p.chain, position: positions[p],
			hook: known[p].hook, policy: known[p].policy, packets: -1, bytes: -1, comment: nftComment(f[ruleData]),
		}
		d := &nftDecoder{rule: &r, family: m[0], elements: func(set string) [][]byte { return elements(m[0], p.table, set) }}
		d.expressions(f[ruleExprs])
		if err := yield(&r); err != nil {
			return err
		}
	}
	return nil
}

func nftHook(family byte, n uint64) string {
	names := []string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}
	switch family {
	case 3:
		names = []string{"input", "output", "forward"}
	case 5:
		names = []string{"ingress", "egress"}
	}
	if n < uint64(len(names)) {
		return names[n]
	}
	return ""
}

// nftComment finds the comment in what nft keeps with a rule: kind, length,
// bytes, and so on.
func nftComment(b []byte) string {
	for len(b) >= 2 {
		n := int(b[1])
		if len(b) < 2+n {
			return ""
		}
		if b[0] == 0 {
			return plain(b[2 : 2+n])
		}
		b = b[2+n:]
	}
	return ""
}
