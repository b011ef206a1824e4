package network

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// host makes a tree whose init has a network, and a container another.
func host(t *testing.T, more map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{
		"proc/1/ns/net": "->net:[1]",
		"proc/1/net/tcp": heading +
			"   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0\n" +
			"   1: 0A00000A:0016 0700A8C0:D431 01 00000000:00000000 00:00000000 00000000     0        0 101 1 0 20 4 30 10 -1\n" +
			"   2: 0A00000A:0016 0800A8C0:D432 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0\n",
		"proc/1/net/tcp6":   heading + "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 102 1 0\n",
		"proc/1/net/udp":    heading + "  10: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 103 2 0 0\n",
		"proc/1/net/unix":   "Num       RefCount Protocol Flags    Type St Inode Path\n0000000000000000: 00000002 00000000 00010000 0001 01 104 /run/a b.sock\n0000000000000000: 00000003 00000000 00000000 0001 03 105\n0000000000000000: 00000002 00000000 00000000 0002 01 106 @abstract\n",
		"proc/1/net/packet": "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n0000000000000000 3      3    0003   2     1 0      0      107\n",
		"proc/1/fd/3":       "->socket:[100]", "proc/1/fd/4": "->socket:[100]", "proc/1/fd/5": "->/dev/null",
		"proc/7/fd/1": "->socket:[100]", "proc/7/fd/2": "->socket:[101]", "proc/7/ns/net": "->net:[1]",
		"proc/9/ns/net": "->net:[2]", "proc/9/fd/1": "->socket:[200]",
		"proc/9/net/tcp":             heading + "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 200 1 0\n",
		"proc/net/if_inet6":          "fe8000000000000002155dfffe000001 02 40 20 80     eth0\n00000000000000000000000000000001 01 80 10 80       lo\nbroken line\n",
		"sys/class/net/eth0/ifindex": "2\n", "sys/class/net/eth0/address": "8C:70:5A:C8:BE:50\n", "sys/class/net/eth0/flags": "0x1103\n",
		"sys/class/net/eth0/mtu": "1500\n", "sys/class/net/eth0/operstate": "up\n", "sys/class/net/eth0/type": "1\n",
		"sys/class/net/lo/ifindex": "1\n", "sys/class/net/lo/address": "00:00:00:00:00:00\n", "sys/class/net/lo/flags": "0x9\n",
		"sys/class/net/lo/mtu": "65536\n", "sys/class/net/lo/operstate": "unknown\n", "sys/class/net/lo/type": "772\n",
		"sys/class/net/bonding_masters": "\n",
		"proc/net/arp":                  "IP address       HW type     Flags       HW address            Mask     Device\n172.21.0.6       0x1         0x2         30:05:5C:00:80:3A     *        eth0\n172.21.0.7       0x1         0x0         00:00:00:00:00:00     *        eth0\n",
		"proc/net/route":                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\neth0\t00000000\t010015AC\t0003\t0\t0\t100\t00000000\t0\t0\t0\neth0\t000015AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n*\t00000A0A\t00000000\t0200\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
		"proc/net/ipv6_route":           "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n",
		"etc/hosts":                     "127.0.0.1 localhost me # a comment\n\nfe80::1 gate\n",
		"etc/resolv.conf":               "; old\nnameserver 9.9.9.9\nsearch example.org lan\noptions edns0\nnameserver nine\n",
		"etc/nsswitch.conf":             "passwd: files\nhosts: files dns\n",
	}
	for name, text := range more {
		files[name] = text
	}
	for name, text := range files {
		p := filepath.Join(root, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if to, ok := strings.CutPrefix(text, "->"); ok {
			err = errors.Join(err, os.Symlink(to, p))
		} else {
			err = errors.Join(err, os.WriteFile(p, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestContract(t *testing.T) {
	for _, m := range Modules() {
		t.Run(m.Schema().Name, func(t *testing.T) {
			moduletest.Run(t, m, host(t, map[string]string{"etc/iptables/rules.v4": savedIPv4}))
		})
	}
}

func check(t *testing.T, m modules.Module, root, columns string, locators, want []string) []modules.Skip {
	t.Helper()
	got, rec := moduletest.Rows(t, m, root, strings.Fields(columns), locators)
	if !slices.Equal(got, want) {
		t.Errorf("%s %q:\n%s\nnot\n%s", m.Schema().Name, locators, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return rec.Skips()
}

func TestSockets(t *testing.T) {
	root := host(t, nil)
	columns := "protocol state address port remote_address remote_port process family path interface uid inode namespace"
	all := []string{
		"tcp | listen | 0.0.0.0 | 22 | null | null | 1 | ipv4 | null | null | 0 | 100 | net:[1]",
		"tcp | listen | 0.0.0.0 | 22 | null | null | 7 | ipv4 | null | null | 0 | 100 | net:[1]",
		"tcp | established | 10.0.0.10 | 22 | 192.168.0.7 | 54321 | 7 | ipv4 | null | null | 0 | 101 | net:[1]",
		"tcp | time_wait | 10.0.0.10 | 22 | 192.168.0.8 | 54322 | null | ipv4 | null | null | 0 | null | net:[1]",
		"tcp | listen | ::1 | 8080 | null | null | null | ipv6 | null | null | 1000 | 102 | net:[1]",
		"udp | unconnected | 127.0.0.1 | 53 | null | null | null | ipv4 | null | null | 101 | 103 | net:[1]",
		"unix | listen | null | null | null | null | null | unix | /run/a b.sock | null | null | 104 | net:[1]",
		"unix | established | null | null | null | null | null | unix | null | null | null | 105 | net:[1]",
		"unix | unconnected | null | null | null | null | null | unix | @abstract | null | null | 106 | net:[1]",
		"packet | unconnected | null | null | null | null | null | packet | null | eth0 | 0 | 107 | net:[1]",
		"tcp | listen | 0.0.0.0 | 80 | null | null | 9 | ipv4 | null | null | 0 | 200 | net:[2]",
	}
	if skips := check(t, sockets(), root, columns, nil, all); len(skips) != 0 {
		t.Errorf("%+v", skips)
	}
	for locator, want := range map[string][]string{
		":54321":         {"101"},
		":80":            {"200"},
		"192.168.0.0/24": {"101", "null"},
		"192.168.0.7":    {"101"},
		"192.168.0.7:22": nil,
		"10.0.0.10:22":   {"101", "null"},
		"::1":            {"102"},
		"[::1]:8080":     {"102"},
		"0.0.0.0/0":      {"100", "101", "null", "103", "200"},
	} {
		check(t, sockets(), root, "inode", []string{locator}, want)
	}
	req, _ := moduletest.Request(t, sockets(), root, nil)
	req.Locators = []string{"sshd"}
	if err := sockets().Scan(t.Context(), req, func(modules.Row) error { return nil }); err == nil || !strings.Contains(err.Error(), "write :22") {
		t.Errorf("%v", err)
	}
}

func TestMalformedTable(t *testing.T) {
	root := host(t, map[string]string{"proc/1/net/tcp": heading + "   0: 00000000:0016 nonsense\n"})
	_, rec := moduletest.Rows(t, sockets(), root, []string{"inode"}, nil)
	if s := rec.Skips(); len(s) != 1 || s[0].Where != "/proc/1/net/tcp" {
		t.Errorf("%+v", s)
	}
}

func TestInterfaces(t *testing.T) {
	skips := check(t, interfaces(), host(t, nil), "name index mac state up promiscuous mtu flags type addresses", nil, []string{
		"eth0 | 2 | 8c:70:5a:c8:be:50 | up | true | true | 1500 | [broadcast, multicast] | 1 | null",
		"lo | 1 | null | unknown | true | false | 65536 | [loopback] | 772 | null",
	})
	if len(skips) != 1 || skips[0].Kind != modules.SkipUnsupported {
		t.Errorf("a tree does not say what addresses interfaces had: %+v", skips)
	}
}

func TestInterfaceAddresses(t *testing.T) {
	skips := check(t, interfaceAddresses(), host(t, nil), "interface address network", nil, []string{
		"eth0 | fe80::215:5dff:fe00:1 | fe80::/64", "lo | ::1 | ::1/128",
	})
	if len(skips) != 1 || skips[0].Kind != modules.SkipUnsupported {
		t.Errorf("a tree does not say what addresses of IPv4 interfaces had: %+v", skips)
	}
}

// The descriptor of a socket is the lowest of those that a process has.
func TestSocketDescriptors(t *testing.T) {
	check(t, sockets(), host(t, nil), "process fd inode", []string{":22"}, []string{"1 | 3 | 100", "7 | 1 | 100", "7 | 2 | 101", "null | null | null"})
}

func TestNeighbours(t *testing.T) {
	check(t, neighbours(), host(t, nil), "address mac interface state", nil, []string{
		"172.21.0.6 | 30:05:5c:00:80:3a | eth0 | reachable", "172.21.0.7 | null | eth0 | incomplete",
	})
}

func TestRoutes(t *testing.T) {
	check(t, routes(), host(t, nil), "destination gateway interface metric reject", nil, []string{
		"0.0.0.0/0 | 172.21.0.1 | eth0 | 100 | false", "172.21.0.0/24 | null | eth0 | 0 | false",
		"fd00::/64 | fe80::1 | eth0 | 1024 | false",
	})
}

func TestDNS(t *testing.T) {
	skips := check(t, dns(), host(t, nil), "kind name address path line", nil, []string{
		"host | localhost | 127.0.0.1 | /etc/hosts | 1", "host | me | 127.0.0.1 | /etc/hosts | 1", "host | gate | fe80::1 | /etc/hosts | 3",
		"nameserver | null | 9.9.9.9 | /etc/resolv.conf | 2", "search | example.org | null | /etc/resolv.conf | 3",
		"search | lan | null | /etc/resolv.conf | 3", "option | edns0 | null | /etc/resolv.conf | 4",
		"order | files | null | /etc/nsswitch.conf | 2", "order | dns | null | /etc/nsswitch.conf | 2",
	})
	if len(skips) != 1 || skips[0].Where != "/etc/resolv.conf" {
		t.Errorf("%+v", skips)
	}
}

func FuzzLines(f *testing.F) {
	f.Add("   0: 00000000:0016 00000000:0000 0A 0:0 00:0 0 0 0 100 1")
	f.Add("0: 00000002 00000000 00010000 0001 01 104 /run/x")
	f.Add("eth0 00000000 010015AC 0003 0 0 100 00000000 0 0 0")
	f.Fuzz(func(t *testing.T, line string) {
		for _, file := range internetFiles() {
			if k, ok := parseInternet(line, file); ok && !k.local.Addr().IsValid() {
				t.Errorf("%+v", k)
			}
		}
		parseUnix(line)
		parsePacket(line, nil)
		words := strings.Fields(line)
		for _, parse := range []func([]string) (route, bool, bool){parseRoute4, parseRoute6} {
			if r, _, ok := parse(words); ok && !r.destination.Addr().IsValid() {
				t.Errorf("%+v", r)
			}
		}
		if n, ok := parseARP(line); ok && !n.address.IsValid() {
			t.Errorf("%+v", n)
		}
		if len(words) > 0 {
			parseHost(words)
			parseResolver(words)
		}
		if _, err := endTest(line); err == nil && line == "" {
			t.Error("nothing is a place")
		}
	})
}
