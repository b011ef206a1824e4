package render

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// mostFailureRows is how many rows of a table the report of a test names; the
// others are counted.
const mostFailureRows = 100

// junit writes the XML that CI servers read, of JUnit's Ant task: a test case
// for each table, which fails where Options.FailOn says so, and one that asks
// whether the answer is complete, since what could not be looked at must not
// look green.
type junit struct {
	out
	opts   Options
	tables []Table
	names  []string
	counts []int64
	rows   []strings.Builder
}

type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string      `xml:"classname,attr"`
	Name    string      `xml:"name,attr"`
	Failure *junitFault `xml:"failure"`
	Error   *junitFault `xml:"error"`
	Out     string      `xml:"system-out,omitempty"`
}

type junitFault struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func newJUnit(w io.Writer, o Options) Sink { return &junit{out: out{w: w}, opts: o} }

// Begin implements Sink.
func (j *junit) Begin(tables []Table) error {
	j.tables, j.names, j.counts, j.rows = tables, titles(tables), make([]int64, len(tables)), make([]strings.Builder, len(tables))
	return nil
}

// Row implements Sink.
func (j *junit) Row(table int, values []value.Value) error {
	if j.counts[table]++; j.counts[table] <= mostFailureRows {
		j.rows[table].WriteString(sentence(j.names[table], j.tables[table], values) + "\n")
	}
	return nil
}

// End implements Sink.
func (j *junit) End(sum answer.Summary) error {
	s := junitSuite{Name: "quaestor"}
	for i, t := range j.tables {
		c := junitCase{Class: "quaestor", Name: value.EscapeText(j.names[i])}
		if t.About.File != "" {
			c.Class = value.EscapeText(t.About.File)
		}
		text := j.rows[i].String()
		if more := j.counts[i] - mostFailureRows; more > 0 {
			text += fmt.Sprintf("… and %d more\n", more)
		}
		switch {
		case j.counts[i] > 0 && j.opts.fails("hits"):
			c.Failure = &junitFault{count(j.counts[i], "row"), text}
			s.Failures++
		case j.counts[i] == 0 && j.opts.fails("misses"):
			c.Failure = &junitFault{Message: "nothing was found"}
			s.Failures++
		default:
			c.Out = text
		}
		s.Cases = append(s.Cases, c)
	}
	whole := junitCase{Class: "quaestor", Name: "the answer is complete"}
	if sum.Outcome != answer.Complete {
		var left []string
		for _, k := range sum.Skipped {
			left = append(left, skipped(k, 0))
		}
		whole.Error = &junitFault{"the answer is " + sum.Outcome.String() + ": " + value.EscapeText(sum.Reason), strings.Join(left, "\n")}
		s.Errors++
	}
	s.Cases = append(s.Cases, whole)
	s.Tests = len(s.Cases)
	text, err := xml.MarshalIndent(junitSuites{Name: "quaestor", Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Suite: s}, "", "  ")
	if err != nil {
		return err
	}
	j.buf = append(append(append(j.buf, xml.Header...), text...), '\n')
	return j.Flush()
}
