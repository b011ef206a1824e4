package persistence

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// passwd is the users of the prepared hosts.
const passwd = "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nann:x:1000:1000::/home/ann:/bin/bash\n"

// tree makes a host. A text that begins with "-> " makes a symbolic link, one
// that begins with "#!" a file that may be executed; a name that ends with a
// slash makes a directory.
func tree(t testing.TB, list map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if _, ok := list["etc/passwd"]; !ok {
		put(t, root, "etc/passwd", passwd)
	}
	for name, text := range list {
		put(t, root, name, text)
	}
	return root
}

func put(t testing.TB, root, name, text string) {
	t.Helper()
	p := filepath.Join(root, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(p), 0o755)
	to, link := strings.CutPrefix(text, "-> ")
	switch {
	case strings.HasSuffix(name, "/"):
		err = errors.Join(err, os.MkdirAll(p, 0o755))
	case link:
		err = errors.Join(err, os.Symlink(to, p))
	case strings.HasPrefix(text, "#!"):
		err = errors.Join(err, os.WriteFile(p, []byte(text), 0o755))
	default:
		err = errors.Join(err, os.WriteFile(p, []byte(text), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// same compares rows line by line.
func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// skipped compares what was left out: kind and place.
func skipped(t *testing.T, rec *moduletest.Recorder, want ...string) {
	t.Helper()
	var got []string
	for _, s := range rec.Skips() {
		got = append(got, string(s.Kind)+" "+s.Where+" "+s.Detail)
	}
	same(t, got, want)
}

// closed takes the right to read a file of a tree away, and checks that a
// module says so.
func closed(t *testing.T, m modules.Module, root, name string) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("LEFT OUT: nothing is closed to root")
	}
	p := filepath.Join(root, filepath.FromSlash(name))
	if err := os.Chmod(p, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(p, 0o700); err != nil { // so that the tree can be removed
			t.Error(err)
		}
	})
	_, rec := moduletest.Rows(t, m, root, nil, nil)
	if !slices.ContainsFunc(rec.Skips(), func(s modules.Skip) bool {
		return s.Kind == modules.SkipPermission && s.Where == "/"+name
	}) {
		t.Errorf("%s is closed, and the report is %+v", name, rec.Skips())
	}
}
