package planner

import (
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A grouping says what a name means after GROUP BY: a key, an aggregate, or
// what RETURN called one of them.
type grouping struct {
	plan  *plan.Group
	keys  []typed
	texts []string // of the keys, as they are written
	aggs  []typed
	calls []string // of the aggregates, as they are written
}

// stack makes STACK: how many hosts and rows have each value, rarest first.
func (s *scope) stack(f *lang.Find) {
	g := &grouping{plan: &plan.Group{}}
	for _, item := range f.Stack {
		t, ok := s.operand(item.Expr, false)
		if !ok {
			continue
		}
		out := plan.Output{Name: outputName(item), Type: t.typ, Expr: &plan.Out{Index: len(g.keys), Name: outputName(item)}}
		g.add(t, item.Expr)
		s.table.Outputs = append(s.table.Outputs, out)
	}
	g.plan.Aggs = []plan.Agg{s.hosts(), {Func: plan.AggCount}}
	s.table.Group = g.plan
	for i, name := range []string{"hosts", "rows"} {
		e := &plan.Out{Index: len(g.keys) + i, Name: name}
		s.table.Outputs = append(s.table.Outputs, plan.Output{Name: name, Type: value.Int, Expr: e})
		if len(f.Order) == 0 {
			s.table.Order = append(s.table.Order, plan.OrderKey{Expr: e})
		}
	}
	s.group = g
	s.groupedOrder(f)
}

// hosts gives the aggregate that counts hosts. The rows of a case are all
// here, and say which host they are from.
func (s *scope) hosts() plan.Agg {
	first := s.scans[0]
	if _, ok := first.schema.Column("host"); !ok || s.c.plan.Source != "case" {
		return plan.Agg{Func: plan.AggHosts}
	}
	host := &lang.Name{Parts: []lang.Ident{{Name: "host"}}}
	return plan.Agg{Func: plan.AggCount, Arg: s.col(first.slot, "host", host), Distinct: true}
}

func (g *grouping) add(t typed, e lang.Expr) {
	g.keys = append(g.keys, t)
	g.texts = append(g.texts, nodeText(e))
	g.plan.Keys = append(g.plan.Keys, t.expr)
}

func (s *scope) grouped(f *lang.Find) {
	g := &grouping{plan: &plan.Group{}}
	for _, e := range f.Group {
		if t, ok := s.operand(s.unalias(f, e), false); ok {
			g.add(t, s.unalias(f, e))
		}
	}
	s.table.Group, s.group = g.plan, g
	if f.Return == nil {
		s.c.report(groupWithoutReturn(f.Span()))
		return
	}
	s.table.Distinct = f.Return.Distinct
	for _, item := range f.Return.Items {
		t, ok := s.operand(item.Expr, false)
		if !ok {
			s.failed = true
			continue
		}
		s.table.Outputs = append(s.table.Outputs, plan.Output{Name: outputName(item), Type: t.typ, Expr: t.expr})
	}
	if f.Having != nil {
		s.table.Having, _ = s.condition(f.Having)
	}
	s.groupedOrder(f)
}

// unalias takes a name that RETURN gives for the expression that it names.
func (s *scope) unalias(f *lang.Find, e lang.Expr) lang.Expr {
	n, ok := e.(*lang.Name)
	if !ok || len(n.Parts) != 1 || f.Return == nil {
		return e
	}
	for _, item := range f.Return.Items {
		if item.Name != nil && item.Name.Name == n.Parts[0].Name {
			return item.Expr
		}
	}
	return e
}

func (s *scope) groupedOrder(f *lang.Find) {
	for _, o := range f.Order {
		if e, ok := s.orderKey(o); ok {
			s.table.Order = append(s.table.Order, plan.OrderKey{Expr: e, Desc: o.Desc})
		}
	}
}

// key finds the group's key that an expression is.
func (g *grouping) key(s *scope, e lang.Expr) (typed, bool) {
	text := nodeText(e)
	for i, t := range g.texts {
		if t == text {
			return g.out(i, e), true
		}
	}
	return typed{}, false
}

func (g *grouping) out(i int, e lang.Expr) typed {
	t := g.keys[i]
	return typed{expr: &plan.Out{Index: i, Name: g.texts[i]}, typ: t.typ, elem: t.elem, node: e}
}

// name resolves a name that stands behind GROUP BY.
func (g *grouping) name(s *scope, n *lang.Name, word bool) (typed, bool) {
	name := nameText(n)
	for _, out := range s.table.Outputs {
		if out.Name == name {
			return typed{expr: out.Expr, typ: out.Type, node: n}, true
		}
	}
	s.group = nil
	t, ok := s.column(n, word)
	s.group = g
	if !ok || t.bare != "" {
		return t, ok
	}
	if _, isNow := t.expr.(*plan.Now); isNow {
		return t, true
	}
	for i, k := range g.keys {
		if plan.Same(k.expr, t.expr) {
			return g.out(i, n), true
		}
	}
	s.c.report(notGrouped(n, name))
	return typed{}, false
}

// aggregate checks an aggregate and gives its column of the group.
func (g *grouping) aggregate(s *scope, e *lang.Call, f plan.AggFunc) (typed, bool) {
	text := nodeText(e)
	for i, t := range g.calls {
		if t == text {
			return g.aggs[i], true
		}
	}
	agg := plan.Agg{Func: f, Distinct: e.Distinct}
	typ, ok := g.argument(s, e, &agg)
	if !ok {
		return typed{}, false
	}
	t := typed{expr: &plan.Out{Index: len(g.keys) + len(g.aggs), Name: text}, typ: typ, node: e}
	g.plan.Aggs = append(g.plan.Aggs, agg)
	g.aggs, g.calls = append(g.aggs, t), append(g.calls, text)
	return t, true
}

var aggSignatures = map[plan.AggFunc]string{
	plan.AggCount: "count(), count(x) or count(DISTINCT x)", plan.AggHosts: "hosts()",
	plan.AggMin: "min(x)", plan.AggMax: "max(x)", plan.AggSum: "sum(x)", plan.AggAvg: "avg(x)",
	plan.AggAny: "any(x)", plan.AggList: "list(x, n)",
}

// argument checks what an aggregate is of, and gives the type of its result.
func (g *grouping) argument(s *scope, e *lang.Call, agg *plan.Agg) (value.Type, bool) {
	want := 1
	switch agg.Func {
	case plan.AggCount:
		want = min(len(e.Args), 1)
	case plan.AggHosts:
		want = 0
	case plan.AggList:
		want = 2
	}
	if len(e.Args) != want || e.Star && agg.Func != plan.AggCount || e.Distinct && agg.Func != plan.AggCount {
		s.c.report(wrongCount(e, aggSignatures[agg.Func]))
		return 0, false
	}
	if want == 0 {
		if agg.Func == plan.AggHosts {
			*agg = s.hosts()
		}
		return value.Int, true
	}
	s.group = nil
	x, ok := s.operand(e.Args[0], false)
	if ok && want == 2 {
		var n value.Value
		if n, ok = s.constant(e.Args[1], value.Int); ok {
			agg.N = n.Int()
			if agg.N < 1 || agg.N > maxListed {
				s.c.report(listLength(e.Args[1].Span()))
				ok = false
			}
		}
	}
	s.group = g
	if !ok {
		return 0, false
	}
	agg.Arg = x.expr
	return aggType(s, e, agg.Func, x.typ)
}

// maxListed bounds list(x, n): each group holds so many values.
const maxListed = 1000

func aggType(s *scope, e *lang.Call, f plan.AggFunc, x value.Type) (value.Type, bool) {
	numeric := x == value.Int || x == value.Float || x == value.Size || x == value.Duration || x == value.Null
	switch f {
	case plan.AggCount:
		return value.Int, true
	case plan.AggList:
		return value.List, true
	case plan.AggSum, plan.AggAvg:
		if !numeric {
			s.c.report(notANumber(e, x))
			return 0, false
		}
		if f == plan.AggAvg && x != value.Duration {
			return value.Float, true
		}
	}
	return x, true
}
