package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
)

func TestAliases(t *testing.T) {
	const mounts = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
23 22 0:5 / /dev rw,nosuid - devtmpfs dev rw
30 22 254:1 / /var rw,relatime - ext4 /dev/vdb rw
31 22 254:1 /lib /mnt/lib\040copy ro - ext4 /dev/vdb ro
32 22 254:1 /lib/quaestor/spool /mnt/spool ro - ext4 /dev/vdb ro
33 22 254:1 /log /mnt/log ro - ext4 /dev/vdb ro
34 22 254:0 / /mnt/all ro - ext4 /dev/root ro
short line
`
	for dir, want := range map[string][]string{
		"/var/lib/quaestor":  {"/var/lib/quaestor", "/mnt/lib copy/quaestor"},
		"/opt/quaestor":      {"/opt/quaestor", "/mnt/all/opt/quaestor"},
		"/mnt/lib copy/else": {"/mnt/lib copy/else", "/var/lib/else"},
		"/dev/shm/a":         {"/dev/shm/a"},
	} {
		if got := aliases(dir, mounts); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
	if got := aliases("/var/lib/quaestor", ""); !slices.Equal(got, []string{"/var/lib/quaestor"}) {
		t.Errorf("without mounts: %q", got)
	}
}

// The agent's folder is not read over another mount of its file system, where
// its name is not the one that queries may not use.
func TestFolderMountedTwice(t *testing.T) {
	s := newStage(t)
	other := t.TempDir()
	if err := unix.Mount(filepath.Dir(s.dir), other, "", unix.MS_BIND, ""); err != nil {
		t.Skip("LEFT OUT: nothing can be mounted here: ", err)
	}
	defer unix.Unmount(other, unix.MNT_DETACH)
	if err := os.WriteFile(filepath.Join(other, "beside"), []byte("the key"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, sum := s.ask(fmt.Sprintf("FIND file %q WHERE CONTAINS 'the key'", filepath.Join(other, "**")), Limits{}, nil)
	if len(rows) != 1 || !strings.HasSuffix(rows[0], "/beside") {
		t.Errorf("%q", rows)
	}
	if len(sum.Skipped) != 1 || sum.Skipped[0].Kind != modules.SkipPermission || sum.Skipped[0].Count != 1 {
		t.Errorf("%+v", sum)
	}
}

// Files that somebody hides among devices are read; devices are not.
func TestFilesAmongDevices(t *testing.T) {
	s := newStage(t)
	name := filepath.Join(devices, fmt.Sprintf("quaestor-test-%d", os.Getpid()))
	if err := os.WriteFile(name, []byte("hidden"), 0o600); err != nil {
		t.Skip("LEFT OUT: nothing can be written there: ", err)
	}
	defer os.Remove(name)
	if rows, sum := s.ask(fmt.Sprintf("FIND file %q WHERE CONTAINS 'hidden'", name), Limits{}, nil); len(rows) != 1 {
		t.Errorf("%q, %+v", rows, sum)
	}
}
