package mig

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// netstat converts its options, each of which was a question of its own.
func (o *operation) netstat(p *document.Node) {
	o.unknown(p, "localmac", "localip", "neighbormac", "neighborip", "connectedip", "listeningport", "namespaces", "searchnamespaces")
	finds := slices.Concat(
		o.question(p.Get("localmac"), "interface AS localmac", "name, mac", macOf(" NOCASE"), anyOf),
		o.question(p.Get("localip"), "host AS localip", "hostname, addresses", func(s string) (string, error) {
			net, err := network(s)
			return "in_cidr(addresses, " + net + ")", err
		}, anyOf),
		o.question(p.Get("neighbormac"), "neighbour AS neighbormac", "address, mac, interface", macOf(""), anyOf),
		o.question(p.Get("neighborip"), "neighbour AS neighborip", "address, mac, interface", address, in("address")),
		o.question(p.Get("connectedip"), "socket AS connectedip", "protocol, state, remote_address, remote_port, process.name, process.user", address, in("remote_address")),
		o.question(p.Get("listeningport"), "socket AS listeningport", "protocol, state, address, port, process.name", port, func(ports []string) string {
			return `protocol IN ("tcp", "udp") AND ` + in("port")(ports)
		}),
	)
	o.ask(finds)
}

// question makes one FIND of the values of an option.
func (o *operation) question(list *document.Node, module, returns string, one func(string) (string, error), join func([]string) string) []string {
	var parts []string
	for _, n := range list.Items() {
		c, err := one(n.Text())
		if err != nil {
			o.Lose(n.Line(), "%q: %s", n.Text(), err)
			continue
		}
		parts = append(parts, c)
	}
	if len(parts) == 0 {
		return nil
	}
	return []string{"FIND " + module + " WHERE " + join(parts) + " RETURN " + returns}
}

func macOf(suffix string) func(string) (string, error) {
	return func(re string) (string, error) { return matches("mac", re, suffix) }
}

// in gives the condition that a column is one of some values.
func in(column string) func([]string) string {
	return func(values []string) string {
		if len(values) == 1 && !strings.Contains(values[0], "/") {
			return column + " = " + values[0]
		}
		return column + " IN (" + strings.Join(values, ", ") + ")"
	}
}

// port accepts the number of a port.
func port(s string) (string, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return "", errors.New("this is no number of a port")
	}
	return strconv.FormatUint(n, 10), nil
}

// address gives an address or a network as the language writes it.
func address(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return a.String(), nil
	}
	return network(s)
}

// connected converts the module that came before netstat.
func (o *operation) connected(p *document.Node) {
	o.Note(p.Line(), "MIG had no module connected any more, and refused this")
	for _, list := range p.Items() {
		o.ask(o.question(list, "socket", "protocol, remote_address, remote_port, process.name, process.user", address, in("remote_address")))
	}
}

func matches(column, re, suffix string) (string, error) {
	if _, err := regexp.Compile(re); err != nil {
		return "", err
	}
	return column + " MATCHES " + convert.Quote(re) + suffix, nil
}

// network gives an address or a network as one of the language's.
func network(s string) (string, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return "", errors.New("this is no address and no network")
	}
	return netip.PrefixFrom(a, a.BitLen()).String(), nil
}

// memory converts its searches: by program, library and content.
func (o *operation) memory(p *document.Node) {
	o.unknown(p, "searches")
	searches := p.Get("searches")
	for i, label := range searches.Keys() {
		o.memorySearch(label, searches.Items()[i])
	}
}

func (o *operation) memorySearch(label string, s *document.Node) {
	opts := s.Get("options")
	o.unknown(s, "description", "names", "libraries", "contents", "bytes", "options")
	o.unknown(opts, "matchall", "offset", "maxlength", "logfailures")
	for _, key := range [...]string{"offset", "maxlength"} {
		if n := opts.Get(key); atoi(n) > 0 {
			o.Lose(n.Line(), "%s is not carried over: all of the memory is searched", key)
		}
	}
	var process, content []string
	add := func(to *[]string, key string, cond func(string) (string, error)) {
		for _, n := range s.Get(key).Items() {
			c, err := cond(n.Text())
			if err != nil {
				o.Lose(n.Line(), "%s %q: %s", key, n.Text(), err)
				continue
			}
			*to = append(*to, c)
		}
	}
	add(&process, "names", func(re string) (string, error) { return matches("process.path", re, "") })
	add(&process, "libraries", func(re string) (string, error) {
		c, err := matches("path", re, "")
		return "process IN (FIND mapping WHERE " + c + " RETURN process)", err
	})
	add(&content, "contents", func(re string) (string, error) { return matches("", re, "") })
	add(&content, "bytes", func(digits string) (string, error) {
		if _, err := hex.DecodeString(digits); err != nil || digits == "" {
			return "", errors.New("these are no bytes in hexadecimal")
		}
		return `CONTAINS x"` + strings.ToLower(digits) + `"`, nil
	})
	returns := " RETURN process, process.path, process.cmdline, start, address"
	name := alias(label)
	switch {
	case len(content) == 0 && len(process) == 0:
		o.Lose(s.Line(), "search %q asks for nothing", label)
	case opts.Get("matchall").Text() != "true":
		o.ask([]string{"FIND memory AS " + name + " WHERE " + anyOf(append(process, content...)) + " RETURN DISTINCT process, process.path"})
	case len(content) == 0:
		o.ask([]string{"FIND memory AS " + name + " WHERE " + all(process) + " RETURN DISTINCT process, process.path"})
	default:
		// Each content may stand anywhere in the process: the first says where,
		// and the others whether they are there, too.
		for _, c := range content[1:] {
			process = append(process, "process IN (FIND memory WHERE "+c+" RETURN process)")
		}
		o.ask([]string{"FIND memory AS " + name + " WHERE " + all(append(process, content[0])) + returns})
	}
}

func (o *operation) pkg(p *document.Node) {
	o.unknown(p, "pkgmatch", "vermatch")
	o.unknown(p.Get("pkgmatch"), "matches")
	var names []string
	for _, n := range p.Get("pkgmatch").Get("matches").Items() {
		c, err := nameCondition(n.Text())
		if err != nil {
			o.Lose(n.Line(), "matches %q: %s", n.Text(), err)
			continue
		}
		names = append(names, c)
	}
	if len(names) == 0 {
		o.not("it names no package, and MIG refused it")
		return
	}
	conds := []string{`manager IN ("dpkg", "rpm")`, anyOf(names)}
	if v := p.Get("vermatch"); v.Text() != "" {
		re, negated := strings.CutPrefix(v.Text(), "!")
		c, err := matches("concat(version)", re, "")
		if err != nil {
			o.Lose(v.Line(), "vermatch %q: %s", re, err)
		} else if negated {
			c = "NOT (" + c + ")"
		}
		conds = append(conds, c)
	}
	o.ask([]string{"FIND package" + where(conds) + " RETURN name, version, architecture, manager"})
}

func (o *operation) sshkey(p *document.Node) {
	o.unknown(p, "paths", "maxdepth")
	var conds []string
	for _, n := range p.Get("paths").Items() {
		if path := strings.TrimSuffix(n.Text(), "/"); path != "" && path != "/root" && path != "/home" {
			o.Lose(n.Line(), "keys are looked for where programs look for them, and not in all of %s", path)
			conds = append(conds, "path STARTS WITH "+convert.Quote(path+"/"))
		}
	}
	o.Note(p.Line(), "keys of all types are found, Ed25519 and those of OpenSSH's own format too, which MIG passed over")
	w := ""
	if len(conds) > 0 {
		w = " WHERE " + anyOf(conds)
	}
	o.ask([]string{
		"FIND ssh_key" + w + " RETURN path, kind, type, fingerprint, encrypted",
		"FIND authorized_key" + w + " RETURN path, type, fingerprint, user",
	})
}
