package osquery

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// A scope says what names mean at a place of a query.
type scope struct {
	c       *converter
	outer   *scope
	cte     *sql.CTE // of a scope that adds the name of a query and nothing else
	block   *block
	entries []entry
	columns []sql.Column    // what SELECT names, for conditions that use its names
	asking  map[string]bool // names of SELECT that are being resolved
}

// An entry is a source: a table, or a query in the place of one.
type entry struct {
	name  string
	ref   *ref
	cols  []viewColumn // of a query
	table string
}

// A viewColumn is a column of a query in the place of a table.
type viewColumn struct {
	name string
	expr sql.Expr
	in   *scope
}

// A ref is a table of osquery as one query uses it.
type ref struct {
	name   string // in the SQL
	t      *table
	at     int
	outer  bool   // of a LEFT JOIN
	absent bool   // of a LEFT JOIN whose rows are those without a partner
	prefix string // before its columns, with a dot; empty for the only scan
	link   string // how it was reached; empty for a scan
	parent *ref
	root   bool
	same   bool // it is the row of its parent
	needed bool // a condition is true only where it is there
	places []string
}

// A bound is a condition with the scope that it stands in.
type bound struct {
	expr sql.Expr
	in   *scope
	used bool
	of   *ref // of a LEFT JOIN, the ref whose ON it is
}

// A meaning is what a name was resolved to: a column of a ref, or an
// expression in another scope.
type meaning struct {
	ref  *ref
	col  *column
	expr sql.Expr
	in   *scope
}

// lookup resolves a name among the sources of a scope, then among the names
// that SELECT gives, then further out.
func (s *scope) lookup(n *sql.Name) (meaning, bool) {
	for e := s; e != nil; e = e.outer {
		if m, ok := e.own(n); ok {
			return m, true
		}
		for _, c := range e.columns {
			if n.Table == "" && c.Alias != "" && strings.EqualFold(c.Alias, n.Name) && !e.asking[c.Alias] {
				return meaning{expr: &named{c.Expr, c.Alias}, in: e}, true
			}
		}
	}
	return meaning{}, false
}

// named is an expression that SELECT gives a name; while it is translated the
// name means the column that it hides.
type named struct {
	sql.Expr
	name string
}

func (s *scope) own(n *sql.Name) (meaning, bool) {
	for _, e := range s.entries {
		if n.Table != "" && !strings.EqualFold(e.name, n.Table) {
			continue
		}
		if e.ref != nil {
			if col := e.ref.t.column(n.Name); col != nil {
				return meaning{ref: e.ref, col: col}, true
			}
			continue
		}
		for _, v := range e.cols {
			if strings.EqualFold(v.name, n.Name) {
				return meaning{expr: v.expr, in: v.in}, true
			}
		}
	}
	return meaning{}, false
}

// resolve gives the column that an expression is, through names of queries.
func (s *scope) resolve(e sql.Expr) (meaning, bool) {
	for range 32 {
		n, ok := e.(*sql.Name)
		if !ok {
			return meaning{}, false
		}
		m, ok := s.lookup(n)
		if !ok || m.ref != nil {
			return m, ok
		}
		if alias, isAlias := m.expr.(*named); isAlias {
			if m.in.asking[alias.name] {
				return meaning{}, false
			}
			if inner, ok := alias.Expr.(*sql.Name); ok && strings.EqualFold(inner.Name, alias.name) {
				return meaning{}, false
			}
			m.expr = alias.Expr
		}
		e, s = m.expr, m.in
	}
	return meaning{}, false
}

// outermost says that a scope is no part of another query.
func (s *scope) outermost() bool {
	for e := s; e != nil; e = e.outer {
		if e.block != nil {
			return false
		}
	}
	return true
}

// sources adds the sources of a core to a scope, and its conditions to the
// block.
func (b *block) sources(list []sql.Source, env *scope) *scope {
	s := &scope{c: b.c, outer: env, block: b}
	for i := range list {
		src := &list[i]
		if slices.ContainsFunc(s.entries, func(e entry) bool { return strings.EqualFold(e.name, src.Name()) }) {
			b.c.refuse(src.At, "two tables are called %s", src.Name())
		}
		e := b.source(src, env)
		b.join(s, e, src)
		s.entries = append(s.entries, e)
	}
	return s
}

func (b *block) source(src *sql.Source, env *scope) entry {
	c := b.c
	c.step(src.At)
	if src.Join == sql.Right || src.Join == sql.Full {
		c.refuse(src.At, "RIGHT and FULL joins are not carried over: turn the tables around")
	}
	if q, inner := c.sourceQuery(src, env); q != nil {
		return b.view(src, q, inner)
	}
	t := c.tables[src.Table]
	switch {
	case t == nil:
		c.refuse(src.At, "osquery has no table %s that is known here", src.Table)
	case t.module == "":
		c.refuse(src.At, "table %s: %s", t.name, t.why)
	}
	if _, ok := c.cat.Schema(t.module); !ok {
		c.refuse(src.At, "table %s: there is no module %s", t.name, t.module)
	}
	r := &ref{name: strings.ToLower(src.Name()), t: t, at: src.At, outer: src.Join == sql.Left}
	if b.refs = append(b.refs, r); len(b.refs) > maxSources {
		c.refuse(src.At, "it joins more than %d tables", maxSources)
	}
	return entry{name: src.Name(), ref: r, table: src.Table}
}

// view puts a query in the place of a table into the block: its sources and
// conditions become those of the block, its columns are names.
func (b *block) view(src *sql.Source, q *sql.Select, env *scope) entry {
	c := b.c
	core := q.Cores[b.choice[q]]
	switch {
	case b.depth > 16:
		c.refuse(src.At, "queries that stand for tables are nested too deep, or name themselves")
	case q.Limit != nil && !one(q.Limit):
		c.refuse(q.Limit.Place(), "LIMIT inside a query that stands for a table is not carried over")
	case len(core.Values) > 0:
		c.refuse(src.At, "VALUES stands for rows that are on no host")
	case len(core.Group) > 0 || core.Having != nil || aggregates(core):
		c.refuse(src.At, "a query with groups that is joined to others is not carried over")
	case src.Join == sql.Left && (len(core.From) != 1 || core.Where != nil):
		c.refuse(src.At, "LEFT JOIN of a query with conditions is not carried over")
	case core.Distinct:
		b.distinctInside = src.At + 1
	}
	b.depth++
	s := b.sources(core.From, c.with(q, env))
	b.depth--
	s.columns = core.Columns
	if src.Join == sql.Left {
		for _, e := range s.entries {
			if e.ref != nil {
				e.ref.outer = true
			}
		}
	}
	b.where(core.Where, s)
	e := entry{name: src.Name()}
	for _, col := range core.Columns {
		e.cols = append(e.cols, viewColumns(col, s)...)
	}
	if names := cteColumns(src, b, env); len(names) == len(e.cols) {
		for i := range names {
			e.cols[i].name = names[i]
		}
	}
	return e
}

func cteColumns(src *sql.Source, b *block, env *scope) []string {
	if src.Query != nil {
		return nil
	}
	for e := env; e != nil; e = e.outer {
		if e.cte != nil && strings.EqualFold(e.cte.Name, src.Table) {
			return e.cte.Columns
		}
	}
	return nil
}

func one(e sql.Expr) bool {
	l, ok := e.(*sql.Literal)
	return ok && l.Text == "1"
}

// viewColumns gives the columns that an item of SELECT stands for.
func viewColumns(col sql.Column, s *scope) []viewColumn {
	if !col.Star {
		name := col.Alias
		if n, ok := col.Expr.(*sql.Name); ok && name == "" {
			name = n.Name
		}
		return []viewColumn{{name, col.Expr, s}}
	}
	var out []viewColumn
	for _, e := range s.entries {
		if col.Table != "" && !strings.EqualFold(col.Table, e.name) {
			continue
		}
		if e.ref == nil {
			out = append(out, e.cols...)
			continue
		}
		for i := range e.ref.t.columns {
			name := e.ref.t.columns[i].name
			out = append(out, viewColumn{name, &sql.Name{At: sql.At(col.At), Table: e.name, Name: name}, s})
		}
	}
	return out
}

// join adds what ON, USING and NATURAL say.
func (b *block) join(s *scope, e entry, src *sql.Source) {
	inner := &scope{c: b.c, outer: s.outer, block: b, entries: append(slices.Clone(s.entries), e)}
	var of *ref
	if src.Join == sql.Left {
		of = e.ref
		if of == nil {
			of = b.refs[len(b.refs)-1]
		}
	}
	for _, x := range conjuncts(src.On) {
		b.bounds = append(b.bounds, &bound{expr: x, in: inner, of: of})
	}
	if src.Natural {
		b.c.refuse(src.At, "NATURAL JOIN is not carried over: USING says by which columns")
	}
	for _, name := range src.Using {
		left := ""
		for _, have := range s.entries {
			if _, ok := (&scope{c: b.c, entries: []entry{have}}).own(&sql.Name{Name: name}); ok {
				left = have.name
				break
			}
		}
		if left == "" {
			b.c.refuse(src.At, "no table before it has the column %s that USING names", name)
		}
		x := &sql.Name{At: sql.At(src.At), Table: left, Name: name}
		y := &sql.Name{At: sql.At(src.At), Table: e.name, Name: name}
		if _, ok := inner.lookup(y); !ok {
			b.c.refuse(src.At, "%s has no column %s that USING names", e.name, name)
		}
		b.bounds = append(b.bounds, &bound{expr: &sql.Binary{At: sql.At(src.At), Op: "=", X: x, Y: y}, in: inner, of: of})
	}
}

func (b *block) where(e sql.Expr, s *scope) {
	for _, x := range conjuncts(e) {
		b.bounds = append(b.bounds, &bound{expr: x, in: s})
	}
}
