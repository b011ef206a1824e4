package osquery

import (
	"slices"
	"strings"
)

// A query is a query that is being made, in the parts that it is written of.
type query struct {
	scans    []scan
	conds    []cond
	distinct bool
	items    []item
	group    []string
	having   []cond
	order    []string
	limit    string
	follow   bool // WITH follow_links = on
	not      bool // FIND NOT
	more     []*query
	block    *block
	or       bool // the others are joined by OR
}

// A scan is a module, where it is to look, and what it is called.
type scan struct {
	module, alias string
	places        []string
}

// An item is what is returned.
type item struct{ expr, name string }

// precedence of operators, from those that bind least.
const (
	precOr = iota + 1
	precAnd
	precNot
	precCompare
	precSum
	precProduct
	precAtom
)

// A cond is a condition in the language, with its precedence. The zero cond
// is always true.
type cond struct {
	text string
	prec int
}

func (c cond) always() bool { return c.text == "" }

// never is a condition that is never true.
var never = "false"

func compared(text string) cond { return cond{text, precCompare} }

// in gives the text for a place where operators of a precedence stand.
func (c cond) in(prec int) string {
	if c.prec < prec {
		return "(" + c.text + ")"
	}
	return c.text
}

// all joins conditions by AND; those that are always true, and doubles, fall
// out, and so does what others say already.
func all(list ...cond) cond {
	var said []string // what is not null by another condition
	for _, c := range list {
		for _, end := range [...]string{" IS NOT NULL", " IS NOT MISSING"} {
			if x, ok := strings.CutSuffix(c.text, end); ok && c.prec == precCompare {
				said = append(said, x)
			}
		}
	}
	list = slices.Clone(list)
	for i, c := range list {
		for _, x := range said {
			if rest, ok := strings.CutPrefix(c.text, x+" IS NULL OR "); ok && c.prec == precOr {
				list[i] = parsed(rest)
			}
			if c.text == x+" IS NOT NULL" && slices.ContainsFunc(list, func(o cond) bool { return o.text == x+" IS NOT MISSING" }) {
				list[i] = cond{}
			}
		}
	}
	return joined(list, precAnd, " AND ")
}

// some joins conditions by OR.
func some(list ...cond) cond {
	for _, c := range list {
		if c.always() {
			return cond{}
		}
	}
	list = slices.DeleteFunc(slices.Clone(list), func(c cond) bool { return c.text == never })
	if len(list) == 0 {
		return cond{never, precAtom}
	}
	return joined(list, precOr, " OR ")
}

func joined(list []cond, prec int, op string) cond {
	var parts []string
	var only cond
	for _, c := range list {
		if text := c.in(prec); !c.always() && !slices.Contains(parts, text) {
			parts, only = append(parts, text), c
		}
	}
	switch len(parts) {
	case 0:
		return cond{}
	case 1:
		return only
	}
	return cond{strings.Join(parts, op), prec}
}

// not turns a condition around that is never null.
func (c cond) negated() cond {
	switch {
	case c.always():
		return cond{never, precAtom}
	case c.text == never:
		return cond{}
	}
	return cond{"NOT " + c.in(precNot+1), precNot}
}

// String writes the query.
func (q *query) String() string { return q.written("") }

// written writes the query with how often it is asked.
func (q *query) written(every string) string {
	var b strings.Builder
	q.find(&b)
	for _, m := range q.more {
		op := "\nAND "
		if q.or {
			op = "\nOR "
		}
		b.WriteString(op)
		m.find(&b)
	}
	follow := q.follow
	for _, m := range q.more {
		follow = follow || m.follow
	}
	if every != "" {
		b.WriteString("\nEVERY " + every)
	}
	if follow {
		b.WriteString("\nWITH follow_links = on")
	}
	return b.String()
}

func (q *query) find(b *strings.Builder) {
	b.WriteString("FIND ")
	if q.not {
		b.WriteString("NOT ")
	}
	for i, s := range q.scans {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s.module)
		for j, p := range s.places {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString(" " + place(p))
		}
		if s.alias != "" && s.alias != s.module {
			b.WriteString(" AS " + s.alias)
		}
	}
	if where := all(q.conds...); !where.always() {
		b.WriteString(" WHERE " + where.text)
	}
	if len(q.items) > 0 {
		b.WriteString(" RETURN ")
		if q.distinct {
			b.WriteString("DISTINCT ")
		}
		for i, it := range q.items {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(it.expr)
			if it.name != "" {
				b.WriteString(" AS " + it.name)
			}
		}
	}
	list := func(word string, parts []string) {
		if len(parts) > 0 {
			b.WriteString(" " + word + " " + strings.Join(parts, ", "))
		}
	}
	list("GROUP BY", q.group)
	if having := all(q.having...); !having.always() {
		b.WriteString(" HAVING " + having.text)
	}
	list("ORDER BY", q.order)
	if q.limit != "" {
		b.WriteString(" LIMIT " + q.limit)
	}
}

// sub writes the query for the right side of IN.
func (q *query) sub() string { return "(" + strings.ReplaceAll(q.String(), "\n", " ") + ")" }

// plain says whether two queries that differ in their conditions alone can be
// one.
func (q *query) plain() bool {
	return len(q.group) == 0 && len(q.having) == 0 && q.limit == "" && len(q.more) == 0 && len(q.order) == 0
}

// union puts another query's rows beside, in one query where that can be.
func (q *query) union(o *query) bool {
	same := q.plain() && o.plain() && len(q.scans) == len(o.scans) && slices.Equal(q.items, o.items) && q.follow == o.follow
	if !same {
		return false
	}
	differ := 0
	for i, s := range q.scans {
		if s.module != o.scans[i].module || s.alias != o.scans[i].alias {
			return false
		}
		if !slices.Equal(s.places, o.scans[i].places) {
			differ++
		}
	}
	mine, its := all(q.conds...), all(o.conds...)
	switch {
	case differ == 0:
		q.conds = []cond{some(mine, its)}
		return true
	case len(q.scans) == 1 && mine == its && len(q.scans[0].places) > 0 && len(o.scans[0].places) > 0:
		for _, p := range o.scans[0].places {
			if !slices.Contains(q.scans[0].places, p) {
				q.scans[0].places = append(q.scans[0].places, p)
			}
		}
		return true
	}
	return false
}
