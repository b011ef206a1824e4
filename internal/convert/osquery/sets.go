package osquery

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// in translates IN with a list or a query.
func (s *scope) in(e *sql.In, not bool) cond {
	switch {
	case e.Table != "":
		q := &sql.Select{At: e.Place(), Cores: []*sql.Core{{At: e.Place(), Columns: []sql.Column{{At: e.Place(), Star: true}}, From: []sql.Source{{At: e.Place(), Table: e.Table}}}}}
		return s.inQuery(e, q, not)
	case e.Query != nil:
		return s.inQuery(e, e.Query, not)
	}
	if row, ok := e.X.(*sql.Row); ok {
		return s.inRows(e, row, not)
	}
	if len(e.List) == 0 {
		if not {
			return cond{}
		}
		return cond{never, precAtom}
	}
	x := s.term(e.X)
	var lits []string
	for _, item := range e.List {
		t := s.term(item)
		if t.lit == nil || x.lit != nil {
			return s.inEach(e, x, not)
		}
		if t.lit.Kind == sql.Null {
			if not {
				return cond{never, precAtom} // as SQL has it
			}
			continue
		}
		lits = append(lits, t.lit.Text)
	}
	return s.inList(e, x, lits, not)
}

// inEach is IN as comparisons.
func (s *scope) inEach(e *sql.In, x term, not bool) cond {
	var list []cond
	for _, item := range e.List {
		op := "="
		if not {
			op = "!="
		}
		list = append(list, s.compare(item.Place(), op, x, s.term(item)))
	}
	if not {
		return all(list...)
	}
	return some(list...)
}

// inList is IN with constants.
func (s *scope) inList(e *sql.In, x term, lits []string, not bool) cond {
	inLits := func(v string) bool { return slices.Contains(lits, v) }
	var have, values []string
	for _, v := range x.empty {
		if inLits(v) {
			have = append(have, v)
		}
	}
	if x.kind == seconds || x.kind == duration || x.kind == flag || x.unit > 0 || x.col != nil && x.col.truths != nil {
		return s.inEach(e, x, not)
	}
	left := x.in(precSum)
	for _, v := range lits {
		if slices.Contains(x.empty, v) && !(x.kind == number && v == "0") {
			continue
		}
		text, ok := s.listed(e, x, v)
		if ok && !slices.Contains(values, text) {
			values = append(values, text)
		}
	}
	if x.kind == version {
		left = "concat(" + x.text + ")"
	}
	c := cond{never, precAtom}
	if not {
		c = cond{}
	}
	switch {
	case len(values) == 1 && not:
		c = compared(left + " != " + values[0])
	case len(values) == 1:
		c = compared(left + " = " + values[0])
	case len(values) > 1:
		c = compared(left + word(not, "IN") + "(" + strings.Join(values, ", ") + ")")
	}
	if len(x.empty) == 0 {
		return c
	}
	var missing []string // the empty values for which the condition is true
	for _, v := range x.empty {
		if inLits(v) != not {
			missing = append(missing, v)
		}
	}
	switch {
	case not && len(have) > 0:
		if c.always() {
			return s.isEmptyNot(x, have)
		}
		if len(missing) > 0 {
			return some(s.isEmpty(x, missing), c)
		}
		return c // which is not true where it is null
	case len(missing) > 0:
		return some(s.isEmpty(x, missing), c)
	}
	return c
}

// listed writes a constant of IN; false: nothing is ever equal to it.
func (s *scope) listed(e *sql.In, x term, v string) (string, bool) {
	if x.col != nil && x.col.words != nil {
		w, ok := x.col.words[v]
		if !ok {
			s.c.lose(e.Place(), "column %s of %s has nothing here that is %q", x.col.name, x.ref.t.name, v)
		}
		return convert.Quote(w), ok
	}
	switch x.kind {
	case address:
		a, err := netip.ParseAddr(v)
		if err != nil {
			return "", false // an address never is such a text
		}
		return a.Unmap().String(), true
	case number:
		if f, ok := floatOf(s.literal(&sql.Literal{At: sql.At(e.Place()), Kind: sql.Text, Text: v})); ok {
			return decimalOf(f), true
		}
		return "", false
	}
	return convert.Quote(v), true
}

// inRows is (a, b) IN ((1, 2), …).
func (s *scope) inRows(e *sql.In, row *sql.Row, not bool) cond {
	var list []cond
	for _, item := range e.List {
		r, ok := item.(*sql.Row)
		if !ok || len(r.Items) != len(row.Items) {
			s.c.refuse(item.Place(), "IN compares %d values with something else", len(row.Items))
		}
		var parts []cond
		for i := range r.Items {
			op := "="
			if not {
				op = "!="
			}
			parts = append(parts, s.compare(item.Place(), op, s.term(row.Items[i]), s.term(r.Items[i])))
		}
		if not {
			list = append(list, some(parts...))
		} else {
			list = append(list, all(parts...))
		}
	}
	if not {
		return all(list...)
	}
	return some(list...)
}

// inQuery is IN with a query, which becomes one or several.
func (s *scope) inQuery(e *sql.In, q *sql.Select, not bool) cond {
	xs := []sql.Expr{e.X}
	if row, ok := e.X.(*sql.Row); ok {
		xs = row.Items
	}
	var left []string
	var first term
	for i, x := range xs {
		t := s.term(x)
		if i == 0 {
			first = t
		}
		if t.kind == flag {
			t = number01(t)
		}
		left = append(left, t.text)
	}
	var list []cond
	for _, sub := range s.c.query(q, s) {
		sub.plainItems()
		if len(sub.items) != len(left) || len(sub.more) > 0 {
			s.c.refuse(e.Place(), "the query behind IN returns %d columns, and %d are compared", len(sub.items), len(left))
		}
		sub.distinct, sub.follow = false, false
		if sub.limit == "" {
			sub.order = nil
		}
		x := strings.Join(left, ", ")
		if len(left) > 1 {
			x = "(" + x + ")"
		} else {
			x = first.in(precSum)
			x = s.sameKind(x, first, sub)
		}
		for i := range sub.items {
			sub.items[i].name = ""
		}
		list = append(list, compared(x+word(not, "IN")+sub.sub()))
	}
	if not {
		c := all(list...)
		if len(xs) == 1 && len(first.empty) > 0 {
			return some(s.isEmpty(first, first.empty), c)
		}
		return c
	}
	return some(list...)
}

// plainItems returns what is compared, where something else is shown in its
// place.
func (q *query) plainItems() {
	if q.block == nil || q.block.grouped || q.block.core == nil {
		return
	}
	var items []item
	for _, col := range q.block.core.Columns {
		if col.Star {
			return
		}
		t := q.block.scope.term(col.Expr)
		if t.text == "" {
			return
		}
		if t.kind == flag {
			t = number01(t)
		}
		items = append(items, item{expr: t.text})
	}
	q.items = items
}

// sameKind brings both sides of IN to texts where they are of different kinds.
func (s *scope) sameKind(x string, t term, sub *query) string {
	if sub.block == nil || len(sub.block.core.Columns) != 1 || sub.block.core.Columns[0].Star {
		return x
	}
	other := sub.block.scope.term(sub.block.core.Columns[0].Expr)
	if t.kind == other.kind || t.lit != nil {
		return x
	}
	if (t.kind == text || t.kind == version || t.kind == address || t.kind == number) && other.text != "" {
		if other.kind != text {
			sub.items[0].expr = "concat(" + sub.items[0].expr + ")"
		}
		if t.kind != text {
			return "concat(" + t.text + ")"
		}
	}
	return x
}

func (s *scope) between(e *sql.Between, not bool) cond {
	x, low, high := s.term(e.X), s.term(e.Low), s.term(e.High)
	plain := low.lit != nil && high.lit != nil && len(x.empty) == 0 && (x.kind == number && x.unit == 0 || x.kind == text) && (x.col == nil || x.col.words == nil && x.col.truths == nil)
	if plain {
		a, b := low.text, high.text
		if x.kind == text {
			a, b = convert.Quote(low.lit.Text), convert.Quote(high.lit.Text)
		}
		return compared(x.in(precSum) + word(not, "BETWEEN") + a + " AND " + b)
	}
	if not {
		return some(s.compare(e.Place(), "<", x, low), s.compare(e.Place(), ">", x, high))
	}
	return all(s.compare(e.Place(), ">=", x, low), s.compare(e.Place(), "<=", x, high))
}

// isNull asks whether there is a value. Tables of osquery have empty texts and
// zeros in the place of NULL: only the row of an outer join can be missing.
func (s *scope) isNull(e *sql.IsNull, not bool) cond {
	x := s.term(e.X)
	if x.lit != nil {
		if (x.lit.Kind == sql.Null) != not {
			return cond{}
		}
		return cond{never, precAtom}
	}
	switch {
	case x.outer != "" && x.col != nil:
		if not {
			return compared(x.outer)
		}
		link := strings.TrimSuffix(x.outer, " IS NOT MISSING")
		return some(compared(link+" IS NULL"), compared(link+" IS MISSING"))
	case x.kind == flag:
		s.c.refuse(e.Place(), "a flag is asked for NULL")
	case x.text == "":
		s.c.refuse(e.Place(), "this column is compared with constants alone")
	}
	if x.col != nil && x.kind == text {
		s.c.note(e.Place(), "column %s is never NULL in osquery, which has an empty text there: IS %sNULL is the same for all rows", x.col.name, map[bool]string{true: "NOT "}[not])
		if not {
			return cond{}
		}
		return cond{never, precAtom}
	}
	if x.col != nil && len(x.empty) > 0 {
		s.c.lose(e.Place(), "osquery has %q and no NULL in column %s, so that this is the same for all rows there; here it asks whether there is a value", x.empty[0], x.col.name)
	}
	if not {
		return compared(x.in(precSum) + " IS NOT NULL")
	}
	return compared(x.in(precSum) + " IS NULL")
}

// exists makes IN of EXISTS where one equality ties the query to the row.
func (s *scope) exists(e *sql.Exists, not bool) cond {
	if len(e.Query.Cores) != 1 {
		s.c.refuse(e.Place(), "EXISTS over UNION is not carried over")
	}
	core := *e.Query.Cores[0]
	if len(core.Group) > 0 || core.Having != nil || aggregates(&core) || core.From == nil {
		s.c.refuse(e.Place(), "EXISTS over groups is not carried over")
	}
	b := &block{c: s.c}
	inner := b.sources(core.From, s.c.with(e.Query, s))
	own := func(x sql.Expr) bool {
		m, ok := inner.resolve(x)
		return ok && m.ref != nil && slices.Contains(b.refs, m.ref)
	}
	var here, there sql.Expr
	var rest sql.Expr
	for _, x := range conjuncts(core.Where) {
		if eq, ok := x.(*sql.Binary); ok && eq.Op == "=" && here == nil {
			switch {
			case own(eq.X) && !own(eq.Y) && isColumn(eq.Y):
				there, here = eq.X, eq.Y
				continue
			case own(eq.Y) && !own(eq.X) && isColumn(eq.X):
				there, here = eq.Y, eq.X
				continue
			}
		}
		if rest == nil {
			rest = x
		} else {
			rest = &sql.Binary{At: sql.At(x.Place()), Op: "AND", X: rest, Y: x}
		}
	}
	if here == nil {
		s.c.refuse(e.Place(), "EXISTS that no equality ties to the row is carried over in SELECT … WHERE EXISTS alone")
	}
	core.Where = rest
	core.Columns = []sql.Column{{At: e.Place(), Expr: there}}
	q := *e.Query
	q.Cores, q.Limit, q.Order = []*sql.Core{&core}, nil, nil
	return s.inQuery(&sql.In{At: e.At, X: here}, &q, not)
}

func isColumn(e sql.Expr) bool {
	_, ok := e.(*sql.Name)
	return ok
}
