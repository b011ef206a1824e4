package lang

import (
	"slices"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/quaestor-engine/quaestor/value"
)

// builder lowers the rules that participle filled to the tree, and makes the
// checks that need no catalogue.
type builder struct {
	toks  []token
	diags []Diagnostic
}

func (b *builder) report(d Diagnostic) { b.diags = append(b.diags, d) }

func (b *builder) tok(t lexer.Token) token { return b.toks[t.Pos.Line] }

func (b *builder) span(s stretch) Span {
	return Span{b.toks[s.Pos.Line].span.Start, b.toks[s.EndPos.Line-1].span.End}
}

func (b *builder) at(s stretch) at { return at{b.span(s)} }

func (b *builder) exprAt(s stretch) exprAt { return exprAt{b.at(s)} }

func (b *builder) ident(t lexer.Token) Ident {
	tok := b.tok(t)
	return Ident{at{tok.span}, tok.text}
}

func (b *builder) optIdent(t *lexer.Token) *Ident {
	if t == nil {
		return nil
	}
	id := b.ident(*t)
	return &id
}

func (b *builder) query(r *queryRule) *Query {
	q := &Query{at: b.at(r.stretch)}
	if r.Explain != nil {
		q.Explain, q.Analyze = true, r.Explain.Analyze
	}
	for _, p := range r.Params {
		q.Params = append(q.Params, b.param(p))
	}
	for _, l := range r.Lets {
		q.Lets = append(q.Lets, &Let{b.at(l.stretch), b.ident(l.Name), b.sum(l.Value)})
	}
	if r.From != nil {
		q.From = b.from(r.From)
	}
	if r.Target != nil {
		b.target(q, r.Target)
	}
	q.Finds = append(q.Finds, b.find(r.First))
	for _, m := range r.More {
		f := b.find(m.Find)
		f.Or = b.tok(m.Join).is("OR")
		q.Finds = append(q.Finds, f)
	}
	if r.Every != nil {
		q.Every = b.sum(r.Every.Period)
	}
	if r.With != nil {
		for _, s := range r.With.Settings {
			q.With = append(q.With, &Setting{b.at(s.stretch), b.ident(s.Name), b.sum(s.Value)})
		}
	}
	return q
}

func (b *builder) target(q *Query, r *whereRule) {
	cond := b.expr(r.Cond)
	if q.From == nil {
		b.report(whereWithoutFrom(Span{b.span(r.stretch).Start, b.span(r.stretch).Start + len("WHERE")}))
		return
	}
	q.From.Where = cond
	q.From.span.End = cond.Span().End
}

func (b *builder) param(r *paramRule) *Param {
	p := &Param{at: b.at(r.stretch), Name: b.ident(r.Name), Type: b.ident(r.Type)}
	p.Type.Name = strings.ToLower(p.Type.Name)
	if t, ok := value.ParseType(p.Type.Name); !ok || t == value.Null {
		b.report(unknownType(p.Type))
	}
	if r.Default != nil {
		p.Default = b.sum(r.Default)
	}
	return p
}

func (b *builder) from(r *fromRule) *From {
	f := &From{at: b.at(r.stretch), Source: b.ident(r.Source)}
	f.Source.Name = strings.ToLower(f.Source.Name)
	args := r.Called
	if args == nil {
		args = r.Listed
	}
	for _, a := range args {
		f.Args = append(f.Args, b.sum(a))
	}
	switch f.Source.Name {
	case "fleet", "local":
		if len(args) > 0 {
			b.report(sourceTakesNothing(f))
		}
	case "host":
		if len(args) == 0 {
			b.report(sourceNeeds(f, `FROM host "web1", "web2"`))
		}
	case "hits", "misses", "case":
		if len(args) != 1 || r.Called == nil {
			b.report(sourceNeeds(f, "FROM "+f.Source.Name+`("NAME")`))
		}
	default:
		b.report(unknownSource(f.Source))
	}
	return f
}

func (b *builder) find(r *findRule) *Find {
	f := &Find{at: b.at(r.stretch), Watch: b.tok(r.Scans.Find).is("WATCH"), Not: r.Scans.Not}
	for _, s := range r.Scans.Scans {
		f.Scans = append(f.Scans, b.scan(s))
	}
	if r.Scans.Cond != nil {
		f.Where = b.expr(r.Scans.Cond)
	}
	if r.Where != nil {
		if f.Where != nil {
			start := b.span(r.Where.stretch).Start
			b.report(whereAfterCondition(Span{start, start + len("WHERE")}))
		}
		f.Where = b.expr(r.Where.Cond)
	}
	if r.Return != nil {
		f.Return = &Return{b.at(r.Return.stretch), r.Return.Distinct, b.items(r.Return.Items)}
	}
	if r.Stack != nil {
		f.Stack = b.items(r.Stack.Items)
	}
	b.tail(f, r)
	return f
}

// tail lowers the clauses that shape the rows.
func (b *builder) tail(f *Find, r *findRule) {
	if r.Group != nil {
		f.Group = b.exprs(r.Group.Keys)
	}
	if r.Having != nil {
		f.Having = b.expr(r.Having.Cond)
	}
	if r.Order != nil {
		for _, k := range r.Order.Keys {
			f.Order = append(f.Order, &OrderItem{b.at(k.stretch), b.expr(k.Expr), k.Desc})
		}
	}
	if r.Limit != nil {
		f.Limit = b.sum(r.Limit.Count)
		f.PerHost = r.Limit.PerHost
		b.checkLimit(f.Limit)
	}
}

func (b *builder) checkLimit(e Expr) {
	switch e := e.(type) {
	case *ParamRef:
		return
	case *Literal:
		if e.Value.Type() == value.Int && e.Value.Int() > 0 || e.Value.IsNull() && b.badAt(e.span) {
			return
		}
	}
	b.report(badLimit(e.Span()))
}

// badAt reports whether the lexer has complained about the token there.
func (b *builder) badAt(s Span) bool {
	i, ok := slices.BinarySearchFunc(b.toks, s.Start, func(t token, start int) int { return t.span.Start - start })
	return ok && b.toks[i].bad
}

func (b *builder) scan(r *scanRule) *Scan {
	s := &Scan{at: b.at(r.stretch), Module: b.ident(r.Module), Alias: b.optIdent(r.Alias), As: r.As}
	for _, l := range r.Locators {
		s.Locators = append(s.Locators, b.leaf(l.Value))
	}
	return s
}

func (b *builder) items(rs []*itemRule) []*Item {
	var items []*Item
	for _, r := range rs {
		items = append(items, &Item{b.at(r.stretch), b.expr(r.Expr), b.optIdent(r.Name)})
	}
	return items
}

// leaf makes the node of a token that is an operand by itself.
func (b *builder) leaf(t lexer.Token) Expr {
	tok := b.tok(t)
	place := exprAt{at{tok.span}}
	switch tok.kind {
	case kindParam:
		return &ParamRef{place, tok.text}
	case kindList:
		return &ListRef{place, tok.text}
	case kindKeyword:
		v := value.Value{}
		if tok.text != "NULL" {
			v = value.NewBool(tok.text == "TRUE")
		}
		return &Literal{place, v, false}
	}
	return &Literal{place, tok.val, tok.kind == kindBare}
}
