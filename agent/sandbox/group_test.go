package sandbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/plan"
)

// Which group a process is in, and where its folder is, is read as the kernel
// writes it on systems of all kinds.
func TestGroupIsFound(t *testing.T) {
	const (
		unified = "25 1 0:22 / /sys rw - sysfs sysfs rw\n29 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid  = "30 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 25 0:28 / /sys/fs/cgroup/unified rw shared:4 master:1 - cgroup2 cgroup2 rw\n"
		inside  = "40 1 0:26 /system.slice/a.service /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
		closed  = "29 25 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw\n"
		unit    = closed + "44 29 0:26 /system.slice/a.service /sys/fs/cgroup/system.slice/a.service rw,nosuid - cgroup2 cgroup2 rw\n"
		first   = "30 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	)
	for _, c := range []struct{ cgroup, mounts, name, folder, err string }{
		{"0::/system.slice/a.service\n", unified, "/system.slice/a.service", "/sys/fs/cgroup/system.slice/a.service", ""},
		{"9:name=systemd:/x\n4:memory:/y\n0::/z\n", hybrid, "/z", "/sys/fs/cgroup/unified/z", ""},
		{"0::/\n", hybrid, "/", "/sys/fs/cgroup/unified", ""},
		{"0::/system.slice/a.service/agent\n", inside, "/system.slice/a.service/agent", "/sys/fs/cgroup/agent", ""},
		{"0::/system.slice/a.service\n", inside, "/system.slice/a.service", "/sys/fs/cgroup", ""},
		{"0::/system.slice/a.services\n", inside, "/system.slice/a.services", "", "no control group of the second kind"},
		{"0::/system.slice/a.service/agent\n", unit, "/system.slice/a.service/agent", "/sys/fs/cgroup/system.slice/a.service/agent", ""},
		{"0::/a\n", unit, "/a", "", "read-only"},
		{"0::/a\n", closed, "/a", "", "read-only"},
		{"4:memory:/y\n", first, "", "", "no control group of the second kind"},
		{"0::/a\n", "garbage - cgroup2\n - cgroup2 x\n", "/a", "", "no control group of the second kind"},
	} {
		name := groupOf(c.cgroup)
		folder, err := folderOf(c.mounts, name)
		if name != c.name || folder != c.folder || (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q, %q: %q, %q, %v", c.cgroup, c.mounts, name, folder, err)
		}
	}
	if _, err := ownGroup(""); err != errNoGroups {
		t.Error(err)
	}
}

// What the owner of the machine lets all plans have is what the group holds.
func TestGroupSettings(t *testing.T) {
	for _, c := range []struct {
		bounds GroupBounds
		want   string
	}{
		{GroupBounds{Plans: 4, IO: plan.IONormal}, "pids.max 2304, cpu.weight 25, io.weight 100"},
		{GroupBounds{Plans: 1, IO: plan.IOLow}, "pids.max 768, cpu.weight 25, io.weight 50"},
		{GroupBounds{Memory: 128 << 20, Plans: 1, IO: plan.IOIdle}, "pids.max 768, cpu.weight 25, io.weight 10, memory.high 134217728, memory.max 201326592"},
		{GroupBounds{Memory: 1 << 30, Plans: 1, IO: plan.IOIdle}, "pids.max 768, cpu.weight 25, io.weight 10, memory.high 1073741824, memory.max 1342177280"},
	} {
		var got []string
		for _, s := range c.bounds.settings() {
			got = append(got, fmt.Sprint(s.file, " ", s.value))
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%+v: %s", c.bounds, text)
		}
	}
}
