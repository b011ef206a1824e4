package file

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// find gives what find prints of a tree.
func find(t testing.TB, args ...string) []string {
	t.Helper()
	out, err := exec.Command("find", append(args, "-print0")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestSchema(t *testing.T) {
	if err := New().Schema().Check(); err != nil {
		t.Fatal(err)
	}
	for i, c := range New().Schema().Columns {
		if c.Name == "" {
			t.Errorf("column %d has no entry", i)
		}
	}
}

func TestLocators(t *testing.T) {
	root := tree(t, map[string]string{
		"a/x.txt": "1", "a/b/y.txt": "2", "a/b/c/z.log": "3", "lib/l": "4", "lib64/m": "5", "o/": "", "new\nline/\xff\xfe": "6",
	})
	if err := os.Symlink("a", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(root, "a/dangling")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		locators string
		depth    int
		want     string
	}{
		{"/a/x.txt", -1, "/a/x.txt"},
		{"/a", 0, "/a"},
		{"/a", 1, "/a /a/b /a/dangling /a/x.txt"},
		{"/a/*", -1, "/a/b /a/dangling /a/x.txt"},
		{"/a/**", -1, "/a/b /a/b/c /a/b/c/z.log /a/b/y.txt /a/dangling /a/x.txt"},
		{"/a/**", 2, "/a/b /a/b/c /a/b/y.txt /a/dangling /a/x.txt"},
		{"/a/**/*.txt", -1, "/a/b/y.txt /a/x.txt"},
		{"/lib", -1, "/lib /lib/l"},
		{"/l{ib,ib64}/*", -1, "/lib/l /lib64/m"},
		{"/link/x.txt", -1, "/link/x.txt"},
		{"/link/*", -1, "/link/b /link/dangling /link/x.txt"},
		{"/link", 0, "/link"},
		{"/*", -1, "/a /lib /lib64 /link /new\nline /o"},
		{"/a /a/b /a/**", -1, "/a /a/b /a/b/c /a/b/c/z.log /a/b/y.txt /a/dangling /a/x.txt"},
		{"/a/*.txt /a/b/c /a/b", -1, "/a/b /a/b/c /a/b/c/z.log /a/b/y.txt /a/x.txt"},
		{"/a/dangling", -1, "/a/dangling"},
		{"/a/b /lib /o", -1, "/a/b /a/b/c /a/b/c/z.log /a/b/y.txt /lib /lib/l /o"},
		{"/a/x.txt/", -1, "/a/x.txt"},
	} {
		t.Run(fmt.Sprintf("%s depth %d", c.locators, c.depth), func(t *testing.T) {
			eachSystem(t, func(t *testing.T, m *module) {
				q := ask()
				for _, l := range strings.Split(c.locators, " ") {
					q.Locators = append(q.Locators, root+l)
				}
				q.Settings.Depth = c.depth
				var want []string
				for _, w := range strings.Split(c.want, " ") {
					want = append(want, root+w)
				}
				same(t, collect(t, m, q, pathOf), want)
				if len(q.ledger.skips) > 0 {
					t.Errorf("left out %v", q.ledger.skips)
				}
			})
		})
	}
}

func TestHostRootIsNotLeft(t *testing.T) {
	root := tree(t, map[string]string{"etc/passwd": "root:x:0:0::\nme:x:4242:1::\n", "usr/bin/ls": "x"})
	for name, target := range map[string]string{"bin": "/usr/bin", "up": "../../../../etc", "out": "/proc"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask("/bin/ls", "/up/**", "/out/self", "/out/*")
		q.Host.Root = root
		same(t, collect(t, m, q, pathOf), []string{"/bin/ls", "/up/passwd"})
		if n := q.ledger.kinds()[modules.SkipNotFound]; n != 2 {
			t.Errorf("%d places not found: %v", n, q.ledger.skips)
		}
		q = ask("/out/**")
		q.Host.Root, q.Settings.FollowLinks = root, true
		same(t, collect(t, m, q, pathOf), nil)
	})
}

func TestAgreesWithFind(t *testing.T) {
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask("/usr/share", "/etc")
		got := collect(t, m, q, func(r modules.Row) string {
			size := get(r, "size").Int()
			return fmt.Sprintf("%s %d %s %d %d", pathOf(r), size, get(r, "mode_octal").Text(), get(r, "uid").Int(), get(r, "mtime").Time().UnixNano())
		})
		out, err := exec.Command("find", "/usr/share", "/etc", "-printf", `%p %s %04m %U %T@\0`).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		for i, w := range want {
			// find prints ten digits of a second's fraction, the last 0.
			want[i] = strings.Replace(w[:len(w)-1], ".", "", 0)
			dot := strings.LastIndexByte(want[i], '.')
			want[i] = want[i][:dot] + want[i][dot+1:]
		}
		same(t, got, want)
	})
}

func TestHugeDirectoryUnderSignals(t *testing.T) {
	root := t.TempDir()
	const count = 100_000
	for i := range count {
		fd, err := syscall.Creat(fmt.Sprintf("%s/%06d", root, i), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		syscall.Close(fd)
	}
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				syscall.Kill(os.Getpid(), syscall.SIGURG)
			}
		}
	})
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask(root + "/*")
		var n atomic.Int64
		seen := make([]atomic.Bool, count)
		err := m.Scan(context.Background(), &q.Request, func(r modules.Row) error {
			n.Add(1)
			var i int
			fmt.Sscanf(get(r, "name").Text(), "%d", &i)
			if seen[i].Swap(true) {
				t.Errorf("%d came twice", i)
			}
			return nil
		})
		if err != nil || n.Load() != count || q.ledger.looked["files"] != count {
			t.Errorf("%d rows, looked at %v: %v", n.Load(), q.ledger.looked, err)
		}
	})
	close(stop)
	done.Wait()
}

func TestDeepTree(t *testing.T) {
	root := t.TempDir()
	fd, err := unix.Open(root, unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("d", 200)
	const levels = 60 // 12,000 bytes of path
	for range levels {
		if err := unix.Mkdirat(fd, name, 0o755); err != nil {
			t.Fatal(err)
		}
		sub, err := unix.Openat(fd, name, unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = sub
	}
	unix.Close(fd)
	q := ask(root)
	longest := 0
	collect(t, New().(*module), q, func(r modules.Row) string {
		longest = max(longest, len(pathOf(r)))
		return ""
	})
	if want := len(root) + levels*201; longest != want || len(q.ledger.skips) > 0 {
		t.Errorf("longest path has %d bytes, want %d; left out %v", longest, want, q.ledger.skips)
	}
}

func TestLinksLoopAndSpecialFiles(t *testing.T) {
	root := tree(t, map[string]string{"a/b/f": "needle", "c/": ""})
	for name, target := range map[string]string{"a/b/up": "..", "c/self": ".", "c/far": "../a/b", "file": "a/b/f"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask(root)
		q.Questions = []modules.Question{literal("needle")}
		same(t, collect(t, m, q, matching(0)), []string{root + "/a/b/f true"})
		if k := q.ledger.kinds(); k[modules.SkipSpecial] != 1 || len(q.ledger.skips) != 1 {
			t.Errorf("left out %v", q.ledger.skips)
		}
		same(t, collect(t, m, ask(root), pathOf), find(t, root))
		q = ask(root)
		q.Settings.FollowLinks = true
		same(t, collect(t, m, q, pathOf), []string{
			root, root + "/a", root + "/a/b", root + "/a/b/f", root + "/a/b/up", root + "/c", root + "/c/self",
			root + "/c/far", root + "/c/far/f", root + "/c/far/up", root + "/fifo", root + "/file",
			root + "/c/far/up/b", root + "/c/far/up/b/f", root + "/c/far/up/b/up",
		})
		if q.ledger.kinds()[modules.SkipLoop] != 3 {
			t.Errorf("left out %v", q.ledger.skips)
		}
		q = ask(root + "/fifo")
		q.Questions = []modules.Question{literal("needle")}
		same(t, collect(t, m, q, matching(0)), nil)
	})
}

func TestPseudoFileSystems(t *testing.T) {
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask("/proc/uptime", "/proc/self/status")
		q.Questions = []modules.Question{{Pattern: literal("").Pattern, Test: func(b []byte) bool { return len(b) > 3 }, Lines: modules.AnyLine}}
		same(t, collect(t, m, q, matching(0)), []string{"/proc/self/status true", "/proc/uptime true"})
		q = ask("/*")
		q.Settings.Depth = 1
		collect(t, m, q, pathOf)
		q = ask("/")
		q.Settings.Depth = 2
		rows := collect(t, m, q, pathOf)
		if slices.Contains(rows, "/proc/version") || !slices.Contains(rows, "/proc") {
			t.Error("/proc was entered, or is not there")
		}
		if q.ledger.kinds()[modules.SkipPseudo] == 0 {
			t.Errorf("left out %v", q.ledger.skips)
		}
		q = ask("/", "/proc/sys/kernel/ostype")
		q.Settings.Depth = 1
		if !slices.Contains(collect(t, m, q, pathOf), "/proc/sys/kernel/ostype") {
			t.Error("a named place in /proc was not looked at")
		}
	})
}

func TestKeys(t *testing.T) {
	root := tree(t, map[string]string{"a*b": "1", "axb": "2", "d/e": "3"})
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask()
		for _, k := range []string{"/a*b", "/d", "/none"} {
			q.Keys = append(q.Keys, value.NewText(root+k))
		}
		same(t, collect(t, m, q, pathOf), []string{root + "/a*b", root + "/d"})
		if q.ledger.kinds()[modules.SkipNotFound] != 1 {
			t.Errorf("left out %v", q.ledger.skips)
		}
	})
}

func TestShared(t *testing.T) {
	root := tree(t, map[string]string{"a/1": "needle", "a/b/2": "thread", "c/3": "needle thread"})
	eachSystem(t, func(t *testing.T, m *module) {
		one, two, three := ask(root), ask(root+"/a/b", root+"/c/*"), ask(root+"/**")
		one.Questions = []modules.Question{literal("needle")}
		two.Questions = []modules.Question{literal("thread"), literal("needle")}
		got := make([][]string, 3)
		var mu sync.Mutex
		reqs := []*modules.Request{&one.Request, &two.Request, &three.Request}
		err := m.ScanShared(context.Background(), reqs, func(i int, r modules.Row) error {
			mu.Lock()
			defer mu.Unlock()
			if i == 2 {
				got[2] = append(got[2], strings.Clone(pathOf(r)))
				return modules.ErrEnough
			}
			if s := matching(0)(r); s != "" {
				got[i] = append(got[i], strings.Clone(s))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got[0])
		slices.Sort(got[1])
		same(t, got[0], []string{root + "/a/1 true", root + "/a/b/2 false", root + "/c/3 true"})
		same(t, got[1], []string{root + "/a/b/2 true", root + "/c/3 true"})
		if len(got[2]) < 1 || len(got[2]) > 2 {
			t.Errorf("%d rows after enough", len(got[2]))
		}
		if n := one.ledger.looked["opened"] + two.ledger.looked["opened"]; n != 3 {
			t.Errorf("3 files were opened %d times", n)
		}
	})
}

func TestErrorsAndCancellation(t *testing.T) {
	eachSystem(t, func(t *testing.T, m *module) {
		q := ask("/usr")
		err := m.Scan(context.Background(), &q.Request, func(modules.Row) error { return errTest })
		if err != errTest {
			t.Error(err)
		}
		err = m.Scan(context.Background(), &q.Request, func(modules.Row) error { return modules.ErrEnough })
		if err != modules.ErrEnough {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		err = m.Scan(ctx, &q.Request, func(modules.Row) error { time.Sleep(time.Millisecond); return nil })
		if err != context.DeadlineExceeded {
			t.Error(err)
		}
		for _, bad := range []string{"relative/path", "/a/[", ""} {
			q := ask(bad)
			if m.Scan(context.Background(), &q.Request, func(modules.Row) error { return nil }) == nil {
				t.Errorf("%q is no locator", bad)
			}
		}
	})
}

func TestChangingTree(t *testing.T) {
	root := tree(t, map[string]string{"stays/f": "needle"})
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			dir := fmt.Sprintf("%s/d%d", root, i%7)
			os.MkdirAll(dir, 0o755)
			for j := range 20 {
				os.WriteFile(fmt.Sprintf("%s/%d", dir, j), make([]byte, 300<<10), 0o644)
			}
			os.Truncate(dir+"/3", 10)
			os.RemoveAll(dir)
		}
	})
	eachSystem(t, func(t *testing.T, m *module) {
		for range 20 {
			q := ask(root)
			q.Questions = []modules.Question{literal("needle")}
			rows := collect(t, m, q, matching(0))
			if !slices.Contains(rows, root+"/stays/f true") {
				t.Fatalf("what stays was not found: %q", rows)
			}
			for k := range q.ledger.kinds() {
				if k != modules.SkipVanished && k != modules.SkipChanged {
					t.Errorf("left out %v", q.ledger.skips)
				}
			}
		}
	})
	close(stop)
	done.Wait()
}

// child scans as nobody, who may not read everything.
func child() int {
	q := ask(os.Getenv("QUAESTOR_TEST_CHILD"))
	q.Questions = []modules.Question{literal("needle")}
	err := New().Scan(context.Background(), &q.Request, func(r modules.Row) error {
		v, err := r.(modules.Asker).Ask(context.Background(), 0)
		fmt.Printf("%s %v %v\n", get(r, "name").Text(), v.IsNull(), v.Bool())
		return err
	})
	for _, s := range q.ledger.skips {
		fmt.Println("skip", s.Kind, filepath.Base(s.Where))
	}
	if err != nil {
		return 1
	}
	return 0
}

func TestUnreadable(t *testing.T) {
	root := tree(t, map[string]string{"open": "needle", "shut": "needle", "locked/f": "needle"})
	for path, mode := range map[string]os.FileMode{"shut": 0, "locked": 0, "": 0o755} {
		if err := os.Chmod(filepath.Join(root, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	out, err := asNobody(t, root).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(got)
	same(t, got, []string{
		filepath.Base(root) + " true false", "locked true false", "open false true", "shut true false",
		"skip permission locked", "skip permission shut",
	})
}

// asChild does what a test asked a process of its own to do.
func asChild() (code int, mine bool) {
	if os.Getenv("QUAESTOR_TEST_CHILD") == "" {
		return 0, false
	}
	return child(), true
}
