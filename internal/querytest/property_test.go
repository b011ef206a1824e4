package querytest

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cellOf draws a cell of a type, as a value.
func cellOf(t *rapid.T, typ value.Type) value.Value {
	switch typ {
	case value.Int:
		return value.NewInt(rapid.Int64Range(-3, 3).Draw(t, "int"))
	case value.Size:
		return value.NewSize(rapid.Int64Range(0, 1<<40).Draw(t, "size"))
	case value.Bool:
		return value.NewBool(rapid.Bool().Draw(t, "bool"))
	}
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "null", "(none)", "#a", "a  b", " a", `"q"`, "-- x --", "--", "x --", "! a", "a\tb", "\x1b[31m", "[a, b]"}), rapid.String()).Draw(t, "text")
	return value.NewText(text)
}

// literal writes a cell so that it is read back as the same value.
func literal(v value.Value) string {
	if v.Type() == value.Text {
		return fmt.Sprintf("%q", v.Text())
	}
	return pretend.ShowCell(v)
}

// Whatever a relation holds, a case that was updated passes, and passes
// without being updated again.
func TestUpdatedCasesPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		types := []value.Type{value.Text, value.Int, value.Size, value.Bool}
		columns := rapid.SliceOfN(rapid.SampledFrom(types), 1, 4).Draw(t, "columns")
		var header, names []string
		for i, c := range columns {
			header = append(header, fmt.Sprintf("c%d:%s", i, c))
			names = append(names, fmt.Sprintf("c%d", i))
		}
		lines := []string{strings.Join(header, "  ")}
		var old []string
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			var cells []string
			for _, c := range columns {
				cells = append(cells, literal(cellOf(t, c)))
			}
			lines = append(lines, strings.Join(cells, "  "))
			if rapid.Bool().Draw(t, "expected") {
				old = append(old, lines[len(lines)-1])
			}
		}
		query := "FIND widget RETURN " + strings.Join(names, ", ")
		if rapid.Bool().Draw(t, "ordered") {
			query += " ORDER BY c0"
		}
		expect := rapid.SampledFrom([]string{
			"-- rows --\n", "-- none --\n", "-- rows --\n# a\n" + names[0] + "\n",
			"-- rows --\n" + strings.Join(names, "  ") + "\n# b\n" + strings.Join(append(old, ""), "\n") + "# c\n",
		}).Draw(t, "expect")
		source := "what\n-- widget --\n" + strings.Join(lines, "\n") + "\n" + expect
		dir, err := os.MkdirTemp("", "property")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		name := filepath.Join(dir, "q.test.txtar")
		for file, text := range map[string]string{filepath.Join(dir, "q.qst"): query, name: source} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		first := tryFile(t, name, true)
		updated, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if first.Cases[0].State != Passed || tryFile(t, name, false).Cases[0].State != Passed {
			t.Fatalf("%s\n%s\nbecame\n%s\nwhich is %s: %v", query, source, updated, first.Cases[0].State, first.Cases[0].Problems)
		}
		if again := tryFile(t, name, true); again.Updated != "" {
			t.Fatalf("a second update changes %s", again.Updated)
		}
	})
}

func tryFile(t *rapid.T, name string, update bool) *Suite {
	suites, err := Find([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), suites, Options{Modules: std.Modules(), Update: update}); err != nil {
		t.Fatal(err)
	}
	if suites[0].Wrong != "" {
		t.Fatal(suites[0].Wrong)
	}
	return suites[0]
}

// What rows differ in is right whatever they are: what is shown as missing and
// as too many makes one bag of the other.
func TestRowDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab"}), 2, 2), 0, 6)
		want, have := rows.Draw(t, "want"), rows.Draw(t, "have")
		d := compareRows(want, have, false)
		bag := map[string]int{}
		for _, r := range want {
			bag[strings.Join(r, "\x00")]++
		}
		if d != nil {
			for _, s := range d.steps {
				bag[strings.Join(s.cells, "\x00")] += map[byte]int{'-': -1, '+': 1}[s.sign]
			}
		}
		for _, r := range have {
			bag[strings.Join(r, "\x00")]--
		}
		for k, n := range bag {
			if n != 0 {
				t.Fatalf("%q is off by %d in %v", k, n, d)
			}
		}
	})
}

// Build servers and programs read the same counts as people.
func TestMachineReports(t *testing.T) {
	for _, dir := range []string{"passing", "failing", "wrong"} {
		t.Run(dir, func(t *testing.T) {
			home := absolute(t, "testdata")
			r, _ := report(t, filepath.Join("testdata", dir), Options{})
			var x, j strings.Builder
			if err := r.JUnit(&x); err != nil {
				t.Fatal(err)
			}
			var suites junitSuites
			if err := xml.Unmarshal([]byte(x.String()), &suites); err != nil {
				t.Fatal(err)
			}
			wrong := r.Count(Wrong) + r.WrongFiles()
			if suites.Failures != r.Count(Failed) || suites.Errors != wrong || suites.Skipped != len(r.Untested()) {
				t.Errorf("JUnit has %+v", suites)
			}
			if err := r.JSON(&j); err != nil {
				t.Fatal(err)
			}
			var doc struct{ Passed, Failed, Wrong, Untested int }
			if err := json.Unmarshal([]byte(j.String()), &doc); err != nil {
				t.Fatal(err)
			}
			if doc.Passed != r.Count(Passed) || doc.Failed != r.Count(Failed) || doc.Wrong != wrong || doc.Untested != len(r.Untested()) {
				t.Errorf("JSON has %+v", doc)
			}
			golden(t, filepath.Join(home, dir+".xml"), x.String())
		})
	}
}

func TestRunSome(t *testing.T) {
	r, text := report(t, filepath.Join("testdata", "passing"), Options{Run: regexp.MustCompile(`fleet.qst: .*host`), Workers: 1})
	if r.Count(Passed) != 3 {
		t.Errorf("it says\n%s", text)
	}
}

// A run that was interrupted says so, and calls nothing passed.
func TestInterrupted(t *testing.T) {
	suites, err := Find([]string{filepath.Join("testdata", "passing")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Run(ctx, suites, Options{Modules: std.Modules()})
	if err == nil || r == nil || r.Count(Passed) > 0 {
		t.Errorf("it ends with %v and %+v", err, r)
	}
	var text strings.Builder
	if err := r.Text(&text, false); err != nil || strings.Contains(text.String(), "ok ") || !strings.Contains(text.String(), "stopped  ") {
		t.Errorf("it says (%v)\n%s", err, &text)
	}
}
