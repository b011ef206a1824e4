package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/cli"
	"github.com/quaestor-engine/quaestor/internal/querytest"
	"github.com/quaestor-engine/quaestor/modules/std"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// took is how long an answer took, which is never the same.
var took = regexp.MustCompile(` · [0-9.]+ s\n`)

// What the README shows of a fleet is what the demo shows, to the letter.
func TestDemoOfReadme(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	getenv := func(name string) string {
		if name == "HOME" || name == "TMPDIR" {
			return dir
		}
		return ""
	}
	if code := cli.Main(t.Context(), []string{"demo"}, cli.IO{In: strings.NewReader(""), Out: &out, Err: &out, Getenv: getenv}); code != 0 {
		t.Fatalf("the demo ends with %d:\n%s", code, out.String())
	}
	shown := took.ReplaceAllString(out.String(), "\n")
	blocks := Blocks(readme(t))
	n := 0
	for i, b := range blocks {
		if !b.Marked("demo") {
			continue
		}
		n++
		if want := "  " + blocks[i-1].Text + "\n" + b.Text; !strings.Contains(shown, want) {
			t.Errorf("the demo does not show\n%s\nbut\n%s", want, shown)
		}
	}
	if n < 2 {
		t.Errorf("the README shows %d answers of a fleet", n)
	}
}

// The README counts modules and queries as they are.
func TestCountsOfReadme(t *testing.T) {
	suites, err := querytest.Find([]string{root + "/queries"})
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]int{"modules": len(std.Modules()), "saved queries": len(suites)} {
		found := regexp.MustCompile(`(\d+) `+what).FindAllStringSubmatch(readme(t), -1)
		if len(found) == 0 {
			t.Errorf("it does not say how many %s there are", what)
		}
		for _, m := range found {
			if m[1] != strconv.Itoa(want) {
				t.Errorf("it says %s %s, and there are %d", m[1], what, want)
			}
		}
	}
}

// No page is left out of the list of all pages.
func TestAllPagesAreListed(t *testing.T) {
	list, err := os.ReadFile(filepath.Join(root, "docs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages(t) {
		name := filepath.Base(page)
		if name != "README.md" && !strings.Contains(string(list), name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}
