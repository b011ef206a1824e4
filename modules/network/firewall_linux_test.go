package network

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// apart runs what is to be done in a network of its own.
func apart(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("LEFT OUT: it takes root to make a network namespace")
	}
	if err := onThread(do); err != nil {
		t.Skipf("LEFT OUT: no network namespace can be made here: %v", err)
	}
}

// onThread makes the namespace of a thread that ends with it, which the first
// one of a process cannot be: what /proc/self shows is its network.
func onThread(do func()) error {
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			done <- onThread(do) // on another one, while this one is held
			runtime.UnlockOSThread()
			return
		}
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		do()
	}()
	return <-done
}

func tool(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

const ruleset = `table inet filter {
	set admins { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.1.5 } }
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		ct state invalid drop
		iifname "lo" accept
		iifname "eth*" oifname != "lo" drop
		ip saddr @admins tcp dport 22 counter accept comment "ssh from inside"
		tcp dport { 80, 443, 8000-8080 } accept
		ip saddr { 10.0.0.0/8, 192.0.2.1, 192.0.2.10-192.0.2.12 } drop
		ip6 saddr { 2001:db8::/32, fd00::1 } drop
		udp dport 1000-2000 accept
		ip saddr 192.0.2.0/24 drop
		ip saddr 172.16.0.0/12 ip daddr 10.1.2.3 tcp sport 99 accept
		ip saddr != 172.16.0.0/12 drop
		ip6 saddr 2001:db8::/32 accept
		ip6 daddr 2001:db8::7 udp sport 53 accept
		ip protocol icmp accept
		meta l4proto { tcp, udp } accept
		meta l4proto tcp ip saddr 10.9.9.9 accept
		meta l4proto udp counter packets 0 bytes 0 udp dport 9 accept
		tcp dport != 25 log prefix "mail " jump other
		tcp dport > 1024 goto other
		tcp dport vmap { 1 : accept, 2 : drop }
		ip saddr . tcp dport { 10.0.0.1 . 80, 10.0.0.2 . 81 } accept
		meta mark 0x00000010 return
		limit rate over 10/minute drop
		log prefix "a" level debug
		log group 3 snaplen 20 queue-threshold 2
		log flags all
		log flags tcp sequence,options
		ip protocol tcp reject with tcp reset
		ip saddr 10.0.0.1 reject with icmp host-prohibited
		ip6 saddr fd00::1 reject with icmpv6 no-route
		tcp dport 1 reject with icmpx admin-prohibited
		iif "lo" accept
		reject
	}
	chain other { udp dport 53 counter packets 3 bytes 400 drop; }
}
table ip nat {
	chain post { type nat hook postrouting priority 100; oifname "eth0" masquerade; tcp dport 7 masquerade to :1024-2048 random; oifname "eth1" masquerade persistent; ip daddr 10.3.0.0/16 snat to 192.0.2.1-192.0.2.9 persistent; ip saddr 10.0.0.0/8 snat to 192.0.2.1; }
	chain pre { type nat hook prerouting priority -100; tcp dport 8080 dnat to 10.0.0.5:80; tcp dport 8081 dnat to 10.0.0.5-10.0.0.9:80-90 random,persistent; udp dport 5 redirect to :82-85 fully-random; ip saddr 10.0.0.9 dnat to 10.0.0.6; tcp dport 81 redirect to :82; }
}
`

// Each rule reads as nft itself writes it.
func TestAgainstNft(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("LEFT OUT: nft is not installed")
	}
	apart(t, func() {
		tool(t, ruleset, "nft", "-f", "-")
		var want []string
		chain := ""
		burst := regexp.MustCompile(` burst \d+ packets| comment ".*"`)
		for line := range strings.Lines(tool(t, "", "nft", "list", "ruleset")) {
			line = strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "chain "):
				chain = strings.Fields(line)[1]
			case strings.HasPrefix(line, "type "), line == "", line == "}", strings.HasPrefix(line, "table "):
			case chain != "":
				want = append(want, chain+" | "+burst.ReplaceAllString(line, ""))
			}
		}
		rows, _ := moduletest.Rows(t, firewall(), "", []string{"chain", "rule", "position", "decoded", "origin"}, nil)
		var got []string
		for _, row := range rows {
			f := strings.Split(row, " | ")
			if len(f) != 5 || f[4] != fromKernel || f[2] == "0" {
				continue
			}
			if f[3] != "true" {
				t.Errorf("not decoded: %q", row)
			}
			got = append(got, f[0]+" | "+burst.ReplaceAllString(f[1], ""))
		}
		if !slices.Equal(got, want) || len(got) < 25 {
			for i := range max(len(got), len(want)) {
				g, w := "", ""
				if i < len(got) {
					g = got[i]
				}
				if i < len(want) {
					w = want[i]
				}
				if g != w {
					t.Errorf("%q\nnft: %q", g, w)
				}
			}
		}
	})
}

// Columns of a rule, and what cannot be decoded of one.
func TestRuleColumns(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("LEFT OUT: nft is not installed")
	}
	apart(t, func() {
		tool(t, `table inet f { chain i { type filter hook input priority 0; policy drop; iifname "eth0" ip saddr 10.0.0.0/8 tcp dport 22 counter packets 7 bytes 420 accept comment "in"; fib daddr type local tcp dport 5 drop; }; }`, "nft", "-f", "-")
		rows, _ := moduletest.Rows(t, firewall(), "", strings.Fields("family table chain hook policy position protocol source dport input packets bytes comment verdict decoded"), nil)
		want := []string{
			"inet | f | i | input | drop | 0 | null | null | null | null | null | null | null | drop | true",
			`inet | f | i | input | drop | 1 | tcp | 10.0.0.0/8 | 22 | "eth0" | 7 | 420 | in | accept | true`,
			"inet | f | i | input | drop | 2 | tcp | null | 5 | null | null | null | null | drop | false",
		}
		for _, w := range want {
			if !slices.Contains(rows, w) {
				t.Errorf("%q is not in %q", w, rows)
			}
		}
		rows, _ = moduletest.Rows(t, firewall(), "", []string{"rule"}, nil)
		if !slices.ContainsFunc(rows, func(r string) bool { return strings.HasPrefix(r, "<fib: ") && strings.HasSuffix(r, "tcp dport 5 drop") }) {
			t.Errorf("what could not be decoded is not named: %q", rows)
		}
	})
}

// Rules of iptables over nftables are those that iptables-save writes, which
// the reader of saved files reads.
func TestAgainstIptablesSave(t *testing.T) {
	if _, err := exec.LookPath("iptables-nft"); err != nil {
		t.Skip("LEFT OUT: iptables-nft is not installed")
	}
	apart(t, func() {
		for _, line := range []string{
			"-P FORWARD DROP", "-N mine", "-A INPUT -p tcp --dport 22 -j ACCEPT", "-A INPUT -s 10.0.0.0/8 -d 192.0.2.1 -i eth0 -j DROP",
			"-A INPUT -p udp --sport 53 -j mine", "-A mine -j RETURN", "-A OUTPUT -o lo -j ACCEPT",
		} {
			tool(t, "", append([]string{"iptables-nft"}, strings.Fields(line)...)...)
		}
		columns := func(r *filterRule) string {
			address := func(s string) string { return strings.TrimSuffix(s, "/32") }
			return strings.Join([]string{r.chain, strconv.FormatInt(r.position, 10), r.policy, r.verdict, r.protocol,
				address(r.source), address(r.destination), r.sport, r.dport, strings.Trim(r.input, `"`), strings.Trim(r.output, `"`)}, " ")
		}
		var want []string
		if err := parseSaved([]byte(tool(t, "", "iptables-nft-save")), func(n int, r *filterRule) error {
			if r == nil {
				t.Errorf("line %d is not read", n)
				return nil
			}
			want = append(want, columns(r))
			return nil
		}); err != nil {
			t.Error(err)
		}
		rows, _ := moduletest.Rows(t, firewall(), "", strings.Fields("chain position policy verdict protocol source destination sport dport input output origin"), nil)
		var got []string
		for _, row := range rows {
			f := strings.Split(strings.ReplaceAll(strings.ReplaceAll(row, "null", ""), `"`, ""), " | ")
			if f[len(f)-1] == fromKernel {
				got = append(got, strings.Join(f[:len(f)-1], " "))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(got) < 8 {
			t.Errorf("%q\nand iptables-save %q", got, want)
		}
	})
}

// Rules of iptables-legacy read as iptables-save writes them, but for what is
// named as not decoded.
func TestAgainstLegacySave(t *testing.T) {
	for command, family := range map[string]string{"iptables-legacy": "ip", "ip6tables-legacy": "ip6"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skip("LEFT OUT: " + command + " is not installed")
		}
		net, host := "10.0.0.0/8", "192.0.2.1"
		if family == "ip6" {
			net, host = "2001:db8::/32", "2001:db8::7"
		}
		apart(t, func() {
			for _, line := range []string{
				"-P FORWARD DROP", "-N mine", "-N other", "-A INPUT -p tcp --dport 22 -j ACCEPT", "-A INPUT -s " + net + " -d " + host + " -i eth0 -j DROP",
				"-A INPUT ! -s " + net + " -p udp ! --sport 53:60 -j mine", "-A mine -j RETURN", "-A mine -i eth+ -g other", "-A OUTPUT -o lo -m comment --comment mine -j ACCEPT",
				"-A other ! -p tcp", "-A OUTPUT -m state --state NEW,ESTABLISHED -j ACCEPT", "-A OUTPUT -m conntrack ! --ctstate INVALID,UNTRACKED -j ACCEPT", "-A INPUT -p tcp --syn -j LOG",
				"-t mangle -A PREROUTING -i eth1 -j ACCEPT",
			} {
				tool(t, "", append([]string{command}, strings.Fields(line)...)...)
			}
			var want []string
			for line := range strings.Lines(tool(t, "", command+"-save")) {
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "-A") {
					want = append(want, line)
				}
			}
			rows, _ := moduletest.Rows(t, firewall(), "", strings.Fields("family rule position decoded origin"), nil)
			var got []string
			for _, row := range rows {
				f := strings.Split(row, " | ")
				if f[0] != family || f[2] == "0" || f[len(f)-1] != fromKernel {
					continue
				}
				if f[3] != "true" {
					f[1] = "-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j LOG"
				}
				got = append(got, f[1])
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || len(got) != 11 {
				t.Errorf("%q\nand %s-save %q", got, command, want)
			}
		})
	}
}

func FuzzLegacy(f *testing.F) {
	f.Add(make([]byte, 400), 0, 112)
	f.Fuzz(func(t *testing.T, entries []byte, hook, under int) {
		for _, form := range []legacyForm{legacyIPv4, legacyIPv6} {
			table := &legacyTable{form: form, entries: entries, hooks: [5]int{hook, -1, -1, -1, -1}, under: [5]int{under, -1, -1, -1, -1}}
			n := 0
			if err := table.each(func(r *filterRule) error { n++; return nil }); err == nil && n > len(entries)/form.size+5 {
				t.Errorf("%d rules of %d bytes", n, len(entries))
			}
		}
	})
}

func FuzzRule(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 20, 0, 4, 0}, []byte{})
	f.Fuzz(func(t *testing.T, rule, set []byte) {
		_ = eachNft([][]byte{rule}, [][]byte{rule, set}, func(byte, string, string) [][]byte { return [][]byte{set} }, func(r *filterRule) error {
			if r.origin != fromKernel {
				t.Errorf("%+v", r)
			}
			return nil
		})
		d := &nftDecoder{rule: &filterRule{}, family: 1, elements: func(string) [][]byte { return [][]byte{set} }}
		d.expressions(rule)
	})
}
