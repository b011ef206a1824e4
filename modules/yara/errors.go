package yara

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDiagnostics is how many mistakes an Error tells of: a reader mends the
// first few, and the rest often follows from them.
const maxDiagnostics = 20

// A Diagnostic is one mistake in the text of rules: where and what.
type Diagnostic struct {
	Source     Source // the text it stands in, which may be an included one
	Start, End int    // the bytes of Source.Text that are meant
	Message    string // what is wrong: one sentence, lower case, no full stop
	Hint       string // what to write instead, or ""
}

// Position gives the line and the column of the mistake, both from 1; a
// column is a character.
func (d Diagnostic) Position() (line, column int) {
	before := d.Source.Text[:min(d.Start, len(d.Source.Text))]
	line = strings.Count(before, "\n") + 1
	return line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
}

// Line gives the text of the line that the mistake begins in.
func (d Diagnostic) Line() string {
	at := min(d.Start, len(d.Source.Text))
	from := strings.LastIndexByte(d.Source.Text[:at], '\n') + 1
	line, _, _ := strings.Cut(d.Source.Text[from:], "\n")
	return strings.TrimSuffix(line, "\r")
}

// String gives place and message, the line, and a caret below its mistake.
func (d Diagnostic) String() string {
	const widest = 160 // characters of a line that is shown: what a terminal holds
	line, col := d.Position()
	s := fmt.Sprintf("%s:%d:%d: %s", d.Source.Name, line, col, d.Message)
	if text := []rune(d.Line()); len(text) <= widest {
		no := strconv.Itoa(line)
		shown := strings.Map(printable, string(text))
		s += "\n  " + no + " | " + shown + "\n  " + strings.Repeat(" ", len(no)) + " | " + strings.Repeat(" ", col-1) + "^"
		if d.Hint != "" {
			s += " " + d.Hint
		}
		return s
	}
	if d.Hint != "" {
		s += "\n  " + d.Hint
	}
	return s
}

// printable puts a sign in the place of what could steer a terminal.
func printable(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError:
		return '·'
	}
	return r
}

// An Error is everything that is wrong with a text of rules.
type Error struct {
	Diagnostics []Diagnostic // in the order in which they were found, at least one
	More        int          // how many were found beyond these
}

// Error shows every diagnostic, one after the other.
func (e *Error) Error() string {
	var b strings.Builder
	for i, d := range e.Diagnostics {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n… and %d more", e.More)
	}
	return b.String()
}
