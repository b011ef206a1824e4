package querytest

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/std"
)

var update = flag.Bool("update", false, "rewrite what the reports should be")

// report runs the suites of a folder and gives what is said about them,
// without times.
func report(t *testing.T, dir string, o Options) (*Report, string) {
	t.Helper()
	t.Chdir(dir)
	return reportOn(t, ".", o, true)
}

func reportOn(t *testing.T, path string, o Options, verbose bool) (*Report, string) {
	t.Helper()
	suites, err := Find([]string{path})
	if err != nil {
		t.Fatal(err)
	}
	o.Modules = std.Modules()
	r, err := Run(t.Context(), suites, o)
	if err != nil {
		t.Fatal(err)
	}
	r.Took = 0
	for _, s := range r.Suites {
		for _, c := range s.Cases {
			c.Took = 0
		}
	}
	var b bytes.Buffer
	if err := r.Text(&b, verbose); err != nil {
		t.Fatal(err)
	}
	return r, b.String()
}

// golden holds a text to a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(name)
	if string(want) == got {
		return
	}
	if !*update {
		t.Fatalf("%s (%v): got\n%s", name, err, got)
	}
	if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
}

// leftovers lists what a run forgot in the folder for temporary files.
func leftovers(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(os.TempDir(), "quaestor-test-*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	p, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What people read: of what passes, of what fails, of what is wrong.
func TestReports(t *testing.T) {
	for _, dir := range []string{"passing", "failing", "wrong"} {
		t.Run(dir, func(t *testing.T) {
			want := absolute(t, filepath.Join("testdata", dir+".report"))
			t.Setenv("TMPDIR", t.TempDir())
			r, text := report(t, filepath.Join("testdata", dir), Options{})
			golden(t, want, text)
			if names := leftovers(t); len(names) > 0 {
				t.Errorf("it leaves %v", names)
			}
			for _, s := range r.Suites {
				for _, c := range s.Cases {
					state := map[string]State{"passing": Passed, "failing": Failed, "wrong": Wrong}[dir]
					if c.State != state && c.Name != "another mistake was expected" {
						t.Errorf("%s is %s", c.Name, c.State)
					}
				}
			}
		})
	}
}

// copyTo copies a folder of testdata, so that it can be rewritten.
func copyTo(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(filepath.Join("testdata", dir))); err != nil {
		t.Fatal(err)
	}
	return to
}

// After an update the cases pass, a second one changes nothing, and comments
// and order are as they were.
func TestUpdate(t *testing.T) {
	home := absolute(t, "testdata")
	dir := copyTo(t, "updated")
	_, text := report(t, dir, Options{Update: true})
	golden(t, filepath.Join(home, "updated.report"), text)
	first := read(t, filepath.Join(dir, "hunt.test.txtar"))
	golden(t, filepath.Join(home, "updated.txtar"), first)
	r, text := report(t, dir, Options{Update: true})
	if r.Count(Passed) != len(r.Suites[0].Cases) || r.Suites[0].Updated != "" {
		t.Errorf("a second update says\n%s", text)
	}
	if second := read(t, filepath.Join(dir, "hunt.test.txtar")); second != first {
		t.Errorf("a second update writes\n%s", second)
	}
	if names, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(names) > 0 {
		t.Errorf("it leaves %v (%v)", names, err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A file that was written on Windows reads the same, and stays what it is.
func TestLineEnds(t *testing.T) {
	dir := copyTo(t, "updated")
	name := filepath.Join(dir, "hunt.test.txtar")
	text := strings.ReplaceAll(read(t, name), "\n", "\r\n")
	if err := errors.Join(os.WriteFile(name, []byte(text), 0o640), os.Chmod(name, 0o640)); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(read(t, "testdata/updated.txtar"), "\n", "\r\n")
	if r, text := report(t, dir, Options{Update: true}); r.Count(Passed) == 0 {
		t.Errorf("nothing passes:\n%s", text)
	}
	if got := read(t, name); got != want {
		t.Errorf("it is now\n%q", got)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o777 != permissions(0o640) {
		t.Errorf("its mode is now %v (%v)", info.Mode(), err)
	}
}

// permissions are those that this system can keep.
func permissions(m fs.FileMode) fs.FileMode {
	if os.PathSeparator == '\\' {
		return m | 0o666
	}
	return m
}
