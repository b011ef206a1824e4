package osquery

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
	"github.com/quaestor-engine/quaestor/modules"
)

func walk(e sql.Expr, visit func(sql.Expr)) {
	if n, ok := e.(*named); ok {
		e = n.Expr
	}
	sql.Walk(e, visit)
}

func number10(n int) string { return strconv.Itoa(n) }

// aggregateNames are the functions over groups. min and max of several
// arguments are of one row.
var aggregateNames = []string{"count", "sum", "total", "avg", "min", "max", "group_concat", "string_agg"}

func isAggregate(e sql.Expr) bool {
	call, ok := e.(*sql.Call)
	return ok && slices.Contains(aggregateNames, call.Name) && !(len(call.Args) > 1 && (call.Name == "min" || call.Name == "max"))
}

func hasAggregate(e sql.Expr) bool {
	found := false
	walk(e, func(x sql.Expr) { found = found || isAggregate(x) })
	return found
}

func aggregates(core *sql.Core) bool {
	for _, c := range core.Columns {
		if hasAggregate(c.Expr) {
			return true
		}
	}
	return false
}

// columns makes RETURN, GROUP BY and HAVING.
func (b *block) columns(core *sql.Core) {
	b.query.block = b
	for _, g := range core.Group {
		for _, it := range b.grouping(g) {
			if !slices.Contains(b.query.group, it) {
				b.query.group = append(b.query.group, it)
			}
		}
	}
	if b.host != nil {
		b.query.group = append(b.query.group, b.host.prefix+"hostname")
		defer func() { b.query.items = append(b.query.items, item{expr: b.host.prefix + "hostname"}) }()
	}
	constant := true
	for _, col := range core.Columns {
		if _, lit := col.Expr.(*sql.Literal); !lit || col.Alias != "" {
			constant = false
		}
	}
	for _, col := range core.Columns {
		if col.Star {
			b.star(col)
		} else if !constant {
			b.column(col)
		}
	}
	if core.Having != nil {
		b.having = true
		b.query.having = append(b.query.having, b.scope.cond(core.Having, false))
		b.having = false
	}
	if constant && (b.grouped || len(core.Group) > 0) {
		for _, g := range b.query.group {
			b.query.items = append(b.query.items, item{expr: g})
		}
		if len(b.query.items) == 0 {
			b.query.items = []item{{expr: "count()"}}
		}
	}
	for i, g := range b.query.group {
		for _, it := range b.query.items {
			if it.expr == g && it.name != "" {
				b.query.group[i] = it.name
			}
		}
	}
	if len(b.query.items) == 0 && !constant {
		b.c.refuse(core.At, "none of its columns is there")
	}
}

// grouping gives the texts of a key of GROUP BY, which may be the number of a
// column.
func (b *block) grouping(e sql.Expr) []string {
	e = b.numbered(e)
	var out []string
	for _, it := range b.scope.shown(e) {
		out = append(out, it)
	}
	return out
}

// numbered takes the number of a column for the column.
func (b *block) numbered(e sql.Expr) sql.Expr {
	lit, ok := e.(*sql.Literal)
	if !ok || lit.Kind != sql.Number {
		return e
	}
	n, err := strconv.Atoi(lit.Text)
	if err != nil || n < 1 || n > len(b.core.Columns) || b.core.Columns[n-1].Star {
		b.c.refuse(e.Place(), "SELECT has no column %s", lit.Text)
	}
	return b.core.Columns[n-1].Expr
}

func (b *block) star(col sql.Column) {
	found := false
	for _, e := range b.scope.entries {
		if col.Table != "" && !strings.EqualFold(col.Table, e.name) {
			continue
		}
		found = true
		for _, v := range viewColumns(sql.Column{At: col.At, Star: true, Table: e.name}, b.scope) {
			if e.ref != nil {
				b.starColumn(col, e.ref, e.ref.t.column(v.name))
				continue
			}
			if m, ok := v.in.resolve(v.expr); ok && m.ref != nil {
				b.starColumn(col, m.ref, m.col)
				continue
			}
			b.add(v.in.shown(v.expr), "", v.expr)
		}
	}
	if !found {
		b.c.refuse(col.At, "there is no table %s", col.Table)
	}
}

func (b *block) starColumn(col sql.Column, r *ref, c *column) {
	if c.hidden || r.absent {
		return
	}
	if c.why != "" && c.shown == "" {
		b.c.lose(col.At, "table %s: column %s is left out: %s", r.t.name, c.name, c.why)
		return
	}
	b.add(b.scope.columnShown(meaning{ref: r, col: c}), c.title(), nil)
}

// title is what a column is called that is none of the module's: what it is
// worked out of would be no name.
func (c *column) title() string {
	if c.shown == "" && !plainColumn.MatchString(c.expr) {
		return c.name
	}
	return ""
}

// column adds an item of SELECT.
func (b *block) column(col sql.Column) {
	if m, ok := b.scope.resolve(col.Expr); ok && m.ref != nil {
		switch {
		case m.ref.absent:
			return
		case m.col.expr != "" && col.Alias == "":
			col.Alias = m.col.title()
		case m.col.why != "" && m.col.shown == "":
			b.c.lose(col.Expr.Place(), "table %s: column %s is left out: %s", m.ref.t.name, m.col.name, m.col.why)
			return
		}
	}
	b.add(b.scope.shown(col.Expr), col.Alias, col.Expr)
}

// add adds what is returned, each once and under a name that no other has.
func (b *block) add(exprs []string, alias string, e sql.Expr) {
	for _, expr := range exprs {
		if b.grouped && !b.fitsGroup(expr, e) {
			expr = "any(" + expr + ")"
			b.once(e)
		}
		it := item{expr: expr}
		if alias != "" && len(exprs) == 1 {
			if it.name = identifier(alias); it.name == expr {
				it.name = ""
			}
		}
		name := it.output()
		if slices.ContainsFunc(b.query.items, func(have item) bool { return have.expr == it.expr && (it.name == "" || have.name == it.name) }) {
			continue
		}
		for n := 2; slices.ContainsFunc(b.query.items, func(have item) bool { return have.output() == name }); n++ {
			name = identifier(lastWord(it.output())) + "_" + number10(n)
			it.name = name
		}
		b.query.items = append(b.query.items, it)
	}
}

func lastWord(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }

func (i item) output() string {
	if i.name != "" {
		return i.name
	}
	return i.expr
}

// once warns of columns that SQLite takes from the row of a min or max.
func (b *block) once(e sql.Expr) {
	for _, c := range b.core.Columns {
		walk(c.Expr, func(x sql.Expr) {
			if call, ok := x.(*sql.Call); ok && isAggregate(call) && (call.Name == "min" || call.Name == "max") {
				b.c.lose(c.At, "SQLite takes columns that stand beside %s from the row of it; here they are of any row of the group", call.Name)
			}
		})
	}
}

// fitsGroup says whether an expression may stand behind GROUP BY as it is.
func (b *block) fitsGroup(text string, e sql.Expr) bool {
	if e != nil && hasAggregateIn(e, b.scope) || slices.Contains(b.query.group, text) {
		return true
	}
	_, lit := e.(*sql.Literal)
	return lit || text == "now"
}

func hasAggregateIn(e sql.Expr, s *scope) bool {
	found := hasAggregate(e)
	walk(e, func(x sql.Expr) {
		if n, ok := x.(*sql.Name); ok && !found {
			if m, ok := s.lookup(n); ok && m.expr != nil {
				found = hasAggregate(m.expr)
			}
		}
	})
	return found
}

// orderAndLimit makes ORDER BY and LIMIT of the one query.
func (c *converter) orderAndLimit(q *sql.Select, env *scope, list []*query) {
	out := list[0]
	b := out.block
	if q.Limit != nil {
		lit, ok := q.Limit.(*sql.Literal)
		if !ok || lit.Kind != sql.Number || len(q.Cores) > 1 {
			c.refuse(q.Limit.Place(), "this LIMIT is no number")
		}
		out.limit = lit.Text
		if q.Offset != nil {
			if off, ok := q.Offset.(*sql.Literal); !ok || off.Text != "0" {
				c.refuse(q.Offset.Place(), "OFFSET leaves out rows, and there is no paging here: narrow the question")
			}
		}
	}
	if b == nil || b.core == nil {
		return
	}
	for _, o := range q.Order {
		e := b.numbered(o.Expr)
		if col, ok := e.(*sql.Collate); ok {
			e = col.X
		}
		for _, key := range b.scope.shown(e) {
			b.orderBy(out, key, o, e)
		}
	}
}

func (b *block) orderBy(out *query, key string, o sql.Order, e sql.Expr) {
	for _, it := range out.items {
		if it.expr == key && it.name != "" {
			key = it.name
		}
	}
	isItem := slices.ContainsFunc(out.items, func(it item) bool { return it.output() == key })
	switch {
	case out.distinct && !isItem && len(out.items) > 0:
		b.c.note(e.Place(), "DISTINCT leaves nothing to order by but what is returned: an order is left out")
		return
	case b.grouped && !isItem && !b.fitsGroup(key, e):
		key = "any(" + key + ")"
	}
	if o.Desc {
		key += " DESC"
	}
	if !slices.Contains(out.order, key) {
		out.order = append(out.order, key)
	}
	if m, ok := b.scope.resolve(e); ok && m.col != nil && len(m.col.empty) > 0 && out.limit != "" && !o.Desc {
		b.c.lose(e.Place(), "rows without %s come first in osquery and last here, and LIMIT cuts the others off", m.col.name)
	}
}

var plainColumn = regexp.MustCompile(`^\$?[a-z_][a-z0-9_.]*$`)

// shown gives the texts that are returned for an expression.
func (s *scope) shown(e sql.Expr) []string {
	if m, ok := s.resolve(e); ok && m.ref != nil {
		return s.columnShown(m)
	}
	t := s.term(e)
	if t.shown != "" {
		return []string{t.shown}
	}
	return []string{t.text}
}

func (s *scope) columnShown(m meaning) []string {
	expr := m.col.shown
	if expr == "" {
		if expr = m.col.expr; expr == "" {
			s.c.refuse(m.ref.at, "table %s: column %s: %s", m.ref.t.name, m.col.name, m.col.why)
		}
	}
	parts := strings.Split(expr, ", ")
	for _, p := range parts {
		if !plainColumn.MatchString(p) {
			return []string{under(expr, m.ref.prefix)}
		}
	}
	for i := range parts {
		parts[i] = under(parts[i], m.ref.prefix)
	}
	return parts
}

// semijoins makes joins of conditions that take the place of a file from the
// rows of a query: FIND file WHERE path IN (FIND …) would not know where to
// look.
func (b *block) semijoins() {
	for i := 0; i < len(b.bounds); i++ {
		bd := b.bounds[i]
		in, ok := bd.expr.(*sql.In)
		if !ok || in.Not || in.Query == nil || len(in.Query.Cores) != 1 || in.Query.Limit != nil || len(in.Query.Cores[0].Columns) != 1 {
			continue
		}
		m, ok := bd.in.resolve(in.X)
		if !ok || m.ref == nil || !slices.Contains(m.ref.t.keys, m.col.name) {
			continue
		}
		if schema, _ := b.c.cat.Schema(m.ref.t.module); schema.Locator.Use != modules.LocatorRequired {
			continue
		}
		core := in.Query.Cores[0]
		if len(core.Group) > 0 || core.Having != nil || aggregates(core) || core.Columns[0].Star {
			continue
		}
		src := sql.Source{At: in.Place(), Query: in.Query, Alias: "(in)"}
		e := b.source(&src, bd.in)
		b.distinctInside = 0
		e.cols[0].name = "(value)" // which no name outside means
		s := &scope{c: b.c, outer: bd.in, block: b, entries: []entry{e}}
		y := &sql.Name{At: sql.At(in.Place()), Table: e.name, Name: e.cols[0].name}
		b.bounds[i] = &bound{expr: &sql.Binary{At: sql.At(in.Place()), Op: "=", X: in.X, Y: y}, in: s}
		b.distinct = !b.grouped || b.distinct
		if b.grouped {
			b.c.lose(in.Place(), "a row counts again for each that IN finds")
		}
	}
}

// correlated makes outer joins of queries that stand for one value of a row.
func (b *block) correlated() {
	b.scalars = map[*sql.Scalar]meaning{}
	for _, bd := range b.bounds {
		walk(bd.expr, func(x sql.Expr) {
			if q, ok := x.(*sql.Scalar); ok && len(q.Query.Cores) == 1 && len(q.Query.Cores[0].Columns) == 1 && len(q.Query.Cores[0].From) == 1 && bd.in.singleRow(q.Query.Cores[0]) && !aggregates(q.Query.Cores[0]) {
				s := b.sources(q.Query.Cores[0].From, bd.in)
				b.where(q.Query.Cores[0].Where, s)
				b.scalars[q] = meaning{expr: q.Query.Cores[0].Columns[0].Expr, in: s}
			}
		})
	}
	for _, col := range b.core.Columns {
		walk(col.Expr, func(x sql.Expr) {
			q, ok := x.(*sql.Scalar)
			if !ok {
				return
			}
			if len(q.Query.Cores) != 1 || len(q.Query.Cores[0].From) == 0 || len(q.Query.Cores[0].Columns) != 1 || q.Query.Cores[0].Columns[0].Star || len(q.Query.Cores[0].Group) > 0 || aggregates(q.Query.Cores[0]) {
				b.c.refuse(q.Place(), "a query in the place of a value is carried over where it leads to one row")
			}
			core := q.Query.Cores[0]
			first := len(b.refs)
			s := b.sources(core.From, b.scope)
			of := b.refs[first]
			if !of.t.single {
				of.outer = true
			}
			for _, e := range conjuncts(core.Where) {
				bd := &bound{expr: e, in: s}
				if !of.t.single {
					bd.of = of
				}
				b.bounds = append(b.bounds, bd)
			}
			b.scalars[q] = meaning{expr: core.Columns[0].Expr, in: s}
		})
	}
}
