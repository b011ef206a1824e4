package file

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestPackage(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"var/lib/dpkg/status":          "Package: tools\nStatus: install ok installed\nArchitecture: all\nVersion: 1.2-3\n\n",
		"var/lib/dpkg/info/tools.list": "/.\n/usr\n/usr/bin\n/usr/bin/tool\n",
		"usr/bin/tool":                 "x", "usr/bin/rogue": "y",
	} {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	var memory modules.Memory
	for range 2 { // of one run: who brought what is read once
		req, rec := moduletest.Request(t, New(), root, []string{"name", "package"})
		req.Locators, req.Memory = []string{"/usr/bin/*"}, &memory
		var got []string
		err := New().Scan(t.Context(), req, func(r modules.Row) error {
			line, err := moduletest.Line(t.Context(), r, req.Columns)
			got = append(got, line)
			return err
		})
		slices.Sort(got)
		if want := []string{"rogue | null", "tool | dpkg:tools:all"}; err != nil || !slices.Equal(got, want) || len(rec.Skips()) != 0 {
			t.Errorf("%q, %v, %+v", got, err, rec.Skips())
		}
		if err := os.RemoveAll(filepath.Join(root, "var")); err != nil {
			t.Fatal(err)
		}
	}
}

// Where the database is there and cannot be read, nobody knows who brought a
// file, and that is said.
func TestPackageUnknown(t *testing.T) {
	root := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "var/lib/dpkg/status"), 0o755), os.WriteFile(filepath.Join(root, "x"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, New(), root, []string{"package"}, []string{"/x"})
	if !slices.Equal(got, []string{"null"}) || len(rec.Skips()) == 0 {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
}
