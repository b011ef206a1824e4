package sql

import (
	"fmt"
	"slices"
	"strings"
)

// parser walks over the tokens of a text, the last of which is the end. It
// stops by panic with an *Error, which statements catches: a grammar of fifty
// rules reads better without an error at each step.
type parser struct {
	toks  []token
	at    int
	depth int
}

func (p *parser) statements(comments []Comment) (out []Statement, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			out, err = nil, e
		}
	}()
	for {
		for p.sign(";") {
		}
		if p.peek().kind == tokEnd {
			break
		}
		s := Statement{At: p.peek().at}
		s.Query = p.query()
		s.End = p.toks[p.at-1].end
		if p.peek().kind != tokEnd && !p.sign(";") {
			p.fail("this does not belong to the query: %s", p.peek().show())
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, &Error{p.peek().at, "there is no query"}
	}
	share(out, comments)
	return out, nil
}

// share gives each statement the comments before its end; what follows the
// last one is its, too.
func share(list []Statement, comments []Comment) {
	for _, c := range comments {
		i := slices.IndexFunc(list, func(s Statement) bool { return c.At < s.End })
		if i < 0 {
			i = len(list) - 1
		}
		list[i].Comments = append(list[i].Comments, c)
	}
}

func (t token) show() string {
	if t.kind == tokEnd {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

func (p *parser) peek() token { return p.toks[p.at] }

func (p *parser) ahead(n int) token { return p.toks[min(p.at+n, len(p.toks)-1)] }

func (p *parser) fail(format string, args ...any) {
	panic(&Error{p.peek().at, fmt.Sprintf(format, args...)})
}

// word takes a keyword, or several in a row.
func (p *parser) word(words ...string) bool {
	for i, w := range words {
		if t := p.ahead(i); t.kind != tokWord || t.upper != w {
			return false
		}
	}
	p.at += len(words)
	return true
}

func (p *parser) sign(s string) bool {
	if t := p.peek(); t.kind != tokSign || t.text != s {
		return false
	}
	p.at++
	return true
}

func (p *parser) need(s string) {
	if !p.sign(s) {
		p.fail("%q is missing before %s", s, p.peek().show())
	}
}

func (p *parser) needWord(w string) {
	if !p.word(w) {
		p.fail("%s is missing before %s", w, p.peek().show())
	}
}

func (p *parser) deeper() func() {
	if p.depth++; p.depth > maxDepth {
		p.fail("it is nested more than %d levels deep", maxDepth)
	}
	return func() { p.depth-- }
}

// notNames are words that end a clause, so that they are no alias without AS.
var notNames = strings.Fields("AS AND CROSS ELSE END ESCAPE EXCEPT EXISTS FROM FULL GLOB GROUP HAVING IN INNER INTERSECT IS ISNULL " +
	"JOIN LEFT LIKE LIMIT MATCH NATURAL NOT NOTNULL NULL OFFSET ON OR ORDER OUTER REGEXP RIGHT SELECT THEN UNION USING VALUES WHEN WHERE WINDOW WITH BETWEEN COLLATE CASE")

func (p *parser) isName() bool {
	t := p.peek()
	return t.kind == tokQuoted || t.kind == tokWord && !slices.Contains(notNames, t.upper)
}

func (p *parser) name(what string) string {
	if !p.isName() {
		p.fail("%s is missing before %s", what, p.peek().show())
	}
	p.at++
	return p.toks[p.at-1].text
}

// alias reads AS and a name, or the name alone.
func (p *parser) alias() string {
	if p.word("AS") {
		if p.peek().kind == tokText {
			p.at++
			return p.toks[p.at-1].text
		}
		return p.name("a name behind AS")
	}
	if p.isName() {
		return p.name("a name")
	}
	return ""
}

func (p *parser) query() *Select {
	defer p.deeper()()
	s := &Select{At: p.peek().at}
	if p.word("WITH") {
		p.word("RECURSIVE")
		for {
			s.With = append(s.With, p.cte())
			if !p.sign(",") {
				break
			}
		}
	}
	for {
		s.Cores = append(s.Cores, p.core())
		op := p.compound()
		if op == "" {
			break
		}
		s.Ops = append(s.Ops, op)
	}
	if p.word("ORDER", "BY") {
		for {
			s.Order = append(s.Order, p.order())
			if !p.sign(",") {
				break
			}
		}
	}
	if p.word("LIMIT") {
		s.Limit = p.expr()
		switch {
		case p.word("OFFSET"):
			s.Offset = p.expr()
		case p.sign(","):
			s.Offset, s.Limit = s.Limit, p.expr()
		}
	}
	return s
}

func (p *parser) cte() CTE {
	c := CTE{At: p.peek().at, Name: p.name("the name of a query")}
	if p.sign("(") {
		for {
			c.Columns = append(c.Columns, p.name("the name of a column"))
			if !p.sign(",") {
				break
			}
		}
		p.need(")")
	}
	p.needWord("AS")
	if p.word("NOT") {
		p.needWord("MATERIALIZED")
	} else {
		p.word("MATERIALIZED")
	}
	p.need("(")
	c.Query = p.query()
	p.need(")")
	return c
}

func (p *parser) compound() string {
	switch {
	case p.word("UNION", "ALL"):
		return "UNION ALL"
	case p.word("UNION"):
		return "UNION"
	case p.word("EXCEPT"):
		return "EXCEPT"
	case p.word("INTERSECT"):
		return "INTERSECT"
	}
	return ""
}

func (p *parser) order() Order {
	o := Order{Expr: p.expr()}
	if !p.word("ASC") {
		o.Desc = p.word("DESC")
	}
	if p.word("NULLS") {
		switch {
		case p.word("FIRST"):
			o.Nulls = "FIRST"
		case p.word("LAST"):
			o.Nulls = "LAST"
		default:
			p.fail("FIRST or LAST is missing before %s", p.peek().show())
		}
	}
	return o
}

func (p *parser) core() *Core {
	c := &Core{At: p.peek().at}
	if p.word("VALUES") {
		for {
			p.need("(")
			c.Values = append(c.Values, p.list())
			p.need(")")
			if !p.sign(",") {
				return c
			}
		}
	}
	if !p.word("SELECT") {
		p.fail("SELECT is missing before %s: osquery's packs hold queries alone", p.peek().show())
	}
	c.Distinct = p.word("DISTINCT")
	if !c.Distinct {
		p.word("ALL")
	}
	for {
		c.Columns = append(c.Columns, p.column())
		if !p.sign(",") {
			break
		}
	}
	if p.word("FROM") {
		c.From = p.sources()
	}
	if p.word("WHERE") {
		c.Where = p.expr()
	}
	if p.word("GROUP", "BY") {
		c.Group = p.list()
	}
	if p.word("HAVING") {
		c.Having = p.expr()
	}
	return c
}

func (p *parser) list() []Expr {
	var out []Expr
	for {
		out = append(out, p.expr())
		if !p.sign(",") {
			return out
		}
	}
}

func (p *parser) column() Column {
	c := Column{At: p.peek().at}
	if p.sign("*") {
		c.Star = true
		return c
	}
	if dot, star := p.ahead(1), p.ahead(2); p.isName() && dot.kind == tokSign && dot.text == "." && star.kind == tokSign && star.text == "*" {
		c.Star, c.Table = true, p.name("a table")
		p.at += 2
		return c
	}
	c.Expr = p.expr()
	c.Alias = p.alias()
	return c
}

// sources reads what stands behind FROM.
func (p *parser) sources() []Source {
	defer p.deeper()()
	list := p.source()
	for {
		join, natural, ok := p.join()
		if !ok {
			return list
		}
		next := p.source()
		if len(next) > 1 && join != Inner {
			p.fail("an outer join of several tables in parentheses is not read")
		}
		next[0].Join, next[0].Natural = join, natural
		last := &next[len(next)-1]
		switch {
		case p.word("ON"):
			on := p.expr()
			if last.On != nil {
				on = &Binary{At(on.Place()), "AND", last.On, on}
			}
			last.On = on
		case p.word("USING"):
			p.need("(")
			for {
				last.Using = append(last.Using, p.name("the name of a column"))
				if !p.sign(",") {
					break
				}
			}
			p.need(")")
		}
		list = append(list, next...)
	}
}

func (p *parser) join() (join Join, natural, ok bool) {
	if p.sign(",") {
		return Inner, false, true
	}
	start := p.at
	natural = p.word("NATURAL")
	switch {
	case p.word("LEFT"):
		join = Left
	case p.word("RIGHT"):
		join = Right
	case p.word("FULL"):
		join = Full
	case p.word("INNER"), p.word("CROSS"):
	}
	p.word("OUTER")
	if p.word("JOIN") {
		return join, natural, true
	}
	if p.at != start {
		p.fail("JOIN is missing before %s", p.peek().show())
	}
	return 0, false, false
}

// source reads a table or a query, or several in parentheses.
func (p *parser) source() []Source {
	s := Source{At: p.peek().at}
	if p.sign("(") {
		if t := p.peek(); t.kind == tokWord && (t.upper == "SELECT" || t.upper == "WITH" || t.upper == "VALUES") {
			s.Query = p.query()
			p.need(")")
			s.Alias = p.alias()
			return []Source{s}
		}
		list := p.sources()
		p.need(")")
		return list
	}
	s.Table = strings.ToLower(p.name("the name of a table"))
	if p.sign(".") {
		s.Table = strings.ToLower(p.name("the name of a table"))
	}
	s.Alias = p.alias()
	if p.word("NOT", "INDEXED") || p.word("INDEXED") {
		p.fail("INDEXED says how SQLite looks, which means nothing here")
	}
	return []Source{s}
}
