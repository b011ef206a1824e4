package querytest

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

// A Suite is a query file with its tests.
type Suite struct {
	Query   string // the file; "" where there is none
	Test    string // likewise
	Cases   []*Result
	Wrong   string // what is wrong with one of the files
	Updated string // what was rewritten, line by line

	source  lang.Source
	queries *lang.File
	broken  error // why the query file cannot be read
	file    *file
}

// A Result is what became of one case.
type Result struct {
	Name     string
	About    string // what its author says of it
	Line     int    // in the test file
	State    State
	Problems []Problem // of what did not pass: why
	Warnings []string  // what is doubtful about the query
	Took     time.Duration

	suite  *Suite
	test   *testCase
	ready  *trial // to be run
	failed error  // why it cannot be
	edits  []edit // to the test file
}

// State says what became of a case.
type State uint8

// The states.
const (
	untried State = iota
	Passed
	Failed  // something else came back
	Wrong   // the query or the case is wrong, so that there is no telling
	LeftOut // it could not be tried here
)

// String gives the word that output uses.
func (s State) String() string {
	return [...]string{"not tried", "ok", "failed", "wrong", "left out"}[min(s, LeftOut)]
}

// MarshalText gives the word for JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Report is what became of all suites.
type Report struct {
	Suites []*Suite
	Took   time.Duration
}

// Count gives the number of cases in a state.
func (r *Report) Count(s State) int {
	n := 0
	for _, suite := range r.Suites {
		for _, c := range suite.Cases {
			if c.State == s {
				n++
			}
		}
	}
	return n
}

// WrongFiles gives the number of suites of which a file is wrong.
func (r *Report) WrongFiles() int {
	n := 0
	for _, s := range r.Suites {
		if s.Wrong != "" {
			n++
		}
	}
	return n
}

// Untested lists the query files without tests.
func (r *Report) Untested() []string {
	var names []string
	for _, s := range r.Suites {
		if s.Test == "" && s.Wrong == "" {
			names = append(names, s.Query)
		}
	}
	return names
}

// Text writes the report for people: a line for each query file, and below it
// what did not pass; with verbose, every case.
func (r *Report) Text(w io.Writer, verbose bool) error {
	var b strings.Builder
	for _, s := range r.Suites {
		s.text(&b, verbose)
	}
	b.WriteString(r.last() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// last gives the line that sums up.
func (r *Report) last() string {
	parts := []string{count(r.Count(Passed), "case") + " passed"}
	for _, s := range []State{Failed, Wrong, LeftOut} {
		if n := r.Count(s); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	if n := r.WrongFiles(); n > 0 {
		parts = append(parts, count(n, "file")+" wrong")
	}
	if n := len(r.Untested()); n > 0 {
		parts = append(parts, fmt.Sprintf("%s without a test", count(n, "file")))
	}
	if n := r.Count(untried); n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", n, untried))
	}
	return strings.Join(parts, ", ") + after(r.Took)
}

func after(took time.Duration) string {
	if took == 0 {
		return ""
	}
	return "  " + milliseconds(took)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
}

// word gives what stands before a suite's name.
func (s *Suite) word() string {
	worst := Passed
	for _, c := range s.Cases {
		switch {
		case c.State == Wrong, s.Wrong != "":
			return "wrong"
		case c.State == Failed, c.State == untried && worst == Passed:
			worst = c.State
		}
	}
	switch {
	case s.Wrong != "":
		return "wrong"
	case s.Test == "":
		return "no test"
	case worst == Failed:
		return "FAIL"
	case worst == untried:
		return "stopped"
	}
	return "ok"
}

func (s *Suite) took() time.Duration {
	var sum time.Duration
	for _, c := range s.Cases {
		sum += c.Took
	}
	return sum
}

// name is the query file, or the test file where there is none.
func (s *Suite) name() string {
	if s.Query == "" {
		return s.Test
	}
	return s.Query
}

func (s *Suite) text(b *strings.Builder, verbose bool) {
	if s.Wrong == "" && s.Test != "" && len(s.Cases) == 0 {
		return // none of its cases was asked for
	}
	fmt.Fprintf(b, "%-7s  %s", s.word(), value.EscapeText(s.name()))
	if len(s.Cases) > 0 {
		fmt.Fprintf(b, "  %s%s", count(len(s.Cases), "case"), after(s.took()))
	}
	b.WriteByte('\n')
	if s.Wrong != "" {
		indent(b, 2, s.Wrong)
	}
	for _, c := range s.Cases {
		if verbose || c.State != Passed {
			c.text(b, verbose)
		}
	}
	if s.Updated != "" {
		fmt.Fprintf(b, "  updated %s\n", value.EscapeText(s.Test))
		indent(b, 4, s.Updated)
	}
}

func (r *Result) text(b *strings.Builder, verbose bool) {
	fmt.Fprintf(b, "  %s: %s  (%s:%d)", r.State, value.EscapeText(r.Name), value.EscapeText(r.suite.Test), r.Line)
	if verbose {
		b.WriteString(after(r.Took))
	}
	b.WriteByte('\n')
	indent(b, 4, r.About)
	for _, p := range r.Problems {
		text := p.Text
		if p.Line > 0 && p.Line != r.Line {
			text = fmt.Sprintf("line %d: %s", p.Line, text)
		}
		indent(b, 4, text)
		for _, l := range p.Rows {
			indent(b, 6, l)
		}
		if p.Hint != "" {
			indent(b, 4, "hint: "+p.Hint)
		}
	}
	if verbose {
		for _, w := range r.Warnings {
			indent(b, 4, w)
		}
	}
}

// indent writes lines with blanks before each, and nothing in them that could
// steer a terminal.
func indent(b *strings.Builder, n int, text string) {
	for l := range strings.Lines(text) {
		l = strings.TrimRight(strings.ReplaceAll(l, "\t", "    "), "\r\n")
		b.WriteString(strings.TrimRight(strings.Repeat(" ", n)+value.EscapeText(l), " ") + "\n")
	}
}

// JSON writes the report for programs, as one document.
func (r *Report) JSON(w io.Writer) error {
	type jsonProblem struct {
		Text string   `json:"text"`
		Hint string   `json:"hint,omitempty"`
		Rows []string `json:"rows,omitempty"`
		Line int      `json:"line,omitempty"`
	}
	type jsonCase struct {
		Name     string        `json:"name"`
		About    string        `json:"about,omitempty"`
		Line     int           `json:"line"`
		State    State         `json:"state"`
		Problems []jsonProblem `json:"problems,omitempty"`
		Warnings []string      `json:"warnings,omitempty"`
		Seconds  float64       `json:"seconds"`
	}
	type jsonSuite struct {
		Query   string     `json:"query,omitempty"`
		Test    string     `json:"test,omitempty"`
		Wrong   string     `json:"wrong,omitempty"`
		Updated bool       `json:"updated,omitempty"`
		Cases   []jsonCase `json:"cases"`
	}
	suites := []jsonSuite{}
	for _, s := range r.Suites {
		js := jsonSuite{Query: s.Query, Test: s.Test, Wrong: s.Wrong, Updated: s.Updated != "", Cases: []jsonCase{}}
		for _, c := range s.Cases {
			jc := jsonCase{Name: c.Name, About: c.About, Line: c.Line, State: c.State, Warnings: c.Warnings, Seconds: c.Took.Seconds()}
			for _, p := range c.Problems {
				jc.Problems = append(jc.Problems, jsonProblem(p))
			}
			js.Cases = append(js.Cases, jc)
		}
		suites = append(suites, js)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(map[string]any{
		"suites": suites, "passed": r.Count(Passed), "failed": r.Count(Failed), "wrong": r.Count(Wrong) + r.WrongFiles(),
		"left_out": r.Count(LeftOut), "not_tried": r.Count(untried), "untested": len(r.Untested()), "seconds": r.Took.Seconds(),
	})
}
