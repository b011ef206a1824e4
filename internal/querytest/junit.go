package querytest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string     `xml:"name,attr"`
	Class   string     `xml:"classname,attr"`
	File    string     `xml:"file,attr,omitempty"`
	Line    int        `xml:"line,attr,omitempty"`
	Time    string     `xml:"time,attr"`
	Failure *junitText `xml:"failure"`
	Error   *junitText `xml:"error"`
	Skipped *junitText `xml:"skipped"`
}

type junitText struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",cdata"`
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// JUnit writes the report in the form that build servers read: a suite for
// each query file. A wrong file is an error, and so is a case that was not
// tried; a query without tests is a case that is skipped.
func (r *Report) JUnit(w io.Writer) error {
	all := junitSuites{Time: seconds(r.Took)}
	for _, s := range r.Suites {
		suite := s.junit()
		for _, c := range suite.Cases {
			suite.Tests++
			switch {
			case c.Failure != nil:
				suite.Failures++
			case c.Error != nil:
				suite.Errors++
			case c.Skipped != nil:
				suite.Skipped++
			}
		}
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Errors += suite.Errors
		all.Skipped += suite.Skipped
		all.Suites = append(all.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *Suite) junit() junitSuite {
	suite := junitSuite{Name: s.name(), Time: seconds(s.took())}
	switch {
	case s.Wrong != "":
		suite.Cases = append(suite.Cases, junitCase{Name: "the files can be read", Class: s.name(), Time: seconds(0), Error: newJunitText(s.Wrong)})
	case s.Test == "":
		suite.Cases = append(suite.Cases, junitCase{Name: "it has a test", Class: s.name(), Time: seconds(0), Skipped: newJunitText("no test")})
	}
	for _, c := range s.Cases {
		jc := junitCase{Name: c.Name, Class: s.name(), File: s.Test, Line: c.Line, Time: seconds(c.Took)}
		var text strings.Builder
		for _, p := range c.Problems {
			indent(&text, 0, p.Text)
			for _, l := range p.Rows {
				indent(&text, 2, l)
			}
			if p.Hint != "" {
				indent(&text, 0, "hint: "+p.Hint)
			}
		}
		switch c.State {
		case Failed:
			jc.Failure = newJunitText(text.String())
		case Wrong, untried:
			jc.Error = newJunitText(text.String())
		case LeftOut:
			jc.Skipped = newJunitText(text.String())
		}
		suite.Cases = append(suite.Cases, jc)
	}
	return suite
}

// newJunitText makes the first line the message.
func newJunitText(text string) *junitText {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if first == "" {
		first = untried.String()
	}
	var lines strings.Builder
	indent(&lines, 0, text)
	return &junitText{Message: value.EscapeText(first), Text: lines.String()}
}
