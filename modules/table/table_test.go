package table

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

// A shell is a line of /etc/shells.
type shell struct {
	path string
	line int
}

func shells() *Module[shell] {
	return New(modules.Schema{
		Name: "shell", Doc: "The shells.", Key: "path",
		Locator: modules.Locator{Use: modules.LocatorOptional, Column: "path", Doc: "A glob of paths.", Example: "/bin/*"},
	}, []Column[shell]{
		Text("path", "Where it is.", func(s *shell) string { return s.path }).Shown().To("file"),
		Int("line", "Its line.", func(s *shell) int64 { return int64(s.line) }),
		Computed("size", value.Size, "Its size.", func(sc *Scan, s *shell) (value.Value, error) {
			st, err := sc.FS.Stat(s.path)
			if err != nil {
				return value.Value{}, err
			}
			return value.NewSize(st.Size()), nil
		}).Costs(modules.Stat),
	}, func(s *Scan, yield func(*shell) error) error {
		text, _ := s.FS.Get("/etc/shells")
		for n, line := range Lines(text) {
			if line == "" || line[0] == '#' {
				continue
			}
			if line[0] != '/' {
				s.Fail("/etc/shells", hostfs.ErrMalformed)
				continue
			}
			if err := yield(&shell{line, n}); err != nil {
				return err
			}
		}
		return nil
	})
}

func host(t *testing.T) string {
	root := t.TempDir()
	for name, text := range map[string]string{"etc/shells": "# shells\n/bin/sh\nwhat\n/bin/bash\n\n/usr/bin/fish", "bin/sh": "12345"} {
		p := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestContract(t *testing.T) { moduletest.Run(t, shells(), host(t)) }

func TestRows(t *testing.T) {
	root := host(t)
	got, rec := moduletest.Rows(t, shells(), root, []string{"path", "line", "size"}, nil)
	if want := []string{"/bin/sh | 2 | 5", "/bin/bash | 4 | null", "/usr/bin/fish | 6 | null"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	want := []modules.Skip{
		{Kind: modules.SkipIO, Where: "/etc/shells", Detail: "malformed"},
		{Kind: modules.SkipVanished, Where: "shell /bin/bash.size", Detail: "no such file or directory"},
		{Kind: modules.SkipVanished, Where: "shell /usr/bin/fish.size", Detail: "no such file or directory"},
	}
	if skips := rec.Skips(); !slices.Equal(skips, want) {
		t.Errorf("%+v", skips)
	}
	if n := rec.Count("shell"); n != 3 {
		t.Errorf("%d rows counted", n)
	}
}

func TestPicking(t *testing.T) {
	root := host(t)
	if got, _ := moduletest.Rows(t, shells(), root, []string{"path"}, []string{"/bin/*", "/usr/*/fi?h"}); len(got) != 3 {
		t.Errorf("globs: %q", got)
	}
	if got, _ := moduletest.Rows(t, shells(), root, []string{"path"}, []string{"/bin/b*"}); !slices.Equal(got, []string{"/bin/bash"}) {
		t.Errorf("a glob: %q", got)
	}
	if got, _ := moduletest.Rows(t, shells().By(), root, []string{"path"}, []string{"x"}); len(got) != 3 {
		t.Errorf("locators that the lister knows: %q", got)
	}
	req, _ := moduletest.Request(t, shells(), root, []string{"path"})
	req.Keys = []value.Value{value.NewText("/bin/bash"), value.NewText("/bin/*")}
	n := 0
	if err := shells().Scan(t.Context(), req, func(modules.Row) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("keys: %d rows, %v", n, err)
	}
}

func TestWants(t *testing.T) {
	root := host(t)
	m := shells()
	m.list = func(s *Scan, _ func(*shell) error) error {
		if !s.Wants("path") || s.Wants("size") || !s.Wants("size", "path") || s.Wants("none") {
			t.Error("it does not know what is wanted")
		}
		return nil
	}
	moduletest.Rows(t, m, root, []string{"path"}, nil)
}
