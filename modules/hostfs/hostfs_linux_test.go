package hostfs

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// A file that is denied and has no name any more is not read through who holds
// it open.
func TestDeniedFileThatIsOpen(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secret")
	held, err := os.Create(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := held.WriteString("secret"); err != nil {
		t.Fatal(err)
	}
	name := "/proc/self/fd/" + strconv.Itoa(int(held.Fd()))
	f := &FS{report: &moduletest.Recorder{}}
	if b, err := f.ReadFile(name); string(b) != "secret" {
		t.Fatalf("%q, %v", b, err)
	}
	f.deny = func(path string) bool { return path == secret || path == secret+" (deleted)" }
	for range 2 {
		if b, err := f.ReadFile(name); !errors.Is(err, ErrDenied) {
			t.Errorf("%q, %v", b, err)
		}
		if err := os.Remove(secret); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// What is read keeps its time of access, in a tree and on the live machine,
// and so do folders that are listed.
func TestTimesOfAccessStay(t *testing.T) {
	tr, rec, root := tree(t, map[string]string{"etc/a": "x", "etc/b": "x", "etc/c": "x", "plain": "x"})
	old := unix.NsecToTimespec(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC).UnixNano())
	accessed := func(name string) int64 {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(root, name), &st); err != nil {
			t.Fatal(err)
		}
		return st.Atim.Nano()
	}
	names := []string{"etc", "etc/a", "etc/b", "etc/c", "plain"}
	for _, n := range names {
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(root, n), []unix.Timespec{old, {Nsec: unix.UTIME_OMIT}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.ReadFile(filepath.Join(root, "plain")); err != nil || accessed("plain") == old.Nano() {
		t.Skip("LEFT OUT: this file system keeps no times of access: ", err)
	}
	for at, f := range map[string]*FS{"": tr, root: {report: rec}} {
		if _, ok := f.Get(at + "/etc/a"); !ok {
			t.Error("it is not read")
		}
		file, err := f.Open(at + "/etc/b")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		file.Close()
		f.List(at + "/etc")
		d, err := f.OpenDir(at + "/etc")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Names(); err != nil {
			t.Error(err)
		}
		if _, err := d.Append(nil, "c", 10); err != nil {
			t.Error(err)
		}
		d.Close()
	}
	for _, n := range names[:4] {
		if accessed(n) != old.Nano() {
			t.Errorf("the time of access of %s changed", n)
		}
	}
}
