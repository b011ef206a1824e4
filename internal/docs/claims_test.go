package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var claim = regexp.MustCompile("`([a-z0-9]+)\\.(Test[A-Za-z0-9]+)`")

// Every test that the threat model names is there: a claim whose test was
// renamed, or taken out, is noticed.
func TestClaimsHaveTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`).FindAllStringSubmatch(string(source), -1) {
			tests[filepath.Base(filepath.Dir(path))+"."+m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	claims := claim.FindAllStringSubmatch(string(text), -1)
	if len(claims) < 30 {
		t.Errorf("%d claims were found", len(claims))
	}
	for _, m := range claims {
		if !tests[m[1]+"."+m[2]] {
			t.Errorf("docs/threat-model.md rests on %s.%s, which is not there", m[1], m[2])
		}
	}
}
