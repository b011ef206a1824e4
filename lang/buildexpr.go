package lang

import (
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/quaestor-engine/quaestor/value"
)

func (b *builder) exprs(rs []*exprRule) []Expr {
	var out []Expr
	for _, r := range rs {
		out = append(out, b.expr(r))
	}
	return out
}

func (b *builder) binary(op Op, opTok lexer.Token, x, y Expr) Expr {
	place := exprAt{at{Span{x.Span().Start, y.Span().End}}}
	return &Binary{place, op, x, y, b.tok(opTok).span}
}

func (b *builder) expr(r *exprRule) Expr {
	x := b.and(r.First)
	for _, t := range r.Rest {
		x = b.binary(OpOr, t.Op, x, b.and(t.Y))
	}
	return x
}

func (b *builder) and(r *andRule) Expr {
	x := b.not(r.First)
	for _, t := range r.Rest {
		x = b.binary(OpAnd, t.Op, x, b.not(t.Y))
	}
	return x
}

func (b *builder) not(r *notRule) Expr {
	if r.Not != nil {
		return &Unary{b.exprAt(r.stretch), OpNot, b.not(r.Not)}
	}
	return b.condition(r.Cond)
}

func (b *builder) condition(r *conditionRule) Expr {
	place := b.exprAt(r.stretch)
	switch {
	case r.Content != nil:
		c := r.Content
		return &Compare{place, b.op(c.Op), nil, b.sum(c.Y), false, c.NoCase, b.tok(c.Op).span}
	case r.Line != nil:
		t := b.tok(r.Line.Line)
		line := &Line{exprAt{at{t.span}}, t.is("EVERY LINE")}
		return b.test(place, line, r.Line.Not, r.Line.Test)
	}
	x := b.sum(r.Left)
	switch {
	case r.Tail == nil:
		return x
	case r.Tail.Is != nil:
		return &Is{place, x, r.Tail.Is.Not, r.Tail.Is.Missing}
	}
	return b.test(place, x, r.Tail.Not, r.Tail.Test)
}

// test lowers what follows the left side. NOT is checked here and not in the
// grammar, so that NOT = gets a sentence of its own.
func (b *builder) test(place exprAt, x Expr, not bool, r *testRule) Expr {
	switch {
	case r.Compare != nil:
		op := b.tok(r.Compare.Op)
		c := &Compare{place, b.op(r.Compare.Op), x, b.sum(r.Compare.Y), not, false, op.span}
		b.checkCompare(c)
		return c
	case r.Text != nil:
		op := b.tok(r.Text.Op)
		c := &Compare{place, b.op(r.Text.Op), x, b.sum(r.Text.Y), not, r.Text.NoCase, op.span}
		b.checkLike(c)
		return c
	case r.In != nil:
		return b.in(place, x, not, r.In)
	}
	t := r.Between
	return &Between{place, x, b.sum(t.Low), b.sum(t.High), not, b.tok(t.Op).span}
}

func (b *builder) checkCompare(c *Compare) {
	if c.Not {
		b.report(notComparison(c))
	}
	for _, side := range []Expr{c.X, c.Y} {
		if l, ok := side.(*Literal); ok && l.Value.IsNull() && !b.badAt(l.span) {
			b.report(compareNull(c))
			return
		}
	}
}

// checkLike refuses a glob after LIKE, where * would be an ordinary character.
func (b *builder) checkLike(c *Compare) {
	l, ok := c.Y.(*Literal)
	if !ok || c.Op != OpLike {
		return
	}
	if s := l.Value.Text(); strings.Contains(s, "*") && !strings.ContainsAny(s, "%_") {
		b.report(likeStar(l))
	}
}

// in makes a list of what stands behind IN.
func (b *builder) in(place exprAt, x Expr, not bool, r *inRule) Expr {
	in := &In{place, x, b.sum(r.Y), not, r.NoCase, b.tok(r.Op).span}
	switch y := in.Y.(type) {
	case *Paren:
		in.Y = &Tuple{y.exprAt, []Expr{y.X}}
	case *Tuple, *ListRef, *ParamRef, *Subquery:
	case *Literal:
		if y.Value.Type() != value.CIDR && !b.badAt(y.span) {
			b.report(badIn(y.span, y.Value.Literal()))
		}
	default:
		b.report(badIn(y.Span(), "…"))
	}
	return in
}

func (b *builder) sum(r *sumRule) Expr {
	x := b.product(r.First)
	for _, t := range r.Rest {
		x = b.binary(b.op(t.Op), t.Op, x, b.product(t.Y))
	}
	return x
}

func (b *builder) product(r *productRule) Expr {
	x := b.sign(r.First)
	for _, t := range r.Rest {
		x = b.binary(b.op(t.Op), t.Op, x, b.sign(t.Y))
	}
	return x
}

func (b *builder) sign(r *signRule) Expr {
	if r.Neg != nil {
		return &Unary{b.exprAt(r.stretch), OpNeg, b.sign(r.Neg)}
	}
	return b.operand(r.Operand)
}

func (b *builder) operand(r *operandRule) Expr {
	switch {
	case r.Literal != nil:
		return b.leaf(*r.Literal)
	case r.Param != nil:
		return b.leaf(*r.Param)
	case r.List != nil:
		return b.leaf(*r.List)
	case r.Named != nil:
		return b.named(r.Named)
	}
	return b.grouped(r.Group)
}

func (b *builder) named(r *namedRule) Expr {
	place, first := b.exprAt(r.stretch), b.ident(r.First)
	if r.Call == nil {
		n := &Name{place, []Ident{first}}
		for _, t := range r.Rest {
			n.Parts = append(n.Parts, b.ident(t.Name))
		}
		return n
	}
	first.Name = strings.ToLower(first.Name)
	return &Call{place, first, b.exprs(r.Call.Args), r.Call.Distinct, r.Call.Star}
}

func (b *builder) grouped(r *groupedRule) Expr {
	place := b.exprAt(r.stretch)
	switch {
	case r.Find != nil:
		return &Subquery{place, b.find(r.Find)}
	case len(r.Items) == 1:
		return &Paren{place, b.expr(r.Items[0])}
	}
	return &Tuple{place, b.exprs(r.Items)}
}

// op finds the operator that a token is.
func (b *builder) op(t lexer.Token) Op {
	text := b.tok(t).text
	for op := OpOr; op < OpNeg; op++ {
		if opText[op] == text {
			return op
		}
	}
	panic("lang: no operator " + text)
}
