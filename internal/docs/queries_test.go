package docs

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/querytest"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// Each query that comes along finds what was planted on pretended hosts, and
// nothing else, and is written as fmt writes it.
func TestQueries(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT: hosts of Linux are pretended on Linux alone")
	}
	suites, err := querytest.Find([]string{"../../queries"})
	if err != nil {
		t.Fatal(err)
	}
	report, err := querytest.Run(t.Context(), suites, querytest.Options{Modules: std.Modules()})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := report.Text(&b, false); err != nil {
		t.Fatal(err)
	}
	if report.Count(querytest.Passed) == 0 || report.Count(querytest.Failed)+report.Count(querytest.Wrong)+report.Count(querytest.LeftOut)+report.WrongFiles() > 0 {
		t.Errorf("\n%s", b.String())
	}
	if list := report.Untested(); len(list) > 0 {
		t.Errorf("without a test: %q", list)
	}
	if len(suites) < 60 {
		t.Errorf("%d queries", len(suites))
	}
}

func TestQueriesAreFormattedAndFindSomething(t *testing.T) {
	planted := regexp.MustCompile(`(?m)^-- rows( .*)? --\n\S.*\n\S`)
	suites, err := querytest.Find([]string{"../../queries"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suites {
		text, err := os.ReadFile(s.Query)
		if err != nil {
			t.Fatal(err)
		}
		file, err := lang.Parse(lang.Source{Name: s.Query, Text: string(text)})
		if err != nil {
			t.Fatal(err)
		}
		if lang.Format(file) != string(text) {
			t.Errorf("%s: quaestor fmt writes it in another way", s.Query)
		}
		test, err := os.ReadFile(strings.TrimSuffix(s.Query, ".qst") + ".test.txtar")
		if err != nil {
			t.Fatal(err)
		}
		if !planted.Match(test) {
			t.Errorf("%s: its test plants nothing", s.Query)
		}
	}
}
