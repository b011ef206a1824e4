package upgrade

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// active makes programs active, one after the other.
func active(t *testing.T, s *Store, releases ...string) {
	t.Helper()
	for _, r := range releases {
		p := put(t, s, r)
		if err := s.change(func(st *State) { st.Previous, st.Active, st.Highest, st.Starts = st.Active, &p, r, 0 }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBegin: the installed program becomes the active one at each start, as long
// as that lives and is newer.
func TestBegin(t *testing.T) {
	for name, c := range map[string]struct {
		active    []string
		installed string
		spoil     func(*Store)
		why       error
		became    string
		left      string
	}{
		"nothing":                   {installed: "1.0.0"},
		"one":                       {active: []string{"1.1.0"}, installed: "1.0.0", became: "1.1.0", left: "1.1.0"},
		"the later of two":          {active: []string{"1.1.0", "1.2.0"}, installed: "1.0.0", became: "1.2.0", left: "1.2.0"},
		"the owner has a newer one": {active: []string{"1.1.0"}, installed: "1.3.0"},
		"the owner has the same":    {active: []string{"1.1.0"}, installed: "1.1.0"},
		"it was damaged, and the one before it is older than the installed": {active: []string{"1.1.0", "1.3.0"}, installed: "1.2.0", spoil: func(s *Store) { os.Truncate(s.Path("1.3.0"), 5) }},
		"it was damaged":             {active: []string{"1.1.0", "1.2.0"}, installed: "1.0.0", spoil: func(s *Store) { os.Truncate(s.Path("1.2.0"), 5) }, became: "1.1.0", left: "1.1.0"},
		"both were":                  {active: []string{"1.1.0", "1.2.0"}, installed: "1.0.0", spoil: func(s *Store) { os.Remove(s.Path("1.1.0")); os.Remove(s.Path("1.2.0")) }},
		"it dies at each start":      {active: []string{"1.1.0", "1.2.0"}, installed: "1.0.0", spoil: func(s *Store) { s.state.Starts = maxStarts }, became: "1.1.0", left: "1.1.0"},
		"it has a chance left":       {active: []string{"1.1.0", "1.2.0"}, installed: "1.0.0", spoil: func(s *Store) { s.state.Starts = maxStarts - 1 }, became: "1.2.0", left: "1.2.0"},
		"the system does not run it": {active: []string{"1.1.0"}, installed: "1.0.0", why: os.ErrPermission, became: "1.1.0"},
	} {
		w := newWorker(t, t.TempDir(), c.installed)
		if c.why != nil {
			w.why = c.why
		}
		active(t, w.store, c.active...)
		if c.spoil != nil {
			c.spoil(w.store)
		}
		err := w.Begin(t.Context())
		st := open(t, w.Dir).State()
		if len(c.active) == 0 {
			if _, serr := os.Stat(w.store.dir); err != nil || serr == nil {
				t.Errorf("%s: %v, and something was written", name, err)
			}
			continue
		}
		left := ""
		if st.Active != nil {
			left = st.Active.Release
		}
		want := ""
		if c.became != "" {
			want = base(c.became)
		}
		if got := strings.Join(w.became, " "); got != want || left != c.left || (left != "") != errors.Is(err, ErrEnded) {
			t.Errorf("%s: became %q, active %q, %v", name, got, left, err)
		}
		if st.Highest != c.active[len(c.active)-1] {
			t.Errorf("%s: what ran here is forgotten: %q", name, st.Highest)
		}
	}
}

// Starts are counted until the program is well, or ends in order.
func TestStarts(t *testing.T) {
	w := newWorker(t, t.TempDir(), "1.0.0")
	active(t, w.store, "1.1.0")
	for i := range maxStarts {
		if err := w.Begin(t.Context()); !errors.Is(err, ErrEnded) || w.store.State().Starts != i+1 {
			t.Fatalf("start %d: %v %+v", i, err, w.store.State())
		}
	}
	if err := open(t, w.Dir).Well(); err != nil {
		t.Fatal(err)
	}
	w.refresh()
	if err := w.Begin(t.Context()); !errors.Is(err, ErrEnded) || w.store.State().Starts != 1 {
		t.Errorf("%v %+v", err, w.store.State())
	}
}

// A start that failed for what is no fault of the program's does not count.
func TestForgive(t *testing.T) {
	w := newWorker(t, t.TempDir(), "1.0.0")
	active(t, w.store, "1.1.0")
	for range 2 * maxStarts {
		if err := w.Begin(t.Context()); !errors.Is(err, ErrEnded) || w.became[len(w.became)-1] != base("1.1.0") {
			t.Fatalf("%v, it became %q", err, w.became)
		}
		w.Forgive()
	}
	if st := open(t, w.Dir).State(); st.Starts != 0 || st.Active == nil || len(st.Failed) != 0 {
		t.Errorf("%+v", st)
	}
	w.Forgive()
	if n := open(t, w.Dir).State().Starts; n != 0 {
		t.Errorf("%d starts", n)
	}
}

// A program of the folder goes on as itself, and does not become itself.
func TestBeginInside(t *testing.T) {
	w := newWorker(t, t.TempDir(), "1.1.0")
	active(t, w.store, "1.1.0")
	self, err := filepath.EvalSymlinks(w.store.Path("1.1.0"))
	if err != nil {
		t.Fatal(err)
	}
	w.self = self
	if err := w.Begin(t.Context()); err != nil || len(w.became) > 0 || w.store.State().Starts != 0 {
		t.Errorf("%v %v", err, w.became)
	}
}

// Where one program cannot take the place of another, it is watched: started
// again when it dies, and looked after when it says that another is active.
func TestSupervise(t *testing.T) {
	t.Run("stopped", func(t *testing.T) {
		how(t, "good")
		w := newWorker(t, t.TempDir(), "1.0.0")
		active(t, w.store, "1.1.0")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		if err := w.supervise(ctx, time.Millisecond); !errors.Is(err, ErrEnded) {
			t.Error(err)
		}
	})
	t.Run("crashes", func(t *testing.T) {
		how(t, "crashes")
		w := newWorker(t, t.TempDir(), "1.0.0")
		active(t, w.store, "1.1.0")
		if err := w.supervise(t.Context(), time.Millisecond); !errors.Is(err, ErrHealth) || !strings.Contains(err.Error(), "5 times") {
			t.Error(err)
		}
	})
	t.Run("another is active", func(t *testing.T) {
		how(t, "served once")
		w := newWorker(t, t.TempDir(), "1.0.0")
		active(t, w.store, "1.1.0")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.supervise(ctx, time.Millisecond); !errors.Is(err, ErrEnded) || open(t, w.Dir).State().Starts != 0 {
			t.Errorf("%v %+v", err, open(t, w.Dir).State())
		}
	})
}

func TestManagedBy(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"/var/lib/dpkg/info/quaestor-agent.list": "/.\n/usr\n/usr/bin\n/usr/bin/quaestor-agent\n",
		"/var/lib/rpm/rpmdb.sqlite":              "",
	} {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ system, root, program, want string }{
		{"linux", root, "/usr/bin/quaestor-agent", "dpkg"},
		{"linux", root, "/usr/bin/other", "rpm"},
		{"linux", t.TempDir(), "/usr/bin/quaestor-agent", "the packages of the system"},
		{"linux", root, "/usr/local/bin/quaestor-agent", ""},
		{"linux", root, "/opt/quaestor-agent", ""},
		{"darwin", root, "/usr/bin/quaestor-agent", ""},
	} {
		if got := ManagedBy(c.system, c.root, c.program); got != c.want {
			t.Errorf("%s on %s: %q, want %q", c.program, c.system, got, c.want)
		}
	}
}
