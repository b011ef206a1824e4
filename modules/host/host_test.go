package host

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

// look gives all facts of a host, as text, and what was skipped.
func look(t *testing.T, root string) (map[string]string, []modules.Skip) {
	t.Helper()
	m := New()
	rec := &moduletest.Recorder{}
	req := &modules.Request{Host: modules.Host{Root: root, Now: time.Now}, Workers: 1, Report: rec}
	got := map[string]string{}
	err := m.Scan(t.Context(), req, func(r modules.Row) error {
		for i, c := range m.Schema().Columns {
			v, err := r.Column(t.Context(), i)
			if err != nil {
				return err
			}
			got[c.Name] = string(value.AppendJSON(nil, v))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, rec.Skips()
}

func TestConformance(t *testing.T) {
	for _, root := range []string{"testdata/debian", "testdata/alpine", "testdata/rhel", "/"} {
		t.Run(root, func(t *testing.T) { moduletest.Run(t, New(), root) })
	}
}

func TestFixtures(t *testing.T) {
	tests := []struct {
		root  string
		want  map[string]string
		skips []string
	}{
		{"testdata/debian", map[string]string{
			"hostname": `"web-1"`, "os": `"linux"`, "distro": `"debian"`, "version": `"12"`,
			"distro_name": `"Debian GNU/Linux 12 (bookworm)"`, "kernel": `"6.1.0-18-amd64"`, "arch": `"amd64"`,
			"addresses":     `["10.20.3.7","fe80::fc:ff:fe00:1%ens3","2001:db8::7","127.0.0.1","::1"]`,
			"mac_addresses": `["52:54:00:aa:bb:01"]`, "timezone": `"Etc/UTC"`, "cpu": `"Intel(R) Xeon(R) Gold 6230"`,
			"cpus": `4`, "memory": `2097152000`, "memory_free": `102400`, "memory_available": `1048576`, "swap": `0`, "swap_free": `null`, "container": `null`, "virtualisation": `"kvm"`,
			"machine_id": `"0123456789abcdef0123456789abcdef"`, "init": `"systemd"`, "boot_time": `"2025-06-15T15:06:40Z"`,
		}, nil},
		{"testdata/alpine", map[string]string{
			"hostname": `"7f3a0c"`, "os": `"linux"`, "distro": `"alpine"`, "version": `"3.19.1"`,
			"kernel": `"5.15.0-91-generic"`, "arch": `"arm64"`, "addresses": `["172.17.0.2"]`, "mac_addresses": `null`,
			"timezone": `"UTC"`, "cpu": `"Raspberry Pi 4 Model B"`, "cpus": `2`, "memory": `null`,
			"container": `"docker"`, "virtualisation": `null`, "machine_id": `null`, "init": `"nginx"`, "boot_time": `null`,
		}, []string{"/etc/machine-id", "/proc/meminfo", "/proc/stat", "/sys/class/net"}},
		{"testdata/rhel", map[string]string{
			"hostname": `"db.example.com"`, "distro": `"rhel"`, "version": `"9.3"`, "kernel": `null`, "arch": `null`,
			"uptime": `null`, "addresses": `null`, "timezone": `"Europe/Vienna"`, "container": `null`,
			"machine_id": `"fedcba9876543210fedcba9876543210"`, "init": `"systemd"`,
		}, []string{"/proc/cpuinfo", "/proc/cpuinfo", "/proc/cpuinfo", "/proc/cpuinfo", "/proc/cpuinfo", "/proc/cpuinfo",
			"/proc/meminfo", "/proc/meminfo", "/proc/meminfo", "/proc/meminfo", "/proc/meminfo", "/proc/meminfo", "/proc/meminfo", "/proc/meminfo", "/proc/meminfo", "/proc/meminfo", "/proc/net/fib_trie", "/proc/stat",
			"/proc/sys/kernel/osrelease", "/proc/uptime", "/sys/class/net", "arch"}},
	}
	for _, tt := range tests {
		t.Run(filepath.Base(tt.root), func(t *testing.T) {
			got, skips := look(t, tt.root)
			for name, want := range tt.want {
				if got[name] != want {
					t.Errorf("%s is %s, not %s", name, got[name], want)
				}
			}
			var where []string
			for _, s := range skips {
				where = append(where, s.Where)
				if s.Kind != modules.SkipUnsupported {
					t.Errorf("skip of kind %s: %+v", s.Kind, s)
				}
			}
			slices.Sort(where)
			if !slices.Equal(where, tt.skips) {
				t.Errorf("skipped %q, not %q", where, tt.skips)
			}
		})
	}
}

// TestLinkOutOfTree: a link in an image must not give the facts of the machine
// that looks at it.
func TestLinkOutOfTree(t *testing.T) {
	root := t.TempDir()
	secret := filepath.Join(t.TempDir(), "hostname")
	if err := os.WriteFile(secret, []byte("outside\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(root, "etc", "hostname")); err != nil {
		t.Fatal(err)
	}
	if got, _ := look(t, root); got["hostname"] != "null" {
		t.Errorf("hostname is %s, from outside the tree", got["hostname"])
	}
}

func TestNoSuchTree(t *testing.T) {
	req := &modules.Request{Host: modules.Host{Root: filepath.Join(t.TempDir(), "none")}, Report: &moduletest.Recorder{}}
	if err := New().Scan(context.Background(), req, func(modules.Row) error { return nil }); err == nil {
		t.Error("a tree that is not there was looked at")
	}
}

func TestLazy(t *testing.T) {
	rec := &moduletest.Recorder{}
	req := &modules.Request{Host: modules.Host{Root: t.TempDir()}, Report: rec}
	if err := New().Scan(t.Context(), req, func(modules.Row) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if s := rec.Skips(); len(s) != 0 {
		t.Errorf("facts that nobody asked for were looked up: %v", s)
	}
}

func TestContainersAndMachines(t *testing.T) {
	tests := []struct{ column, file, content, want string }{
		{"container", "/proc/1/environ", "A=b\x00container=lxc\x00", `"lxc"`},
		{"container", "/proc/1/environ", "KUBERNETES_SERVICE_HOST=10.0.0.1\x00container=podman\x00", `"kubernetes"`},
		{"container", "/proc/1/cgroup", "1:name=systemd:/kubepods/besteffort/pod1\n", `"kubernetes"`},
		{"container", "/proc/1/cgroup", "1:name=systemd:/docker/abc\n", `"docker"`},
		{"container", "/proc/1/cgroup", "0::/machine.slice/libpod-1.scope\n", `"podman"`},
		{"container", "/run/.containerenv", "", `"podman"`},
		{"container", "/proc/1/cgroup", "0::/init.scope\n", `null`},
		{"virtualisation", "/sys/hypervisor/type", "xen\n", `"xen"`},
		{"virtualisation", "/sys/class/dmi/id/sys_vendor", "VMware, Inc.\n", `"vmware"`},
		{"virtualisation", "/sys/class/dmi/id/product_name", "Virtual Machine\n", `"hyperv"`},
		{"virtualisation", "/proc/cpuinfo", "flags : fpu hypervisor sse\n", `"other"`},
		{"virtualisation", "/proc/cpuinfo", "flags : fpu sse\n", `null`},
		{"init", "/proc/1/comm", "runit\n", `"runit"`},
		{"timezone", "/etc/timezone", "Asia/Tokyo\n", `"Asia/Tokyo"`},
	}
	for _, tt := range tests {
		root := t.TempDir()
		path := filepath.Join(root, tt.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(tt.content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, _ := look(t, root); got[tt.column] != tt.want {
			t.Errorf("%s with %q in %s is %s, not %s", tt.column, tt.content, tt.file, got[tt.column], tt.want)
		}
	}
}

// TestLive asks the machine's own tools the same questions.
func TestLive(t *testing.T) {
	got, _ := look(t, "")
	if got["os"] != strconv.Quote(runtime.GOOS) {
		t.Errorf("os is %s", got["os"])
	}
	for _, tt := range []struct {
		column, command string
		args            []string
		quoted          bool
	}{
		{"kernel", "uname", []string{"-r"}, true},
		{"hostname", "uname", []string{"-n"}, true},
		{"cpus", "nproc", []string{"--all"}, false},
	} {
		if runtime.GOOS != "linux" {
			t.Logf("%s: not compared on %s", tt.column, runtime.GOOS)
			continue
		}
		out, err := exec.Command(tt.command, tt.args...).Output()
		if err != nil {
			t.Logf("%s: not compared: %v", tt.column, err)
			continue
		}
		want := strings.TrimSpace(string(out))
		if tt.quoted {
			want = strconv.Quote(want)
		}
		if got[tt.column] != want {
			t.Errorf("%s is %s; %s says %s", tt.column, got[tt.column], tt.command, want)
		}
	}
	for _, column := range []string{"uptime", "boot_time", "memory", "addresses"} {
		if got[column] == "null" {
			t.Errorf("a live machine does not know its %s", column)
		}
	}
}

// TestFilesAgreeWithSystem: the same addresses from /proc and from the system.
func TestFilesAgreeWithSystem(t *testing.T) {
	b4, err4 := os.ReadFile("/proc/net/fib_trie")
	b6, err6 := os.ReadFile("/proc/net/if_inet6")
	if err4 != nil || err6 != nil {
		t.Skipf("no addresses in /proc: %v, %v", err4, err6)
	}
	words := func(v value.Value) []string {
		var out []string
		for _, e := range v.List() {
			out = append(out, e.IP().String())
		}
		slices.Sort(out)
		return out
	}
	live, err := liveAddresses()
	if err != nil {
		t.Fatal(err)
	}
	files := words(addressList(append(fibTrie(b4), ifInet6(b6)...)))
	if !slices.Equal(files, words(live)) {
		t.Errorf("from files %q, from the system %q", files, words(live))
	}
}
