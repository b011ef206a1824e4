package sql

// Walk visits an expression and its parts, without those of queries in it.
func Walk(e Expr, visit func(Expr)) {
	if e == nil {
		return
	}
	visit(e)
	each := func(list ...Expr) {
		for _, x := range list {
			Walk(x, visit)
		}
	}
	switch e := e.(type) {
	case *Unary:
		each(e.X)
	case *Binary:
		each(e.X, e.Y)
	case *Match:
		each(e.X, e.Y, e.Escape)
	case *Between:
		each(e.X, e.Low, e.High)
	case *In:
		each(e.X)
		each(e.List...)
	case *IsNull:
		each(e.X)
	case *Call:
		each(e.Args...)
		each(e.Filter)
	case *Case:
		each(e.Operand, e.Else)
		for _, w := range e.Whens {
			each(w.If, w.Then)
		}
	case *Cast:
		each(e.X)
	case *Collate:
		each(e.X)
	case *Row:
		each(e.Items...)
	}
}
