package file

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// A watching is a Watch that runs, and what it has told.
type watching struct {
	t     *testing.T
	dir   string
	rows  chan string // "change path size"
	stop  func()
	mu    sync.Mutex
	skips []modules.Skip
}

func (w *watching) Looked(string, int64) {}
func (w *watching) Skip(s modules.Skip) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skips = append(w.skips, s)
}

// watchFor begins to watch; hold, where not nil, is called with each row.
func watchFor(t *testing.T, dir string, hold func(), locators ...string) *watching {
	t.Helper()
	w := &watching{t: t, dir: dir, rows: make(chan string, 100_000)}
	m := New().(*module)
	size, _ := m.schema.Column("size")
	req := &modules.Request{
		Host: modules.Host{Now: time.Now}, Locators: locators, Columns: []int{colPath, size}, Workers: 1, Report: w,
		Settings: modules.Settings{Depth: -1},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- m.Watch(ctx, req, func(row modules.Row) error {
			what, _ := row.Column(ctx, len(m.schema.Columns))
			path, _ := row.Column(ctx, colPath)
			n, err := row.Column(ctx, size)
			if at, _ := row.Column(ctx, len(m.schema.Columns)+1); at.Type() != value.Time {
				t.Errorf("a change at %v", at)
			}
			w.rows <- strings.TrimSpace(what.Text() + " " + path.Text() + " " + n.String())
			if hold != nil {
				hold()
			}
			return err
		})
	}()
	w.stop = func() {
		cancel()
		if err := <-done; err == nil {
			t.Error("the watching ended by itself")
		}
	}
	return w
}

// until gives what is told until a file with that name is, which is made
// again and again.
func (w *watching) until(dir, name string) []string {
	w.t.Helper()
	path := filepath.Join(dir, name)
	var got []string
	patience := time.After(20 * time.Second)
	for {
		write(w.t, path, "x")
		pause := time.After(20 * time.Millisecond)
	reading:
		for {
			select {
			case row := <-w.rows:
				if strings.HasPrefix(row, "created "+path) {
					return got
				}
				got = append(got, row)
			case <-pause:
				break reading
			case <-patience:
				w.t.Fatalf("%s was made, and not told; told was %q", path, got)
			}
		}
		if err := os.Remove(path); err != nil {
			w.t.Fatal(err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Who adds up what he is told knows what is there, whatever happens to the
// files, and each change is told.
func TestWatchAddsUp(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		dir := filepath.Join(t.TempDir(), "d")
		for _, sub := range []string{"a/b", "c"} {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w := watchFor(t, dir, nil, dir)
		w.until(dir, "begin")
		written := disturb(t, rnd, dir)
		got := w.until(dir, "end")
		w.stop()
		known := map[string]bool{dir: true, dir + "/a": true, dir + "/a/b": true, dir + "/c": true}
		told := map[string]bool{}
		for _, row := range got {
			what, path, _ := strings.Cut(row, " ")
			path, _, _ = strings.Cut(path, " ")
			told[path] = true
			switch what {
			case modules.Created, modules.Moved:
				known[path] = true
			case modules.Deleted, modules.MovedAway:
				maps.DeleteFunc(known, func(p string, _ bool) bool { return p == path || strings.HasPrefix(p, path+"/") })
			}
		}
		delete(known, dir+"/begin")
		there := map[string]bool{}
		_ = filepath.WalkDir(dir, func(p string, _ fs.DirEntry, _ error) error {
			there[p] = p != dir+"/begin" && p != dir+"/end"
			return nil
		})
		maps.DeleteFunc(there, func(_ string, yes bool) bool { return !yes })
		if !maps.Equal(known, there) {
			t.Fatalf("seed %d: there is %q\nand told was %q\nby %q", seed, slices.Sorted(maps.Keys(there)), slices.Sorted(maps.Keys(known)), got)
		}
		for path := range written {
			if there[path] && !told[path] {
				t.Fatalf("seed %d: %s was written to, and is not told", seed, path)
			}
		}
	}
}

// disturb does things to the files below dir, and gives the paths of those
// that were written to.
func disturb(t *testing.T, rnd *rand.Rand, dir string) map[string]bool {
	written := map[string]bool{}
	pick := func(dirs bool) string {
		var all []string
		_ = filepath.WalkDir(dir, func(p string, e fs.DirEntry, _ error) error {
			if e.IsDir() == dirs && filepath.Base(p) != "begin" {
				all = append(all, p)
			}
			return nil
		})
		if len(all) == 0 {
			return ""
		}
		return all[rnd.IntN(len(all))]
	}
	name := func() string { return fmt.Sprintf("%c", 'm'+rnd.IntN(8)) }
	for range 40 {
		path := filepath.Join(pick(true), name())
		switch rnd.IntN(7) {
		case 0, 1:
			if os.WriteFile(path, []byte("text"), 0o600) == nil {
				written[path] = true
			}
		case 2:
			_ = os.MkdirAll(filepath.Join(path, name(), name()), 0o700)
		case 3:
			if f := pick(false); f != "" {
				_ = os.Remove(f)
			}
		case 4:
			if f := pick(false); f != "" {
				_ = os.Rename(f, path)
			}
		case 5:
			if d := pick(true); d != dir && !strings.HasPrefix(path, d) {
				_ = os.Rename(d, path)
			}
		case 6:
			if d := pick(true); d != dir && rnd.IntN(2) == 0 {
				_ = os.RemoveAll(d)
			}
		}
	}
	return written
}

// Places that are named come and go, and are watched all the same; what they
// do not name is not told.
func TestWatchFronts(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/conf", "old")
	w := watchFor(t, dir, nil, dir+"/conf", dir+"/later", dir+"/*.log", dir+"/end?", dir+"/begin?")
	defer w.stop()
	w.until(dir, "begin1")
	write(t, dir+"/conf.new", "newer")
	if err := os.Rename(dir+"/conf.new", dir+"/conf"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir+"/later/sub", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/x.log", "1")
	write(t, dir+"/x.txt", "1")
	write(t, dir+"/later/sub/f", "123")
	got := strings.ReplaceAll(strings.Join(w.until(dir, "end1"), "\n"), dir, "")
	for _, want := range []string{"moved /conf 5", "created /later", "created /later/sub", "created /later/sub/f", "created /x.log"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "conf.new") || strings.Contains(got, "x.txt") {
		t.Errorf("told of what is not named:\n%s", got)
	}
}

// Where more happens than the kernel keeps, that is said, and what comes after
// it is told.
func TestWatchOverflow(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	var most int
	if _, scanned := fmt.Sscan(string(text), &most); err != nil || scanned != nil || most > 50_000 {
		t.Skip("the kernel keeps more changes than a test can make")
	}
	dir := t.TempDir()
	held, flood := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w := watchFor(t, dir, func() { once.Do(func() { close(held); <-flood }) }, dir)
	defer w.stop()
	for ready := false; !ready; {
		write(t, dir+"/x", "")
		_ = os.Remove(dir + "/x")
		select {
		case <-held:
			ready = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	for range most/2 + 1000 {
		write(t, dir+"/x", "")
		_ = os.Remove(dir + "/x")
	}
	close(flood)
	w.until(dir, "end")
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.ContainsFunc(w.skips, func(s modules.Skip) bool {
		return s.Kind == modules.SkipLimit && strings.Contains(s.Detail, "were lost")
	}) {
		t.Errorf("changes were lost, and that was not said: %v", w.skips)
	}
}
