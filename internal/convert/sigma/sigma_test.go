package sigma

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/converttest"
)

var (
	update  = flag.Bool("update", false, "rewrite what is expected")
	formats = []convert.Format{Format()}
)

// files are those of testdata that are converted.
func files(t testing.TB) []string {
	names, err := filepath.Glob("testdata/*.yml")
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	return names
}

func TestGolden(t *testing.T) { converttest.Golden(t, formats, files(t), *update) }

func TestErrors(t *testing.T) {
	converttest.Errors(t, formats, [][3]string{
		{"x.yml", "logsource: {}\ndetection:\n  a: [", "this is not YAML"},
		{"x.yml", "logsource: {}\ndetection: \xff", "it is not UTF-8"},
		{"x.yml", "logsource: x\ndetection: y\n---\n- detection\n", "x.yml:4: this is no rule, but a list"},
		{"x.yml", "title: x\nlogsource: {}\n---\ntitle: y\ndetection: {}\n", "x.yml:1: this is no Sigma rule"},
		{"x.yml", "action: repeat\nlogsource: x\ndetection: y\n", "x.yml:1: there is no rule before this one"},
		{"x.yml", "action: what\nlogsource: x\ndetection: y\n", "x.yml:1: action \"what\" is not known\nhint: known are global"},
		{"x.yml", "action: global\nlogsource: x\ndetection: y\n", "x.yml:1: there is no rule in it"},
		{"x.yml", "detection: " + strings.Repeat("[", 1000) + "\nlogsource: x\n", "x.yml"},
		{"x.yml", "detection: {}\n", "no format"},
		{"x.txt", "detection: {}\nlogsource: {}\n", "no format"},
	})
}

func FuzzRule(f *testing.F) {
	converttest.Seeds(f, files(f))
	f.Fuzz(func(t *testing.T, name string, data []byte) { converttest.Laws(t, formats, name, data) })
}
