package sql

import "strings"

// The operators, from those that bind least. SQLite has = and LIKE on one
// level, below < and >.
func (p *parser) expr() Expr {
	defer p.deeper()()
	return p.or()
}

func (p *parser) or() Expr {
	x := p.and()
	for p.word("OR") {
		x = &Binary{At(x.Place()), "OR", x, p.and()}
	}
	return x
}

func (p *parser) and() Expr {
	x := p.not()
	for p.word("AND") {
		x = &Binary{At(x.Place()), "AND", x, p.not()}
	}
	return x
}

func (p *parser) not() Expr {
	t := p.peek()
	if t.kind == tokWord && t.upper == "NOT" && p.ahead(1).upper != "EXISTS" {
		defer p.deeper()()
		p.at++
		return &Unary{At(t.at), "NOT", p.not()}
	}
	return p.equality()
}

func (p *parser) equality() Expr {
	x := p.relation()
	for {
		next := p.predicate(x)
		if next == nil {
			return x
		}
		x = next
	}
}

// predicate reads one operator of the level of = and what stands behind it.
func (p *parser) predicate(x Expr) Expr {
	at := At(x.Place())
	switch {
	case p.sign("="), p.sign("=="):
		return &Binary{at, "=", x, p.relation()}
	case p.sign("!="), p.sign("<>"):
		return &Binary{at, "!=", x, p.relation()}
	case p.word("IS", "NOT", "NULL"), p.word("NOTNULL"), p.word("NOT", "NULL"):
		return &IsNull{at, true, x}
	case p.word("IS", "NULL"), p.word("ISNULL"):
		return &IsNull{at, false, x}
	case p.word("IS", "NOT", "DISTINCT", "FROM"):
		return &Binary{at, "IS", x, p.relation()}
	case p.word("IS", "DISTINCT", "FROM"), p.word("IS", "NOT"):
		return &Binary{at, "IS NOT", x, p.relation()}
	case p.word("IS"):
		return &Binary{at, "IS", x, p.relation()}
	}
	start := p.at
	not := p.word("NOT")
	switch {
	case p.word("LIKE"):
		return p.match("LIKE", not, x)
	case p.word("GLOB"):
		return p.match("GLOB", not, x)
	case p.word("REGEXP"):
		return p.match("REGEXP", not, x)
	case p.word("MATCH"):
		return p.match("MATCH", not, x)
	case p.word("BETWEEN"):
		low := p.relation()
		p.needWord("AND")
		return &Between{at, not, x, low, p.relation()}
	case p.word("IN"):
		return p.in(not, x)
	}
	p.at = start
	return nil
}

func (p *parser) match(op string, not bool, x Expr) Expr {
	m := &Match{At: At(x.Place()), Op: op, Not: not, X: x, Y: p.relation()}
	if p.word("ESCAPE") {
		m.Escape = p.relation()
	}
	return m
}

func (p *parser) in(not bool, x Expr) Expr {
	e := &In{At: At(x.Place()), Not: not, X: x}
	if !p.sign("(") {
		e.Table = strings.ToLower(p.name("a list in parentheses"))
		return e
	}
	switch t := p.peek(); {
	case t.kind == tokWord && (t.upper == "SELECT" || t.upper == "WITH" || t.upper == "VALUES"):
		e.Query = p.query()
	case t.kind == tokSign && t.text == ")":
	default:
		for {
			e.List = append(e.List, p.expr())
			// A comma before the closing parenthesis is an error in SQLite,
			// too, and is said here where it stands.
			if !p.sign(",") {
				break
			}
		}
	}
	p.need(")")
	return e
}

// levels are the operators of arithmetic and order, from those that bind
// least.
var levels = [...][]string{
	{"<", "<=", ">", ">="},
	{"&", "|", "<<", ">>"},
	{"+", "-"},
	{"*", "/", "%"},
	{"||", "->", "->>"},
}

func (p *parser) relation() Expr { return p.level(0) }

func (p *parser) level(n int) Expr {
	if n == len(levels) {
		return p.unary()
	}
	x := p.level(n + 1)
	for {
		op := ""
		for _, s := range levels[n] {
			if p.sign(s) {
				op = s
				break
			}
		}
		if op == "" {
			return x
		}
		x = &Binary{At(x.Place()), op, x, p.level(n + 1)}
	}
}

func (p *parser) unary() Expr {
	t := p.peek()
	for _, s := range [...]string{"-", "+", "~"} {
		if p.sign(s) {
			defer p.deeper()()
			return &Unary{At(t.at), s, p.unary()}
		}
	}
	x := p.primary()
	for p.word("COLLATE") {
		x = &Collate{At(x.Place()), x, strings.ToUpper(p.name("the name of a collation"))}
	}
	return x
}

func (p *parser) primary() Expr {
	t := p.peek()
	at := At(t.at)
	switch t.kind {
	case tokText:
		p.at++
		return &Literal{at, Text, t.text}
	case tokNumber:
		p.at++
		return &Literal{at, Number, t.text}
	case tokBlob:
		p.at++
		return &Literal{at, Blob, t.text}
	case tokQuoted:
		return p.reference()
	case tokWord:
		return p.worded()
	}
	if p.sign("(") {
		return p.grouped(at)
	}
	p.fail("a value is missing before %s", t.show())
	return nil
}

// worded reads what begins with a word.
func (p *parser) worded() Expr {
	t := p.peek()
	at := At(t.at)
	next := p.ahead(1)
	call := next.kind == tokSign && next.text == "("
	switch {
	case p.word("NULL"):
		return &Literal{at, Null, ""}
	case !call && (p.word("TRUE") || p.word("FALSE")):
		return &Literal{at, Bool, t.upper}
	case p.word("CASE"):
		return p.cases(at)
	case p.word("CAST"):
		return p.cast(at)
	case p.word("NOT", "EXISTS"):
		return &Unary{at, "NOT", p.exists(at)}
	case p.word("EXISTS"):
		return p.exists(at)
	case p.word("CURRENT_TIMESTAMP"), p.word("CURRENT_DATE"), p.word("CURRENT_TIME"):
		return &Call{At: at, Name: strings.ToLower(t.text)}
	case call:
		p.at += 2
		return p.call(at, strings.ToLower(t.text))
	}
	return p.reference()
}

func (p *parser) exists(at At) Expr {
	p.need("(")
	e := &Exists{at, p.query()}
	p.need(")")
	return e
}

func (p *parser) reference() Expr {
	t := p.peek()
	n := &Name{At: At(t.at), Name: t.text, Quoted: t.kind == tokQuoted}
	switch t.upper {
	case "MATCH", "LIKE", "GLOB", "REGEXP", "OFFSET", "WINDOW", "CROSS", "FULL": // columns may be called so, and no operator stands here
		p.at++
	default:
		p.name("a value")
	}
	for range 2 {
		if !p.sign(".") {
			break
		}
		n.Table, n.Quoted = n.Name, false
		if t := p.peek(); t.kind == tokWord {
			p.at++ // behind a dot any word is a name
			n.Name = t.text
		} else {
			n.Name = p.name("the name of a column")
		}
	}
	return n
}

func (p *parser) grouped(at At) Expr {
	if t := p.peek(); t.kind == tokWord && (t.upper == "SELECT" || t.upper == "WITH" || t.upper == "VALUES") {
		e := &Scalar{at, p.query()}
		p.need(")")
		return e
	}
	list := p.list()
	p.need(")")
	if len(list) > 1 {
		return &Row{at, list}
	}
	return list[0]
}

func (p *parser) call(at At, name string) Expr {
	c := &Call{At: at, Name: name}
	switch {
	case p.sign("*"):
		c.Star = true
	case p.peek().kind == tokSign && p.peek().text == ")":
	default:
		c.Distinct = p.word("DISTINCT")
		c.Args = p.list()
	}
	p.need(")")
	if p.word("FILTER") {
		p.need("(")
		p.needWord("WHERE")
		c.Filter = p.expr()
		p.need(")")
	}
	if p.word("OVER") {
		p.fail("window functions are not read")
	}
	return c
}

func (p *parser) cases(at At) Expr {
	defer p.deeper()()
	c := &Case{At: at}
	if t := p.peek(); t.upper != "WHEN" {
		c.Operand = p.expr()
	}
	for p.word("WHEN") {
		w := When{If: p.expr()}
		p.needWord("THEN")
		w.Then = p.expr()
		c.Whens = append(c.Whens, w)
	}
	if len(c.Whens) == 0 {
		p.fail("WHEN is missing before %s", p.peek().show())
	}
	if p.word("ELSE") {
		c.Else = p.expr()
	}
	p.needWord("END")
	return c
}

func (p *parser) cast(at At) Expr {
	p.need("(")
	c := &Cast{At: at, X: p.expr()}
	p.needWord("AS")
	var words []string
	for p.isName() {
		words = append(words, strings.ToUpper(p.name("a type")))
	}
	c.Type = strings.Join(words, " ")
	if p.sign("(") {
		p.list()
		p.need(")")
	}
	p.need(")")
	return c
}
