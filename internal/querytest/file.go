package querytest

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/lang"
)

// Bounds of what is read.
const (
	maxFile     = 16 << 20 // bytes of a test file
	maxQuery    = 16 << 20 // bytes of a query file; the parser's own bound is lower
	maxSections = 10_000   // of a test file
	maxHosts    = 100      // of a case
)

// A file is a test file, cut into sections. It begins with words about what is
// tested; the sections before the first case are shared by all.
type file struct {
	data  []byte // with \n at the ends of lines
	crlf  bool   // on the disk they end in \r\n
	cases []*testCase
}

// A testCase is one case: what is pretended, and what must come back.
type testCase struct {
	name   string
	line   int
	about  string
	set    []*section // in the order in which they count: the shared ones first
	expect []*section
}

// A section is what follows a line "-- NAME --".
type section struct {
	name     string // without the host
	host     string // "web1" of "-- web1: facts --"; "" for all hosts
	line     int    // of its marker
	head     int    // where its marker begins
	from, to int    // its text in the file
	text     string
}

// A lineError says where in a test file something is wrong.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return e.err.Error() }
func (e *lineError) Unwrap() error { return e.err }

func (s *section) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &lineError{s.line, fmt.Errorf("section %q: %w", s.title(), err)}
}

// title gives the name as it is written.
func (s *section) title() string {
	if s.host != "" {
		return s.host + ": " + s.name
	}
	return s.name
}

func lineOf(err error) int {
	var at *lineError
	if errors.As(err, &at) {
		return at.line
	}
	return 0
}

// messageOf gives what follows the name of the file in a message.
func messageOf(err error) string {
	if n := lineOf(err); n > 0 {
		return fmt.Sprintf("%d: %v", n, err)
	}
	return " " + err.Error()
}

// scan cuts the text into sections, as txtar does.
func scan(data []byte) (comment string, sections []*section) {
	at, line := 0, 0
	var last *section
	for text := range bytes.Lines(data) {
		line++
		name, marker := markerOf(text)
		if marker {
			if last != nil {
				last.to = at
			} else {
				comment = string(data[:at])
			}
			last = &section{name: name, line: line, head: at, from: at + len(text), to: len(data)}
			sections = append(sections, last)
		}
		at += len(text)
	}
	if last == nil {
		comment = string(data)
	}
	for _, s := range sections {
		s.text = string(data[s.from:s.to])
	}
	return comment, sections
}

// markerOf gives the name in a line "-- name --".
func markerOf(line []byte) (string, bool) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if !bytes.HasPrefix(line, []byte("-- ")) || !bytes.HasSuffix(line, []byte(" --")) || len(line) < len("-- x --") {
		return "", false
	}
	name := strings.TrimSpace(string(line[3 : len(line)-3]))
	return name, name != ""
}

var (
	onHost     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*): +(\S.*)$`) })
	moduleName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_]*$`) })
)

// expectations are the sections that say what must come back; rows may also be
// "rows NAME".
func isExpectation(name string) bool {
	return slices.Contains([]string{"rows", "none", "error", "warning", "summary", "asked"}, name) || strings.HasPrefix(name, "rows ")
}

// parseFile reads a test file, or says what is wrong with it.
func parseFile(data []byte) (*file, error) {
	f := &file{data: data}
	if n := bytes.Count(data, []byte("\r\n")); n > 0 && n == bytes.Count(data, []byte("\n")) {
		f.data, f.crlf = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), true
	}
	comment, sections := scan(f.data)
	if len(sections) > maxSections {
		return nil, fmt.Errorf("more than %d sections", maxSections)
	}
	var shared []*section
	for _, s := range sections {
		if name, ok := strings.CutPrefix(s.name, "case:"); ok {
			c, err := f.begin(s, strings.TrimSpace(name), shared)
			if err != nil {
				return nil, err
			}
			f.cases = append(f.cases, c)
			continue
		}
		if err := s.check(); err != nil {
			return nil, s.wrap(err)
		}
		if len(f.cases) == 0 {
			shared = append(shared, s)
		} else if err := f.cases[len(f.cases)-1].add(s); err != nil {
			return nil, s.wrap(err)
		}
	}
	if len(f.cases) == 0 { // it is one case
		c := &testCase{line: 1, name: firstLine(comment)}
		for _, s := range shared {
			if err := c.add(s); err != nil {
				return nil, s.wrap(err)
			}
		}
		f.cases, shared = []*testCase{c}, nil
	}
	for _, s := range shared {
		if isExpectation(s.name) {
			return nil, s.wrap(errors.New("what must come back belongs into a case: move it below a line -- case: NAME --"))
		}
	}
	return f, f.checkCases()
}

// begin makes a case of the line that names it.
func (f *file) begin(s *section, name string, shared []*section) (*testCase, error) {
	if name == "" {
		return nil, s.wrap(errors.New("the case has no name"))
	}
	if slices.ContainsFunc(f.cases, func(c *testCase) bool { return c.name == name }) {
		return nil, s.wrap(errors.New("there are two cases of this name"))
	}
	return &testCase{name: name, line: s.line, about: strings.TrimSpace(s.text), set: slices.Clone(shared)}, nil
}

func firstLine(text string) string {
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			return l
		}
	}
	return "it answers"
}

// add takes a section of the case.
func (c *testCase) add(s *section) error {
	if !isExpectation(s.name) {
		c.set = append(c.set, s)
		return nil
	}
	if slices.ContainsFunc(c.expect, func(o *section) bool { return o.name == s.name }) {
		return errors.New("the case has two of them")
	}
	c.expect = append(c.expect, s)
	return nil
}

func (f *file) checkCases() error {
	for _, c := range f.cases {
		has := func(names ...string) bool {
			return slices.ContainsFunc(c.expect, func(s *section) bool {
				return slices.Contains(names, strings.Fields(s.name)[0])
			})
		}
		var err error
		switch {
		case len(c.expect) == 0:
			err = fmt.Errorf("the case %q expects nothing: add a section rows, none, error, warning, summary or asked", c.name)
		case has("none") && has("rows"):
			err = fmt.Errorf("the case %q expects rows and none", c.name)
		case has("error") && has("rows", "none", "summary", "asked"):
			err = fmt.Errorf("the case %q expects an error, and a query with one answers nothing else", c.name)
		}
		if err != nil {
			return &lineError{c.line, err}
		}
	}
	return nil
}

// check takes the host off the name, and says what no section can be called.
func (s *section) check() error {
	if m := onHost().FindStringSubmatch(s.name); m != nil {
		s.host, s.name = m[1], m[2]
	}
	kind, rest, deeper := strings.Cut(s.name, "/")
	hosts := s.host == "" || !isExpectation(s.name) && !slices.Contains([]string{"query", "set", "now", "list"}, kind)
	switch {
	case !hosts:
		return fmt.Errorf("it is no host's own: write -- %s --", s.name)
	case deeper && !slices.Contains([]string{"host", "pack", "list"}, kind):
		return errors.New("no such section: files are host/PATH, lists are list/NAME, what archives are made from is pack/PATH")
	case deeper && (rest == "" || path.Clean(rest) != rest || path.IsAbs(rest) || rest == ".." || strings.HasPrefix(rest, "../")):
		return fmt.Errorf("%q is no clean path below the host's root", rest)
	case deeper, isExpectation(s.name), slices.Contains(plainSections(), s.name):
		return nil
	case s.name == "host":
		return errors.New("a host's facts stand in a section facts, one a line: os = linux")
	case !moduleName().MatchString(s.name):
		hint := ""
		if near, ok := lang.Nearest(strings.Fields(s.name)[0], sectionNames()); ok {
			hint = fmt.Sprintf(": did you mean %s?", near)
		}
		return errors.New("no such section" + hint)
	case s.name == "case":
		return errors.New("a case is begun by -- case: NAME --")
	}
	return nil
}

// plainSections are those that say what is pretended, besides a module's name.
func plainSections() []string { return []string{"query", "set", "now", "facts", "tree"} }

func sectionNames() []string {
	return append(plainSections(), "rows", "none", "error", "warning", "summary", "asked", "case")
}

// needsRights says whether something of the case's hosts cannot be read, which
// is so for others than root alone.
func (c *testCase) needsRights() bool {
	return slices.ContainsFunc(c.set, func(s *section) bool {
		return s.name == "tree" && slices.Contains(strings.Fields(s.text), "unreadable")
	})
}
