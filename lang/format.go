package lang

import (
	"slices"
	"strings"
)

// lineWidth is how many columns a query may take before its clauses go on
// lines of their own.
const lineWidth = 80

// indentWidth is how far a clause of a FIND stands to the right of it, and a
// condition to the right of its WHERE.
const indentWidth = 2

// Format writes a tree in its one canonical form: keywords in capitals, text in
// quotes, one blank between words, one clause a line where a line would be too
// long. Formatting the result again changes nothing, and parsing it gives the
// same tree but for the spans, for Bare on anything but a locator, and for
// parentheses that a tree made by hand needed and did not have.
//
// A *File keeps its comments and ends with a newline; of anything else only the
// node itself is written, a *Query with its header.
func Format(n Node) string {
	switch n := n.(type) {
	case *File:
		return formatFile(n)
	case *Query:
		return joinLines(append(headerLines(n.Header), layout(queryParts(n), nil)...))
	case *Find:
		return joinLines(layout(findParts(n, 0), nil))
	case Expr:
		return formatExpr(n, precOr)
	}
	return formatPiece(n)
}

// formatPiece writes the nodes that are neither queries nor expressions.
func formatPiece(n Node) string {
	switch n := n.(type) {
	case *Param:
		return paramText(n)
	case *Let:
		return "LET " + n.Name.Name + " = " + formatExpr(n.Value, precSum)
	case *From:
		return oneLine(fromParts(n))
	case *Scan:
		return scanText(n)
	case *Return:
		return returnText(n)
	case *Item:
		return itemText(n)
	case *OrderItem:
		return orderText(n)
	case *Setting:
		return n.Name.Name + " = " + formatExpr(n.Value, precSum)
	case Ident:
		return n.Name
	case *Ident:
		return n.Name
	}
	return ""
}

// A part is a clause, or a condition of one: what stays together on a line.
type part struct {
	indent int
	text   string
	start  int    // where it begins in the source, which places the comments
	glued  bool   // stays on the line of the part before if there is room
	more   []part // the further conditions of a WHERE
}

// whole gives the part with all its conditions.
func (p part) whole() string {
	texts := []string{p.text}
	for _, m := range p.more {
		texts = append(texts, m.text)
	}
	return strings.Join(texts, " ")
}

// last gives the offset of the last thing that may get a line of its own.
func (p part) last() int {
	if n := len(p.more); n > 0 {
		return p.more[n-1].start
	}
	return p.start
}

func oneLine(parts []part) string {
	var texts []string
	for _, p := range parts {
		texts = append(texts, p.whole())
	}
	return strings.Join(texts, " ")
}

// layout puts the parts on lines: on one if they fit and no comment stands
// between them, else on one each.
func layout(parts []part, comments []Comment) []part {
	first, last := parts[0], parts[len(parts)-1]
	if text := oneLine(parts); columns(text) <= lineWidth && !commentIn(comments, first.start, last.last()) {
		return []part{{text: text, start: first.start}}
	}
	var lines []part
	for _, p := range parts {
		if n := len(lines); p.glued && n > 0 {
			joined := lines[n-1].text + " " + p.whole()
			if columns(joined) <= lineWidth && !commentIn(comments, lines[n-1].start, p.last()) {
				lines[n-1].text = joined
				continue
			}
		}
		if columns(p.whole())+p.indent <= lineWidth && !commentIn(comments, p.start, p.last()) {
			lines = append(lines, part{indent: p.indent, text: p.whole(), start: p.start})
			continue
		}
		lines = append(append(lines, p), p.more...)
	}
	return lines
}

func commentIn(comments []Comment, from, to int) bool {
	for _, c := range comments {
		if c.Span.Start > from && c.Span.Start < to {
			return true
		}
	}
	return false
}

func joinLines(lines []part) string {
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = strings.Repeat(" ", l.indent) + l.text
	}
	return strings.Join(texts, "\n")
}

func headerLines(h Header) []part {
	var lines []part
	add := func(key, text string) {
		if text != "" {
			lines = append(lines, part{text: "-- " + key + ": " + visible(text)})
		}
	}
	add("name", h.Name)
	add("description", h.Description)
	add("severity", h.Severity)
	add("reference", h.Reference)
	add("tags", strings.Join(h.Tags, ", "))
	return lines
}

func queryParts(q *Query) []part {
	var parts []part
	if q.Explain {
		text := "EXPLAIN"
		if q.Analyze {
			text = "EXPLAIN ANALYZE"
		}
		parts = append(parts, part{text: text, start: q.span.Start})
	}
	for _, p := range q.Params {
		parts = append(parts, part{text: paramText(p), start: p.span.Start})
	}
	for _, l := range q.Lets {
		parts = append(parts, part{text: formatPiece(l), start: l.span.Start})
	}
	if q.From != nil {
		parts = append(parts, fromParts(q.From)...)
	}
	for i, f := range q.Finds {
		parts = append(parts, findParts(f, i)...)
	}
	if q.Every != nil {
		parts = append(parts, part{text: "EVERY " + formatExpr(q.Every, precSum), start: q.Every.Span().Start})
	}
	if len(q.With) > 0 {
		parts = append(parts, part{text: "WITH " + commaed(q.With, func(s *Setting) string { return formatPiece(s) }), start: q.With[0].span.Start})
	}
	return parts
}

func paramText(p *Param) string {
	text := "PARAM " + p.Name.Name + " " + p.Type.Name
	if p.Default != nil {
		text += " = " + formatExpr(p.Default, precSum)
	}
	return text
}

func fromParts(f *From) []part {
	text := "FROM " + f.Source.Name
	args := commaed(f.Args, func(e Expr) string { return formatExpr(e, precSum) })
	switch {
	case len(f.Args) == 0:
	case f.Source.Name == "host" && !strings.HasPrefix(args, "("):
		text += " " + args
	default:
		text += "(" + args + ")"
	}
	parts := []part{{text: text, start: f.span.Start}}
	if f.Where != nil {
		where := condition("WHERE ", f.Where, indentWidth)
		where.glued = true
		parts = append(parts, where)
	}
	return parts
}

// findParts gives the parts of the FIND that is the n-th of its query.
func findParts(f *Find, n int) []part {
	head := "FIND "
	if f.Watch {
		head = "WATCH "
	}
	if f.Not {
		head += "NOT "
	}
	switch {
	case n > 0 && f.Or:
		head = "OR " + head
	case n > 0:
		head = "AND " + head
	}
	parts := []part{{text: head + commaed(f.Scans, scanText), start: f.span.Start}}
	clause := func(text string, start int) {
		parts = append(parts, part{indent: indentWidth, text: text, start: start})
	}
	if f.Where != nil {
		word := "WHERE "
		if beginsWithTest(f.Where) {
			word = ""
		}
		parts = append(parts, condition(word, f.Where, indentWidth))
	}
	if f.Return != nil {
		clause(returnText(f.Return), f.Return.span.Start)
	}
	if len(f.Stack) > 0 {
		clause(stackText(f.Stack), f.Stack[0].span.Start)
	}
	if len(f.Group) > 0 {
		clause("GROUP BY "+exprList(f.Group), f.Group[0].Span().Start)
	}
	if f.Having != nil {
		parts = append(parts, condition("HAVING ", f.Having, indentWidth))
	}
	if len(f.Order) > 0 {
		clause("ORDER BY "+commaed(f.Order, orderText), f.Order[0].span.Start)
	}
	if f.Limit != nil {
		clause(limitText(f), f.Limit.Span().Start)
	}
	return parts
}

// stackText leaves BY out unless a column has that name.
func stackText(items []*Item) string {
	text := commaed(items, itemText)
	if strings.EqualFold(readName(text), "BY") {
		return "STACK BY " + text
	}
	return "STACK " + text
}

func limitText(f *Find) string {
	text := "LIMIT " + formatExpr(f.Limit, precSum)
	if f.PerHost {
		text += " PER HOST"
	}
	return text
}

// condition gives a condition as a part of its clause, cut at its outermost
// AND or OR.
func condition(word string, e Expr, indent int) part {
	b, ok := e.(*Binary)
	if !ok || b.Op != OpAnd && b.Op != OpOr {
		return part{indent: indent, text: word + formatExpr(e, precOr), start: e.Span().Start}
	}
	op := b.Op
	var more []part
	for ok && b.Op == op {
		more = append(more, part{
			indent: indent + indentWidth, text: op.String() + " " + formatExpr(b.Y, precOf(b)+1), start: b.OpSpan.Start,
		})
		e = b.X
		b, ok = e.(*Binary)
	}
	slices.Reverse(more)
	prec := precAnd
	if op == OpOr {
		prec = precOr
	}
	return part{indent: indent, text: word + formatExpr(e, prec), start: e.Span().Start, more: more}
}

// beginsWithTest reports whether WHERE may be left out before the condition.
func beginsWithTest(e Expr) bool {
	var left Expr
	switch e := e.(type) {
	case *Binary:
		return precOf(e.X) >= precOf(e) && beginsWithTest(e.X)
	case *Compare:
		left = e.X
		if left == nil {
			return true
		}
	case *In:
		left = e.X
	case *Between:
		left = e.X
	}
	_, isLine := left.(*Line)
	return isLine
}

func scanText(s *Scan) string {
	text := s.Module.Name
	if len(s.Locators) > 0 {
		text += " " + commaed(s.Locators, locatorText)
	}
	if s.Alias != nil && (s.As || strings.EqualFold(pairOf(strings.ToUpper(s.Module.Name)), s.Alias.Name)) {
		return text + " AS " + s.Alias.Name
	}
	if s.Alias != nil {
		text += " " + s.Alias.Name
	}
	return text
}

func returnText(r *Return) string {
	if r.Distinct {
		return "RETURN DISTINCT " + commaed(r.Items, itemText)
	}
	return "RETURN " + commaed(r.Items, itemText)
}

func itemText(i *Item) string {
	if i.Name == nil {
		return formatExpr(i.Expr, precOr)
	}
	return formatExpr(i.Expr, precOr) + " AS " + i.Name.Name
}

func orderText(o *OrderItem) string {
	if o.Desc {
		return formatExpr(o.Expr, precOr) + " DESC"
	}
	return formatExpr(o.Expr, precOr)
}

func exprList(es []Expr) string {
	return commaed(es, func(e Expr) string { return formatExpr(e, precOr) })
}

func commaed[T any](items []T, text func(T) string) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = text(item)
	}
	return strings.Join(texts, ", ")
}
