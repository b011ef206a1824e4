package osquery

import (
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// A term is an expression in the language, and what is known of it.
type term struct {
	text  string
	prec  int
	kind  kind
	shown string       // what is returned in its place
	lit   *sql.Literal // it is this constant
	col   *column      // it is this column …
	ref   *ref         // … of this table
	// empty is what osquery has where it is null; nil: it is null there, too,
	// or never.
	empty []string
	// outer is a condition that is true where the row of an outer join is
	// there; without it null may also mean that it is not.
	outer string
	// unit is what the duration was divided by, in seconds; 0 and 1 are none.
	unit float64
	// whole says that a division by unit left whole numbers.
	whole bool
}

func atom(text string, k kind) term { return term{text: text, prec: precAtom, kind: k} }

// in gives the text for a place where operators of a precedence stand.
func (t term) in(prec int) string {
	if t.prec < prec {
		return "(" + t.text + ")"
	}
	return t.text
}

// filled is the term as osquery has it where it is null.
func (t term) filled() term {
	if t.kind == text && len(t.empty) == 1 && t.outer == "" {
		return term{text: "coalesce(" + t.text + ", " + convert.Quote(t.empty[0]) + ")", prec: precAtom, kind: text}
	}
	return t
}

// term translates an expression that stands for a value.
func (s *scope) term(e sql.Expr) term {
	s.c.step(e.Place())
	switch e := e.(type) {
	case *named:
		t := s.during(e, func() term { return s.term(e.Expr) })
		if s.block != nil && s.block.having && t.lit == nil && slices.ContainsFunc(s.block.query.items, func(it item) bool { return it.name == identifier(e.name) }) {
			return atom(identifier(e.name), t.kind)
		}
		return t
	case *sql.Literal:
		return s.literal(e)
	case *sql.Name:
		return s.name(e)
	case *sql.Unary:
		return s.unary(e)
	case *sql.Binary:
		return s.binary(e)
	case *sql.Call:
		return s.call(e)
	case *sql.Case:
		return s.caseOf(e)
	case *sql.Cast:
		return s.cast(e)
	case *sql.Collate:
		return s.term(e.X)
	case *sql.Scalar:
		if m, ok := s.scalar(e); ok {
			return m.in.term(m.expr)
		}
		s.c.refuse(e.Place(), "a query in the place of a value is carried over where it leads to one row")
	case *sql.Row:
		s.c.refuse(e.Place(), "several values in parentheses are carried over before IN alone")
	}
	return s.truth(e)
}

// during resolves the expression that SELECT names while its name means what
// it hides.
func (s *scope) during(n *named, do func() term) term {
	if s.asking == nil {
		s.asking = map[string]bool{}
	}
	s.asking[n.name] = true
	defer delete(s.asking, n.name)
	return do()
}

func (s *scope) scalar(e *sql.Scalar) (meaning, bool) {
	for x := s; x != nil; x = x.outer {
		if x.block != nil {
			if m, ok := x.block.scalars[e]; ok {
				return m, true
			}
		}
	}
	return meaning{}, false
}

// truth is a condition in the place of a value: 0 and 1 in SQL.
func (s *scope) truth(e sql.Expr) term {
	c := s.cond(e, false)
	switch {
	case c.always():
		return atom("true", flag)
	}
	return term{text: c.text, prec: c.prec, kind: flag}
}

func (s *scope) literal(l *sql.Literal) term {
	t := atom("", text)
	t.lit = l
	switch l.Kind {
	case sql.Text:
		t.text = convert.Quote(l.Text)
	case sql.Null:
		t.text = "null"
	case sql.Bool:
		one := &sql.Literal{At: l.At, Kind: sql.Number, Text: "0"}
		if l.Text == "TRUE" {
			one.Text = "1"
		}
		return s.literal(one)
	case sql.Blob:
		t.text = `x"` + strings.ToLower(l.Text) + `"`
	case sql.Number:
		t.kind = number
		t.text = l.Text
		if n, err := strconv.ParseInt(l.Text, 0, 64); err == nil {
			t.text = strconv.FormatInt(n, 10)
		} else if f, err := strconv.ParseFloat(l.Text, 64); err == nil {
			t.text = decimal(f)
		}
	}
	return t
}

func decimal(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func (s *scope) name(n *sql.Name) term {
	m, ok := s.lookup(n)
	switch {
	case !ok && n.Quoted && n.Table == "":
		return s.literal(&sql.Literal{At: n.At, Kind: sql.Text, Text: n.Name})
	case !ok && n.Table != "":
		s.c.refuse(n.Place(), "there is no column %s.%s", n.Table, n.Name)
	case !ok:
		s.c.refuse(n.Place(), "there is no column %s", n.Name)
	case m.ref == nil:
		return m.in.term(m.expr)
	}
	return s.column(n.Place(), m)
}

func (s *scope) column(at int, m meaning) term {
	r, c := m.ref, m.col
	if c.expr == "" && c.truths == nil {
		s.c.refuse(at, "table %s: column %s: %s", r.t.name, c.name, c.why)
	}
	t := term{text: under(c.expr, r.prefix), prec: precAtom, kind: c.kind, col: c, ref: r, empty: c.empty}
	if c.kind == flag {
		t.prec = parsed(t.text).prec
	}
	if len(s.c.rootsOf(s)) > 0 && !plainColumn.MatchString(t.text) && c.kind != flag {
		t.prec = precOf(t.text)
	}
	if r.outer && !r.root {
		t.outer = r.link + " IS NOT MISSING"
	}
	if c.shown != "" {
		if list := s.columnShown(m); len(list) == 1 {
			t.shown = list[0]
		}
	}
	return t
}

func (c *converter) rootsOf(s *scope) []*ref {
	if s.block == nil {
		return nil
	}
	return s.block.roots
}

// precOf finds whether an expression of the table is arithmetic.
func precOf(text string) int {
	depth, quoted := 0, byte(0)
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case quoted != 0:
			if ch == quoted {
				quoted = 0
			}
		case ch == '\'' || ch == '"':
			quoted = ch
		case ch == '(':
			depth++
		case ch == ')':
			depth--
		case depth == 0 && ch == ' ':
			return precSum
		}
	}
	return precAtom
}

func (s *scope) unary(e *sql.Unary) term {
	if e.Op == "NOT" {
		return s.truth(e)
	}
	x := s.term(e.X)
	switch {
	case e.Op == "+":
		return x
	case e.Op == "~":
		s.c.refuse(e.Place(), "the operator ~ on bits is not carried over")
	case x.lit != nil && x.lit.Kind == sql.Number:
		return s.literal(&sql.Literal{At: e.At, Kind: sql.Number, Text: "-" + x.lit.Text})
	}
	return term{text: "-" + x.in(precAtom), prec: precAtom, kind: x.kind}
}

func (s *scope) binary(e *sql.Binary) term {
	switch e.Op {
	case "||":
		return s.concat(e.Place(), flatten(e))
	case "+", "-", "*", "/", "%":
		return s.arithmetic(e)
	case "&", "|":
		return s.bits(e)
	case "<<", ">>":
		s.c.refuse(e.Place(), "the operator %s on bits is not carried over", e.Op)
	case "->", "->>":
		s.c.refuse(e.Place(), "JSON in a text is not taken apart: module json reads files")
	}
	return s.truth(e)
}

// bits makes bit_and and bit_or, of whole numbers and of texts that say one.
func (s *scope) bits(e *sql.Binary) term {
	name := map[string]string{"&": "bit_and", "|": "bit_or"}[e.Op]
	var args []string
	for _, x := range []sql.Expr{e.X, e.Y} {
		t := s.term(x)
		switch {
		case t.kind == number:
		case t.kind == text:
			t = atom("coalesce(int("+t.text+"), 0)", number)
		case t.kind == flag:
			t = number01(t)
		default:
			s.c.refuse(e.Place(), "%s is carried over for whole numbers", e.Op)
		}
		args = append(args, t.text)
	}
	return atom(name+"("+strings.Join(args, ", ")+")", number)
}

func flatten(e sql.Expr) []sql.Expr {
	if b, ok := e.(*sql.Binary); ok && b.Op == "||" {
		return append(flatten(b.X), flatten(b.Y)...)
	}
	return []sql.Expr{e}
}

func (s *scope) concat(at int, list []sql.Expr) term {
	parts := make([]string, len(list))
	for i, x := range list {
		t := s.term(x)
		if t.kind == flag {
			t = number01(t)
		}
		parts[i] = t.text
	}
	return atom("concat("+strings.Join(parts, ", ")+")", text)
}

// number01 is a flag as the number that it is in SQL.
func number01(t term) term {
	return atom("if("+t.text+", 1, 0)", number)
}

func (s *scope) arithmetic(e *sql.Binary) term {
	x, y := s.term(e.X), s.term(e.Y)
	if x.lit != nil && y.lit != nil {
		if v, ok := folding(e.Op, x.lit, y.lit); ok {
			return s.literal(&sql.Literal{At: e.At, Kind: sql.Number, Text: v})
		}
	}
	for _, t := range []*term{&x, &y} {
		if t.kind == flag {
			*t = number01(*t)
		}
	}
	if x.kind == seconds || y.kind == seconds || x.kind == duration || y.kind == duration {
		return s.timeArithmetic(e, x, y)
	}
	if x.kind == text || y.kind == text || x.kind >= address || y.kind >= address {
		x, y = s.numeric(x), s.numeric(y)
	}
	prec := precSum
	if e.Op != "+" && e.Op != "-" {
		prec = precProduct
	}
	right := prec + 1
	if e.Op == "+" || e.Op == "*" {
		right = prec
	}
	if e.Op == "/" {
		// SQLite divides whole numbers into whole ones; sizes here give a
		// fraction, which integers in SQL do not.
		return s.division(e, x, y)
	}
	return term{text: x.in(prec) + " " + e.Op + " " + y.in(right), prec: prec, kind: number}
}

// division keeps a fraction where SQLite has one, and none where it has none.
func (s *scope) division(e *sql.Binary, x, y term) term {
	t := term{text: x.in(precProduct) + " / " + y.in(precAtom), prec: precProduct, kind: number}
	if n, ok := floatOf(y); ok && n > 0 && !strings.Contains(y.text, ".") && whole(x) {
		t.unit, t.whole = n, true
	}
	return t
}

func whole(t term) bool { return !strings.Contains(t.text, "/") && !strings.Contains(t.text, ".0") }

// numeric is a text as the number that it begins with, as SQLite takes it.
func (s *scope) numeric(t term) term {
	switch {
	case t.lit != nil && t.lit.Kind == sql.Text:
		if n, err := strconv.ParseFloat(strings.TrimSpace(t.lit.Text), 64); err == nil {
			return atom(strconv.FormatFloat(n, 'f', -1, 64), number)
		}
		return atom("0", number)
	case t.kind == number:
		return t
	}
	return term{text: "number(extract(" + plainText(t) + `, '^\s*[-+]?\d+'))`, prec: precAtom, kind: number, empty: []string{"0"}, outer: t.outer}
}

// plainText is a term as a text.
func plainText(t term) string {
	if t.kind == text && t.lit == nil {
		return t.text
	}
	return "concat(" + t.text + ")"
}

// folding computes an operation of two constants.
func folding(op string, x, y *sql.Literal) (string, bool) {
	if x.Kind != sql.Number || y.Kind != sql.Number {
		return "", false
	}
	a, okA := new(big.Rat).SetString(x.Text)
	b, okB := new(big.Rat).SetString(y.Text)
	if !okA || !okB || len(x.Text) > 40 || len(y.Text) > 40 {
		return "", false
	}
	out := new(big.Rat)
	switch op {
	case "+":
		out.Add(a, b)
	case "-":
		out.Sub(a, b)
	case "*":
		out.Mul(a, b)
	case "/":
		if b.Sign() == 0 {
			return "", false
		}
		out.Quo(a, b)
		if a.IsInt() && b.IsInt() && !strings.ContainsAny(x.Text+y.Text, ".eE") {
			return new(big.Int).Quo(a.Num(), b.Num()).String(), true
		}
	default:
		return "", false
	}
	if out.IsInt() && !strings.ContainsAny(x.Text+y.Text, ".eE") {
		return out.Num().String(), true
	}
	f, _ := out.Float64()
	return decimal(f), true
}

func floatOf(t term) (float64, bool) {
	if t.lit == nil || t.lit.Kind == sql.Null || t.lit.Kind == sql.Blob {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(t.lit.Text), 64)
	if err != nil {
		n, err := strconv.ParseInt(t.lit.Text, 0, 64)
		return float64(n), err == nil
	}
	return f, true
}

// instant writes a time of so many seconds since 1970.
func instant(n int64) string { return time.Unix(n, 0).UTC().Format("2006-01-02T15:04:05Z") }

// span writes a duration of so many seconds.
func spanOf(sec float64) string {
	sign := ""
	if sec < 0 {
		sign, sec = "-", -sec
	}
	n := int64(sec)
	if float64(n) != sec {
		return sign + strconv.FormatFloat(sec*1000, 'f', 0, 64) + "ms"
	}
	for _, u := range [...]struct {
		size int64
		name string
	}{{86400, "d"}, {3600, "h"}, {60, "m"}} {
		if n != 0 && n%u.size == 0 {
			return sign + strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return sign + strconv.FormatInt(n, 10) + "s"
}

var wholeNumber = regexp.MustCompile(`^\s*[-+]?\d+\s*$`)
