package querytest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A Problem is one way in which a case did not come out as expected.
type Problem struct {
	Text string   // one sentence
	Hint string   // what to do, where there is something
	Rows []string // how rows differ, line by line
	Line int      // of the section in the test file; 0: of the case
}

// expected gives a section of what must come back, or nil.
func (c *testCase) expected(name string) *section {
	if i := slices.IndexFunc(c.expect, func(s *section) bool { return s.name == name }); i >= 0 {
		return c.expect[i]
	}
	return nil
}

// compare says where what came back is not what is expected. The error is
// about a case that is wrong itself.
func (c *testCase) compare(a *outcome) ([]Problem, error) {
	wrong := c.expected("error")
	switch {
	case a.wrong != "" && wrong == nil:
		hint := ""
		if a.unset {
			hint = "\nhint: in a test, parameters stand in a section -- set --, one a line: NAME = VALUE"
		}
		return nil, &lineError{c.line, fmt.Errorf("the query is wrong:\n%s%s", a.wrong, hint)}
	case a.wrong != "":
		return append(compareText(wrong, a.wrong), c.compareWarnings(a)...), nil
	case wrong != nil:
		return []Problem{{Text: "the query is expected to be wrong, and nothing is wrong with it", Line: wrong.line}}, nil
	}
	problems := c.compareAsked(a)
	more, err := c.compareTables(a)
	if err != nil {
		return nil, err
	}
	problems = append(problems, more...)
	problems = append(problems, c.compareSummary(a)...)
	return append(problems, c.compareWarnings(a)...), nil
}

// compareText holds a message to the lines of a section: each must be in it.
func compareText(s *section, got string) []Problem {
	ls := pretend.Lines(s.text)
	if len(ls) == 0 {
		return []Problem{{Text: fmt.Sprintf("section %s says nothing", s.name), Hint: "quaestor test --update fills it in", Line: s.line}}
	}
	for _, l := range ls {
		if !strings.Contains(got, l) {
			return []Problem{{Text: fmt.Sprintf("the %s is another one: it does not say %q", s.name, l), Rows: strings.Split(strings.TrimRight(got, "\n"), "\n"), Line: s.line}}
		}
	}
	return nil
}

func (c *testCase) compareWarnings(a *outcome) []Problem {
	s := c.expected("warning")
	switch {
	case s == nil:
		return nil
	case len(a.warnings) == 0:
		return []Problem{{Text: "the query is expected to draw a warning, and draws none", Line: s.line}}
	}
	return compareText(s, strings.Join(a.warnings, "\n"))
}

// nobody stands in a section asked where the query means no host.
const nobody = "nobody"

func (c *testCase) compareAsked(a *outcome) []Problem {
	s := c.expected("asked")
	if s == nil {
		switch {
		case len(a.unsure) > 0:
			return []Problem{{Text: strings.Join(a.unsure, "; "), Hint: "say more in facts, or who is asked in a section asked"}}
		case len(a.asked) == 0:
			return []Problem{{Text: "the query means none of the hosts, so that nobody was asked", Hint: "change facts, or write -- asked -- and below it nobody"}}
		}
		return nil
	}
	var want []string
	for _, l := range pretend.Lines(s.text) {
		if l != nobody {
			want = append(want, l)
		}
	}
	have := slices.Sorted(slices.Values(a.asked))
	slices.Sort(want)
	if slices.Equal(want, have) && len(pretend.Lines(s.text)) > 0 {
		return nil
	}
	p := Problem{Text: "asked: " + orNobody(have) + "; expected: " + orNobody(want), Line: s.line}
	if len(a.unsure) > 0 {
		p.Hint = strings.Join(a.unsure, "; ")
	}
	return []Problem{p}
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return nobody
	}
	return strings.Join(names, ", ")
}

// compareTables holds every table to its section. One with rows that no
// section names is a problem, where sections speak of rows at all.
func (c *testCase) compareTables(a *outcome) ([]Problem, error) {
	var problems []Problem
	none := c.expected("none")
	spoken := none != nil
	matched := make([]*section, len(a.tables))
	for _, s := range c.expect {
		name, isRows := rowsOf(s)
		if !isRows {
			continue
		}
		spoken = true
		i := a.find(name)
		if i < 0 {
			p := Problem{Text: "there is no table " + strconv.Quote(name), Hint: "there are rows " + strings.Join(a.names(), ", rows "), Line: s.line}
			if name == "" {
				p.Text = "several tables come back"
			}
			problems = append(problems, p)
			continue
		}
		matched[i] = s
		more, err := a.tables[i].compare(s, a)
		if err != nil {
			return nil, s.wrap(err)
		}
		problems = append(problems, more...)
	}
	for i := range a.tables {
		t := &a.tables[i]
		if spoken && matched[i] == nil && len(t.rows) > 0 {
			p := Problem{Text: fmt.Sprintf("%s of %s came back, and %s expected", count(len(t.rows), "row"), t.Name, isOrAre(len(t.rows))), Rows: t.show(t.shown())}
			if p.Line = c.line; none != nil {
				p.Line = none.line
			} else {
				p.Hint = fmt.Sprintf("add a section -- rows %s --", t.Name)
			}
			problems = append(problems, p)
		}
	}
	return problems, nil
}

func isOrAre(n int) string {
	if n == 1 {
		return "none was"
	}
	return "none were"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// rowsOf gives the table that a section rows is about, "" for the only one.
func rowsOf(s *section) (name string, ok bool) {
	if s.name == "rows" {
		return "", true
	}
	return strings.CutPrefix(s.name, "rows ")
}

// find gives the index of a table by its name, -1 where there is none.
func (a *outcome) find(name string) int {
	if name == "" && len(a.tables) == 1 {
		return 0
	}
	return slices.IndexFunc(a.tables, func(t table) bool { return t.Name == name })
}

func (a *outcome) names() []string {
	var names []string
	for _, t := range a.tables {
		names = append(names, t.Name)
	}
	return names
}

// shown are the columns that are shown where nobody chooses: all but the
// agent's identity, which nobody reads.
func (t *table) shown() []int {
	var columns []int
	for i := range t.Columns {
		if !t.Origin || i != 1 {
			columns = append(columns, i)
		}
	}
	return columns
}

// header gives the columns that the header of a section names.
func (t *table) header(line string) ([]int, error) {
	var columns []int
	var names []string
	for _, c := range t.Columns {
		names = append(names, pretend.ShowCell(value.NewText(c.Name)))
	}
	for _, name := range pretend.SplitCells(line) {
		i := slices.Index(names, name)
		if i < 0 && strings.Contains(name, " ") {
			return nil, fmt.Errorf("columns stand two blanks or a tab apart: %q", line)
		}
		if i < 0 {
			hint := ""
			if near, ok := lang.Nearest(name, names); ok {
				hint = fmt.Sprintf(": did you mean %s?", near)
			}
			return nil, fmt.Errorf("the answer has no column %q; it has %s%s", name, strings.Join(names, ", "), hint)
		}
		columns = append(columns, i)
	}
	return columns, nil
}

// compare holds a table to a section: a header, which chooses the columns that
// count, and rows.
func (t *table) compare(s *section, a *outcome) ([]Problem, error) {
	ls := pretend.Lines(s.text)
	if len(ls) == 0 {
		return []Problem{{Text: fmt.Sprintf("section %s has no header, and %s came back", s.name, count(len(t.rows), "row")),
			Hint: "quaestor test --update fills it in; no row is a section none", Rows: t.show(t.shown()), Line: s.line}}, nil
	}
	columns, err := t.header(ls[0])
	if err != nil {
		return nil, err
	}
	var want [][]string
	for _, l := range ls[1:] {
		cells := pretend.SplitCells(l)
		if len(cells) != len(columns) {
			return nil, fmt.Errorf("%q: %d of %d columns; cells stand two blanks or a tab apart", l, len(cells), len(columns))
		}
		want = append(want, cells)
	}
	t.canonical(want, columns, a.now)
	have := t.cells(columns)
	if d := compareRows(want, have, t.Ordered); d != nil {
		p := Problem{Text: d.sentence(t.Name, len(a.tables) > 1), Rows: d.lines(pretend.SplitCells(ls[0])), Line: s.line}
		return []Problem{p}, nil
	}
	return nil, nil
}

// canonical writes cells as the answer's are written, so that 1024 is 1KiB and
// a day a time. What is written as it came back stays.
func (t *table) canonical(rows [][]string, columns []int, now time.Time) {
	came := make([]map[string]bool, len(columns))
	for i, c := range columns {
		came[i] = map[string]bool{}
		for _, row := range t.rows {
			came[i][pretend.ShowCell(row[c])] = true
		}
	}
	for _, cells := range rows {
		for i, cell := range cells {
			typ := t.Columns[columns[i]].Type
			if came[i][cell] {
				continue
			}
			cells[i] = value.EscapeText(cell)
			if v, err := pretend.ParseCell(cell, typ, value.Text, now); err == nil && typ != value.List {
				cells[i] = pretend.ShowCell(v)
			}
		}
	}
}

// show writes rows as lines under their header.
func (t *table) show(columns []int) []string {
	rows := t.cells(columns)
	d := &rowDiff{}
	for i, r := range rows {
		if i == maxShown {
			break
		}
		d.steps = append(d.steps, step{sign: '+', cells: r})
	}
	d.more = len(rows) - len(d.steps)
	return d.lines(t.titles(columns))
}

// compareSummary holds the account to its section. Without one, the answer
// must be complete: a case that found nothing must have been able to look.
func (c *testCase) compareSummary(a *outcome) []Problem {
	s := c.expected("summary")
	if s == nil {
		return c.compareComplete(a)
	}
	have := pretend.SummaryOf(a.summary, s.text)
	if len(pretend.Lines(s.text)) > 0 && pretend.MeetsSummary(s.text, have) {
		return nil
	}
	p := Problem{Text: "the summary is another one", Line: s.line}
	want, came := pretend.Lines(s.text), pretend.Lines(have)
	for _, l := range want {
		if !slices.Contains(came, l) {
			p.Rows = append(p.Rows, "- "+l)
		}
	}
	for _, l := range came {
		if slices.Contains(want, l) {
			p.Rows = append(p.Rows, "  "+l)
			continue
		}
		p.Rows = append(p.Rows, "+ "+l)
	}
	return []Problem{p}
}

func (c *testCase) compareComplete(a *outcome) []Problem {
	if a.summary.Outcome == answer.Complete || len(a.asked) == 0 {
		return nil // that nobody was asked is said elsewhere, or expected
	}
	p := Problem{Text: "the answer is " + a.summary.Outcome.String(), Hint: "if that is as it should be, add a section summary"}
	if a.summary.Reason != "" {
		p.Text += ": " + value.EscapeText(a.summary.Reason)
	}
	for l := range strings.Lines(pretend.SummaryOf(a.summary, "")) {
		p.Rows = append(p.Rows, strings.TrimSuffix(l, "\n"))
	}
	if len(a.unfed) > 0 {
		p.Hint = fmt.Sprintf("the case says nothing of %s: add a section -- %s --", strings.Join(a.unfed, ", "), a.unfed[0])
	}
	return []Problem{p}
}
