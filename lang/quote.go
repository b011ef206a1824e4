package lang

import "github.com/quaestor-engine/quaestor/value"

// Quote gives a query in which every bare word that isText names stands as text
// in quotes: it reads the same to whoever knows other columns. What it was made
// from stays as it is.
func Quote(q *Query, isText func(*Name) bool) *Query {
	return quoter(isText).query(q)
}

type quoter func(*Name) bool

func (r quoter) query(q *Query) *Query {
	c := *q
	c.Params = copied(q.Params, func(p *Param) { p.Default = r.expr(p.Default) })
	c.Lets = copied(q.Lets, func(l *Let) { l.Value = r.expr(l.Value) })
	if q.From != nil {
		from := *q.From
		from.Args, from.Where = r.exprs(from.Args), r.expr(from.Where)
		c.From = &from
	}
	c.Finds = copied(q.Finds, r.find)
	c.Every = r.expr(q.Every)
	c.With = copied(q.With, func(s *Setting) { s.Value = r.expr(s.Value) })
	return &c
}

func (r quoter) find(f *Find) {
	item := func(i *Item) { i.Expr = r.expr(i.Expr) }
	f.Where, f.Group, f.Having, f.Limit = r.expr(f.Where), r.exprs(f.Group), r.expr(f.Having), r.expr(f.Limit)
	if f.Return != nil {
		ret := *f.Return
		ret.Items = copied(ret.Items, item)
		f.Return = &ret
	}
	f.Stack = copied(f.Stack, item)
	f.Order = copied(f.Order, func(o *OrderItem) { o.Expr = r.expr(o.Expr) })
}

// copied gives copies of nodes, each changed.
func copied[T any](nodes []*T, change func(*T)) []*T {
	var out []*T
	for _, n := range nodes {
		c := *n
		change(&c)
		out = append(out, &c)
	}
	return out
}

func (r quoter) exprs(es []Expr) []Expr {
	var out []Expr
	for _, e := range es {
		out = append(out, r.expr(e))
	}
	return out
}

func (r quoter) expr(e Expr) Expr {
	switch e := e.(type) {
	case *Name:
		if len(e.Parts) == 1 && r(e) {
			return &Literal{exprAt: e.exprAt, Value: value.NewText(e.Parts[0].Name)}
		}
	case *Call:
		c := *e
		c.Args = r.exprs(e.Args)
		return &c
	case *Unary:
		c := *e
		c.X = r.expr(e.X)
		return &c
	case *Binary:
		c := *e
		c.X, c.Y = r.expr(e.X), r.expr(e.Y)
		return &c
	case *Tuple:
		c := *e
		c.Items = r.exprs(e.Items)
		return &c
	case *Paren:
		c := *e
		c.X = r.expr(e.X)
		return &c
	case *Subquery:
		c := *e
		c.Find = copied([]*Find{e.Find}, r.find)[0]
		return &c
	}
	return r.test(e)
}

// test is expr for what compares.
func (r quoter) test(e Expr) Expr {
	switch e := e.(type) {
	case *Compare:
		c := *e
		c.X, c.Y = r.expr(e.X), r.expr(e.Y)
		return &c
	case *In:
		c := *e
		c.X, c.Y = r.expr(e.X), r.expr(e.Y)
		return &c
	case *Between:
		c := *e
		c.X, c.Low, c.High = r.expr(e.X), r.expr(e.Low), r.expr(e.High)
		return &c
	case *Is:
		c := *e
		c.X = r.expr(e.X)
		return &c
	}
	return e
}
