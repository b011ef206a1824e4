package repl

import (
	"fmt"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/value"
)

// underlined shows mistakes with carets under the entry as it stands on the
// screen, indent columns from the left. Where it takes more than one line of
// the screen, each mistake comes with its line, or where that does, too, with
// its place alone: a caret below a line that is broken points at something else.
func underlined(e *lang.Error, indent, columns int) string {
	text := e.Source.Text
	if strings.ContainsAny(text, "\n\t") || indent+runewidth.StringWidth(text) >= columns || value.EscapeText(text) != text {
		return placed(e, columns)
	}
	var b strings.Builder
	for _, d := range e.Diagnostics {
		pad := indent + runewidth.StringWidth(text[:d.Span.Start])
		carets := max(1, runewidth.StringWidth(text[d.Span.Start:d.Span.End]))
		said := value.EscapeText(d.Message)
		if d.Hint != "" {
			said += ": " + value.EscapeText(d.Hint)
		}
		b.WriteString(strings.Repeat(" ", pad) + strings.Repeat("^", carets))
		if pad+carets+1+runewidth.StringWidth(said) < columns {
			b.WriteString(" " + said + "\n")
			continue
		}
		b.WriteString("\n  " + said + "\n")
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "… and %d more\n", e.More)
	}
	return b.String()
}

// placed shows mistakes with their lines, as far as these fit.
func placed(e *lang.Error, columns int) string {
	var b strings.Builder
	for _, d := range e.Diagnostics {
		text := d.Render(e.Source)
		lines := strings.Split(text, "\n")
		if runewidth.StringWidth(lines[1]) > columns {
			if text = lines[0]; d.Hint != "" {
				text += "\n  " + value.EscapeText(d.Hint)
			}
		}
		b.WriteString(text + "\n")
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "… and %d more\n", e.More)
	}
	return b.String()
}
