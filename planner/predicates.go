package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// predicate checks a comparison, a text predicate, IN, BETWEEN or IS.
func (s *scope) predicate(e lang.Expr) (typed, bool) {
	var x plan.Expr
	var ok bool
	switch e := e.(type) {
	case *lang.Compare:
		x, ok = s.compare(e)
	case *lang.In:
		x, ok = s.in(e)
	case *lang.Between:
		x, ok = s.between(e)
	case *lang.Is:
		x, ok = s.is(e)
	}
	t := typed{expr: x, typ: value.Bool, node: e}
	if !ok {
		return t, false
	}
	var parts []plan.Expr
	foldable := true
	switch x := x.(type) {
	case *plan.Cmp:
		parts = []plan.Expr{x.X, x.Y}
	case *plan.Between:
		parts = []plan.Expr{x.X, x.Low, x.High}
	case *plan.IsNull:
		parts = []plan.Expr{x.X}
	default:
		foldable = false
	}
	if foldable {
		t = s.fold(t, parts...)
	}
	return t, true
}

var cmpOps = map[lang.Op]plan.CmpOp{
	lang.OpEq: plan.Eq, lang.OpNe: plan.Ne, lang.OpLt: plan.Lt,
	lang.OpLe: plan.Le, lang.OpGt: plan.Gt, lang.OpGe: plan.Ge,
}

var matchOps = map[lang.Op]plan.MatchOp{
	lang.OpContains: plan.TextContains, lang.OpStarts: plan.StartsWith, lang.OpEnds: plan.EndsWith,
	lang.OpLike: plan.Like, lang.OpGlob: plan.Glob, lang.OpMatches: plan.Regexp,
}

func (s *scope) compare(e *lang.Compare) (plan.Expr, bool) {
	if e.Op == lang.OpYara {
		return s.yaraQuestion(e)
	}
	if line, ok := e.X.(*lang.Line); ok {
		return s.lineQuestion(e, line) // its NOT is part of the test, and the line that passes can be shown
	}
	if e.Not {
		s.negated = !s.negated
		defer func() { s.negated = !s.negated }()
	}
	if e.X == nil {
		scan, ok := s.contentScan(e)
		if !ok {
			return nil, false
		}
		return s.contentQuestion(e, scan)
	}
	x, ok := s.left(e.X)
	if !ok {
		return nil, false
	}
	if op, ok := matchOps[e.Op]; ok {
		if scan := s.contentOf(x); scan != nil && (op == plan.TextContains || op == plan.Regexp) {
			return s.contentQuestion(e, scan)
		}
		return s.match(e, op, x)
	}
	y, ok := s.operand(e.Y, true)
	if !ok {
		return nil, false
	}
	return s.cmp(e, x, y)
}

// left checks what stands on the left of a predicate: a bare word there is
// always the name of a column.
func (s *scope) left(e lang.Expr) (typed, bool) {
	if s.line {
		if _, ok := e.(*lang.Line); ok {
			return typed{expr: &plan.Out{Index: 0, Name: "line"}, typ: value.Text, node: e}, true
		}
	}
	return s.operand(e, false)
}

func (s *scope) cmp(e *lang.Compare, x, y typed) (plan.Expr, bool) {
	if isNullLiteral(y) || isNullLiteral(x) {
		s.c.report(comparedWithNull(e))
		return nil, false
	}
	x, y, ok := s.agree(e, x, y)
	if !ok {
		return nil, false
	}
	if e.NoCase && x.typ != value.Text && x.typ != value.Null {
		s.c.report(noCaseOnOther(e.OpSpan, x.typ))
		return nil, false
	}
	s.lintWord(x, y)
	if y.typ == value.Bool && cmpOps[e.Op] > plan.Ne {
		s.c.report(unordered(e.OpSpan, x.typ))
		return nil, false
	}
	out := plan.Expr(&plan.Cmp{Op: cmpOps[e.Op], X: x.expr, Y: y.expr, Fold: e.NoCase})
	if e.Not {
		out = &plan.Not{X: out}
	}
	return out, true
}

// lintWord doubts a word that is a column where one of a few words was meant:
// type = dir.
func (s *scope) lintWord(x, y typed) {
	n, ok := y.node.(*lang.Name)
	if ok && len(n.Parts) == 1 && x.col != nil && y.col != nil && len(x.col.Values) > 0 && len(y.col.Values) == 0 {
		s.c.warn(wordIsColumn(n, x.col))
	}
}

func isNullLiteral(t typed) bool {
	l, ok := t.node.(*lang.Literal)
	return ok && l.Value.IsNull()
}

// agree brings two operands to types that can be compared: a constant takes
// the type of what it meets.
func (s *scope) agree(e lang.Expr, x, y typed) (typed, typed, bool) {
	var ok bool
	if x.typ == value.IP && y.typ == value.CIDR {
		s.c.report(addressWithNetwork(e.Span()))
		return x, y, false
	}
	if y, ok = s.adapt(y, x); !ok {
		return x, y, false
	}
	if x, ok = s.adapt(x, y); !ok {
		return x, y, false
	}
	if x.typ == value.Mode && y.typ == value.Mode {
		x, y = permissionsOnly(x, y), permissionsOnly(y, x)
	}
	if !value.Comparable(x.typ, y.typ) {
		s.c.report(cannotCompare(e, x, y))
		return x, y, false
	}
	if apart(x.col, y.col) {
		s.c.report(otherHashes(e.Span(), x.col, y.col))
		return x, y, false
	}
	return x, y, true
}

// permissionsOnly takes the kind of file out of a mode that is compared with
// a constant without one: mode = "0755" is true of directories and of files.
func permissionsOnly(t, to typed) typed {
	const kind = 0o170000
	if v, ok := to.constant(); ok && v.Int()&kind == 0 {
		call, done := t.expr.(*plan.Call)
		if _, isConst := t.constant(); !isConst && !(done && call.Func == "permissions") {
			f, _ := plan.FuncByName("permissions")
			t.expr = plan.NewCall(f, t.expr)
		}
	}
	return t
}

// adapt converts t, where it is a constant, to the type of what it meets.
func (s *scope) adapt(t, to typed) (typed, bool) {
	v, isConst := t.constant()
	if _, alsoConst := to.constant(); !isConst || alsoConst && t.typ != value.Text || to.typ == value.Null || v.IsNull() {
		return t, true
	}
	if !s.knownValue(t, to.col, v) {
		return t, false
	}
	if t.typ == to.typ && t.typ != value.Hash || comparableNumbers(t.typ, to.typ) {
		return t, true
	}
	converted, err := value.Convert(v, to.typ, s.c.in.Now)
	if err == nil {
		err = hashFits(to.col, converted)
	}
	if err != nil {
		s.c.report(typeMismatch(t, to, err))
		return t, false
	}
	t.expr, t.typ = &plan.Const{Value: converted}, to.typ
	return t, true
}

// hashFits refuses a hash of another length than the column's: it is of another
// algorithm, and could never be equal.
func hashFits(col *modules.Column, v value.Value) error {
	if col == nil || v.Type() != value.Hash || col.HashBytes == 0 || len(v.Hash()) == col.HashBytes {
		return nil
	}
	return fmt.Errorf("%s has %d hex digits, and this has %d", col.Name, 2*col.HashBytes, 2*len(v.Hash()))
}

// member checks what is looked for in a list, and gives it in the type of what
// the list holds.
func (s *scope) member(e lang.Expr, x, list typed) (typed, bool) {
	if list.elem == value.Null {
		return x, true // what it holds is not known
	}
	one := typed{expr: &plan.Out{}, typ: list.elem, node: list.node, listed: true}
	if x.typ != value.Null && !value.Comparable(x.typ, list.elem) {
		if _, isConst := x.constant(); !isConst || x.typ != value.Text {
			s.c.report(noMember(e, x, list))
			return x, false
		}
	}
	x, ok := s.adapt(x, one)
	return x, ok
}

// apart says whether two columns are of hashes of different lengths.
func apart(x, y *modules.Column) bool {
	return x != nil && y != nil && x.HashBytes != y.HashBytes && x.HashBytes > 0 && y.HashBytes > 0
}

func comparableNumbers(a, b value.Type) bool {
	num := func(t value.Type) bool { return t == value.Int || t == value.Float || t == value.Size }
	return num(a) && num(b)
}

// knownValue refuses a value that a column with a closed set can never have.
func (s *scope) knownValue(t typed, col *modules.Column, v value.Value) bool {
	if col == nil || len(col.Values) == 0 || v.Type() != value.Text {
		return true
	}
	if slices.Contains(col.Values, v.Text()) {
		s.c.noDoubt(t.node.Span()) // the word is one of the column's own
		return true
	}
	s.c.report(neverThatValue(t.node.Span(), col, v.Text()))
	return false
}

func (s *scope) between(e *lang.Between) (plan.Expr, bool) {
	x, ok := s.left(e.X)
	if !ok {
		return nil, false
	}
	lo, okLo := s.operand(e.Low, true)
	hi, okHi := s.operand(e.High, true)
	if !okLo || !okHi {
		return nil, false
	}
	if isNullLiteral(x) || isNullLiteral(lo) || isNullLiteral(hi) {
		s.c.report(betweenNull(e.Span()))
		return nil, false
	}
	above, lo, okLo := s.agree(e, x, lo)
	below, hi, okHi := s.agree(e, x, hi)
	if !okLo || !okHi {
		return nil, false
	}
	out := plan.Expr(&plan.Between{X: above.expr, Low: lo.expr, High: hi.expr})
	if a, b, ok := constants(lo, hi); !plan.Same(above.expr, below.expr) {
		// Each bound has what stands on the left read in its own way.
		out = &plan.And{Xs: []plan.Expr{
			&plan.Cmp{Op: plan.Ge, X: above.expr, Y: lo.expr}, &plan.Cmp{Op: plan.Le, X: below.expr, Y: hi.expr},
		}}
	} else if c, known := value.Compare(a, b); ok && known && c > 0 {
		s.c.warn(emptyRange(e.Span()))
	}
	if e.Not {
		out = &plan.Not{X: out}
	}
	return out, true
}

// constants gives the values of two expressions that are both known now.
func constants(x, y typed) (a, b value.Value, ok bool) {
	a, okX := x.constant()
	b, okY := y.constant()
	return a, b, okX && okY
}

func (s *scope) is(e *lang.Is) (plan.Expr, bool) {
	x, ok := s.left(e.X)
	if !ok {
		return nil, false
	}
	out := plan.Expr(&plan.IsNull{X: x.expr})
	if e.Missing {
		col, isCol := x.expr.(*plan.Col)
		if !isCol || x.col == nil || x.col.Link == "" {
			s.c.report(missingNeedsLink(e))
			return nil, false
		}
		n := e.X.(*lang.Name)
		slot, ok := s.linkSlot(col.Slot, x.col, n.Parts[len(n.Parts)-1])
		if !ok {
			return nil, false
		}
		out = &plan.IsMissing{Key: x.expr, Slot: slot, Name: col.Name}
	}
	if e.Not {
		out = &plan.Not{X: out}
	}
	return out, true
}

// match checks a text predicate on a value.
func (s *scope) match(e *lang.Compare, op plan.MatchOp, x typed) (plan.Expr, bool) {
	if x.typ == value.List && x.elem == value.Text && op == plan.TextContains {
		s.c.report(listNotText(e, nodeText(e.X)))
		return nil, false
	}
	if x.typ != value.Text && x.typ != value.Bytes && x.typ != value.Version && x.typ != value.Mode && x.typ != value.Null {
		s.c.report(notText(e, x))
		return nil, false
	}
	m := &plan.Match{Op: op, X: x.expr, Fold: e.NoCase}
	var ok bool
	if m.Patterns, m.Dynamic, m.Name, ok = s.patterns(e.Y); !ok {
		return nil, false
	}
	if m.Dynamic != nil && op >= plan.Like && op != plan.Glob {
		s.c.report(patternNotConstant(e.Y.Span(), op))
		return nil, false
	}
	for _, p := range m.Patterns {
		if _, err := plan.CompileMatch(op, p, e.NoCase); err != nil {
			s.c.report(badPattern(e.Y.Span(), op, p, err))
			return nil, false
		}
		s.lintPattern(e, op, p)
		if op == plan.Glob && x.col != nil && (x.col.Link == "file" || x.col.Name == "path") && !fromRoot(p) {
			path := globOfNoPath(e.Y.Span(), p)
			path.Code = CodeGlobOfNoPath
			s.c.warn(path)
		}
	}
	if e.Not {
		return &plan.Not{X: m}, true
	}
	return m, true
}

func (s *scope) lintPattern(e *lang.Compare, op plan.MatchOp, p string) {
	switch {
	case op == plan.Regexp && strings.HasPrefix(p, ".*"):
		s.c.warn(leadingDotStar(e.Y.Span(), p))
	case op == plan.Glob && strings.Contains(p, "%") && !strings.ContainsAny(p, "*?["):
		s.c.warn(globWithPercent(e.Y.Span(), p))
	}
}

// patterns reads the right side of a text predicate: constants, any of which
// will do, or one expression.
func (s *scope) patterns(y lang.Expr) (consts []string, dynamic plan.Expr, name string, ok bool) {
	if p, isParam := y.(*lang.ParamRef); isParam {
		if l := s.c.let(p); l != nil {
			return s.patterns(l.Value)
		}
	}
	switch y := y.(type) {
	case *lang.ListRef:
		lines, ok := s.c.listLines(y)
		if !ok {
			return nil, nil, "", false
		}
		for _, l := range lines {
			consts = append(consts, l.text)
		}
		return consts, nil, "@" + y.Path, true
	case *lang.Tuple:
		for _, item := range y.Items {
			v, ok := s.constant(item, value.Text)
			if !ok {
				return nil, nil, "", false
			}
			consts = append(consts, v.Text())
		}
		return consts, nil, "", true
	case *lang.Literal:
		if s.isColumnAsText(y) {
			return nil, nil, "", false
		}
	}
	t, ok := s.operand(y, true)
	if !ok {
		return nil, nil, "", false
	}
	v, isConst := t.constant()
	switch {
	case isConst && v.Type() == value.Text:
		return []string{v.Text()}, nil, "", true
	case isConst && v.Type() == value.Bytes:
		return []string{string(v.Bytes())}, nil, "", true
	case t.typ == value.Text || t.typ == value.Bytes:
		return nil, t.expr, "", true
	}
	s.c.report(patternNotText(y, t.typ))
	return nil, nil, "", false
}

// nodeText is the canonical text of an expression, for messages.
func nodeText(e lang.Node) string { return lang.Format(e) }
