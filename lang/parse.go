package lang

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// The bounds of a source. Whatever passes them cannot exhaust the stack or keep
// the parser busy for long.
const (
	// MaxSource is the size of a source in bytes. It is far above any query
	// that a person reads before signing; long lists belong in an @file.
	MaxSource = 256 << 10
	// MaxTokens is the number of tokens in a source: 10,000 list items, their
	// commas, and room for the largest library of queries.
	MaxTokens = 1 << 16
	// MaxNesting is how deep parentheses, NOT and unary minus may nest. The
	// parser recurses, and an overflow of the stack cannot be caught.
	MaxNesting = 64
	// MaxListItems is the number of items of a list in the text. A longer one
	// belongs in an @file.
	MaxListItems = 10_000
	// MaxQueries is the number of queries in one source.
	MaxQueries = 1_000
	// MaxDiagnostics is how many mistakes are told; the rest are counted.
	MaxDiagnostics = 20
)

// Parse reads a source of one or more queries. Every mistake that it finds is
// in the error, which is always an *Error: up to MaxDiagnostics in the order of
// their places, and a count of the others. With an error the file is nil.
func Parse(src Source) (*File, error) {
	if d, ok := checkText(src.Text); !ok {
		return nil, newError(src, []Diagnostic{d})
	}
	s := scan(src.Text)
	if len(s.toks) > MaxTokens {
		return nil, newError(src, s.diags[len(s.diags)-1:])
	}
	if d, ok := checkBounds(s.toks); !ok {
		return nil, newError(src, append(s.diags, d))
	}
	p := &parse{scanner: s, file: &File{at: at{Span{0, len(src.Text)}}, Source: src, Comments: s.comments}}
	p.queries()
	if diags := append(s.diags, p.diags...); len(diags) > 0 {
		return nil, newError(src, diags)
	}
	return p.file, nil
}

// newError sorts the diagnostics, drops what is said twice of one place, and
// keeps the first MaxDiagnostics.
func newError(src Source, diags []Diagnostic) *Error {
	slices.SortStableFunc(diags, func(a, b Diagnostic) int { return a.Span.Start - b.Span.Start })
	diags = slices.CompactFunc(diags, func(a, b Diagnostic) bool { return a.Span.Start == b.Span.Start })
	e := &Error{Source: src, Diagnostics: diags}
	if n := len(diags) - MaxDiagnostics; n > 0 {
		e.Diagnostics, e.More = diags[:MaxDiagnostics], n
	}
	return e
}

func checkText(text string) (Diagnostic, bool) {
	if len(text) > MaxSource {
		return sourceTooLong(len(text)), false
	}
	if !utf8.ValidString(text) {
		i := 0
		for {
			r, n := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && n == 1 {
				return notUTF8(i, text), false
			}
			i += n
		}
	}
	return Diagnostic{}, true
}

// checkBounds counts nesting, list items and queries over the tokens.
func checkBounds(toks []token) (Diagnostic, bool) {
	type level struct{ prefixes, commas int }
	levels, total, queries := []level{{}}, 0, 1
	for i, t := range toks {
		top := &levels[len(levels)-1]
		switch {
		case t.isAny("NOT", "-"):
			top.prefixes++
			total++
		case t.is("("):
			levels = append(levels, level{})
			total++
		case t.is(")") && len(levels) > 1:
			total -= 1 + top.prefixes
			levels = levels[:len(levels)-1]
		case t.is(";"):
			queries++
			levels, total = []level{{}}, 0
		case t.is(","):
			top.commas++
		}
		if !t.isAny("NOT", "-", "(") {
			top = &levels[len(levels)-1]
			total -= top.prefixes
			top.prefixes = 0
		}
		switch {
		case total > MaxNesting:
			return tooDeep(t.span), false
		case levels[len(levels)-1].commas >= MaxListItems:
			return listTooLong(toks[i].span), false
		case queries > MaxQueries:
			return tooManyQueries(t.span), false
		}
	}
	return Diagnostic{}, true
}

// parse is one run of Parse over the tokens of a source.
type parse struct {
	*scanner
	file  *File
	diags []Diagnostic
}

// queries parses what stands between semicolons.
func (p *parse) queries() {
	from, end := 0, len(p.toks)-1
	if end == 0 && len(p.scanner.diags) == 0 {
		p.diags = append(p.diags, emptySource(len(p.text)))
		return
	}
	for i := 0; i <= end; i++ {
		if i < end && !p.toks[i].is(";") {
			continue
		}
		switch {
		case from < i:
			p.query(from, i)
		case i < end:
			p.diags = append(p.diags, emptyQuery(p.toks[i].span))
		}
		from = i + 1
	}
}

func (p *parse) query(from, to int) {
	b := &builder{toks: p.toks}
	rule, at, ok := parseRule[queryRule](p.toks, from, to)
	if !ok {
		p.diags = append(p.diags, explain(p.scanner, from, to, at)...)
		return
	}
	q := b.query(rule)
	q.Header = p.header(from)
	p.diags = append(p.diags, b.diags...)
	p.file.Queries = append(p.file.Queries, q)
}

// header reads the comments before the query whose first token has the index.
func (p *parse) header(first int) Header {
	from := 0
	if first > 0 {
		from = p.toks[first-1].span.End
	}
	var h Header
	for _, c := range p.comments {
		if c.Span.Start >= from && c.Span.End <= p.toks[first].span.Start && ownLine(p.text, c) {
			h.take(c.Text)
		}
	}
	return h
}

// ownLine reports whether nothing but blanks stands before the comment on its
// line.
func ownLine(text string, c Comment) bool {
	line := text[strings.LastIndexByte(text[:c.Span.Start], '\n')+1 : c.Span.Start]
	return strings.Trim(line, " \t\r\ufeff") == ""
}

// take reads a comment of the form "-- key: value" into the field that it
// names. It reports whether the comment is now part of the header; of two with
// the same key the second is an ordinary comment.
func (h *Header) take(comment string) bool {
	key, val, ok := strings.Cut(strings.TrimPrefix(comment, "--"), ":")
	val = strings.TrimSpace(val)
	if !ok || val == "" {
		return false
	}
	var field *string
	switch strings.ToLower(strings.TrimSpace(key)) {
	case "name":
		field = &h.Name
	case "description":
		field = &h.Description
	case "severity":
		field = &h.Severity
	case "reference":
		field = &h.Reference
	case "tags":
		return h.takeTags(val)
	}
	if field == nil || *field != "" {
		return false
	}
	*field = val
	return true
}

func (h *Header) takeTags(val string) bool {
	if h.Tags != nil {
		return false
	}
	for tag := range strings.SplitSeq(val, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			h.Tags = append(h.Tags, tag)
		}
	}
	return h.Tags != nil
}
