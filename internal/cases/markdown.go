package cases

import (
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// markdown writes a page. What hosts and others supplied is text in it, and
// neither markup nor a link.
type markdown struct{ b *strings.Builder }

func (m *markdown) head(title string, facts []fact) {
	m.b.WriteString("# " + value.EscapeMarkdown(title) + "\n\n")
	m.facts(facts)
}

func (m *markdown) facts(facts []fact) {
	for _, f := range facts {
		m.b.WriteString("- " + value.EscapeMarkdown(f.label) + ": " + value.EscapeMarkdown(f.text) + "\n")
	}
}

func (m *markdown) note(title, text string) {
	m.b.WriteString("\n## " + value.EscapeMarkdown(title) + "\n\n")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		m.b.WriteString(strings.TrimRight("> "+value.EscapeMarkdown(line), " ") + "\n")
	}
}

func (m *markdown) asked(a *asked) {
	m.b.WriteString("\n## " + value.EscapeMarkdown(a.title) + "\n\n")
	fence := "```"
	for strings.Contains(a.query, fence) {
		fence += "`"
	}
	m.b.WriteString(fence + "\n")
	for line := range strings.Lines(a.query) {
		m.b.WriteString(value.EscapeText(strings.TrimRight(line, "\n")) + "\n")
	}
	m.b.WriteString(fence + "\n\n")
	m.facts(a.facts)
	for _, t := range a.tables {
		m.table(t)
	}
}

func (m *markdown) table(t shown) {
	m.b.WriteString("\n### " + value.EscapeMarkdown(t.name) + "\n\n")
	if len(t.rows) == 0 {
		m.b.WriteString("No rows" + more(t.cut) + ".\n")
		return
	}
	for _, name := range t.columns {
		m.b.WriteString("| " + value.EscapeMarkdown(name) + " ")
	}
	m.b.WriteString("|\n" + strings.Repeat("|---", len(t.columns)) + "|\n")
	for _, row := range t.rows {
		for _, cell := range row {
			m.b.WriteString("| " + value.MarkdownCode(cell) + " ")
		}
		m.b.WriteString("|\n")
	}
	if t.cut > 0 {
		m.b.WriteString("\nThe first " + counted(int64(len(t.rows)), "row", "rows") + more(t.cut) + ".\n")
	}
}

func (m *markdown) end() {}

// more says how many rows are not shown.
func more(n int64) string {
	if n == 0 {
		return ""
	}
	return " are shown; " + counted(n, "further row is in the case", "further rows are in the case")
}
