package planner

import (
	"fmt"
	"slices"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A grouping says what a name means after GROUP BY: a key, an aggregate, or
// what RETURN called one of them. Its columns are the keys, then the
// aggregates of the plan, each of them once.
type grouping struct {
	plan  *plan.Group
	keys  []typed
	texts []string         // of the keys, as the language writes them
	aggs  map[string]int   // which aggregate of the plan is what
	named map[string]typed // what is returned
	stack bool             // STACK says what that is
}

// stack makes STACK: how many hosts and rows have each value, rarest first.
func (s *scope) stack(f *lang.Find) {
	g := &grouping{plan: &plan.Group{}, aggs: map[string]int{}, named: map[string]typed{}, stack: true}
	for _, item := range f.Stack {
		if t, ok := s.operand(item.Expr, false); ok {
			s.lintKey(item.Expr)
			g.add(t, item.Expr)
			s.returned(g, outputName(item), g.out(len(g.keys)-1, item.Expr))
		}
	}
	for _, count := range []struct {
		name string
		agg  plan.Agg
	}{{"hosts", s.hosts()}, {"rows", plan.Agg{Func: plan.AggCount}}} {
		e := g.aggregated(count.agg, count.name)
		s.returned(g, count.name, typed{expr: e, typ: value.Int})
		if len(f.Order) == 0 {
			s.table.Order = append(s.table.Order, plan.OrderKey{Expr: e})
		}
	}
	if len(f.Group) > 0 {
		s.c.report(stackGrouped(f.Group[0].Span()))
	}
	s.ofGroups(f, g)
}

// lintKey doubts a key of groups that is the same for every row.
func (s *scope) lintKey(e lang.Expr) {
	if l, ok := e.(*lang.Literal); ok {
		s.c.warn(constantKey(l))
	}
}

// ofGroups reads what stands behind the groups and speaks of them.
func (s *scope) ofGroups(f *lang.Find, g *grouping) {
	s.table.Group, s.group = g.plan, g
	if f.Having != nil {
		s.table.Having, _ = s.condition(f.Having)
	}
	s.order(f)
}

// returned adds a column of the answer, which has a name from then on.
func (s *scope) returned(g *grouping, name string, t typed) {
	g.named[name] = t
	s.table.Outputs = append(s.table.Outputs, plan.Output{Name: name, Type: t.typ, Expr: t.expr})
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
	g.texts = append(g.texts, lang.Format(e))
	g.plan.Keys = append(g.plan.Keys, t.expr)
}

func (s *scope) grouped(f *lang.Find) {
	g := &grouping{plan: &plan.Group{}, aggs: map[string]int{}, named: map[string]typed{}}
	for _, e := range f.Group {
		if t, ok := s.operand(s.unalias(f, e), false); ok {
			s.lintKey(e)
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
		if t, ok := s.operand(item.Expr, false); ok {
			s.returned(g, outputName(item), t)
		} else {
			s.failed = true
		}
	}
	s.ofGroups(f, g)
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

// key finds the group's key that an expression is.
func (g *grouping) key(e lang.Expr) (typed, bool) {
	if i := slices.Index(g.texts, lang.Format(e)); i >= 0 {
		return g.out(i, e), true
	}
	return typed{}, false
}

func (g *grouping) out(i int, e lang.Expr) typed {
	t := g.keys[i]
	t.expr, t.node = &plan.Out{Index: i, Name: nodeText(e)}, e
	return t
}

// name resolves a name that stands behind GROUP BY.
func (g *grouping) name(s *scope, n *lang.Name, word bool) (typed, bool) {
	name := nameText(n)
	if t, ok := g.named[name]; ok {
		t.node = n
		return t, true
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
	s.c.report(notGrouped(n, name, g.stack))
	return typed{}, false
}

// aggregate checks an aggregate and gives its column of the group.
func (g *grouping) aggregate(s *scope, e *lang.Call, f plan.AggFunc) (typed, bool) {
	agg := plan.Agg{Func: f, Distinct: e.Distinct}
	t, ok := g.argument(s, e, &agg)
	t.expr, t.node = g.aggregated(agg, nodeText(e)), e
	return t, ok
}

// aggregated gives the column of an aggregate, which is computed once however
// often it is named.
func (g *grouping) aggregated(agg plan.Agg, name string) *plan.Out {
	key := fmt.Sprint(agg.Func, agg.Distinct, agg.N, plan.Key(agg.Arg))
	i, known := g.aggs[key]
	if !known {
		i = len(g.plan.Aggs)
		g.plan.Aggs, g.aggs[key] = append(g.plan.Aggs, agg), i
	}
	return &plan.Out{Index: len(g.keys) + i, Name: name}
}

var aggSignatures = map[plan.AggFunc]string{
	plan.AggCount: "count(), count(x) or count(DISTINCT x)", plan.AggHosts: "hosts()",
	plan.AggMin: "min(x)", plan.AggMax: "max(x)", plan.AggSum: "sum(x)", plan.AggAvg: "avg(x)",
	plan.AggAny: "any(x)", plan.AggList: "list(x, n)",
}

// argument checks what an aggregate is of, and says what its result is.
func (g *grouping) argument(s *scope, e *lang.Call, agg *plan.Agg) (typed, bool) {
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
		return typed{}, false
	}
	if want == 0 {
		if agg.Func == plan.AggHosts {
			*agg = s.hosts()
		}
		return typed{typ: value.Int}, true
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
		return typed{}, false
	}
	agg.Arg = x.expr
	return aggregateOf(s, e, agg.Func, x)
}

// maxListed bounds list(x, n): each group holds so many values.
const maxListed = 1000

// aggregateOf says what an aggregate of x is. One of the values stays what x
// is, a column with a closed set too.
func aggregateOf(s *scope, e *lang.Call, f plan.AggFunc, x typed) (typed, bool) {
	numeric := x.typ == value.Int || x.typ == value.Float || x.typ == value.Size || x.typ == value.Duration || x.typ == value.Null
	switch f {
	case plan.AggCount:
		return typed{typ: value.Int}, true
	case plan.AggList:
		return typed{typ: value.List, elem: x.typ}, true
	case plan.AggSum, plan.AggAvg:
		if !numeric {
			s.c.report(notANumber(e, x.typ))
			return typed{}, false
		}
		if f == plan.AggAvg && x.typ != value.Duration {
			return typed{typ: value.Float}, true
		}
		return typed{typ: x.typ}, true
	}
	return x, true
}
