package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

func TestMain(m *testing.M) {
	if code, mine := asChild(); mine {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// ledger is a Report that remembers.
type ledger struct {
	mu     sync.Mutex
	looked map[string]int64
	skips  []modules.Skip
}

func (l *ledger) Looked(kind string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.looked == nil {
		l.looked = map[string]int64{}
	}
	l.looked[kind] += n
}

func (l *ledger) Skip(s modules.Skip) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skips = append(l.skips, s)
}

func (l *ledger) kinds() map[modules.SkipKind]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := map[modules.SkipKind]int{}
	for _, s := range l.skips {
		m[s.Kind]++
	}
	return m
}

// query is a request that tests write, with its report.
type query struct {
	modules.Request
	ledger ledger
}

func ask(locators ...string) *query {
	q := &query{}
	q.Locators, q.Workers, q.Settings.Depth = locators, 2, -1
	q.Host.Now = time.Now
	q.Report = &q.ledger
	return q
}

func literal(s string) modules.Question {
	return modules.Question{Pattern: search.Pattern{Literal: []byte(s)}}
}

// systems are the ways to walk that a test compares.
var systems = map[string]*module{
	"own":      New().(*module),
	"portable": func() *module { m := New().(*module); m.portable = true; return m }(),
}

// eachSystem runs a test on every way to walk.
func eachSystem(t *testing.T, f func(t *testing.T, m *module)) {
	for name, m := range systems {
		t.Run(name, func(t *testing.T) { f(t, m) })
	}
}

// collect scans and gives what f says of each row, sorted.
func collect(t testing.TB, m *module, q *query, f func(modules.Row) string) []string {
	t.Helper()
	var mu sync.Mutex
	var out []string
	err := m.Scan(context.Background(), &q.Request, func(r modules.Row) error {
		if s := f(r); s != "" {
			mu.Lock()
			defer mu.Unlock()
			out = append(out, strings.Clone(s))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// get gives a column by name.
func get(r modules.Row, name string) value.Value {
	s := New().Schema()
	i, ok := s.Column(name)
	if !ok {
		panic("no column " + name)
	}
	v, err := r.Column(context.Background(), i)
	if err != nil {
		panic(err)
	}
	return v
}

func pathOf(r modules.Row) string { return get(r, "path").Text() }

// matching gives the path if the question q was answered so.
func matching(q int) func(modules.Row) string {
	return func(r modules.Row) string {
		v, err := r.(modules.Asker).Ask(context.Background(), q)
		if err != nil {
			panic(err)
		}
		if v.IsNull() {
			return ""
		}
		return fmt.Sprintf("%s %v", pathOf(r), v.Bool())
	}
}

// tree makes files; a name with a slash at the end is a directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	t.Errorf("got %d, want %d", len(got), len(want))
	shown := 0
	for _, g := range got {
		if _, ok := slices.BinarySearch(want, g); !ok && shown < 20 {
			t.Errorf("too much: %q", g)
			shown++
		}
	}
	for _, w := range want {
		if _, ok := slices.BinarySearch(got, w); !ok && shown < 40 {
			t.Errorf("missing: %q", w)
			shown++
		}
	}
	if shown == 0 {
		t.Errorf("something came twice")
	}
}

var errTest = errors.New("enough of this test")
