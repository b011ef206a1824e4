package machine

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

func sysctlTree(t testing.TB) string {
	root := tree(t, map[string]string{
		"proc/sys/kernel/core_pattern":             "|/x %p\n",
		"proc/sys/kernel/random/boot_id":           "1-2\n",
		"proc/sys/net/ipv4/ip_forward":             "1\n",
		"proc/sys/net/ipv4/tcp_rmem":               "4096\t131072\t6291456\n",
		"proc/sys/net/ipv4/route/flush":            "never seen\n",
		"proc/sys/net/ipv4/conf/eth0.1/rp_filter":  "2\n",
		"proc/sys/net/ipv6/conf/all/stable_secret": "never seen\n",
		"proc/sys/net/ipv6/conf/all/forwarding":    "",
		"proc/sys/net/ipv6/conf/link":              "->/etc/passwd",
	})
	for name, mode := range map[string]os.FileMode{"net/ipv4/route/flush": 0o200, "kernel/random/boot_id": 0o444} {
		if err := os.Chmod(filepath.Join(root, "proc/sys", name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// What files say of settings, by the rules of sysctl.d(5): names before
// wildcards, /etc before /usr/lib, and sysctl.conf last.
func TestSysctlConfigured(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/sys/net/ipv4/ip_forward":             "1\n",
		"proc/sys/net/ipv4/conf/eth0.1/rp_filter":  "2\n",
		"proc/sys/net/ipv4/conf/lo/rp_filter":      "0\n",
		"proc/sys/net/ipv4/conf/wg0/rp_filter":     "0\n",
		"proc/sys/kernel/dmesg_restrict":           "1\n",
		"proc/sys/kernel/sysrq":                    "1\n",
		"proc/sys/vm/swappiness":                   "60\n",
		"proc/sys/net/ipv6/conf/all/stable_secret": "x\n",
		"etc/sysctl.conf":                          "# comment\n; another\nnet/ipv4/ip_forward=0\n\nno value\n-net.ipv4.conf.wg0.rp_filter\n",
		"etc/sysctl.d/50-a.conf":                   "kernel.sysrq = 0\n",
		"usr/lib/sysctl.d/50-a.conf":               "kernel.sysrq = 176\nvm.swappiness = 1\n",
		"usr/lib/sysctl.d/60-b.conf":               "net.ipv4.ip_forward = 1\n-net.ipv4.conf.eth0/1.rp_filter = 2\nnet.ipv4.conf.*.rp_filter = 1\nnet.ipv6.conf.all.stable_secret = y\n= 3\nnet.[ = 1\n",
		"usr/lib/sysctl.d/README":                  "kernel.dmesg_restrict = 0\n",
		"run/sysctl.d/90-c.conf":                   "kernel.dmesg_restrict = a = b\n",
	})
	got, rec := moduletest.Rows(t, sysctls(), root, []string{"name", "value", "configured", "configured_in"}, nil)
	same(t, got, []string{
		"kernel.dmesg_restrict | 1 | a = b | /run/sysctl.d/90-c.conf:1",
		"kernel.sysrq | 1 | 0 | /etc/sysctl.d/50-a.conf:1",
		"net.ipv4.conf.eth0/1.rp_filter | 2 | 2 | /usr/lib/sysctl.d/60-b.conf:2",
		"net.ipv4.conf.lo.rp_filter | 0 | 1 | /usr/lib/sysctl.d/60-b.conf:3",
		"net.ipv4.conf.wg0.rp_filter | 0 | null | null",
		"net.ipv4.ip_forward | 1 | 0 | /etc/sysctl.conf:3",
		"net.ipv6.conf.all.stable_secret | null | null | /usr/lib/sysctl.d/60-b.conf:4",
		"vm.swappiness | 60 | null | null",
	})
	same(t, skipped(rec), []string{"io_error /usr/lib/sysctl.d/60-b.conf:5", "io_error /usr/lib/sysctl.d/60-b.conf:6", "io_error /etc/sysctl.conf:5"})
}

func FuzzSysctlSettings(f *testing.F) {
	f.Add("net.ipv4.*.x = 1\n-a/b.c\nx=y=z\n", "net.ipv4.a.x")
	f.Fuzz(func(t *testing.T, text, name string) {
		for _, c := range parseSysctlSettings("f", []byte(text), func(string) {}) {
			if c.name == "" || c.where != "" && !strings.HasPrefix(c.where, "f:") {
				t.Errorf("%q: %+v", text, c)
			}
		}
		parseSysctlSettings("f", []byte(text), func(string) {}).of(name)
	})
}

func TestSysctl(t *testing.T) {
	root := sysctlTree(t)
	all := []string{"name", "value", "writable", "path"}
	got, rec := moduletest.Rows(t, sysctls(), root, all, nil)
	same(t, got, []string{
		"kernel.core_pattern | |/x %p | true | /proc/sys/kernel/core_pattern",
		"kernel.random.boot_id | 1-2 | false | /proc/sys/kernel/random/boot_id",
		"net.ipv4.conf.eth0/1.rp_filter | 2 | true | /proc/sys/net/ipv4/conf/eth0.1/rp_filter",
		"net.ipv4.ip_forward | 1 | true | /proc/sys/net/ipv4/ip_forward",
		"net.ipv4.route.flush | null | true | /proc/sys/net/ipv4/route/flush",
		"net.ipv4.tcp_rmem | 4096\\t131072\\t6291456 | true | /proc/sys/net/ipv4/tcp_rmem",
		"net.ipv6.conf.all.forwarding |  | true | /proc/sys/net/ipv6/conf/all/forwarding",
		"net.ipv6.conf.all.stable_secret | null | true | /proc/sys/net/ipv6/conf/all/stable_secret",
	})
	same(t, skipped(rec), nil)
	for locator, want := range map[string]int{
		"net.ipv4.*": 4, "*": 8, "net.ipv4.ip_forward": 1, "net/ipv4/ip_forward": 1, "net.ipv4.conf.*.rp_filter": 1,
		"net/ipv4/conf/eth0.1/rp_filter": 1, "kernel.{core_pattern,none}": 1, "kernel": 0, "x*": 0,
	} {
		if got, _ := moduletest.Rows(t, sysctls(), root, all, []string{locator}); len(got) != want {
			t.Errorf("%s: %q", locator, got)
		}
	}
	moduletest.Run(t, sysctls(), root)
}

func TestSysctlKeys(t *testing.T) {
	req, _ := moduletest.Request(t, sysctls(), sysctlTree(t), []string{"name"})
	req.Keys = []value.Value{value.NewText("net.ipv4.ip_forward"), value.NewText("net.*")}
	n := 0
	if err := sysctls().Scan(t.Context(), req, func(modules.Row) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestSysctlTooDeep(t *testing.T) {
	root := tree(t, map[string]string{"proc/sys/" + strings.Repeat("a/", 30) + "b": "1"})
	got, rec := moduletest.Rows(t, sysctls(), root, []string{"name"}, nil)
	if len(got) != 0 || len(rec.Skips()) != 1 {
		t.Errorf("%q, %v", got, rec.Skips())
	}
}

// TestSysctlLive compares with sysctl. What changes while one looks is left
// out: what it gives before and after.
func TestSysctlLive(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: there is no /proc here")
	}
	before := settings(tool(t, "sysctl", "-a"))
	rows, _ := moduletest.Rows(t, sysctls(), "", []string{"name", "value"}, nil)
	after := settings(tool(t, "sysctl", "-a"))
	counts := []string{"fs.file-nr", "fs.inode-nr", "fs.inode-state", "fs.dentry-state", "kernel.random.entropy_avail", "kernel.ns_last_pid", "kernel.pty.nr"}
	got, compared := map[string]string{}, 0
	for _, row := range rows {
		name, text, _ := strings.Cut(row, " | ")
		got[name] = strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\\`, `\`).Replace(text)
	}
	for name, want := range before {
		again, ok := after[name]
		if !ok || again != want || slices.Contains(counts, name) {
			continue
		}
		text, ok := got[name]
		if !ok || !secret(name[strings.LastIndexByte(name, '.')+1:]) && strings.Join(strings.Fields(text), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s is %q, not %q", name, text, want)
		}
		compared++
	}
	if compared < 100 {
		t.Errorf("only %d settings could be compared", compared)
	}
	t.Logf("%d settings compared, of %d rows", compared, len(rows))
}

// settings reads what sysctl writes: a line for each line of a value.
func settings(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if name, v, ok := strings.Cut(strings.TrimRight(line, "\n"), " = "); ok {
			m[name] += v + "\n"
		}
	}
	return m
}

func FuzzSysctlNames(f *testing.F) {
	f.Add("net/ipv4/conf/eth0.1/x", "net.*")
	f.Fuzz(func(t *testing.T, name, glob string) {
		if dotted(dotted(name)) == "" && name != "" {
			t.Error("a name became empty")
		}
		if !strings.HasPrefix(glob, literal(glob)) {
			t.Error("a front that is none")
		}
	})
}
