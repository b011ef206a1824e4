package yara

import (
	"strings"
)

// levels are the operators that bind alike, from the loosest.
var levels = [...][]string{
	{"==", "!=", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "iequals", "matches"},
	{"<", "<=", ">", ">="},
	{"|"},
	{"^"},
	{"&"},
	{"<<", ">>"},
	{"+", "-"},
	{"*", `\`, "%"},
}

// arithmetic is the first level above comparisons.
const arithmetic = 2

// enter counts how deep the parser is.
func (p *parser) enter() bool {
	if p.depth++; p.depth > maxNest {
		p.fail(p.tok.span, "the condition stands more than %d deep in parentheses", maxNest)
	}
	return !p.bad
}

// count counts the operators of a condition.
func (p *parser) count() {
	if p.ops++; p.ops > maxOperators {
		p.fail(p.tok.span, "the condition has more than %d operators and names", maxOperators)
	}
}

// operator takes an operator, and counts it.
func (p *parser) operator() token {
	p.count()
	return p.advance()
}

// expression reads a condition: what binds loosest is "or".
func (p *parser) expression() node {
	if !p.enter() {
		return &literalNode{span: p.tok.span}
	}
	defer func() { p.depth-- }()
	x := p.conjunction()
	for p.tok.is("or") {
		p.operator()
		y := p.conjunction()
		x = &binaryNode{span: x.where().to(y.where()), op: "or", x: x, y: y}
	}
	return x
}

func (p *parser) conjunction() node {
	x := p.negation()
	for p.tok.is("and") {
		p.operator()
		y := p.negation()
		x = &binaryNode{span: x.where().to(y.where()), op: "and", x: x, y: y}
	}
	return x
}

func (p *parser) negation() node {
	if p.tok.is("not") || p.tok.is("defined") {
		if !p.enter() {
			return &literalNode{span: p.tok.span}
		}
		defer func() { p.depth-- }()
		op := p.operator()
		x := p.negation()
		return &unaryNode{span: op.to(x.where()), op: op.text, of: x}
	}
	return p.level(0)
}

// level reads the operators of a level, and of those that bind tighter.
func (p *parser) level(n int) node {
	if n == len(levels) {
		return p.unary()
	}
	x := p.level(n + 1)
	if n == arithmetic {
		x = p.maybeOf(x)
	}
	for p.isOperator(levels[n]) {
		op := p.operator()
		y := p.level(n + 1)
		x = &binaryNode{span: x.where().to(y.where()), op: op.text, x: x, y: y}
	}
	if n == arithmetic {
		x = p.maybeOf(x)
	}
	return x
}

func (p *parser) isOperator(ops []string) bool {
	if p.tok.kind != tokSign && p.tok.kind != tokWord {
		return false
	}
	for _, op := range ops {
		if p.tok.text == op {
			return op != "%" || !p.peek().is("of")
		}
	}
	return false
}

func (p *parser) unary() node {
	if p.tok.is("-") || p.tok.is("~") {
		if !p.enter() {
			return &literalNode{span: p.tok.span}
		}
		defer func() { p.depth-- }()
		op := p.operator()
		x := p.unary()
		return &unaryNode{span: op.to(x.where()), op: op.text, of: x}
	}
	return p.postfix(p.primary())
}

// postfix reads fields, indexes and calls behind a name.
func (p *parser) postfix(x node) node {
	for !p.bad {
		switch x.(type) {
		case *nameNode, *fieldNode, *indexNode, *callNode:
		default:
			return x
		}
		switch {
		case p.tok.is("."):
			p.operator()
			name := p.tok
			if name.kind != tokWord {
				p.fail(name.span, "the name of a field is missing: here is %s", name)
				return x
			}
			p.advance()
			x = &fieldNode{span: x.where().to(name.span), of: x, name: name.text}
		case p.tok.is("["):
			p.operator()
			index := p.expression()
			end := p.expect("]", "must close the index")
			x = &indexNode{span: x.where().to(end.span), of: x, index: index}
		case p.tok.is("("):
			p.operator()
			args := p.list(")")
			end := p.expect(")", "must close the arguments")
			x = &callNode{span: x.where().to(end.span), of: x, args: args}
		default:
			return x
		}
	}
	return x
}

// list reads expressions between commas, up to a sign.
func (p *parser) list(end string) []node {
	var out []node
	for !p.bad && !p.tok.is(end) {
		out = append(out, p.expression())
		if !p.accept(",") {
			break
		}
		p.count()
	}
	return out
}

func (p *parser) primary() node {
	t := p.tok
	switch {
	case t.kind == tokInt, t.kind == tokFloat, t.kind == tokText:
		p.advance()
		return &literalNode{span: t.span, val: t.val}
	case t.kind == tokString:
		return p.stringUse()
	case t.is("("):
		p.advance()
		x := p.expression()
		p.expect(")", "must close the parenthesis")
		return x
	case t.is("true"), t.is("false"):
		p.advance()
		return &literalNode{span: t.span, val: Boolean(t.text == "true")}
	case t.is("/"):
		text, letters, msg := p.lex.slashes(t.start)
		if msg != "" {
			p.fail(t.span, "%s", msg)
			return &literalNode{span: t.span}
		}
		t.end = p.lex.pos
		p.advance()
		return &regexNode{span: t.span, text: text, flag: flagsOf(letters)}
	case t.is("for"):
		return p.loop()
	case t.is("all"), t.is("any"), t.is("none"):
		p.advance()
		return p.of(quantNode{span: t.span, word: t.text})
	case t.is("filesize"), t.is("entrypoint"), isReader(t):
		p.advance()
		return &nameNode{span: t.span, name: t.text}
	case t.kind == tokWord && !isKeyword(t.text):
		p.advance()
		return &nameNode{span: t.span, name: t.text}
	}
	p.fail(t.span, "the condition cannot go on with %s", t)
	return &literalNode{span: t.span}
}

func isReader(t token) bool {
	_, found := readers[t.text]
	return found && t.kind == tokWord
}

// stringUse reads $a, $a at x, $a in (x..y), #a, #a in (x..y), @a[i], !a[i].
func (p *parser) stringUse() node {
	t := p.advance()
	s := &stringUse{span: t.span, sign: t.text[0], name: "$" + t.text[1:]}
	if strings.HasSuffix(t.text, "*") {
		p.fail(t.span, "%s stands for several strings: only \"of\" takes them, in parentheses", t.text)
		return s
	}
	switch {
	case (s.sign == '@' || s.sign == '!') && p.tok.is("["):
		p.operator()
		s.index = p.expression()
		s.span = s.to(p.expect("]", "must close the index").span)
	case s.sign == '$' && p.tok.is("at"):
		p.operator()
		s.at = p.level(arithmetic)
		s.span = s.to(s.at.where())
	case (s.sign == '$' || s.sign == '#') && p.tok.is("in"):
		p.operator()
		s.lo, s.hi, s.span = p.bounds(s.span)
	}
	return s
}

// bounds reads (lo..hi).
func (p *parser) bounds(from span) (lo, hi node, at span) {
	p.expect("(", "must begin the range")
	lo = p.level(arithmetic)
	p.expect("..", "must stand between the ends of the range")
	hi = p.level(arithmetic)
	return lo, hi, from.to(p.expect(")", "must close the range").span)
}

// maybeOf makes a number that stands before "of" its quantifier.
func (p *parser) maybeOf(x node) node {
	switch {
	case p.tok.is("of"):
		return p.of(quantNode{span: x.where(), n: x})
	case p.tok.is("%") && p.peek().is("of"):
		p.advance()
		return p.of(quantNode{span: x.where(), n: x, percent: true})
	}
	return x
}

func (p *parser) of(q quantNode) node {
	p.count()
	p.expect("of", "must follow")
	o := &ofNode{span: q.span, q: q, set: p.set()}
	o.span = o.to(o.set.span)
	switch {
	case p.accept("at"):
		o.at = p.level(arithmetic)
	case p.accept("in"):
		o.lo, o.hi, o.span = p.bounds(o.span)
	}
	return o
}

// set reads them, or names in parentheses.
func (p *parser) set() setNode {
	if p.tok.is("them") {
		t := p.advance()
		return setNode{span: t.span, them: true}
	}
	open := p.expect("(", "or them must follow of")
	s := setNode{span: open.span}
	for !p.bad {
		t := p.tok
		if t.kind == tokWord && !isKeyword(t.text) {
			p.advance()
			if p.tok.is("*") && p.tok.start == t.end {
				t.text += "*"
				t.end = p.advance().end
			}
		} else if t.kind == tokString && t.text[0] == '$' {
			p.advance()
		} else {
			p.fail(t.span, "the name of a string or of a rule is missing: here is %s", t)
		}
		s.items = append(s.items, t)
		p.count()
		if !p.accept(",") {
			break
		}
	}
	s.span = s.to(p.expect(")", "must close the set").span)
	return s
}

// loop reads for q of set : (body) and for q vars in iter : (body).
func (p *parser) loop() node {
	begin := p.operator()
	var q quantNode
	if t := p.tok; t.is("all") || t.is("any") || t.is("none") {
		p.advance()
		q = quantNode{span: t.span, word: t.text}
	} else {
		q.n = p.level(arithmetic + 1)
		q.span = q.n.where()
		if p.accept("%") {
			q.percent = true
		}
	}
	if p.accept("of") {
		f := &forOfNode{q: q, set: p.set()}
		f.body, f.span = p.body(begin.span)
		return f
	}
	f := &forInNode{q: q}
	for {
		f.vars = append(f.vars, p.name("the name of a variable"))
		if !p.accept(",") {
			break
		}
	}
	p.expect("in", "must follow the variables")
	f.iter = p.iterated()
	f.body, f.span = p.body(begin.span)
	return f
}

func (p *parser) body(begin span) (node, span) {
	p.expect(":", "must follow")
	p.expect("(", "must begin what is asked of each")
	body := p.expression()
	return body, begin.to(p.expect(")", "must close what is asked of each").span)
}

// iterated reads what a loop goes over.
func (p *parser) iterated() iterNode {
	if !p.tok.is("(") {
		x := p.postfix(p.primary())
		return iterNode{span: x.where(), of: x}
	}
	open := p.advance()
	it := iterNode{span: open.span}
	first := p.level(arithmetic)
	if p.accept("..") {
		it.lo, it.hi = first, p.level(arithmetic)
	} else {
		it.list = []node{first}
		for p.accept(",") {
			p.count()
			it.list = append(it.list, p.level(arithmetic))
		}
	}
	it.span = it.to(p.expect(")", "must close the list").span)
	return it
}
