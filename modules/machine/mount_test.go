package machine

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const mountinfo = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 ro,errors=remount-ro
30 27 8:2 /sub /mnt/with\040blank rw,nosuid master:2 propagate_from:3 - ext4 /dev/sda2 rw
31 30 0:40 / /mnt/with\040blank rw - tmpfs tmpfs rw,size=4k
32 30 0:41 / /mnt/with\040blank/below rw - tmpfs tmpfs rw
33 31 0:42 / /mnt/with\040blank/seen rw - tmpfs tmpfs rw
what is this
x 27 8:1 / / rw - ext4 a rw
`

func TestMount(t *testing.T) {
	root := tree(t, map[string]string{"proc/1/mountinfo": mountinfo, "etc/fstab": "/dev/sdb1 /x ext4\n"})
	got, rec := moduletest.Rows(t, mounts(), root, []string{"path", "device", "type", "options", "read_only", "root", "id", "parent_id", "device_number", "propagation", "covered", "size", "source"}, nil)
	same(t, got, []string{
		`/proc | proc | proc | [rw, relatime] | false | / | 22 | 27 | 0:21 | [] | false | null | /proc/1/mountinfo`,
		`/ | /dev/sda1 | ext4 | [noatime, ro, errors=remount-ro] | true | / | 27 | 1 | 8:1 | [shared:1] | false | null | /proc/1/mountinfo`,
		`/mnt/with blank | /dev/sda2 | ext4 | [rw, nosuid] | false | /sub | 30 | 27 | 8:2 | [master:2, propagate_from:3] | true | null | /proc/1/mountinfo`,
		`/mnt/with blank | tmpfs | tmpfs | [rw, size=4k] | false | / | 31 | 30 | 0:40 | [] | false | null | /proc/1/mountinfo`,
		`/mnt/with blank/below | tmpfs | tmpfs | [rw] | false | / | 32 | 30 | 0:41 | [] | true | null | /proc/1/mountinfo`,
		`/mnt/with blank/seen | tmpfs | tmpfs | [rw] | false | / | 33 | 31 | 0:42 | [] | false | null | /proc/1/mountinfo`,
	})
	same(t, skipped(rec), []string{"io_error /proc/1/mountinfo:7", "io_error /proc/1/mountinfo:8"})
	if got, _ := moduletest.Rows(t, mounts(), root, []string{"path"}, []string{"/mnt/*"}); len(got) != 2 {
		t.Errorf("located: %q", got)
	}
	moduletest.Run(t, mounts(), root)
}

func TestMountFstab(t *testing.T) {
	root := tree(t, map[string]string{"proc/": "", "etc/fstab": `# a comment
UUID=1234 / ext4 defaults,x="a,b" 0 1
/dev/sdb1	/a\040b	xfs	ro,noexec 0 0 # why
/swapfile none swap sw 0 0
LABEL=x /x ext4
two fields
a /b c d e f g
`})
	got, rec := moduletest.Rows(t, mounts(), root, []string{"path", "device", "type", "options", "read_only", "id", "covered", "source"}, nil)
	same(t, got, []string{
		`/ | UUID=1234 | ext4 | [defaults, x="a,b"] | false | null | null | /etc/fstab`,
		`/a b | /dev/sdb1 | xfs | [ro, noexec] | true | null | null | /etc/fstab`,
		`null | /swapfile | swap | [sw] | false | null | null | /etc/fstab`,
		`/x | LABEL=x | ext4 | [] | false | null | null | /etc/fstab`,
	})
	same(t, skipped(rec), []string{"io_error /etc/fstab:6", "io_error /etc/fstab:7"})
	moduletest.Run(t, mounts(), root)
}

func TestMountProcMounts(t *testing.T) {
	root := tree(t, map[string]string{"proc/mounts": "rootfs / rootfs rw 0 0\n"})
	got, _ := moduletest.Rows(t, mounts(), root, []string{"path", "type", "source"}, nil)
	same(t, got, []string{"/ | rootfs | /proc/mounts"})
}

// TestMountLive compares with findmnt.
func TestMountLive(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: there is no /proc here")
	}
	var out struct {
		Filesystems []struct{ Target, Source, FSType, Options, FSRoot string }
	}
	text := tool(t, "findmnt", "--json", "--list", "--nofsroot", "-N", "1", "-o", "TARGET,SOURCE,FSTYPE,OPTIONS,FSROOT")
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range out.Filesystems {
		options := strings.Split(m.Options, ",")
		slices.Sort(options)
		want = append(want, strings.Join([]string{m.Target, m.Source, m.FSType, strings.Join(slices.Compact(options), ","), m.FSRoot}, " | "))
	}
	text = tool(t, "cat", "/proc/1/mountinfo")
	var got []string
	for _, m := range parseMountinfo("", []byte(text), func(where string) { t.Error(where) }) {
		slices.Sort(m.options)
		got = append(got, strings.Join([]string{m.path, m.device, m.kind, strings.Join(m.options, ","), m.root}, " | "))
	}
	slices.Sort(got)
	slices.Sort(want)
	same(t, got, want)
	rows, _ := moduletest.Rows(t, mounts(), "", []string{"path", "size", "free", "available", "inodes", "inodes_free"}, []string{"/"})
	if len(rows) == 0 || strings.Contains(rows[len(rows)-1], "null") {
		t.Errorf("the root: %q", rows)
	}
}

func FuzzMounts(f *testing.F) {
	f.Add([]byte(mountinfo))
	f.Add([]byte("/dev/sdb1	/a\\040b	xfs	ro,noexec 0 0 # why\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := strings.Count(string(text), "\n") + 1
		bad := func(string) { n-- }
		if got := len(parseMountinfo("x", text, bad)); got > n {
			t.Errorf("%d mounts of %d lines", got, n)
		}
		parseFstab("x", text, func(string) {})
	})
}
