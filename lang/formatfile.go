package lang

import "strings"

// formatFile writes the queries with a blank line between them, and every
// comment once.
func formatFile(f *File) string {
	w := &fileWriter{file: f, comments: f.Comments}
	for i, q := range f.Queries {
		w.query(i, q)
	}
	w.ownLines(len(f.Source.Text)+1, 0)
	if len(w.lines) == 0 {
		return ""
	}
	return strings.Join(w.lines, "\n") + "\n"
}

// fileWriter collects lines. Comments are taken from the front of comments as
// the lines that they belong to are written.
type fileWriter struct {
	file     *File
	comments []Comment
	lines    []string
}

func (w *fileWriter) query(n int, q *Query) {
	if n > 0 {
		w.lines = append(w.lines, "")
	}
	for _, h := range headerLines(q.Header) {
		w.lines = append(w.lines, h.text)
	}
	w.leading(q)
	lines := layout(queryParts(q), w.comments)
	for i, l := range lines {
		w.lines = append(w.lines, strings.Repeat(" ", l.indent)+l.text)
		if i+1 < len(lines) {
			w.between(lines[i+1])
		}
	}
	next := len(w.file.Source.Text)
	if n+1 < len(w.file.Queries) {
		w.lines[len(w.lines)-1] += ";"
		next = w.file.Queries[n+1].span.Start
	}
	w.behind(q, next)
}

// leading writes the comments before a query that are not its header.
func (w *fileWriter) leading(q *Query) {
	var h Header
	for len(w.comments) > 0 && w.comments[0].Span.Start < q.span.Start {
		c := w.comments[0]
		w.comments = w.comments[1:]
		if !ownLine(w.file.Source.Text, c) || !h.take(c.Text) {
			w.lines = append(w.lines, c.Text)
		}
	}
}

// between writes the comments that stand in the source between the line just
// written and the next one: the first behind the line if it was behind code.
func (w *fileWriter) between(next part) {
	if len(w.comments) > 0 && w.comments[0].Span.Start < next.start && !ownLine(w.file.Source.Text, w.comments[0]) {
		w.trail()
	}
	w.ownLines(next.start, next.indent)
}

func (w *fileWriter) trail() {
	w.lines[len(w.lines)-1] += " " + w.comments[0].Text
	w.comments = w.comments[1:]
}

func (w *fileWriter) ownLines(before, indent int) {
	for len(w.comments) > 0 && w.comments[0].Span.Start < before {
		w.lines = append(w.lines, strings.Repeat(" ", indent)+w.comments[0].Text)
		w.comments = w.comments[1:]
	}
}

// behind writes the comments in the last line of a query, and those up to its
// semicolon, behind it. On a line of its own such a comment could become the
// header of the next query, which begins at next.
func (w *fileWriter) behind(q *Query, next int) {
	end := w.semicolon(q)
	for len(w.comments) > 0 && w.comments[0].Span.Start < next {
		c := w.comments[0]
		if c.Span.Start > end && ownLine(w.file.Source.Text, c) {
			return
		}
		w.trail()
	}
}

// semicolon gives the offset of the semicolon that ends a query, or the end of
// the query where there is none.
func (w *fileWriter) semicolon(q *Query) int {
	text, pos := w.file.Source.Text, q.span.End
	for pos < len(text) {
		switch {
		case strings.IndexByte(" \t\r\n", text[pos]) >= 0:
			pos++
		case strings.HasPrefix(text[pos:], "--"):
			i := strings.IndexByte(text[pos:], '\n')
			if i < 0 {
				return q.span.End
			}
			pos += i
		case text[pos] == ';':
			return pos
		default:
			return q.span.End
		}
	}
	return q.span.End
}
