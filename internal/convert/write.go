package convert

import (
	"fmt"
	"strconv"
	"strings"
)

// Query gives the result as the text of a query file. What became of each
// rule stands before it as a comment, also of those that no query stands for.
func (r *Result) Query(source string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- made from %s (%s)\n", oneLine(source), r.Format)
	writeNotes(&b, r.Notes, 0)
	for _, x := range r.Rules {
		b.WriteByte('\n')
		x.write(&b)
	}
	return b.String()
}

func (r *Rule) write(b *strings.Builder) {
	if r.Outcome == Not {
		fmt.Fprintf(b, "-- not carried over: %s\n", oneLine(r.Name))
		writeNotes(b, r.Notes, r.MoreNotes)
		return
	}
	for i, q := range r.Queries {
		r.header(b, i)
		b.WriteString(q + ";\n")
	}
}

// header writes what a rule says of itself before its i-th query, and what
// stands in no header before the first.
func (r *Rule) header(b *strings.Builder, i int) {
	if i == 0 {
		for _, c := range r.Comments {
			b.WriteString("-- " + oneLine(c) + "\n")
		}
		if r.Outcome == Partly {
			b.WriteString("-- carried over in part:\n")
		}
		writeNotes(b, r.Notes, r.MoreNotes)
	}
	name := r.Name
	if len(r.Queries) > 1 {
		name += " (" + strconv.Itoa(i+1) + " of " + strconv.Itoa(len(r.Queries)) + ")"
	}
	for _, h := range [...]struct{ key, text string }{
		{"name", name}, {"description", r.Description}, {"severity", r.Severity},
		{"reference", r.Reference}, {"tags", strings.Join(r.Tags, ", ")},
	} {
		if text := oneLine(h.text); text != "" {
			fmt.Fprintf(b, "-- %s: %s\n", h.key, text)
		}
	}
}

func writeNotes(b *strings.Builder, notes []Note, more int) {
	for _, n := range notes {
		b.WriteString("--   ")
		if n.Line > 0 {
			fmt.Fprintf(b, "line %d: ", n.Line)
		}
		b.WriteString(oneLine(n.Message) + "\n")
	}
	if more > 0 {
		fmt.Fprintf(b, "--   and %d more\n", more)
	}
}

// oneLine makes a text fit for a comment: no line of a source becomes a line
// of a query.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(c rune) bool {
		return c <= ' ' || c == 0x7f || c == 0x85 || c == 0x2028 || c == 0x2029
	}), " ")
}
