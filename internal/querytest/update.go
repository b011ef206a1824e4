package querytest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/internal/wholefile"
	"github.com/quaestor-engine/quaestor/value"
)

// An edit is what a section is to be.
type edit struct {
	section    *section
	name, text string
}

// update says which sections are to change so that they expect what came back.
// No section is added or taken away: what a case is about stays its author's
// choice.
func (c *testCase) update(a *outcome) ([]edit, error) {
	var edits []edit
	for _, s := range c.expect {
		e := edit{section: s, name: s.name, text: s.text}
		switch name, isRows := rowsOf(s); {
		case s.name == "error" || a.wrong != "":
			if s.name == "error" && a.wrong != "" && compareText(s, a.wrong) != nil {
				e.text = withComments(s.text, a.wrong+"\n")
			}
		case s.name == "warning":
			if all := strings.Join(a.warnings, "\n"); all != "" && compareText(s, all) != nil {
				e.text = withComments(s.text, all+"\n")
			}
		case s.name == "asked":
			if len(c.compareAsked(a)) > 0 {
				e.text = withComments(s.text, strings.ReplaceAll(orNobody(a.asked), ", ", "\n")+"\n")
			}
		case s.name == "summary":
			if len(c.compareSummary(a)) > 0 {
				e.text = withComments(s.text, pretend.SummaryOf(a.summary, s.text))
			}
		case s.name == "none":
			e.updateNone(a)
		case isRows:
			if err := e.updateRows(a, name); err != nil {
				return nil, s.wrap(err)
			}
		}
		if e.text != s.text {
			e.text += blankEnd(s.text)
		}
		if e.name != s.name || e.text != s.text {
			edits = append(edits, e)
		}
	}
	return edits, nil
}

// blankEnd gives the blank lines at the end of a text, which set it off from
// the next section.
func blankEnd(text string) string {
	kept := strings.TrimRight(text, " \t\n")
	if _, end, found := strings.Cut(text[len(kept):], "\n"); found && kept != "" {
		return end
	}
	return text[len(kept):]
}

// withComments puts the comments of the old text before the new one.
func withComments(old, text string) string {
	var b strings.Builder
	for l := range strings.Lines(old) {
		if strings.HasPrefix(strings.TrimSpace(l), "#") {
			b.WriteString(l)
		}
	}
	return b.String() + text
}

// updateNone makes rows of none, where rows of one table came back.
func (e *edit) updateNone(a *outcome) {
	var with []*table
	for i := range a.tables {
		if len(a.tables[i].rows) > 0 {
			with = append(with, &a.tables[i])
		}
	}
	if len(with) != 1 {
		return
	}
	if e.name = "rows"; len(a.tables) > 1 {
		e.name = "rows " + with[0].Name
	}
	columns := with[0].shown()
	e.text = withComments(e.section.text, pretend.Align(append([][]string{with[0].titles(columns)}, with[0].cells(columns)...)))
}

func (t *table) titles(columns []int) []string {
	var names []string
	for _, c := range columns {
		names = append(names, pretend.ShowCell(value.NewText(t.Columns[c].Name)))
	}
	return names
}

// updateRows keeps the columns that the section chose, the order of its rows
// where that is free, and its comments before the row that they stood before.
func (e *edit) updateRows(a *outcome, name string) error {
	i := a.find(name)
	if i < 0 {
		return nil
	}
	t := &a.tables[i]
	ls := pretend.Lines(e.section.text)
	columns := t.shown()
	if len(ls) > 0 {
		problems, err := t.compare(e.section, a)
		if err != nil || len(problems) == 0 {
			return err
		}
		if columns, err = t.header(ls[0]); err != nil {
			return err
		}
	}
	old := readRows(e.section.text)
	cells := make([][]string, len(old.rows))
	for i, r := range old.rows {
		cells[i] = slices.Clone(r)
	}
	t.canonical(cells, columns, a.now)
	rows := t.cells(columns)
	if !t.Ordered {
		kept := slices.Clone(rows)
		missing := without(cells, rows)
		stay := without(cells, missing)
		rows = append(stay, without(kept, stay)...)
	}
	e.text = old.write(t.titles(columns), rows, cells)
	return nil
}

// oldRows are the rows of a section, with the comments and the blank lines
// before each.
type oldRows struct {
	top      []string   // comments before the header
	rows     [][]string // the header not among them
	comments [][]string // before each row, and after the last one
}

func readRows(text string) *oldRows {
	o := &oldRows{}
	var waiting []string
	header := false
	for l := range strings.Lines(strings.TrimRight(text, " \t\n")) {
		l = strings.TrimSuffix(l, "\n")
		switch trimmed := strings.TrimSpace(l); {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
			waiting = append(waiting, l)
		case !header:
			header, o.top, waiting = true, waiting, nil
		default:
			o.rows, o.comments = append(o.rows, pretend.SplitCells(trimmed)), append(o.comments, waiting)
			waiting = nil
		}
	}
	if !header {
		o.top, waiting = waiting, nil
	}
	o.comments = append(o.comments, waiting)
	return o
}

// write gives the text of rows with the old comments: each stands before the
// row that it stood before, or at the end where that row is gone. The cells
// are those of the old rows, as they are compared.
func (o *oldRows) write(header []string, rows, cells [][]string) string {
	lines := strings.Split(strings.TrimSuffix(pretend.Align(append([][]string{header}, rows...)), "\n"), "\n")
	out := append(slices.Clone(o.top), lines[0])
	used := make([]bool, len(cells))
	at := map[string][]int{} // the old rows that look so, the first one last
	for k := len(cells) - 1; k >= 0; k-- {
		at[keyOf(cells[k])] = append(at[keyOf(cells[k])], k)
	}
	for i, row := range rows {
		if old := at[keyOf(row)]; len(old) > 0 {
			k := old[len(old)-1]
			at[keyOf(row)] = old[:len(old)-1]
			used[k] = true
			out = append(out, o.comments[k]...)
		}
		out = append(out, lines[i+1])
	}
	for k := range cells {
		if !used[k] {
			out = append(out, o.comments[k]...)
		}
	}
	return strings.Join(append(out, o.comments[len(cells)]...), "\n") + "\n"
}

// apply makes the edits in the case itself, so that it can be tried again.
func (c *testCase) apply(edits []edit) {
	c.expect = slices.Clone(c.expect)
	for i, s := range c.expect {
		for _, e := range edits {
			if e.section == s {
				fresh := *s
				fresh.name, fresh.text = e.name, e.text
				c.expect[i] = &fresh
			}
		}
	}
}

// edited gives the text of the file with edits, which are in its order. All
// else stays as it is, byte for byte.
func (f *file) edited(edits []edit) []byte {
	var b bytes.Buffer
	at := 0
	for _, e := range edits {
		s := e.section
		b.Write(f.data[at:s.head])
		marker := f.data[s.head:s.from]
		if e.name != s.name {
			marker = fmt.Appendf(nil, "-- %s --\n", e.name)
		}
		b.Write(marker)
		if !bytes.HasSuffix(marker, []byte("\n")) {
			b.WriteByte('\n')
		}
		b.WriteString(e.text)
		at = s.to
	}
	b.Write(f.data[at:])
	return b.Bytes()
}

// rewrite replaces the file by way of a second one, so that a full disk leaves
// the first, and gives what changed.
func (f *file) rewrite(name string, text []byte) (changes string, err error) {
	if bytes.Equal(text, f.data) {
		return "", nil
	}
	changes = string(diff.Diff(name+".orig", f.data, name, text))
	if f.crlf {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}
	if name, err = filepath.EvalSymlinks(name); err != nil {
		return "", err
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	if err := wholefile.Keep(name, info.Mode().Perm(), text); err != nil {
		return "", err
	}
	return changes, nil
}
