package lang

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A Slot is one thing that may stand at a place of a query.
type Slot struct {
	Rule string // the rule of the grammar that wants it, as Grammar prints it
	Term string // a keyword, an operator, a bracket, or <ident> and its like
	Nth  int    // which one of its rule's equal terms it is, from 0
}

// A Cursor is what is known about a place in a text that need not be a whole
// query: what may stand there, and what stands around it.
type Cursor struct {
	// Word is what is being written: the part of it before the place, which
	// what comes next replaces. Span is where it stands; empty between words.
	Word string
	Span Span
	// Quote is the quote that Word is in, without which it is given; 0 for none.
	Quote byte
	// PairSpan holds the name before Word too, and PairSlots is what may stand
	// in the place of both: GROUP and B can become a keyword of two words.
	PairSpan  Span
	PairSlots []Slot

	Slots  []Slot // what may stand at Span.Start
	Clause string // the nearest keyword that begins a clause; TARGET after FROM … WHERE; "" for none
	Source string // what FROM names, in lower case; "local" without it

	// Scans are those of the FIND around the place, as far as they were written.
	Scans []CursorScan
	// Columns are the names that RETURN or STACK of that FIND gave with AS.
	Columns []string
	Params  []string // what PARAM and LET named, without the $
	Path    []string // names that stand before Word with dots between: process, exe
	// After is what stands right before Word, as slots name it.
	After string
	// Left is the column that Word is compared with, and Before the one that
	// stands right before it; or nil: the names between its dots.
	Left, Before []string
	Call         string // the function whose arguments are being written
	Arg          int    // and which of them, from 0
	// Setting is the name of WITH whose value is being written.
	Setting string
}

// A CursorScan is a scan as it was written.
type CursorScan struct {
	Module, Alias string
	Watch         bool // its changes are asked about
}

// maxCursorTokens bounds the work at a place; who writes longer queries by
// hand gets no help at their end.
const maxCursorTokens = 4096

// At says what may stand at an offset of a text, in bytes, which need not be
// a whole query. What stands behind the offset does not count. Inside of a
// comment, and behind what no query can begin with, there are no slots.
func At(text string, offset int) Cursor {
	offset = clamp(offset, len(text))
	for offset > 0 && offset < len(text) && !utf8.RuneStart(text[offset]) {
		offset--
	}
	before := text[:offset]
	c := Cursor{Span: Span{offset, offset}, Source: "local"}
	if len(before) > MaxSource || !utf8.ValidString(before) {
		return c
	}
	s := scan(before)
	toks := s.toks[:len(s.toks)-1]
	if n := len(s.comments); n > 0 && s.comments[n-1].Span.End == offset && !strings.HasSuffix(before, "\n") {
		return c
	}
	toks = c.word(toks, before)
	for i := len(toks) - 1; i >= 0; i-- {
		if toks[i].is(";") {
			toks = toks[i+1:]
			break
		}
	}
	n := len(toks)
	if n > maxCursorTokens {
		return c
	}
	// With a mistake before the place nothing is sure, but that the last word
	// may be half of a keyword.
	wrong := n > 0 && slices.ContainsFunc(s.diags, func(d Diagnostic) bool {
		return d.Span.Start >= toks[0].span.Start && d.Span.End <= toks[n-1].span.End
	})
	chart := net().run(toks)
	if !wrong {
		c.Slots = chart.expected(n)
	}
	if n > 0 && toks[n-1].is("MATCHES") {
		// The lexer would take it for a regular expression without quotes.
		c.Slots = slices.DeleteFunc(c.Slots, func(s Slot) bool { return slices.Contains([]string{"-", "<bare>", "<value>"}, s.Term) })
	}
	if n > 0 && c.Quote == 0 && (toks[n-1].kind == kindIdent || toks[n-1].kind == kindKeyword) {
		c.PairSpan = Span{toks[n-1].span.Start, c.Span.End}
		c.PairSlots = chart.expected(n - 1)
	}
	c.around(toks)
	return c
}

// word takes the token that is being written off the others.
func (c *Cursor) word(toks []token, before string) []token {
	n := len(toks) - 1
	if n < 0 || toks[n].span.End != len(before) || toks[n].kind == kindPunct {
		return toks
	}
	written := before[toks[n].span.Start:]
	switch body := strings.TrimPrefix(written, "@"); {
	case strings.HasPrefix(body, `"`) || strings.HasPrefix(body, "'"):
		if isClosed(body) {
			return toks
		}
		c.Quote = body[0]
		written = written[:len(written)-len(body)] + body[1:]
	case toks[n].bad && written[0] != '@' && written[0] != '$':
		return toks
	}
	c.Word, c.Span.Start = written, toks[n].span.Start
	return toks[:n]
}

// isClosed says whether a text ends with the quote that it begins with.
func isClosed(quoted string) bool {
	for i := 1; i < len(quoted); i++ {
		switch {
		case quoted[i] == '\\' && quoted[0] == '"':
			i++
		case quoted[i] == quoted[0]:
			return true
		}
	}
	return false
}

// EndsQuery says whether a text ends with the semicolon that ends a query: no
// quote is open, and no comment comes last.
func EndsQuery(text string) bool {
	if len(text) > MaxSource || !utf8.ValidString(text) {
		return true // no more lines will help
	}
	toks := scan(text).toks
	return len(toks) > 1 && toks[len(toks)-2].is(";")
}

// WithoutComments gives a text with a blank in the place of each comment.
func WithoutComments(text string) string {
	if len(text) > MaxSource || !utf8.ValidString(text) {
		return text
	}
	comments := scan(text).comments
	for i := len(comments) - 1; i >= 0; i-- {
		text = text[:comments[i].Span.Start] + " " + text[comments[i].Span.End:]
	}
	return text
}
