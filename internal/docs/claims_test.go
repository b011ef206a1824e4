package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var claim = regexp.MustCompile("`([a-z0-9_-]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")

// Every test that these pages name is there: a claim whose test was renamed,
// or taken out, is noticed.
func TestClaimsHaveTests(t *testing.T) {
	tests := testsOf(t)
	for page, least := range map[string]int{"threat-model.md": 100, "bad-input.md": 40, "log.md": 0, "faults.md": 0, "privacy.md": 0} {
		text, err := os.ReadFile(filepath.Join(root, "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		claims := claim.FindAllStringSubmatch(string(text), -1)
		if len(claims) < least {
			t.Errorf("%s: %d claims were found", page, len(claims))
		}
		for _, m := range claims {
			if !tests[m[1]+"."+m[2]] {
				t.Errorf("docs/%s rests on %s.%s, which is not there", page, m[1], m[2])
			}
		}
	}
}

// testsOf lists the tests of all packages, by the names of their folders.
// Those of the topmost are quaestor_test's.
func testsOf(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := filepath.Base(filepath.Dir(path))
		if filepath.Dir(path) == filepath.Clean(root) {
			dir = "quaestor_test"
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`).FindAllStringSubmatch(string(source), -1) {
			tests[dir+"."+m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}
