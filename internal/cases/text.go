package cases

import (
	"context"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/value"
)

// Text writes the case for a terminal.
func (c *Case) Text(ctx context.Context, w io.Writer, r Report) error {
	r.page = func(b *strings.Builder) page { return &text{b} }
	return c.report(ctx, w, r)
}

// text writes for a terminal. What hosts and others supplied cannot steer it.
type text struct{ b *strings.Builder }

func (t *text) line(indent int, s string) {
	t.b.WriteString(strings.TrimRight(strings.Repeat("  ", indent)+value.EscapeText(s), " ") + "\n")
}

func (t *text) lines(indent int, s string) {
	for line := range strings.Lines(s) {
		t.line(indent, strings.TrimRight(line, "\n"))
	}
}

func (t *text) head(title string, facts []fact) {
	t.line(0, title)
	t.facts(facts)
}

func (t *text) facts(facts []fact) {
	width := 0
	for _, f := range facts {
		width = max(width, len(f.label))
	}
	for _, f := range facts {
		t.line(1, f.label+strings.Repeat(" ", width-len(f.label)+2)+f.text)
	}
}

func (t *text) note(title, note string) {
	t.b.WriteByte('\n')
	t.line(0, title)
	t.lines(1, note)
}

func (t *text) asked(a *asked) {
	t.b.WriteByte('\n')
	t.line(0, a.title)
	t.lines(2, a.query)
	t.facts(a.facts)
	for _, tab := range a.tables {
		t.table(tab)
	}
}

func (t *text) table(tab shown) {
	if len(tab.rows) == 0 && tab.cut == 0 {
		return // the facts say that there are none
	}
	rows := append([][]string{tab.columns}, tab.rows...)
	widths := make([]int, len(tab.columns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(value.EscapeText(cell)))
		}
	}
	t.line(1, tab.name)
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			cell = value.EscapeText(cell)
			b.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		t.line(2, b.String())
	}
	if tab.cut > 0 {
		t.line(2, "… and "+counted(tab.cut, "row", "rows")+" more")
	}
}

func (t *text) end() {}
