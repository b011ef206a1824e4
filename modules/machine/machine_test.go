package machine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// tree writes files; a text that begins with -> is where a symbolic link
// points, and a name that ends with a slash is a directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(p, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if to, ok := strings.CutPrefix(text, "->"); ok {
			err = errors.Join(err, os.Symlink(to, p))
		} else {
			err = errors.Join(err, os.WriteFile(p, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// same compares what a module gave with what it was to give.
func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// skipped gives what a report named, as lines.
func skipped(rec *moduletest.Recorder) []string {
	var list []string
	for _, s := range rec.Skips() {
		list = append(list, string(s.Kind)+" "+s.Where)
	}
	return list
}

// tool runs a program of the system, or leaves the test out.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("LEFT OUT: %s is not installed", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).Output()
	if err != nil && len(out) == 0 {
		t.Skipf("LEFT OUT: %s does not answer here: %v", name, err)
	}
	return string(out)
}

func TestSchemas(t *testing.T) {
	c, err := modules.NewCatalogue(Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range Modules() {
		names = append(names, m.Schema().Name)
	}
	same(t, names, c.Names())
}
