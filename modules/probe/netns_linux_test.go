package probe

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// insideKey names the variable that has a test asked for in a network
// namespace: what it is to probe.
const insideKey = "QUAESTOR_PROBE_INSIDE"

// TestInside is what runs in the namespaces of TestNetworks.
func TestInside(t *testing.T) {
	where := os.Getenv(insideKey)
	if where == "" {
		t.Skip("it is run by TestNetworks")
	}
	rows, rec := moduletest.Rows(t, named(t, "reach"), "", strings.Fields("outcome reachable sent received"), strings.Fields(where))
	for _, r := range rows {
		fmt.Println("row", r)
	}
	for _, s := range rec.Skips() {
		fmt.Println("skip", s.Kind, s.Where, s.Detail)
	}
}

// The namespaces of TestNetworks.
const here, there = "quaestor-probe-a", "quaestor-probe-b"

// makeNetworks joins them by a line, behind which there are networks that
// cannot be reached in one way or the other.
func makeNetworks(t *testing.T, run func(...string) string) {
	t.Helper()
	for _, ns := range []string{here, there} {
		_ = exec.Command("ip", "netns", "del", ns).Run() // of a run that was killed
		run("ip", "netns", "add", ns)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
		run("ip", "-n", ns, "link", "set", "lo", "up")
	}
	run("ip", "-n", here, "link", "add", "line", "type", "veth", "peer", "name", "line", "netns", there)
	for ns, n := range map[string]string{here: "1", there: "2"} {
		run("ip", "-n", ns, "addr", "add", "10.232.0."+n+"/24", "dev", "line")
		run("ip", "-n", ns, "addr", "add", "fd00:232::"+n+"/64", "dev", "line", "nodad")
		run("ip", "-n", ns, "link", "set", "line", "up")
	}
	run("ip", "-n", here, "route", "add", "10.233.0.0/16", "via", "10.232.0.2")
	run("ip", "-n", here, "route", "add", "prohibit", "10.235.0.0/16")
	run("ip", "-n", there, "route", "add", "unreachable", "10.233.1.0/24")
	run("ip", "-n", there, "route", "add", "prohibit", "10.233.2.0/24")
	run("ip", "-n", there, "route", "add", "blackhole", "10.233.3.0/24")
	run("ip", "netns", "exec", there, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0")
}

// TestNetworks has a host of its own, behind a line: this side probes it in
// every way that there is, with and without the right to.
func TestNetworks(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		t.Skip("LEFT OUT: it takes root and the command ip (iproute2) to make network namespaces")
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	makeNetworks(t, run)
	groups := func(r string) {
		run("ip", "netns", "exec", here, "sysctl", "-qw", "net.ipv4.ping_group_range="+r)
	}
	probe := func(where string, before ...string) string {
		t.Helper()
		args := append([]string{"netns", "exec", here}, before...)
		cmd := exec.CommandContext(t.Context(), "ip", append(args, os.Args[0], "-test.run=^TestInside$", "-test.v")...)
		cmd.Env = append(os.Environ(), insideKey+"="+where)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", where, err, out)
		}
		return strings.Join(regexp.MustCompile(`(?m)^(row|skip) .*$`).FindAllString(string(out), -1), "\n")
	}
	noRaw := []string{"setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"}
	for _, sockets := range []string{"datagrams", "raw"} {
		before := noRaw
		if groups("0 2147483647"); sockets == "raw" {
			groups("1 0")
			before = nil
		}
		// A router says so once a second, after the first few: the attempts and
		// their patience are enough to hear it.
		for where, want := range map[string]string{
			"icmp:10.232.0.2":                    "row answered | true | 3 | 3",
			"icmp:fd00:232::2?count=2":           "row answered | true | 2 | 2",
			"icmp:127.0.0.1?count=1":             "row answered | true | 1 | 1",
			"icmp:10.233.1.7?wait=1s":            "row unreachable | false | 3 | 0",
			"icmp:10.233.2.7?wait=1s":            "row unreachable | false | 3 | 0",
			"icmp:10.233.3.7?count=2&wait=100ms": "row timeout | false | 2 | 0",
			"icmp:10.240.0.1?count=1":            "row unreachable | false | 1 | 0",
		} {
			if got := probe(where, before...); got != want {
				t.Errorf("%s with sockets of %s: %q, not %q", where, sockets, got, want)
			}
		}
		pings(t, run, here)
	}
	for where, want := range map[string]string{
		"tcp:10.232.0.2:9?count=1":            "row refused | false | 1 | 0",
		"udp:10.232.0.2:9?count=1":            "row refused | false | 1 | 0",
		"tcp:10.233.1.7:9?count=1&wait=8s":    "row unreachable | false | 1 | 0",
		"udp:10.233.1.7:9?wait=1s":            "row unreachable | false | 3 | 0",
		"tcp:10.233.3.7:9?count=1&wait=100ms": "row timeout | false | 1 | 0",
		"tcp:[fd00:232::2]:9?count=1":         "row refused | false | 1 | 0",
	} {
		if got := probe(where); got != want {
			t.Errorf("%s: %q, not %q", where, got, want)
		}
	}
	if got := probe("udp:10.232.0.255:9"); !strings.HasPrefix(got, "skip unsupported udp:10.232.0.255:9") || !strings.Contains(got, "broadcast") {
		t.Errorf("the broadcast address of its own network: %q", got)
	}
	// Who may not ask says so, and nothing about the host.
	groups("1 0")
	if got := probe("icmp:10.232.0.2", noRaw...); !strings.HasPrefix(got, "skip permission icmp:10.232.0.2") || strings.Contains(got, "row") || !strings.Contains(got, "ping_group_range") {
		t.Errorf("without the right to ICMP: %q", got)
	}
	filtered(t, here, probe)
}

// pings compares with what ping itself says.
func pings(t *testing.T, run func(...string) string, ns string) {
	if _, err := exec.LookPath("ping"); err != nil {
		t.Log("LEFT OUT: ping is not installed")
		return
	}
	out := run("ip", "netns", "exec", ns, "ping", "-c", "3", "-i", "0.2", "10.232.0.2")
	if !strings.Contains(out, "3 packets transmitted, 3 received") {
		t.Errorf("ping does not see the host that reach sees:\n%s", out)
	}
	cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", ns, "ping", "-c", "5", "10.233.1.7") // a router says so once a second
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "Unreachable") {
		t.Errorf("ping sees what reach calls unreachable:\n%s", out)
	}
}

// filtered has the host's own packet filter keep packets in.
func filtered(t *testing.T, ns string, probe func(string, ...string) string) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("LEFT OUT: nft is not installed")
	}
	rules := "table inet f { chain o { type filter hook output priority 0; ip daddr 10.232.0.2 drop; }; }"
	cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", ns, "nft", rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("LEFT OUT: nft does not work here: %s", out)
	}
	for where, want := range map[string]string{
		"udp:10.232.0.2:9?count=1":            "row blocked | false | 1 | 0",
		"icmp:10.232.0.2?count=1":             "row blocked | false | 1 | 0",
		"tcp:10.232.0.2:9?count=1&wait=100ms": "row timeout | false | 1 | 0",
	} {
		if got := probe(where); got != want {
			t.Errorf("behind its own filter, %s: %q, not %q", where, got, want)
		}
	}
}
