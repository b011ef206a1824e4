package lang

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/diagnostics")

// TestDiagnostics compares what the user reads, caret and all. A golden file
// holds cases: a line "=== title", the source, a line "---", the diagnostics.
func TestDiagnostics(t *testing.T) {
	files, err := filepath.Glob("testdata/diagnostics/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	cases := 0
	for _, file := range files {
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var fresh strings.Builder
		for c := range strings.SplitSeq(strings.TrimPrefix(string(old), "=== "), "\n=== ") {
			cases++
			title, rest, _ := strings.Cut(c, "\n")
			source, _, _ := strings.Cut(rest, "\n---")
			fresh.WriteString("=== " + title + "\n" + source + "\n---\n" + diagnose(t, source) + "\n")
		}
		if *update {
			if err := os.WriteFile(file, []byte(fresh.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if fresh.String() != string(old) {
			t.Errorf("%s is stale; go test -update and read the diff\n%s", file, fresh.String())
		}
	}
	if cases < 100 {
		t.Errorf("only %d cases", cases)
	}
}

func diagnose(t *testing.T, source string) string {
	_, err := Parse(Source{"q.qst", source})
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("%q parses", source)
		return "parses"
	}
	for _, d := range e.Diagnostics {
		if d.Hint == "" {
			t.Errorf("%q: no hint for %q", source, d.Message)
		}
	}
	return e.Error()
}
