package osquery

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
	"github.com/quaestor-engine/quaestor/value"
)

// opposites are the operators with NOT before them.
var opposites = map[string]string{"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

// turned are the operators with their sides exchanged.
var turned = map[string]string{"=": "=", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}

// cond translates a condition; with neg its opposite. NOT is brought down to
// the comparisons, where it is known what osquery has in the place of null.
func (s *scope) cond(e sql.Expr, neg bool) cond {
	s.c.step(e.Place())
	switch e := e.(type) {
	case *named:
		var out cond
		s.during(e, func() term { out = s.cond(e.Expr, neg); return term{} })
		return out
	case *sql.Unary:
		if e.Op == "NOT" {
			return s.cond(e.X, !neg)
		}
	case *sql.Binary:
		if c, ok := s.binaryCond(e, neg); ok {
			return c
		}
	case *sql.Match:
		return s.match(e, neg != e.Not)
	case *sql.In:
		return s.in(e, neg != e.Not)
	case *sql.Between:
		return s.between(e, neg != e.Not)
	case *sql.IsNull:
		return s.isNull(e, neg != e.Not)
	case *sql.Exists:
		return s.exists(e, neg)
	case *sql.Name:
		if m, ok := s.lookup(e); ok && m.ref == nil {
			return m.in.cond(m.expr, neg)
		}
	}
	op := "!="
	if neg {
		op = "="
	}
	return s.compare(e.Place(), op, s.term(e), s.literal(&sql.Literal{At: sql.At(e.Place()), Kind: sql.Number, Text: "0"}))
}

func (s *scope) binaryCond(e *sql.Binary, neg bool) (cond, bool) {
	op := e.Op
	switch op {
	case "AND", "OR":
		x, y := s.cond(e.X, neg), s.cond(e.Y, neg)
		if (op == "AND") != neg {
			return all(x, y), true
		}
		return some(x, y), true
	case "IS", "IS NOT":
		if l, ok := e.Y.(*sql.Literal); ok && l.Kind == sql.Null {
			return s.isNull(&sql.IsNull{At: e.At, X: e.X}, neg != (op == "IS NOT")), true
		}
		op = map[string]string{"IS": "=", "IS NOT": "!="}[op]
	case "=", "!=", "<", "<=", ">", ">=":
	default:
		return cond{}, false
	}
	if neg {
		op = opposites[op]
	}
	if c, ok := s.scalarCompare(e, op); ok {
		return c, true
	}
	if c, ok := s.collated(e, op); ok {
		return c, true
	}
	if c, ok := s.instr(e, op); ok {
		return c, true
	}
	return s.compare(e.Place(), op, s.term(e.X), s.term(e.Y)), true
}

// scalarCompare makes IN of a comparison with a query that gives one value.
func (s *scope) scalarCompare(e *sql.Binary, op string) (cond, bool) {
	x, y := e.X, e.Y
	if _, ok := x.(*sql.Scalar); ok {
		x, y = y, x
	}
	q, ok := y.(*sql.Scalar)
	if !ok {
		return cond{}, false
	}
	if _, ok := s.scalar(q); ok {
		return cond{}, false
	}
	if op != "=" && op != "!=" {
		s.c.refuse(e.Place(), "a query in the place of a value is carried over behind = alone")
	}
	if core := q.Query.Cores[0]; !aggregates(core) && q.Query.Limit == nil && !s.singleRow(core) {
		s.c.note(e.Place(), "= with a query that gives several rows takes the first in SQLite, and any of them here")
		s.c.lose(e.Place(), "= with a query is IN here")
	}
	return s.in(&sql.In{At: e.At, X: x, Query: q.Query}, op == "!="), true
}

func (s *scope) singleRow(core *sql.Core) bool {
	for _, src := range core.From {
		if t := s.c.tables[src.Table]; t == nil || !t.single {
			return false
		}
	}
	return true
}

// collated compares as COLLATE and version_compare say.
func (s *scope) collated(e *sql.Binary, op string) (cond, bool) {
	x, okX := e.X.(*sql.Collate)
	y, okY := e.Y.(*sql.Collate)
	name := ""
	a, b := e.X, e.Y
	if okX {
		name, a = x.Name, x.X
	}
	if okY {
		name, b = y.Name, y.X
	}
	if call, ok := e.X.(*sql.Call); ok && call.Name == "version_compare" && len(call.Args) >= 2 {
		if l, ok := e.Y.(*sql.Literal); ok && l.Text == "0" {
			name, a, b = "VERSION", call.Args[0], call.Args[1]
		}
	}
	switch {
	case name == "":
		return cond{}, false
	case strings.HasPrefix(name, "VERSION"):
		return s.versions(e.Place(), op, s.term(a), s.term(b)), true
	case name == "NOCASE":
		tx, ty := s.term(a), s.term(b)
		if tx.lit != nil {
			tx, ty, op = ty, tx, turned[op]
		}
		if ty.lit != nil && ty.lit.Kind == sql.Text && tx.kind == text && tx.col != nil && tx.col.words == nil {
			return s.nullable(tx, compared("lower("+tx.text+") "+op+" "+convert.Quote(strings.ToLower(ty.lit.Text))), func(v string) bool {
				return holds(op, strings.Compare(strings.ToLower(v), strings.ToLower(ty.lit.Text)))
			}), true
		}
		return s.compare(e.Place(), op, tx, ty), true
	}
	return s.compare(e.Place(), op, s.term(a), s.term(b)), true
}

// versions compares by the rules of versions.
func (s *scope) versions(at int, op string, x, y term) cond {
	if x.lit != nil {
		x, y, op = y, x, turned[op]
	}
	if x.kind != version {
		s.c.lose(at, "this text is no version here, and is compared by bytes")
		return s.compare(at, op, x, y)
	}
	return s.nullable(x, compared(x.text+" "+op+" "+y.in(precSum)), func(string) bool { return op == "<" || op == "<=" || op == "!=" })
}

// instr makes CONTAINS of instr(x, y) > 0.
func (s *scope) instr(e *sql.Binary, op string) (cond, bool) {
	call, ok := e.X.(*sql.Call)
	lit, isLit := e.Y.(*sql.Literal)
	if !ok || !isLit || call.Name != "instr" || len(call.Args) != 2 {
		return cond{}, false
	}
	not := false
	switch op + lit.Text {
	case ">0", "!=0", ">=1":
	case "=0", "<1", "<=0":
		not = true
	default:
		return cond{}, false
	}
	x, y := s.term(call.Args[0]), s.term(call.Args[1])
	word := " CONTAINS "
	if not {
		word = " NOT CONTAINS "
	}
	return s.nullable(x, compared(x.in(precSum)+word+y.in(precSum)), func(string) bool { return not }), true
}

// nullable adds what is true of rows in which a term is null: osquery has one
// of its empty values there, and holds says whether the condition is true of
// it.
func (s *scope) nullable(t term, c cond, holds func(empty string) bool) cond {
	var yes []string
	for _, v := range t.empty {
		if holds(v) {
			yes = append(yes, v)
		}
	}
	if len(yes) == 0 {
		return c
	}
	return some(s.isEmpty(t, yes), c)
}

// isEmpty is the condition that a term is null and osquery has one of these
// values in its place.
func (s *scope) isEmpty(t term, values []string) cond {
	null := compared(t.in(precSum) + " IS NULL")
	if t.outer != "" {
		null = all(compared(t.outer), null)
	}
	if len(values) == len(t.empty) || t.col == nil || t.col.kind != address {
		return null
	}
	var families []cond
	for _, v := range values {
		families = append(families, compared(t.ref.prefix+`family = "`+map[string]string{"": "unix", "0.0.0.0": "ipv4", "::": "ipv6"}[v]+`"`))
	}
	return all(null, some(families...))
}

// isEmptyNot is its opposite.
func (s *scope) isEmptyNot(t term, values []string) cond {
	if len(values) == len(t.empty) || t.col == nil || t.col.kind != address {
		return compared(t.in(precSum) + " IS NOT NULL")
	}
	return some(compared(t.in(precSum)+" IS NOT NULL"), s.isEmpty(t, slices.DeleteFunc(slices.Clone(t.empty), func(v string) bool { return slices.Contains(values, v) })))
}

func holds(op string, order int) bool {
	switch op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// compare translates a comparison.
func (s *scope) compare(at int, op string, x, y term) cond {
	if x.lit != nil && y.lit == nil {
		x, y, op = y, x, turned[op]
	}
	switch {
	case x.lit != nil && y.lit != nil:
		return constant(op, x.lit, y.lit)
	case y.lit != nil && y.lit.Kind == sql.Null:
		return cond{never, precAtom}
	case y.lit != nil:
		return s.compareLiteral(at, op, x, y)
	case x.text == "" || y.text == "":
		s.c.refuse(at, "this column is compared with constants alone")
	}
	if x.kind == flag || y.kind == flag {
		if x.kind != y.kind {
			s.c.refuse(at, "a flag is compared with a column")
		}
		x, y = number01(x), number01(y)
	}
	if c, ok := s.compareTimes(op, x, y); ok {
		return c
	}
	if x.kind != y.kind && (x.kind == text || y.kind == text) && x.kind != version && y.kind != version {
		// SQLite compares a number with a text column as numbers.
		if op == "=" || op == "!=" {
			return compared(plainText(x) + " " + op + " " + plainText(y))
		}
		x, y = s.numeric(x), s.numeric(y)
	}
	if op != "=" {
		x, y = x.filled(), y.filled()
	}
	return compared(x.in(precSum) + " " + op + " " + y.in(precSum))
}

// constant decides a comparison of two constants.
func constant(op string, x, y *sql.Literal) cond {
	order := strings.Compare(x.Text, y.Text)
	if x.Kind == sql.Number && y.Kind == sql.Number {
		a, _ := strconv.ParseFloat(x.Text, 64)
		b, _ := strconv.ParseFloat(y.Text, 64)
		order = int(min(max(a-b, -1), 1) * 2)
	}
	if x.Kind != sql.Null && y.Kind != sql.Null && holds(op, order) {
		return cond{}
	}
	return cond{never, precAtom}
}

// compareLiteral compares a term with a constant.
func (s *scope) compareLiteral(at int, op string, x, y term) cond {
	lit := y.lit.Text
	if x.col != nil && x.col.truths != nil {
		return s.meaning(at, op, x, lit)
	}
	if x.col != nil && x.col.words != nil {
		return s.word(at, op, x, lit)
	}
	switch x.kind {
	case flag:
		return s.flag(at, op, x, lit)
	case number, seconds, duration:
		return s.compareNumber(at, op, x, y)
	}
	if op == "=" || op == "!=" {
		if slices.Contains(x.empty, lit) {
			return s.compareEmpty(op, x, lit)
		}
	}
	s.fronted(at, x, lit)
	out := compared(x.in(precSum) + " " + op + " " + convert.Quote(lit))
	switch x.kind {
	case address:
		if a, err := netip.ParseAddr(lit); err == nil && (op == "=" || op == "!=") {
			out = compared(x.text + " " + op + " " + a.Unmap().String())
		} else {
			out = compared("concat(" + x.text + ") " + op + " " + convert.Quote(lit))
		}
	case version:
		out = compared("concat(" + x.text + ") " + op + " " + convert.Quote(lit))
		if op != "=" && op != "!=" {
			s.c.note(at, "osquery compares these versions as texts, and so does this query: without concat they are compared as versions")
		}
	}
	return s.nullable(x, out, func(v string) bool { return holds(op, strings.Compare(v, lit)) })
}

// compareEmpty compares with a value that osquery has where there is none.
func (s *scope) compareEmpty(op string, x term, lit string) cond {
	if op == "=" {
		return s.isEmpty(x, []string{lit})
	}
	return s.isEmptyNot(x, []string{lit})
}

// compareNumber compares a number, a time or a duration with a constant.
func (s *scope) compareNumber(at int, op string, x, y term) cond {
	f, ok := floatOf(y)
	if !ok {
		s.c.refuse(at, "%q is no number, and is compared with one", y.lit.Text)
	}
	empty := func(v string) bool {
		n, _ := strconv.ParseFloat(v, 64)
		switch {
		case n < f:
			return holds(op, -1)
		case n > f:
			return holds(op, 1)
		}
		return holds(op, 0)
	}
	if x.kind == number && slices.ContainsFunc(x.empty, func(v string) bool { return v == y.lit.Text }) && (op == "=" || op == "!=") && x.unit == 0 {
		c := s.compareEmpty(op, x, y.lit.Text)
		if f != 0 {
			return c
		}
		// A zero may also be there.
		zero := compared(x.in(precSum) + " " + op + " 0")
		if op == "=" {
			return some(c, zero)
		}
		return zero
	}
	return s.nullable(x, s.numberCond(op, x, f, y), empty)
}

func (s *scope) numberCond(op string, x term, f float64, y term) cond {
	switch {
	case x.kind == seconds && x.unit == 0:
		return timeCond(op, x, int64(f))
	case x.kind == duration || x.kind == seconds:
		return durationCond(op, x, f)
	case x.unit > 0 && x.whole:
		// A division that leaves whole numbers is compared by its bounds.
		whole, _, _ := strings.Cut(x.text, " / ")
		low, high := decimalOf(f*x.unit), decimalOf((f+1)*x.unit)
		return bounds(op, whole, low, high)
	}
	lit := y.text
	if y.lit.Kind == sql.Text {
		lit = decimalOf(f)
	}
	if s.isSize(x) {
		lit = sizeOf(lit, f)
	}
	return compared(x.in(precSum) + " " + op + " " + lit)
}

// isSize says whether a term is a column of sizes.
func (s *scope) isSize(x term) bool {
	if x.col == nil || !strings.HasPrefix(x.col.expr, "$") || !plainColumn.MatchString(x.col.expr) {
		return false
	}
	schema, ok := s.c.cat.Schema(x.ref.t.module)
	if !ok {
		return false
	}
	i, ok := schema.Column(x.col.expr[1:])
	return ok && schema.Columns[i].Type == value.Size
}

// sizeOf writes a round number of bytes with its unit.
func sizeOf(plain string, f float64) string {
	n := int64(f)
	if float64(n) != f || n <= 0 {
		return plain
	}
	for _, u := range [...]struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "KB"}} {
		if n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return plain
}

func decimalOf(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// bounds compares what was divided with a whole quotient: it lies from low to
// below high.
func bounds(op, x, low, high string) cond {
	switch op {
	case ">":
		return compared(x + " >= " + high)
	case ">=":
		return compared(x + " >= " + low)
	case "<":
		return compared(x + " < " + low)
	case "<=":
		return compared(x + " < " + high)
	case "=":
		return all(compared(x+" >= "+low), compared(x+" < "+high))
	}
	return some(compared(x+" < "+low), compared(x+" >= "+high))
}
