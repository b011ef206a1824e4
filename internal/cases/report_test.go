package cases_test

import (
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/cases"
)

var update = flag.Bool("update", false, "rewrite the reports in testdata")

// The reports of a case, as people read them.
func TestReports(t *testing.T) {
	c := shop(t, t.TempDir(), cases.Options{Sign: signedBy("ada"), Who: "ada@desk"})
	r := cases.Report{Rows: 3, Check: check, Name: func(s string) string { return strings.ToUpper(s[:1]) + s[1:] }}
	for name, write := range map[string]func(context.Context, io.Writer) error{
		"report.md":    func(ctx context.Context, w io.Writer) error { return c.Markdown(ctx, w, r) },
		"report.html":  func(ctx context.Context, w io.Writer) error { return c.HTML(ctx, w, r) },
		"report.txt":   func(ctx context.Context, w io.Writer) error { return c.Text(ctx, w, r) },
		"report.jsonl": c.JSONL,
	} {
		var b strings.Builder
		if err := write(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || strings.ReplaceAll(string(want), "\r\n", "\n") != b.String() {
			t.Errorf("%s is another (%v): go test ./internal/cases -update, and look at the difference\n%s", name, err, b.String())
		}
		// Nothing of a host's is markup, a link, a script or an escape code.
		for _, bad := range []string{"<script", "<b>", "\x1b", "\u202e"} {
			if strings.Contains(b.String(), bad) && name != "report.txt" && name != "report.jsonl" && !strings.Contains(b.String(), `\`+bad) {
				t.Errorf("%s holds %q", name, bad)
			}
		}
	}
}
