package lang

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"

	"github.com/quaestor-engine/quaestor/value"
)

// A Source is text with the name that messages give it: a file's name, or
// "query" for what was typed.
type Source struct{ Name, Text string }

// A Span is a half-open range of bytes in a source.
type Span struct{ Start, End int }

// A Code names a kind of mistake, for tools and for the docs: "unknown-column".
type Code string

// A Diagnostic is one mistake, or one warning: where, what and how to mend it.
type Diagnostic struct {
	Code    Code
	Span    Span
	Message string // what is wrong: one sentence, lower case, no full stop
	Hint    string // what to write instead, or ""
	Warning bool   // the query may run as it is
}

// An Error is everything that is wrong with a source.
type Error struct {
	Source      Source
	Diagnostics []Diagnostic // in the order of their places, at least one
	More        int          // how many were found beyond these
}

// Error shows every diagnostic with its line and a caret, one after the other.
func (e *Error) Error() string {
	var b strings.Builder
	for i, d := range e.Diagnostics {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d.Render(e.Source))
	}
	if e.More > 0 {
		b.WriteString("\n… and " + strconv.Itoa(e.More) + " more")
	}
	return b.String()
}

// Mistakes gives each *Error that an error holds, where several sources or
// queries have one; none where the error is about something else.
func Mistakes(err error) []*Error {
	switch e := err.(type) { // not errors.As, which finds but the first
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, one := range e.Unwrap() {
			all = append(all, Mistakes(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		return Mistakes(e.Unwrap())
	}
	return nil
}

// Position gives the line and the column of a byte offset, both from 1. A
// column is a character, as editors count them. An offset outside of the
// source is taken as its nearest end.
func Position(src Source, offset int) (line, col int) {
	before := src.Text[:clamp(offset, len(src.Text))]
	line = strings.Count(before, "\n") + 1
	return line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// window is how many columns of a source line are shown around the span.
const window = 100

// Render shows the diagnostic in three lines: place and message, the source
// line, and carets under the span with the hint behind them. Characters that
// could steer a terminal are shown as escapes.
func (d Diagnostic) Render(src Source) string {
	start := clamp(d.Span.Start, len(src.Text))
	end := max(start, clamp(d.Span.End, len(src.Text)))
	line, col := Position(src, start)
	kind := ""
	if d.Warning {
		kind = "warning: "
	}
	var b strings.Builder
	b.WriteString(value.EscapeText(src.Name) + ":" + strconv.Itoa(line) + ":" + strconv.Itoa(col) + ": " + kind + value.EscapeText(d.Message) + "\n")
	from := strings.LastIndexByte(src.Text[:start], '\n') + 1
	to := len(src.Text)
	if i := strings.IndexByte(src.Text[start:], '\n'); i >= 0 {
		to = start + i
	}
	shown, pad, carets := excerpt(src.Text[from:to], start-from, min(end, to)-from)
	number := strconv.Itoa(line)
	b.WriteString("  " + number + " | " + shown + "\n")
	b.WriteString("  " + strings.Repeat(" ", len(number)) + " | " + pad + strings.Repeat("^", carets))
	if d.Hint != "" {
		b.WriteString(" " + value.EscapeText(d.Hint))
	}
	return strings.TrimRight(b.String(), " ")
}

func clamp(n, most int) int { return max(0, min(n, most)) }

// excerpt gives a line as it is shown, the blanks that lead to its span, and
// how many carets mark the span. A line that is too long is cut around it.
func excerpt(line string, start, end int) (shown, pad string, carets int) {
	line = strings.TrimSuffix(line, "\r")
	start = min(start, len(line))
	end = max(start, min(end, len(line)))
	from, to := 0, len(line)
	if utf8.RuneCountInString(line) > window+window/2 {
		from, to = cutAround(line, start, end)
		end = min(end, to)
	}
	var head, tail string
	if from > 0 {
		head = "…"
	}
	if to < len(line) {
		tail = "…"
	}
	shown = head + visible(line[from:to]) + tail
	carets = max(1, columns(visible(line[start:end])))
	return shown, blanksFor(head + visible(line[from:start])), carets
}

// cutAround gives the part of a long line that holds the front of the span
// with some text before it.
func cutAround(line string, start, end int) (from, to int) {
	from = start
	for n := 0; from > 0 && n < window/2; n++ {
		_, size := utf8.DecodeLastRuneInString(line[:from])
		from -= size
	}
	to = from
	for n := 0; to < len(line) && n < window; n++ {
		_, size := utf8.DecodeRuneInString(line[to:])
		to += size
	}
	return from, max(to, min(start+1, end))
}

// visible escapes everything but tabs, which keep their meaning in both lines.
func visible(text string) string {
	parts := strings.Split(text, "\t")
	for i, p := range parts {
		parts[i] = value.EscapeText(p)
	}
	return strings.Join(parts, "\t")
}

// blanksFor gives blanks as wide as the text, with its tabs.
func blanksFor(text string) string {
	parts := strings.Split(text, "\t")
	for i, p := range parts {
		parts[i] = strings.Repeat(" ", columns(p))
	}
	return strings.Join(parts, "\t")
}

// columns gives the width of a text on a terminal, whatever the locale.
func columns(text string) int {
	c := runewidth.Condition{StrictEmojiNeutral: true}
	return c.StringWidth(text)
}
