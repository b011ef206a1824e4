package osquery

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
	"github.com/quaestor-engine/quaestor/planner"
)

// Bounds of what one query may grow to: names that stand for queries are put
// in where they are used, and may use one another.
const (
	maxSteps   = 200_000 // expressions that are translated
	maxSources = 64      // tables of one query
	maxQueries = 64      // queries that one query becomes
)

// A converter translates the queries of one rule.
type converter struct {
	rule   *convert.Rule
	line   func(at int) int // the line of the file of a place in the SQL
	tables map[string]*table
	cat    planner.Catalogue
	now    time.Time
	steps  int
	fleet  bool // the query is for many hosts
}

// A refusal says why a query is not carried over. It is thrown and caught in
// statement: a reason may turn up in any depth of an expression.
type refusal struct {
	at   int
	text string
}

// refuse gives the query up.
func (c *converter) refuse(at int, format string, args ...any) {
	panic(&refusal{at, fmt.Sprintf(format, args...)})
}

// lose notes what is asked otherwise than osquery does.
func (c *converter) lose(at int, format string, args ...any) {
	c.once(at, true, fmt.Sprintf(format, args...))
}

// note says something that takes nothing away.
func (c *converter) note(at int, format string, args ...any) {
	c.once(at, false, fmt.Sprintf(format, args...))
}

func (c *converter) once(at int, lost bool, message string) {
	n := convert.Note{Line: c.line(at), Message: message}
	if !slices.Contains(c.rule.Notes, n) {
		c.rule.Note(n.Line, "%s", message)
	}
	if lost {
		c.rule.Outcome = min(c.rule.Outcome, convert.Partly)
	}
}

// step counts what is translated.
func (c *converter) step(at int) {
	if c.steps++; c.steps > maxSteps {
		c.refuse(at, "it grows too large when its names are written out")
	}
}

// statement translates a query; nil: it was refused, and its rule says why.
func (c *converter) statement(q *sql.Select) (out []*query) {
	defer func() {
		if r := recover(); r != nil {
			refused, ok := r.(*refusal)
			if !ok {
				panic(r)
			}
			c.rule.Note(c.line(refused.at), "%s", refused.text)
			out = nil
		}
	}()
	return c.query(q, nil)
}

// query translates a SELECT with all that is put together in it.
func (c *converter) query(q *sql.Select, outer *scope) []*query {
	env := c.with(q, outer)
	var out []*query
	for i, core := range q.Cores {
		if i > 0 && !strings.HasPrefix(q.Ops[i-1], "UNION") {
			out = c.setOperation(q.Ops[i-1], out, c.cores(core, env), core.At)
			continue
		}
		for _, next := range c.branch(core, env, len(q.Cores) > 1) {
			if i > 0 && q.Ops[i-1] == "UNION" {
				next.distinct = next.distinct || len(next.group) == 0
			}
			if len(out) == 0 || !slices.ContainsFunc(out, func(o *query) bool { return o.union(next) }) {
				out = append(out, next)
			}
		}
	}
	if len(q.Ops) > 0 && slices.Contains(q.Ops, "UNION") {
		for _, o := range out {
			o.distinct = len(o.group) == 0
		}
	}
	switch {
	case len(out) > maxQueries:
		c.refuse(q.At, "it becomes more than %d queries", maxQueries)
	case len(out) == 0:
		c.refuse(q.At, "no part of UNION is carried over")
	}
	if len(out) > 1 {
		c.several(q)
		return out
	}
	c.orderAndLimit(q, env, out)
	return out
}

// branch translates a part of a UNION. One that cannot be carried over is left
// out, and named, where others can.
func (c *converter) branch(core *sql.Core, env *scope, among bool) (out []*query) {
	if among {
		defer func() {
			if r := recover(); r != nil {
				refused, ok := r.(*refusal)
				if !ok {
					panic(r)
				}
				c.lose(refused.at, "a part of UNION is left out: %s", refused.text)
				out = nil
			}
		}()
	}
	return c.cores(core, env)
}

// several notes what cannot be said of several queries together.
func (c *converter) several(q *sql.Select) {
	if len(q.Order) > 0 {
		c.note(q.Order[0].Expr.Place(), "UNION is several queries, each a table of its own: the order of all together is left out")
	}
	if q.Limit != nil {
		c.lose(q.Limit.Place(), "UNION is several queries: LIMIT over all together is left out")
	}
}

// setOperation makes EXCEPT and INTERSECT of one column each.
func (c *converter) setOperation(op string, left, right []*query, at int) []*query {
	if len(left) != 1 || len(right) != 1 || len(left[0].items) != 1 || len(right[0].items) != 1 || !left[0].plain() {
		c.refuse(at, "%s is carried over for single columns alone", op)
	}
	in := " IN "
	if op == "EXCEPT" {
		in = " NOT IN "
	}
	right[0].distinct = false
	left[0].conds = append(left[0].conds, compared(left[0].items[0].expr+in+right[0].sub()))
	left[0].distinct = true
	return left
}

// with adds the names that WITH gives to queries.
func (c *converter) with(q *sql.Select, outer *scope) *scope {
	if len(q.With) == 0 {
		return outer
	}
	s := &scope{c: c, outer: outer}
	for i := range q.With {
		for _, core := range q.With[i].Query.Cores {
			for _, src := range core.From {
				if strings.EqualFold(src.Table, q.With[i].Name) {
					c.refuse(src.At, "%s names itself: queries that go on until nothing is found are not carried over", src.Table)
				}
			}
		}
		// A query sees those before it.
		s = &scope{c: c, outer: s, cte: &q.With[i]}
	}
	return s
}

// cores translates one core; sources that are unions make several queries.
func (c *converter) cores(core *sql.Core, env *scope) []*query {
	if len(core.Values) > 0 {
		c.refuse(core.At, "VALUES stands for rows that are on no host")
	}
	if core.From == nil {
		return []*query{c.fromNothing(core, env)}
	}
	var out []*query
	for _, choice := range c.choices(core, env) {
		b := &block{c: c, choice: choice}
		out = append(out, b.translate(core, env))
	}
	return out
}

// choices says, for sources that are unions, which of their cores is meant:
// one choice where there is none.
func (c *converter) choices(core *sql.Core, env *scope) []map[*sql.Select]int {
	out := []map[*sql.Select]int{{}}
	seen := map[*sql.Select]bool{}
	var visit func(list []sql.Source, env *scope, depth int)
	visit = func(list []sql.Source, env *scope, depth int) {
		for i := range list {
			q, inner := c.sourceQuery(&list[i], env)
			if q == nil || seen[q] || depth > 16 {
				continue
			}
			seen[q] = true
			for _, op := range q.Ops {
				if !strings.HasPrefix(op, "UNION") {
					c.refuse(q.At, "%s in the place of a table is not carried over", op)
				}
			}
			var next []map[*sql.Select]int
			for n := range q.Cores {
				for _, have := range out {
					grown := map[*sql.Select]int{q: n}
					for k, v := range have {
						grown[k] = v
					}
					next = append(next, grown)
				}
			}
			if out = next; len(out) > maxQueries {
				c.refuse(q.At, "it becomes more than %d queries", maxQueries)
			}
			for _, core := range q.Cores {
				visit(core.From, c.with(q, inner), depth+1)
			}
		}
	}
	visit(core.From, env, 0)
	return out
}

// sourceQuery gives the query that a source is, and what it sees.
func (c *converter) sourceQuery(s *sql.Source, env *scope) (*sql.Select, *scope) {
	if s.Query != nil {
		return s.Query, env
	}
	for e := env; e != nil; e = e.outer {
		if e.cte != nil && strings.EqualFold(e.cte.Name, s.Table) {
			return e.cte.Query, e.outer
		}
	}
	return nil, nil
}

// fromNothing makes SELECT without FROM: what it says of EXISTS is logic of
// the host, and the rest is constant.
func (c *converter) fromNothing(core *sql.Core, env *scope) *query {
	b := &block{c: c, core: core, query: &query{scans: []scan{{module: "host"}}}}
	b.scope = &scope{c: c, outer: env, block: b}
	var parts []*query
	for _, e := range conjuncts(core.Where) {
		parts = append(parts, c.hostPart(e, b.scope))
	}
	if len(parts) > 0 {
		first := parts[0]
		for _, p := range parts[1:] {
			first.more = append(first.more, p)
		}
		return first
	}
	b.grouped = len(core.Group) > 0 || core.Having != nil || aggregates(core)
	b.columns(core)
	return b.query
}

// hostPart makes a condition that holds of a host as a whole.
func (c *converter) hostPart(e sql.Expr, s *scope) *query {
	not := false
	for {
		u, ok := e.(*sql.Unary)
		if !ok || u.Op != "NOT" {
			break
		}
		not, e = !not, u.X
	}
	var inner *sql.Select
	switch e := e.(type) {
	case *sql.Exists:
		inner = e.Query
	case *sql.Binary:
		q, empty, ok := counted(e)
		if !ok {
			c.refuse(e.Place(), "this condition holds of no row: EXISTS is carried over as FIND … AND FIND …")
		}
		inner, not = q, not != empty
	case *sql.Scalar:
		inner = e.Query
	default:
		c.refuse(e.Place(), "this condition holds of no row: EXISTS is carried over as FIND … AND FIND …")
	}
	list := c.query(inner, s)
	if len(list) != 1 || len(list[0].more) > 0 {
		c.refuse(e.Place(), "this EXISTS becomes several queries")
	}
	q := list[0]
	q.not = not
	q.items, q.distinct, q.order = nil, false, nil
	if len(q.group) > 0 || len(q.having) > 0 {
		c.refuse(e.Place(), "EXISTS over groups is not carried over")
	}
	return q
}

// counted recognises (SELECT count(*) FROM …) > 0 and = 0.
func counted(e *sql.Binary) (q *sql.Select, empty, ok bool) {
	sub, isSub := e.X.(*sql.Scalar)
	lit, isLit := e.Y.(*sql.Literal)
	if !isSub || !isLit || len(sub.Query.Cores) != 1 || len(sub.Query.Cores[0].Columns) != 1 {
		return nil, false, false
	}
	call, isCall := sub.Query.Cores[0].Columns[0].Expr.(*sql.Call)
	if !isCall || call.Name != "count" || call.Distinct {
		return nil, false, false
	}
	inner, core := *sub.Query, *sub.Query.Cores[0]
	core.Columns = []sql.Column{{At: core.At, Expr: &sql.Literal{At: sql.At(core.At), Kind: sql.Number, Text: "1"}}}
	inner.Cores = []*sql.Core{&core}
	switch e.Op + lit.Text {
	case "=0", "<1", "<=0":
		return &inner, true, true
	case ">0", ">=1", "!=0":
		return &inner, false, true
	}
	return nil, false, false
}

func conjuncts(e sql.Expr) []sql.Expr {
	if e == nil {
		return nil
	}
	if b, ok := e.(*sql.Binary); ok && b.Op == "AND" {
		return append(conjuncts(b.X), conjuncts(b.Y)...)
	}
	return []sql.Expr{e}
}
