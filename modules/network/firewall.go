package network

import (
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/table"
	"github.com/quaestor-engine/quaestor/value"
)

// A filterRule is one rule of a packet filter, or the policy of a chain.
type filterRule struct {
	origin, family, table, chain  string
	hook, policy                  string // of the chain
	position                      int64  // from 1; 0 is the policy
	text, verdict                 string
	protocol, source, destination string
	sport, dport, input, output   string
	packets, bytes                int64 // negative: nobody counts them
	comment                       string
	partly                        bool // the text names what could not be decoded
}

const fromKernel = "kernel"

func firewall() modules.Module {
	return table.New(modules.Schema{
		Name: "firewall", Processes: true, Doc: "Rules of the packet filter: those of nftables and of iptables that are in force, and those in saved files of iptables and ufw. A chain's policy is a row of its own, at position 0. Other network namespaces, and files in the languages of nft and firewalld are named in the account and not read.",
	}, []table.Column[filterRule]{
		table.Text("family", "What kind of packets.", func(r *filterRule) string { return r.family }).OneOf("ip", "ip6", "inet", "arp", "bridge", "netdev", "other").Shown(),
		table.Text("table", "The table that the rule is in.", func(r *filterRule) string { return r.table }).Shown(),
		table.Text("chain", "The chain that the rule is in.", func(r *filterRule) string { return r.chain }).Shown(),
		table.Int("position", "Its place in the chain, from 1; 0 is the chain's policy.", func(r *filterRule) int64 { return r.position }).Shown(),
		table.Text("rule", "The rule, as nft or iptables-save would write it. What could not be decoded of it stands there in angle brackets.", func(r *filterRule) string { return r.text }).Shown(),
		table.Text("verdict", "What becomes of a packet: accept, drop, reject, jump and a chain; null where the rule only counts or changes it.", func(r *filterRule) string { return r.verdict }).Shown(),
		table.Text("origin", "Where it stands: kernel is what is in force, else the file that it is saved in.", func(r *filterRule) string { return r.origin }).Shown(),
		table.Text("hook", "Where packets meet the chain: input, output, forward; null of a chain that others jump to, and where a file does not say.", func(r *filterRule) string { return r.hook }),
		table.Text("policy", "What becomes of packets that no rule of the chain decides about.", func(r *filterRule) string { return r.policy }),
		table.Text("protocol", "The protocol that it asks for.", func(r *filterRule) string { return r.protocol }),
		table.Text("source", "Where packets come from.", func(r *filterRule) string { return r.source }),
		table.Text("destination", "Where they go.", func(r *filterRule) string { return r.destination }),
		table.Text("sport", "The port that they come from.", func(r *filterRule) string { return r.sport }),
		table.Text("dport", "The port that they go to.", func(r *filterRule) string { return r.dport }),
		table.Text("input", "The interface that they come in by.", func(r *filterRule) string { return r.input }),
		table.Text("output", "The interface that they leave by.", func(r *filterRule) string { return r.output }),
		table.Value("packets", value.Int, "How many it met; null where nobody counts.", func(r *filterRule) value.Value { return numberOr(r.packets, -1) }),
		table.Value("bytes", value.Size, "How many bytes they had.", func(r *filterRule) value.Value {
			if r.bytes < 0 {
				return value.Value{}
			}
			return value.NewSize(r.bytes)
		}),
		table.Text("comment", "What somebody wrote to it.", func(r *filterRule) string { return r.comment }),
		table.Bool("decoded", "Whether all of it could be decoded.", func(r *filterRule) bool { return !r.partly }),
	}, listFirewall)
}

// savedRules are the files that packet filters are loaded from, in the format
// of iptables-save, with the family that they are for.
func savedRules() map[string]string {
	return map[string]string{
		"/etc/iptables/rules.v4": "ip", "/etc/iptables/rules.v6": "ip6",
		"/etc/iptables/iptables.rules": "ip", "/etc/iptables/ip6tables.rules": "ip6",
		"/etc/sysconfig/iptables": "ip", "/etc/sysconfig/ip6tables": "ip6",
		"/etc/ufw/user.rules": "ip", "/etc/ufw/user6.rules": "ip6",
		"/etc/ufw/before.rules": "ip", "/etc/ufw/before6.rules": "ip6",
		"/etc/ufw/after.rules": "ip", "/etc/ufw/after6.rules": "ip6",
	}
}

func listFirewall(s *table.Scan, yield func(*filterRule) error) error {
	if s.FS.Live() {
		if err := liveFirewall(s, yield); err != nil {
			return err
		}
	}
	saved := savedRules()
	for _, dir := range []string{"/etc/iptables", "/etc/sysconfig", "/etc/ufw"} {
		for _, name := range s.FS.List(dir) {
			file := path.Join(dir, name)
			family, known := saved[file]
			if !known {
				continue
			}
			text, ok := s.FS.Get(file)
			if !ok {
				continue
			}
			err := parseSaved(text, func(line int, r *filterRule) error {
				if r == nil {
					s.Fail(at(file, line), hostfs.ErrMalformed)
					return nil
				}
				r.origin, r.family = file, family
				return yield(r)
			})
			if err != nil {
				return err
			}
		}
	}
	// These have languages of their own, which are not read.
	for _, name := range []string{"/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/firewalld/zones"} {
		if s.FS.Exists(name) && !(strings.HasSuffix(name, "zones") && len(s.FS.List(name)) == 0) {
			s.Skip(modules.SkipUnsupported, name, "the rules in it are not read; those in force are, where nftables runs")
		}
	}
	return nil
}
