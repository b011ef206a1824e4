package osquery

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
	"github.com/quaestor-engine/quaestor/lang"
)

// A block is one FIND that is being made of one core of SQL, with the queries
// that stand in the places of its tables.
type block struct {
	c              *converter
	choice         map[*sql.Select]int // which core of a union is meant
	core           *sql.Core
	scope          *scope
	query          *query
	refs           []*ref
	bounds         []*bound
	roots, scans   []*ref
	taken          []edge
	dropped        []*ref
	scalars        map[*sql.Scalar]meaning
	inner          []sql.Column // of a query with groups that was unwrapped: what its names mean
	having         bool         // HAVING is being translated, where the names of SELECT may stand
	depth          int
	distinct       bool
	distinctInside int // the place of DISTINCT in a source, and 1
	grouped        bool
	host           *ref // whose name is a key of the groups
	top            bool // it is no part of another query, and asks a fleet
}

func (b *block) translate(core *sql.Core, env *scope) *query {
	c := b.c
	core, env = b.unwrap(core, env)
	b.core, b.distinct = core, core.Distinct
	b.scope = b.sources(core.From, env)
	b.scope.columns = append(slices.Clone(core.Columns), b.inner...)
	b.where(core.Where, b.scope)
	b.grouped = len(core.Group) > 0 || core.Having != nil || aggregates(core) || len(b.inner) > 0
	b.semijoins()
	b.correlated()
	b.top = c.fleet && env.outermost()
	b.plan()
	b.query = &query{distinct: b.distinct}
	b.absent()
	b.places()
	for _, bd := range b.bounds {
		if !bd.used {
			b.query.conds = append(b.query.conds, b.condition(bd))
		}
	}
	b.existence()
	for _, r := range b.scans {
		s := scan{module: r.t.module, places: r.places}
		if r.prefix != "" {
			s.alias = strings.TrimSuffix(r.prefix, ".")
		}
		b.query.scans = append(b.query.scans, s)
	}
	b.columns(b.core)
	b.rowsDiffer()
	if b.distinctInside > 0 && !b.distinct && b.grouped {
		c.lose(b.distinctInside-1, "DISTINCT inside a query that stands for a table is left out, so that groups count more rows")
	}
	return b.query
}

// ungroup leaves out a GROUP BY whose groups are single rows: by the key of the
// only scan, without aggregates.
func (b *block) ungroup() {
	core := b.core
	if len(core.Group) == 0 || core.Having != nil || len(b.roots) != 1 || len(b.inner) > 0 || aggregates(core) {
		return
	}
	for _, g := range core.Group {
		m, ok := b.scope.resolve(b.numbered(g))
		if !ok || m.ref == nil || !slices.Contains(m.ref.t.keys, m.col.name) {
			continue
		}
		r := m.ref
		for r.same {
			r = r.parent
		}
		if r == b.roots[0] {
			bare := *core
			bare.Group = nil
			b.core, b.grouped = &bare, false
			return
		}
	}
}

// byHost makes the host a key of groups: those of osquery are of one host, and
// those of a fleet of all.
func (b *block) byHost() {
	if !b.top || !b.grouped || len(b.core.Group) == 0 {
		return
	}
	for _, r := range b.roots {
		if r.t.module == "host" {
			b.host = r
		}
	}
	if b.host == nil {
		b.host = &ref{name: "host", t: b.c.tables["system_info"], root: true}
		b.roots = append(b.roots, b.host)
	}
}

// unwrap takes away a query around one with groups that only names its columns.
func (b *block) unwrap(core *sql.Core, env *scope) (*sql.Core, *scope) {
	if len(core.From) != 1 || len(core.Group) > 0 || core.Having != nil || aggregates(core) {
		return core, env
	}
	q, inner := b.c.sourceQuery(&core.From[0], env)
	if q == nil || len(q.Cores) != 1 || q.Limit != nil {
		return core, env
	}
	in := q.Cores[0]
	if len(in.Group) == 0 && in.Having == nil && !aggregates(in) {
		return core, env
	}
	out := *in
	out.Distinct = out.Distinct || core.Distinct
	if core.Where != nil {
		out.Having = core.Where
		if in.Having != nil {
			out.Having = &sql.Binary{At: sql.At(core.Where.Place()), Op: "AND", X: in.Having, Y: core.Where}
		}
	}
	if len(core.Columns) == 1 && core.Columns[0].Star {
		return &out, b.c.with(q, inner)
	}
	out.Columns = nil
	b.inner = in.Columns
	for _, col := range core.Columns {
		n, ok := col.Expr.(*sql.Name)
		i := -1
		if ok {
			i = slices.IndexFunc(in.Columns, func(c sql.Column) bool {
				have, isName := c.Expr.(*sql.Name)
				return strings.EqualFold(c.Alias, n.Name) || c.Alias == "" && isName && strings.EqualFold(have.Name, n.Name)
			})
		}
		if i < 0 {
			out.Columns = append(out.Columns, col)
			continue
		}
		have := in.Columns[i]
		if col.Alias != "" {
			have.Alias = col.Alias
		}
		out.Columns = append(out.Columns, have)
	}
	return &out, b.c.with(q, inner)
}

// existence adds what inner joins ask: that the row at the end of a link is
// there, and is one of the table's.
func (b *block) existence() {
	for _, r := range b.refs {
		if r.absent || slices.Contains(b.dropped, r) {
			continue
		}
		if r.t.where != "" && !r.outer {
			b.query.conds = append(b.query.conds, apart(under(r.t.where, r.prefix))...)
			if !r.root && !r.same {
				continue // which is true only where the row is there
			}
		}
		if !r.root && !r.same && !r.outer && !r.needed {
			b.query.conds = append(b.query.conds, compared(r.link+" IS NOT MISSING"))
		}
		if r.t.users && r.root && !b.speaksOfUsers(r) {
			b.query.conds = append(b.query.conds, compared(r.prefix+"user.uid = 0"))
			b.c.note(r.at, "osquery looks for %s only at the user that it runs as, root, where no users are joined: without user.uid = 0 all are asked", r.t.name)
		}
	}
}

// speaksOfUsers says whether a query says whose rows of a table it wants.
func (b *block) speaksOfUsers(r *ref) bool {
	for _, e := range b.taken {
		if e.from == r && e.to.t.module == "user" {
			return true
		}
	}
	for _, bd := range b.bounds {
		found := false
		walk(bd.expr, func(x sql.Expr) {
			m, ok := bd.in.resolve(x)
			found = found || ok && m.ref == r && m.col.name == "uid"
		})
		if found {
			return true
		}
	}
	return false
}

// rowsDiffer says where rows are cut otherwise than osquery's.
func (b *block) rowsDiffer() {
	for _, r := range b.refs {
		if r.t.less != "" {
			b.c.lose(r.at, "table %s: %s", r.t.name, r.t.less)
		}
		switch {
		case r.t.rows == "" || r.absent:
		case r.t.raw:
			b.c.lose(r.at, "table %s: %s, which is not taken apart", r.t.name, r.t.rows)
		case b.grouped:
			b.c.lose(r.at, "table %s: %s, so that it counts otherwise", r.t.name, r.t.rows)
		default:
			b.c.note(r.at, "table %s: %s", r.t.name, r.t.rows)
		}
	}
}

// absent makes NOT IN of LEFT JOIN … WHERE x IS NULL.
func (b *block) absent() {
	for _, r := range b.refs {
		if !r.absent {
			continue
		}
		q := &query{scans: []scan{{module: r.t.module, places: r.t.in}}}
		if r.t.where != "" {
			q.conds = append(q.conds, parsed(under(r.t.where, "")))
		}
		key := ""
		for _, bd := range b.bounds {
			switch {
			case bd.of == r:
				bd.used = true
				here, there, ok := b.sides(bd, r)
				if ok && key == "" {
					key = here
					q.items = []item{{expr: there}}
					continue
				}
				q.conds = append(q.conds, b.condition(bd))
			case mentions(bd, r):
				bd.used = true // x IS NULL, which brought us here
			}
		}
		if key == "" {
			b.c.refuse(r.at, "LEFT JOIN … IS NULL is carried over where ON compares one column with one")
		}
		b.query.conds = append(b.query.conds, compared(key+" NOT IN "+q.sub()))
	}
}

func mentions(bd *bound, r *ref) bool {
	found := false
	walk(bd.expr, func(x sql.Expr) {
		m, ok := bd.in.resolve(x)
		found = found || ok && m.ref == r
	})
	return found
}

// sides splits the equality of an ON: here is the expression of the other
// tables, there that of r.
func (b *block) sides(bd *bound, r *ref) (here, there string, ok bool) {
	e, isBinary := bd.expr.(*sql.Binary)
	if !isBinary || e.Op != "=" {
		return "", "", false
	}
	x, okX := bd.in.resolve(e.X)
	y, okY := bd.in.resolve(e.Y)
	if !okX || !okY || x.ref == nil || y.ref == nil || x.col.expr == "" || y.col.expr == "" {
		return "", "", false
	}
	if x.ref == r {
		x, y = y, x
	}
	return under(x.col.expr, x.ref.prefix), under(y.col.expr, y.ref.prefix), y.ref == r && x.ref != r
}

// condition translates a condition of WHERE or ON.
func (b *block) condition(bd *bound) cond {
	if bd.of != nil && bd.of.outer && !bd.of.absent {
		b.c.lose(bd.expr.Place(), "a condition of LEFT JOIN is asked of all rows")
	}
	out := bd.in.cond(bd.expr, false)
	if bd.of == nil {
		for _, r := range strictRefs(bd.expr, bd.in) {
			r.needed = r.needed || !strings.Contains(out.text, "IS NULL") && out.text != ""
		}
	}
	return out
}

// reserved says whether a word is a keyword.
func reserved(word string) bool {
	for _, k := range lang.Keywords() {
		if slices.Contains(strings.Fields(k.Text), strings.ToUpper(word)) {
			return true
		}
	}
	return word == "now"
}

// apart gives the parts of a condition of the table that AND joins.
func apart(text string) []cond {
	if parsed(text).prec != precAnd {
		return []cond{parsed(text)}
	}
	var out []cond
	for _, part := range strings.Split(text, " AND ") {
		out = append(out, parsed(part))
	}
	return out
}

// parsed gives a condition of the table its precedence.
func parsed(text string) cond {
	depth, prec := 0, precCompare
	quoted := byte(0)
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
		case depth == 0 && strings.HasPrefix(text[i:], " OR "):
			prec = min(prec, precOr)
		case depth == 0 && strings.HasPrefix(text[i:], " AND "):
			prec = min(prec, precAnd)
		}
	}
	if strings.HasPrefix(text, "NOT ") {
		prec = min(prec, precNot)
	}
	return cond{text, prec}
}
