// Package converttest is what the tests of every format have in common: files
// that become query files, messages about bad ones, and the laws that hold of
// whatever a stranger hands in.
//
// A newcomer needs [Golden], [Errors] and [Laws], each of which takes the
// package's [convert.Format]s. It must not be linked into programs.
package converttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// Now is the time at which tests convert.
var Now = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// Run converts a file with the modules that come along. The format is found
// out by looking.
func Run(t testing.TB, formats []convert.Format, name string, data []byte) (*convert.Result, error) {
	t.Helper()
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	return convert.Run(t.Context(), formats, "", convert.Input{Name: name, Data: data, Catalogue: cat, Now: Now})
}

// Golden converts each file and compares with NAME.qst beside it, which holds
// the lists, too, as comments. With update it is written.
func Golden(t *testing.T, formats []convert.Format, files []string, update bool) {
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(t, formats, filepath.Base(name), data)
		if err != nil {
			t.Fatal(err)
		}
		got := r.Query(filepath.Base(name))
		for _, l := range r.Lists {
			got += "\n-- @" + l.Name + "\n-- " + strings.ReplaceAll(strings.TrimSpace(string(l.Text)), "\n", "\n-- ") + "\n"
		}
		if update {
			if err := os.WriteFile(name+".qst", []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name + ".qst")
		if err != nil || got != string(want) {
			t.Errorf("%s.qst (%v):\n%s", name, err, got)
		}
	}
}

// Errors converts bad files, each a name, what it holds, and what must be said
// of it.
func Errors(t *testing.T, formats []convert.Format, files [][3]string) {
	for _, c := range files {
		_, err := Run(t, formats, c[0], []byte(c[1]))
		if err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%s: %v, want %s", c[1], err, c[2])
		}
	}
}

// Laws converts whatever it is handed: that ends, what counts as carried over
// has a query, and what does not has a reason.
func Laws(t *testing.T, formats []convert.Format, name string, data []byte) {
	r, err := Run(t, formats, name, data)
	if err != nil {
		return
	}
	for _, x := range r.Rules {
		if x.Outcome != convert.Not && len(x.Queries) == 0 || x.Outcome == convert.Not && len(x.Notes) == 0 {
			t.Fatalf("a rule without an account: %+v", x)
		}
	}
}

// Seeds gives each file to a fuzz target, with its name.
func Seeds(f *testing.F, files []string) {
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Base(name), data)
	}
}
