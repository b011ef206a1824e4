package house

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// A Go module of its own in this repository that is built with ours requires
// nothing older than ours does. Where it did, the go command would refuse it,
// and be asked only when a release is made.
func TestModulesFollowOurs(t *testing.T) {
	ours := required(t, "go.mod")
	for _, folder := range []string{"packaging", "docs/examples/module"} {
		theirs := required(t, filepath.Join(folder, "go.mod"))
		if theirs[module] == "" {
			t.Errorf("%s does not require ours", folder)
		}
		for path, version := range theirs {
			if wanted := ours[path]; wanted != "" && semver.Compare(version, wanted) < 0 {
				t.Errorf("%s/go.mod requires %s %s, and ours %s: run go mod tidy there", folder, path, version, wanted)
			}
		}
	}
}

// required gives what a go.mod requires, with versions.
func required(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	file, err := modfile.Parse(name, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range file.Require {
		all[r.Mod.Path] = r.Mod.Version
	}
	return all
}
