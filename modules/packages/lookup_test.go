package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

// lookedUp asks for packages by their ids and gives rows and what was left out.
func lookedUp(t testing.TB, root string, memory *modules.Memory, ids ...string) (rows, skips []string) {
	t.Helper()
	columns := []string{"id", "version", "status", "source", "size", "installed"}
	req, rec := moduletest.Request(t, packageModule(), root, columns)
	req.Memory, req.Keys = memory, []value.Value{}
	for _, id := range ids {
		req.Keys = append(req.Keys, value.NewText(id))
	}
	if err := packageModule().Scan(t.Context(), req, func(r modules.Row) error {
		line, err := moduletest.Line(t.Context(), r, req.Columns)
		rows = append(rows, line)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, s := range rec.Skips() {
		skips = append(skips, fmt.Sprint(s))
	}
	slices.Sort(skips)
	return rows, skips
}

// A run that looks packages up one by one reads their database once, and each
// answer is what reading it anew gives, with all that was left out.
func TestLookups(t *testing.T) {
	const status = "var/lib/dpkg/status"
	root := plant(t, map[string]string{
		status: "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\nVersion: of nothing\n\n" +
			"Package: b\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\nMulti-Arch: same\nInstalled-Size: 7\n",
		"var/lib/dpkg/info/a.list": "/a\n", "var/lib/dpkg/info/b:amd64.list": "/b\n",
		"var/lib/rpm/rpmdb.sqlite": rpmSqlite(t),
	})
	var memory modules.Memory
	ids := []string{"dpkg:a:all", "dpkg:b:amd64", "dpkg:none:all", "rpm:foo-2:1.2~rc1-3:x86_64", "go:x:/usr/bin/x", "what", ""}
	for _, id := range append(ids, ids...) {
		want, wantSkips := lookedUp(t, root, nil, id)
		got, gotSkips := lookedUp(t, root, &memory, id)
		if !slices.Equal(got, want) || !slices.Equal(gotSkips, wantSkips) {
			t.Errorf("%q\n%q %q\nnot %q %q", id, got, gotSkips, want, wantSkips)
		}
	}
	want, _ := lookedUp(t, root, nil, ids...)
	got, _ := lookedUp(t, root, &memory, append(ids, ids...)...)
	if len(want) != 3 || !slices.Equal(got, want) {
		t.Errorf("%q\nnot %q", got, want)
	}
	// Who has read it needs it no more.
	if err := os.Remove(filepath.Join(root, status)); err != nil {
		t.Fatal(err)
	}
	if got, _ := lookedUp(t, root, &memory, "dpkg:b:amd64"); len(got) != 1 || !strings.HasPrefix(got[0], "dpkg:b:amd64 | 2") {
		t.Errorf("read again: %q", got)
	}
}

// BenchmarkLookups is 2,000 rows of another module, each of which asks for
// its package.
func BenchmarkLookups(b *testing.B) {
	var status strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&status, "Package: p%d\nStatus: install ok installed\nVersion: 1.%d\nArchitecture: all\nDescription: a package\n more of it\n\n", i, i)
	}
	root := plant(b, map[string]string{"var/lib/dpkg/status": status.String()})
	for b.Loop() {
		var memory modules.Memory
		for i := range 2000 {
			if rows, _ := lookedUp(b, root, &memory, fmt.Sprintf("dpkg:p%d:all", i)); len(rows) != 1 {
				b.Fatal(rows)
			}
		}
	}
}
