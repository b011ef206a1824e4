package file

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
)

// What would lie below a file is not there, and that is said.
func TestBelowAFile(t *testing.T) {
	root := tree(t, map[string]string{"f": "needle", "d/": ""})
	eachSystem(t, func(t *testing.T, m *module) {
		for _, where := range []string{"/f/*", "/f/**", "/f/x/*.conf"} {
			q := ask(root + where)
			same(t, collect(t, m, q, pathOf), nil)
			if k := q.ledger.kinds(); k[modules.SkipNotFound] != 1 || len(q.ledger.skips) != 1 {
				t.Errorf("%s: left out %v", where, q.ledger.skips)
			}
		}
		q := ask(root+"/d/*", root+"/**", root+"/f/*")
		same(t, collect(t, m, q, pathOf), []string{root + "/d", root + "/f"})
		if k := q.ledger.kinds(); k[modules.SkipNotFound] != 1 || len(q.ledger.skips) != 1 {
			t.Errorf("left out %v", q.ledger.skips)
		}
	})
}

// A link that is named stands for itself where it leads below a file, as where
// it leads nowhere. One that is followed and leads round does, too, and what
// could not be looked at behind it is told.
func TestLinksThatLeadNowhere(t *testing.T) {
	root := tree(t, map[string]string{"f": "needle"})
	for name, target := range map[string]string{"below": "f/x", "gone": "none", "a": "b", "b": "a"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask(root+"/below", root+"/gone")
		same(t, collect(t, m, q, func(r modules.Row) string { return pathOf(r) + " " + get(r, "target").Text() }),
			[]string{root + "/below f/x", root + "/gone none"})
		if len(q.ledger.skips) != 0 {
			t.Errorf("left out %v", q.ledger.skips)
		}
		q = ask(root + "/*")
		q.Settings.FollowLinks = true
		same(t, collect(t, m, q, func(r modules.Row) string { return get(r, "name").Text() + " " + get(r, "type").Text() }),
			[]string{"a link", "b link", "below link", "f file", "gone link"})
		if k := q.ledger.kinds(); k[modules.SkipLoop] != 2 || len(q.ledger.skips) != 2 {
			t.Errorf("left out %v", q.ledger.skips)
		}
	})
}

// records writes a listing that does not say what its entries are, as some file
// systems do.
func records(names ...string) []byte {
	var b []byte
	for _, name := range names {
		rec := make([]byte, (recordHead+len(name)+1+7)&^7)
		binary.NativeEndian.PutUint16(rec[16:], uint16(len(rec)))
		copy(rec[recordHead:], name)
		b = append(b, rec...)
	}
	return b
}

// Where a listing does not say what its entries are, folders are gone into,
// links are followed, and what nobody can tell is told.
func TestListingWithoutKinds(t *testing.T) {
	root := tree(t, map[string]string{"top/d/f": "1", "top/x": "2", "else/g": "3"})
	for name, target := range map[string]string{"top/in": "../else", "top/to": "../else/g"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, follow := range []bool{false, true} {
		q := ask(root + "/top/**")
		q.Settings.FollowLinks = follow
		var got []string
		s, err := prepare([]*modules.Request{&q.Request}, false, func(_ int, r modules.Row) error {
			got = append(got, strings.TrimPrefix(strings.Clone(pathOf(r)), root+"/top/"))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorker(s)
		w.front(t.Context(), s.fronts.tops(nil)[0])
		d := w.stack[0].dir
		w.stack = nil
		h, err := w.acquire(d)
		if err != nil || !w.admit(d, h) {
			t.Fatal(err)
		}
		w.listing(t.Context(), d, h, records("d", "x", "in", "to", "gone"))
		w.release(d)
		s.crew = 1
		w.work(t.Context())
		want := []string{"d", "d/f", "gone", "in", "to", "x"}
		if follow {
			want = append(want, "in/g")
		}
		slices.Sort(got)
		same(t, got, want)
		if n := len(q.ledger.skips); n != 1 || q.ledger.skips[0].Kind != modules.SkipVanished || q.ledger.skips[0].Where != root+"/top/gone" {
			t.Errorf("left out %v", q.ledger.skips)
		}
	}
}

// asNobody makes a process that runs child for a tree, as nobody if it can be.
func asNobody(t *testing.T, root string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "QUAESTOR_TEST_CHILD="+root)
	if os.Getuid() != 0 {
		return cmd
	}
	// Root may read everything, and nobody may not enter the directories
	// of the test: both must change.
	for dir := root; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(filepath.Dir(root), "child")
	if err := os.WriteFile(cmd.Path, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	return cmd
}

const nobody = 65534

// Whoever may not read others' files without a trace leaves none in his own,
// whatever he read before.
func TestTimesOfAccessStay(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("LEFT OUT: nobody but root makes files of others")
	}
	files := map[string]string{"plain": "x"}
	for i := range 8 {
		files[fmt.Sprintf("d/theirs%d", i)], files[fmt.Sprintf("d/own%d", i)] = "needle", "needle"
	}
	root := tree(t, files)
	old := unix.NsecToTimespec(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC).UnixNano())
	accessed := func(name string) int64 {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(root, name), &st); err != nil {
			t.Fatal(err)
		}
		return st.Atim.Nano()
	}
	if err := os.Chown(filepath.Join(root, "d"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for name := range files {
		path := filepath.Join(root, name)
		if strings.Contains(name, "own") {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{old, {Nsec: unix.UTIME_OMIT}}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.ReadFile(filepath.Join(root, "plain")); err != nil || accessed("plain") == old.Nano() {
		t.Skip("LEFT OUT: this file system keeps no times of access: ", err)
	}
	out, err := asNobody(t, root).CombinedOutput()
	if err != nil || strings.Count(string(out), "false true") != 16 {
		t.Fatalf("%v: %s", err, out)
	}
	for name := range files {
		if strings.Contains(name, "own") && accessed(name) != old.Nano() {
			t.Errorf("the time of access of %s changed", name)
		}
	}
}

// A file that the kernel makes while it is read has another size than it
// claims, and rules hear of that one.
func TestRulesOfFilesWithoutSize(t *testing.T) {
	const big = "/proc/kallsyms"
	text, err := os.ReadFile(big)
	if err != nil || len(text) <= bufBytes {
		t.Skip("LEFT OUT: there is no large file of the kernel: ", len(text), err)
	}
	q := ask(big)
	q.Questions = []modules.Question{{Rules: &modules.Rules{Name: "r", Text: fmt.Sprintf("rule r { condition: filesize > %d }", bufBytes)}}}
	same(t, collect(t, New().(*module), q, matching(0)), []string{big + " true"})
	if len(q.ledger.skips) != 0 {
		t.Errorf("left out %v", q.ledger.skips)
	}
}

// The agent's own folder is not gone into, whatever leads there.
func TestOwnFolder(t *testing.T) {
	eachSystem(t, func(t *testing.T, m *module) {
		root := tree(t, map[string]string{"a/f": "needle", "agent/key": "needle", "agent/deep/key": "needle", "agents/f": "needle"})
		for link, to := range map[string]string{"a/in": "/agent", "a/key": "/agent/deep/key"} {
			if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
				t.Fatal(err)
			}
		}
		for _, deny := range []bool{false, true} {
			for _, where := range []string{"/**", "/agent/**", "/agent/key", "/a/in/**", "/a/in/deep/key", "/a/key", "/a/**"} {
				q := ask(where)
				q.Host.Root, q.Settings.FollowLinks = root, true
				q.Host.Own = func(path string) bool { return path == "/agent" || strings.HasPrefix(path, "/agent/") }
				if deny {
					q.Host.Deny = func(path string) bool { return path == "/a/none" }
				}
				q.Questions = []modules.Question{literal("needle")}
				for _, r := range collect(t, m, q, matching(0)) {
					if strings.Contains(r, "key") {
						t.Errorf("%s: %s is shown", where, r)
					}
				}
				if k := q.ledger.kinds(); k[modules.SkipSelf] == 0 || len(k) != 1 {
					t.Errorf("%s: left out %v", where, q.ledger.skips)
				}
			}
		}
	})
}
