package lang

// Walk visits a node and what is in it, in the order of the text. Where visit
// says false, what is in that node is left out. Nil is no node.
func Walk(n Node, visit func(Node) bool) {
	if !visit(n) {
		return
	}
	switch n := n.(type) {
	case *File:
		walkAll(n.Queries, visit)
	case *Query:
		walkQuery(n, visit)
	case *From:
		walkAll(n.Args, visit)
		walkSome(visit, n.Where)
	case *Find:
		walkFind(n, visit)
	case *Scan:
		walkAll(n.Locators, visit)
	case *Return:
		walkAll(n.Items, visit)
	case *Param:
		walkSome(visit, n.Default)
	case *Let:
		walkSome(visit, n.Value)
	case *Item:
		walkSome(visit, n.Expr)
	case *OrderItem:
		walkSome(visit, n.Expr)
	case *Setting:
		walkSome(visit, n.Value)
	case Expr:
		walkExpr(n, visit)
	}
}

func walkQuery(q *Query, visit func(Node) bool) {
	walkAll(q.Params, visit)
	walkAll(q.Lets, visit)
	if q.From != nil {
		Walk(q.From, visit)
	}
	walkAll(q.Finds, visit)
	walkSome(visit, q.Every)
	walkAll(q.With, visit)
}

func walkFind(f *Find, visit func(Node) bool) {
	walkAll(f.Scans, visit)
	walkSome(visit, f.Where)
	if f.Return != nil {
		Walk(f.Return, visit)
	}
	walkAll(f.Stack, visit)
	walkAll(f.Group, visit)
	walkSome(visit, f.Having)
	walkAll(f.Order, visit)
	walkSome(visit, f.Limit)
}

func walkExpr(e Expr, visit func(Node) bool) {
	switch e := e.(type) {
	case *Call:
		walkAll(e.Args, visit)
	case *Unary:
		walkSome(visit, e.X)
	case *Binary:
		walkSome(visit, e.X, e.Y)
	case *Compare:
		walkSome(visit, e.X, e.Y)
	case *In:
		walkSome(visit, e.X, e.Y)
	case *Between:
		walkSome(visit, e.X, e.Low, e.High)
	case *Is:
		walkSome(visit, e.X)
	case *Tuple:
		walkAll(e.Items, visit)
	case *Paren:
		walkSome(visit, e.X)
	case *Subquery:
		Walk(e.Find, visit)
	}
}

func walkAll[N Node](nodes []N, visit func(Node) bool) {
	for _, n := range nodes {
		Walk(n, visit)
	}
}

func walkSome(visit func(Node) bool, exprs ...Expr) {
	for _, e := range exprs {
		if e != nil {
			Walk(e, visit)
		}
	}
}
