package planner

import (
	"slices"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// shape says what comes back: columns or groups, which of them, in which
// order and how many.
func (s *scope) shape(f *lang.Find) {
	switch {
	case len(f.Stack) > 0:
		s.stack(f)
	case len(f.Group) > 0 || f.Having != nil || s.aggregates(f):
		s.grouped(f)
	default:
		s.plain(f)
	}
	s.group = nil
	s.uniqueOutputs(f)
	s.table.Limit = -1
	if f.Limit != nil {
		if v, ok := s.constant(f.Limit, value.Int); ok {
			s.table.Limit = v.Int()
			if v.Int() < 0 {
				s.c.report(negativeLimit(f.Limit.Span()))
			}
		}
	}
	switch s.table.PerHost = f.PerHost; {
	case f.PerHost && s.table.Group != nil:
		s.c.report(groupPerHost(f.Limit.Span()))
	case f.PerHost && s.c.plan.Source == "case":
		s.c.report(notYet(f.Limit.Span(), "LIMIT … PER HOST over a case"))
	}
}

// aggregates says whether RETURN or ORDER BY names an aggregate.
func (s *scope) aggregates(f *lang.Find) bool {
	found := false
	look := func(e lang.Expr) {
		lang.Walk(e, func(n lang.Node) bool {
			if call, ok := n.(*lang.Call); ok {
				agg, isAgg := plan.AggByName(call.Name.Name)
				found = found || isAgg && !(agg == plan.AggAny && len(call.Args) == 2)
			}
			_, sub := n.(*lang.Subquery)
			return !sub
		})
	}
	if f.Return != nil {
		for _, item := range f.Return.Items {
			look(item.Expr)
		}
	}
	for _, o := range f.Order {
		look(o.Expr)
	}
	return found
}

func (s *scope) plain(f *lang.Find) {
	if f.Return == nil {
		s.defaults()
	} else {
		s.table.Distinct = f.Return.Distinct
		for _, item := range f.Return.Items {
			s.output(item)
		}
	}
	s.order(f)
}

// order reads ORDER BY.
func (s *scope) order(f *lang.Find) {
	returned := map[string]bool{}
	if s.table.Distinct && len(f.Order) > 0 {
		for _, out := range s.table.Outputs {
			returned[plan.Key(out.Expr)] = true
		}
	}
	for _, o := range f.Order {
		e, ok := s.orderKey(o)
		if !ok {
			continue
		}
		if s.table.Distinct && !returned[plan.Key(e)] {
			s.c.report(orderNotReturned(o.Span(), nodeText(o.Expr)))
		}
		s.table.Order = append(s.table.Order, plan.OrderKey{Expr: e, Desc: o.Desc})
	}
}

// defaults returns the columns that a scan shows unasked; never content.
func (s *scope) defaults() {
	for _, scan := range s.scans {
		for _, col := range scan.schema.Columns {
			if !col.Default || len(col.OS) > 0 && s.c.plan.Source == "local" && !slices.Contains(col.OS, s.c.in.OS) {
				continue
			}
			name := col.Name
			if len(s.scans) > 1 {
				name = scan.name + "." + name
			}
			e := s.col(scan.slot, col.Name, &lang.Name{Parts: []lang.Ident{{Name: name}}})
			s.table.Outputs = append(s.table.Outputs, plan.Output{Name: name, Type: col.Type, Expr: e})
		}
	}
}

// output adds one item of RETURN.
func (s *scope) output(item *lang.Item) {
	t, ok := s.operand(item.Expr, false)
	if !ok {
		s.failed = true
		return
	}
	content := false
	plan.Walk(t.expr, func(e plan.Expr) {
		if col, ok := e.(*plan.Col); ok {
			schema := s.slotSchema(col.Slot)
			i, _ := schema.Column(s.table.Slots[col.Slot].Columns[col.Index])
			content = content || schema.Columns[i].Content
		}
	})
	if content && t.col != nil && t.typ == value.Bytes {
		s.c.warn(contentReturned(item.Span(), nodeText(item.Expr)))
	}
	s.table.Outputs = append(s.table.Outputs, plan.Output{Name: outputName(item), Type: t.typ, Expr: t.expr, Content: content})
}

func outputName(item *lang.Item) string {
	if item.Name != nil {
		return item.Name.Name
	}
	if n, ok := item.Expr.(*lang.Name); ok {
		return nameText(n)
	}
	return nodeText(item.Expr)
}

// orderKey checks a key of ORDER BY: the name of what is returned, or any
// expression.
func (s *scope) orderKey(o *lang.OrderItem) (plan.Expr, bool) {
	if n, ok := o.Expr.(*lang.Name); ok {
		name := nameText(n)
		for _, out := range s.table.Outputs {
			if out.Name == name {
				return out.Expr, true
			}
		}
	}
	t, ok := s.operand(o.Expr, false)
	if _, same := t.constant(); ok && same {
		s.c.report(orderByNumber(o.Expr))
		return nil, false
	}
	return t.expr, ok
}

func (s *scope) uniqueOutputs(f *lang.Find) {
	seen := map[string]bool{}
	for i, out := range s.table.Outputs {
		if seen[out.Name] {
			at := f.Span()
			if f.Return != nil && i < len(f.Return.Items) {
				at = f.Return.Items[i].Span()
			}
			s.c.report(outputTwice(at, out.Name))
		}
		seen[out.Name] = true
	}
}

// columnIn gives the column of a table that an expression is, or that a key of
// its groups is; nil where it is none.
func (c *compiler) columnIn(t *plan.Table, e plan.Expr) *modules.Column {
	if out, ok := e.(*plan.Out); ok && t.Group != nil && out.Index < len(t.Group.Keys) {
		e = t.Group.Keys[out.Index]
	}
	col, ok := e.(*plan.Col)
	if !ok {
		return nil
	}
	slot := t.Slots[col.Slot]
	schema, ok := c.cat.Schema(slot.Module)
	if !ok {
		return nil
	}
	i, ok := schema.Column(slot.Columns[col.Index])
	if !ok {
		return nil
	}
	return &schema.Columns[i]
}

// inSubquery checks X IN (FIND …).
func (s *scope) inSubquery(e *lang.In, xs []typed, y *lang.Subquery) (plan.Expr, bool) {
	switch {
	case s.facts:
		s.c.report(subqueryOfFacts(y.Span()))
		return nil, false
	case s.group != nil && s.merged:
		s.c.report(subqueryOfGroups(y.Span()))
		return nil, false
	case s.c.depth == maxSubqueries:
		s.c.report(subqueryTooDeep(y.Span()))
		return nil, false
	}
	if e.NoCase {
		s.c.report(noCaseSubquery(e.OpSpan))
		return nil, false
	}
	before := len(s.c.problems)
	s.c.depth++
	t := s.c.find(y.Find)
	s.c.depth--
	if t == nil || len(s.c.problems) > before {
		return nil, false
	}
	if len(t.Outputs) != len(xs) {
		s.c.report(subqueryWidth(y.Span(), len(t.Outputs), len(xs)))
		return nil, false
	}
	exprs := make([]plan.Expr, len(xs))
	for i, x := range xs {
		exprs[i] = x.expr
		got := t.Outputs[i].Type
		if x.typ != got && !comparableNumbers(x.typ, got) && x.typ != value.Null && got != value.Null {
			s.c.report(subqueryType(y.Span(), t.Outputs[i].Name, got, nodeText(e.X), x.typ))
			return nil, false
		}
		if col := s.c.columnIn(t, t.Outputs[i].Expr); apart(x.col, col) {
			s.c.report(otherHashes(y.Span(), x.col, col))
			return nil, false
		}
	}
	s.c.plan.Subs = append(s.c.plan.Subs, t)
	return &plan.InSub{Xs: exprs, Sub: len(s.c.plan.Subs) - 1}, true
}
