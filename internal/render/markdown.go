package render

import (
	"io"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// markdown writes tables as GitHub's Markdown has them, and the account below:
// for a summary of a job, a ticket, a chat.
type markdown struct {
	out
	tables []Table
	any    bool
	at     int
}

func newMarkdown(w io.Writer, _ Options) *markdown { return &markdown{out: out{w: w}} }

func (m *markdown) begin(tables []Table) error {
	m.tables = tables
	return nil
}

func (m *markdown) table(i int) error {
	m.finish()
	m.at, m.any = i, false
	t := m.tables[i]
	if i > 0 {
		m.buf = append(m.buf, '\n')
	}
	name := t.Name
	if t.About.Name != "" {
		name = t.About.Name
	}
	m.buf = append(append(append(m.buf, "### "...), cellText(name)...), "\n\n"...)
	if t.About.Description != "" {
		m.buf = append(append(m.buf, cellText(t.About.Description)...), "\n\n"...)
	}
	return nil
}

// head is written with the first row: a table without rows is a sentence.
func (m *markdown) head() {
	for _, c := range m.tables[m.at].Columns {
		m.buf = append(append(append(m.buf, "| "...), cellText(c.Name)...), ' ')
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
		m.buf = append(append(append(m.buf, "| "...), cellText(v.String())...), ' ')
	}
	m.buf = append(m.buf, "|\n"...)
	return m.drain()
}

func (m *markdown) finish() {
	if !m.any && len(m.buf)+len(m.tables) > 0 && m.at < len(m.tables) && len(m.buf) > 0 {
		m.buf = append(m.buf, "No rows.\n"...)
	}
}

func (m *markdown) end(sum answer.Summary) error {
	m.finish()
	var b strings.Builder
	if err := Summary(&b, sum, time.Duration(0), Options{}); err != nil {
		return err
	}
	m.buf = append(m.buf, '\n')
	for line := range strings.Lines(b.String()) {
		m.buf = append(append(m.buf, cellText(strings.TrimRight(line, "\n"))...), "  \n"...)
	}
	return nil
}

// markdownSigns are those that mean something in a cell.
var markdownSigns = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;", "~", `\~`, "#", `\#`, "@", "@\u200b", "://", ":\u200b//")

// cellText gives text that Markdown shows as it is: no formatting, no mention,
// no link, no HTML, one line. An address is parted by a space of no width, so
// that nobody clicks on evidence.
func cellText(s string) string { return markdownSigns.Replace(value.EscapeText(s)) }
