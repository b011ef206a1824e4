package render

import (
	"io"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// markdown writes tables as GitHub's Markdown has them, and the account below:
// for a summary of a job, a ticket, a chat.
type markdown struct {
	out
	tables []Table
	at     int  // the table
	began  bool // there is one
	any    bool // it has rows

	coverage *quaestor.Coverage // nil: this machine alone was asked
}

// Cover implements Covered.
func (m *markdown) Cover(c quaestor.Coverage) { m.coverage = &c }

func newMarkdown(w io.Writer, _ Options) *markdown { return &markdown{out: out{w: w}} }

func (m *markdown) begin(tables []Table) error {
	m.tables = tables
	return nil
}

func (m *markdown) table(i int) error {
	m.finish()
	m.at, m.began, m.any = i, true, false
	t := m.tables[i]
	if i > 0 {
		m.buf = append(m.buf, '\n')
	}
	name := t.Name
	if t.About.Name != "" {
		name = t.About.Name
	}
	m.buf = append(append(append(m.buf, "### "...), value.EscapeMarkdown(name)...), "\n\n"...)
	if t.About.Description != "" {
		m.buf = append(append(m.buf, value.EscapeMarkdown(t.About.Description)...), "\n\n"...)
	}
	return nil
}

// head is written with the first row: a table without rows is a sentence.
func (m *markdown) head() {
	for _, c := range m.tables[m.at].Columns {
		m.buf = append(append(append(m.buf, "| "...), value.EscapeMarkdown(c.Name)...), ' ')
	}
	m.buf = append(m.buf, "|\n"...)
	for _, c := range m.tables[m.at].Columns {
		if isNumber(c.Type) {
			m.buf = append(m.buf, "|---:"...)
			continue
		}
		m.buf = append(m.buf, "|---"...)
	}
	m.buf = append(m.buf, "|\n"...)
}

func (m *markdown) row(values []value.Value) error {
	if !m.any {
		m.head()
		m.any = true
	}
	for _, v := range values {
		cell := v.String()
		if !isNumber(v.Type()) {
			cell = value.MarkdownCode(cell)
		}
		m.buf = append(append(append(m.buf, "| "...), cell...), ' ')
	}
	m.buf = append(m.buf, "|\n"...)
	return m.drain()
}

// finish closes a table.
func (m *markdown) finish() {
	if m.began && !m.any {
		m.buf = append(m.buf, "No rows.\n"...)
	}
}

func (m *markdown) end(sum answer.Summary) error {
	m.finish()
	var b strings.Builder
	if err := Summary(&b, sum, time.Duration(0), Options{}); err != nil {
		return err
	}
	if m.coverage != nil {
		if err := Coverage(&b, *m.coverage); err != nil {
			return err
		}
	}
	m.buf = append(m.buf, '\n')
	for line := range strings.Lines(b.String()) {
		m.buf = append(append(m.buf, value.EscapeMarkdown(strings.TrimRight(line, "\n"))...), "  \n"...)
	}
	return nil
}
