package sandbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
)

// What a unit hides, and nothing else, is told from what the machine mounts, as
// the kernel writes it.
func TestShadows(t *testing.T) {
	const machine = `21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
22 21 0:21 / /proc rw shared:2 - proc proc rw
23 21 0:22 / /sys rw shared:3 - sysfs sysfs rw
24 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw
25 21 0:5 / /dev rw shared:5 - devtmpfs udev rw
26 21 0:23 / /run rw shared:6 - tmpfs tmpfs rw
27 21 254:2 / /home rw shared:7 - ext4 /dev/vda2 rw
28 27 254:3 /@ /home/a\040b rw shared:8 - btrfs /dev/vda3 rw
`
	for name, c := range map[string]struct {
		more string
		want []string
	}{
		"nothing": {"", nil},
		"its own unit: the same folders, read-only": {`40 21 254:1 /var/lib/quaestor-agent /var/lib/quaestor-agent rw - ext4 /dev/vda1 rw
41 22 0:21 /sys /proc/sys ro - proc proc rw
42 23 0:22 / /sys ro - sysfs sysfs rw
43 42 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
`, nil},
		"ProtectKernelModules": {"50 21 0:23 /systemd/inaccessible/dir /usr/lib/modules ro - tmpfs tmpfs rw\n", []string{"/usr/lib/modules"}},
		"InaccessiblePaths of a file": {"50 22 0:23 /systemd/inaccessible/reg /proc/kallsyms ro - tmpfs tmpfs rw\n",
			[]string{"/proc/kallsyms"}},
		"ProtectHome, and what is below": {"50 27 0:99 / /home ro - tmpfs tmpfs rw\n51 50 0:98 / /home/x ro - tmpfs tmpfs rw\n", []string{"/home"}},
		"PrivateTmp":                     {"50 21 254:1 /tmp/systemd-private-1/tmp /tmp rw - ext4 /dev/vda1 rw\n", []string{"/tmp"}},
		"another mount of /proc":         {"50 21 0:77 / /proc rw - proc proc rw\n", nil},
		"a link of the same files":       {"50 21 254:3 /@ /home/a\\040b ro - btrfs /dev/vda3 rw\n", nil},
		"another folder of theirs":       {"50 21 254:3 /@old /home/a\\040b ro - btrfs /dev/vda3 rw\n", []string{"/home/a b"}},
		"a root of its own":              {"50 21 0:55 / / rw - overlay overlay rw\n51 50 0:56 / /etc/hosts rw - tmpfs tmpfs rw\n", nil},
		"nonsense":                       {"a b c\n- - -\n", nil},
	} {
		if got := shadows(parseMounts(machine+c.more), parseMounts(machine)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	// What is mounted for the machine and not for the agent is another folder to it.
	if got := shadows(parseMounts(machine), parseMounts(machine+"60 21 254:9 / /srv rw - ext4 /dev/vda9 rw\n")); !slices.Equal(got, []string{"/srv"}) {
		t.Errorf("%q", got)
	}
	if got := shadows(nil, nil); got != nil {
		t.Errorf("%q", got)
	}
}

// What lies in a shadow is denied, beside what the policy denies, and told with
// its own reason.
func TestShaded(t *testing.T) {
	if shaded(nil, nil) != nil {
		t.Error("a function that denies nothing is asked of every file")
	}
	policy := func(name string) bool { return strings.HasPrefix(name, "/secret") }
	deny := shaded(policy, []string{"/usr/lib/modules"})
	for name, want := range map[string]bool{
		"/usr/lib/modules": true, "/usr/lib/modules/6.1/a.ko": true, "/usr/lib/modules-load.d": false, "/usr/lib": false, "/secret/x": true, "/etc": false,
	} {
		if deny(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	first := []modules.Skip{{Where: "/usr/lib/modules", Detail: "by the policy"}, {Where: "/secret", Detail: "by the policy"}}
	tellShadows(first, []string{"/usr/lib/modules"})
	if first[0].Detail != shadowDetail || first[1].Detail != "by the policy" {
		t.Errorf("%+v", first)
	}
}

// Whatever is mounted where, two processes that see the same have no shadows,
// and what is told as one is a place of a mount.
func FuzzMounts(f *testing.F) {
	f.Add("21 1 254:1 / / rw - ext4 /dev/vda1 rw\n27 21 254:2 / /home rw - ext4 /dev/vda2 rw\n", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n")
	f.Add("1 1 0:1 / a rw - proc\n", "- - -\n")
	f.Fuzz(func(t *testing.T, own, first string) {
		a, b := parseMounts(own), parseMounts(first)
		if got := shadows(a, a); got != nil {
			t.Errorf("%q", got)
		}
		for _, at := range shadows(a, b) {
			if !slices.ContainsFunc(slices.Concat(a, b), func(m mount) bool { return m.at == at }) {
				t.Errorf("%q is no place of a mount", at)
			}
		}
	})
}
