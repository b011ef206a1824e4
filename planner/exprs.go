package planner

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// condition checks an expression that must be true or false.
func (s *scope) condition(e lang.Expr) (plan.Expr, bool) {
	t, ok := s.operand(e, false)
	if !ok {
		return nil, false
	}
	if t.typ != value.Bool && t.typ != value.Null {
		s.c.report(notACondition(e, t.typ))
		return nil, false
	}
	return t.expr, true
}

// constant checks an expression that must be a value, known now, of a type.
func (s *scope) constant(e lang.Expr, want value.Type) (value.Value, bool) {
	t, ok := s.operand(e, true)
	if !ok {
		return value.Value{}, false
	}
	v, isConst := t.constant()
	if !isConst {
		s.c.report(notConstant(e))
		return value.Value{}, false
	}
	if v.Type() == want {
		return v, true
	}
	converted, err := value.Convert(v, want, s.c.in.Now)
	if err != nil {
		s.c.report(wrongLiteral(e.Span(), want, err))
		return value.Value{}, false
	}
	return converted, true
}

// maxDepth bounds how deep expressions stand in each other: what parentheses
// do, which lang bounds, and sums, which may have many terms. Every plan must be
// one that plan.Decode takes.
const maxDepth = 250

// operand checks any expression. With word, a bare word that names no column
// is text.
func (s *scope) operand(e lang.Expr, word bool) (typed, bool) {
	if s.c.nested == maxDepth {
		s.c.report(nestedTooDeep(e.Span()))
		return typed{}, false
	}
	s.c.nested++
	defer func() { s.c.nested-- }()
	if s.group != nil {
		if t, ok := s.group.key(e); ok {
			return t, true
		}
	}
	switch e := e.(type) {
	case *lang.Literal:
		return typed{expr: &plan.Const{Value: e.Value}, typ: e.Value.Type(), node: e}, true
	case *lang.Name:
		return s.column(e, word)
	case *lang.ParamRef:
		return s.param(e)
	case *lang.Paren:
		return s.operand(e.X, word)
	case *lang.Unary:
		return s.unary(e)
	case *lang.Binary:
		if e.Op == lang.OpAnd || e.Op == lang.OpOr {
			return s.logic(e)
		}
		return s.arithmetic(e)
	case *lang.Call:
		return s.call(e)
	case *lang.Compare, *lang.In, *lang.Between, *lang.Is:
		return s.predicate(e)
	}
	s.c.report(misplaced(e))
	return typed{}, false
}

func (s *scope) param(e *lang.ParamRef) (typed, bool) {
	s.c.used[e.Name] = true
	if l := s.c.let(e); l != nil {
		return s.operand(l.Value, true)
	}
	if _, isLet := s.c.lets[e.Name]; isLet || s.c.broken[e.Name] {
		return typed{}, false // what is wrong with it was said
	}
	p, ok := s.c.params[e.Name]
	if !ok {
		s.c.report(unknownParameter(e.Span(), e.Name, s.c.parameterNames()))
		return typed{}, false
	}
	typ, ok := value.ParseType(p.Type.Name)
	if !ok {
		return typed{}, false // reported where it is declared
	}
	var v value.Value
	text, given := s.c.in.Params[e.Name]
	switch {
	case given:
		var err error
		if v, err = parseParam(text, typ, s.c.in.Now); err != nil {
			s.c.report(badParameter(p, text, err))
			return typed{}, false
		}
	case p.Default != nil:
		if v, ok = s.constant(p.Default, typ); !ok {
			return typed{}, false
		}
	default:
		s.c.report(parameterWithoutValue(p))
		return typed{}, false
	}
	return typed{expr: &plan.Const{Value: v}, typ: typ, node: e}, true
}

func (s *scope) unary(e *lang.Unary) (typed, bool) {
	if e.Op == lang.OpNot {
		s.negated = !s.negated
		x, ok := s.condition(e.X)
		s.negated = !s.negated
		return s.fold(typed{expr: &plan.Not{X: x}, typ: value.Bool, node: e}, x), ok
	}
	x, ok := s.operand(e.X, false)
	if !ok {
		return x, false
	}
	return s.function("neg", e, []typed{x})
}

func (s *scope) logic(e *lang.Binary) (typed, bool) {
	var xs []plan.Expr
	ok := true
	for _, part := range flatten(e, e.Op) {
		x, fine := s.condition(part)
		ok = ok && fine
		xs = append(xs, x)
	}
	if !ok {
		return typed{}, false
	}
	t := typed{expr: &plan.And{Xs: xs}, typ: value.Bool, node: e}
	if e.Op == lang.OpOr {
		t.expr = &plan.Or{Xs: xs}
	}
	return s.fold(t, xs...), true
}

// flatten lists the parts of a chain of one operator.
func flatten(e lang.Expr, op lang.Op) []lang.Expr {
	if b, ok := e.(*lang.Binary); ok && b.Op == op {
		return append(flatten(b.X, op), flatten(b.Y, op)...)
	}
	return []lang.Expr{e}
}

func (s *scope) arithmetic(e *lang.Binary) (typed, bool) {
	if text, ok := s.hyphenated(e); ok {
		s.c.report(needsQuotes(e.Span(), text))
		return typed{}, false
	}
	x, okX := s.operand(e.X, false)
	y, okY := s.operand(e.Y, false)
	if !okX || !okY {
		return typed{}, false
	}
	return s.function(e.Op.String(), e, []typed{x, y})
}

// hyphenated recognises text like web-01, which reads as a difference of
// columns that are not there.
func (s *scope) hyphenated(e *lang.Binary) (string, bool) {
	n, ok := e.X.(*lang.Name)
	at := e.Span()
	if !ok || e.Op != lang.OpSub || len(n.Parts) > 1 || at.End > len(s.c.in.Source.Text) || strings.EqualFold(n.Parts[0].Name, "now") {
		return "", false
	}
	text := s.c.in.Source.Text[at.Start:at.End]
	if strings.ContainsAny(text, " \t\n") {
		return "", false
	}
	for _, scan := range s.scans {
		if _, ok := scan.schema.Column(n.Parts[0].Name); ok {
			return "", false
		}
	}
	return text, !s.facts || !s.c.isFact(n.Parts[0].Name)
}

func (s *scope) call(e *lang.Call) (typed, bool) {
	if agg, ok := plan.AggByName(e.Name.Name); ok && !(agg == plan.AggAny && len(e.Args) == 2) {
		if s.group == nil {
			s.c.report(aggregateMisplaced(e))
			return typed{}, false
		}
		return s.group.aggregate(s, e, agg)
	}
	args := make([]typed, len(e.Args))
	for i, a := range e.Args {
		var ok bool
		if args[i], ok = s.operand(a, false); !ok {
			return typed{}, false
		}
	}
	switch e.Name.Name {
	case "now":
		if len(args) == 0 {
			return typed{expr: &plan.Now{}, typ: value.Time, node: e}, true
		}
		s.c.report(wrongCount(e, "now()"))
		return typed{}, false
	case "age":
		if len(args) != 1 || args[0].typ != value.Time && args[0].typ != value.Null {
			s.c.report(wrongCount(e, "age(time)"))
			return typed{}, false
		}
		return s.function("-", e, []typed{{expr: &plan.Now{}, typ: value.Time}, args[0]})
	}
	f, ok := s.c.funcByName(e.Name)
	if !ok {
		return typed{}, false
	}
	if len(args) < f.Min || f.Max >= 0 && len(args) > f.Max {
		s.c.report(wrongCount(e, f.Signature))
		return typed{}, false
	}
	return s.apply(f, e, args)
}

// funcByName finds a function: one of the table, or one that came with the
// inputs, which only this machine has.
func (c *compiler) funcByName(id lang.Ident) (*plan.Func, bool) {
	if i := slices.IndexFunc(c.in.Funcs, func(f plan.Func) bool { return f.Name == id.Name }); i >= 0 {
		if c.plan.Source != "local" && c.plan.Source != "case" {
			c.report(onlyHere(id))
			return nil, false
		}
		return &c.in.Funcs[i], true
	}
	f, ok := plan.FuncByName(id.Name)
	if !ok || f.Signature == "" {
		c.report(unknownFunction(id, c.functionNames()))
		return nil, false
	}
	return f, true
}

// function applies a function or operator of the table to checked arguments.
func (s *scope) function(name string, e lang.Expr, args []typed) (typed, bool) {
	f, _ := plan.FuncByName(name)
	return s.apply(f, e, args)
}

func (s *scope) apply(f *plan.Func, e lang.Expr, args []typed) (typed, bool) {
	name := f.Name
	if own, _ := plan.FuncByName("contains"); f == own && args[0].typ == value.List {
		var ok bool
		if args[1], ok = s.member(e, args[1], args[0]); !ok {
			return typed{}, false
		}
	}
	types := make([]value.Type, len(args))
	exprs := make([]plan.Expr, len(args))
	for i, a := range args {
		types[i], exprs[i] = a.typ, a.expr
	}
	typ, err := f.Type(types)
	if err != nil {
		s.c.report(wrongArguments(e, f.Signature, err))
		return typed{}, false
	}
	if name == "extract" {
		if p, ok := args[1].constant(); ok {
			if _, err := plan.CompileMatch(plan.Regexp, p.Text(), false); err != nil {
				s.c.report(badRegexp(args[1].node.Span(), p.Text(), err))
				return typed{}, false
			}
		}
	}
	t := typed{expr: plan.NewCall(f, exprs...), typ: typ, node: e}
	switch {
	case name == "split":
		t.elem = value.Text
	case typ == value.List:
		t.elem = commonElem(args)
	}
	return s.fold(t, exprs...), true
}

// commonElem gives what all of the lists among some values hold, null where
// that is not one type.
func commonElem(args []typed) value.Type {
	elem := value.Null
	for _, a := range args {
		switch {
		case a.typ != value.List:
		case elem == value.Null:
			elem = a.elem
		case elem != a.elem:
			return value.Null
		}
	}
	return elem
}

func (c *compiler) functionNames() []string {
	names := []string{"now", "age"}
	for _, a := range plan.Aggs() {
		names = append(names, a.Name)
	}
	for _, f := range append(plan.Funcs(), c.in.Funcs...) {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fold computes an expression whose parts are all constants. The result keeps
// the type that was checked, null aside.
func (s *scope) fold(t typed, parts ...plan.Expr) typed {
	for _, p := range parts {
		if _, ok := p.(*plan.Const); !ok {
			return t
		}
	}
	v, err := t.expr.Eval(nil)
	if err != nil || s.c.in.Naive {
		return t
	}
	t.expr = &plan.Const{Value: v}
	return t
}

// nameText gives the words of a dotted name, as they were written.
func nameText(n *lang.Name) string {
	var parts []string
	for _, p := range n.Parts {
		parts = append(parts, p.Name)
	}
	return strings.Join(parts, ".")
}
