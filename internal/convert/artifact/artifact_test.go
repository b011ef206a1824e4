package artifact

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/converttest"
)

var (
	update  = flag.Bool("update", false, "rewrite what is expected")
	formats = []convert.Format{Format(), GRR()}
)

// files are those of testdata that are converted.
func files(t testing.TB) []string {
	names, err := filepath.Glob("testdata/*[ln]")
	if err != nil || len(names) < 3 {
		t.Fatal(names, err)
	}
	return names
}

func TestGolden(t *testing.T) { converttest.Golden(t, formats, files(t), *update) }

func TestErrors(t *testing.T) {
	converttest.Errors(t, formats, [][3]string{
		{"x.yaml", "name: a\nsources:\n- type: FILE\n  bad: [", "this is not YAML"},
		{"x.yaml", "doc: name: type:\nsources:\n", "this is not YAML"},
		{"x.yaml", "names: type:\n", "no format"},
		{"x.yaml", "doc: 'name:'\nsources:\n- type: FILE\n", "x.yaml:1: this is no artifact"},
		{"x.json", `{"paths": [], "action_type`, "no format"},
		{"x.json", `{"pathtype": "OS", "x": {"paths": []}}`, "x.json:1: these are no parameters"},
	})
}

func FuzzArtifact(f *testing.F) {
	converttest.Seeds(f, files(f))
	f.Fuzz(func(t *testing.T, name string, data []byte) { converttest.Laws(t, formats, name, data) })
}
