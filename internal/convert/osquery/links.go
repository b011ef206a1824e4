package osquery

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// An equality is a condition that two columns are equal.
type equality struct {
	a, b  meaning
	bound *bound
}

// An edge says how a ref is reached from another: by a link, or, where link is
// empty, because it is the same row.
type edge struct {
	from, to *ref
	link     string
	x, y     *column
}

// plan says of every table how it is reached: as many as can be by links, the
// others are scans.
func (b *block) plan() {
	eqs := b.equalities()
	edges := b.edges(eqs)
	b.promote(edges)
	for {
		root := b.nextRoot(edges)
		if root == nil {
			break
		}
		root.root = true
		b.roots = append(b.roots, root)
		b.reach(root, edges)
	}
	b.alone()
	b.ungroup()
	b.byHost()
	b.prefixes()
	b.consume(eqs, edges)
}

// equalities finds the conditions that join columns.
func (b *block) equalities() []equality {
	var out []equality
	for _, bd := range b.bounds {
		e, ok := bd.expr.(*sql.Binary)
		if !ok || e.Op != "=" && e.Op != "IS" {
			continue
		}
		x, okX := bd.in.resolve(e.X)
		y, okY := bd.in.resolve(e.Y)
		if okX && okY && x.ref != nil && y.ref != nil && x.ref != y.ref && slices.Contains(b.refs, x.ref) && slices.Contains(b.refs, y.ref) {
			out = append(out, equality{x, y, bd})
		}
	}
	return out
}

// edges lists the ways from one table to another. Columns that are equal to
// the same third one are equal.
func (b *block) edges(eqs []equality) []edge {
	type point struct {
		r *ref
		c *column
	}
	group := map[point]int{}
	var groups [][]point
	put := func(p point) int {
		if _, ok := group[p]; !ok {
			group[p] = len(groups)
			groups = append(groups, []point{p})
		}
		return group[p]
	}
	for _, e := range eqs {
		i, j := put(point{e.a.ref, e.a.col}), put(point{e.b.ref, e.b.col})
		if i == j {
			continue
		}
		for _, p := range groups[j] {
			group[p] = i
		}
		groups[i] = append(groups[i], groups[j]...)
		groups[j] = nil
	}
	var out []edge
	for _, members := range groups {
		for _, p := range members {
			for _, q := range members {
				if p.r == q.r || !slices.Contains(q.r.t.keys, q.c.name) {
					continue
				}
				switch {
				case p.r.t.module == q.r.t.module && slices.Contains(p.r.t.keys, p.c.name) && p.c.expr == q.c.expr:
					out = append(out, edge{p.r, q.r, "", p.c, q.c})
				case p.c.link != "" && p.c.to == q.r.t.module:
					out = append(out, edge{p.r, q.r, p.c.link, p.c, q.c})
				}
			}
		}
	}
	for _, p := range b.refs {
		for _, q := range b.refs {
			if p != q && p.t.single && q.t.single && p.t.module == q.t.module {
				out = append(out, edge{from: p, to: q})
			}
		}
	}
	return out
}

// promote makes inner joins of outer ones where a condition is true only of
// rows that have a partner, and marks those that want rows without one.
func (b *block) promote(edges []edge) {
	for _, bd := range b.bounds {
		if bd.of != nil {
			continue
		}
		if n, ok := bd.expr.(*sql.IsNull); ok && !n.Not {
			if m, ok := bd.in.resolve(n.X); ok && m.ref != nil && m.ref.outer {
				m.ref.absent = !slices.ContainsFunc(edges, func(e edge) bool { return e.to == m.ref })
			}
			continue
		}
		for _, r := range strictRefs(bd.expr, bd.in) {
			r.outer, r.absent = false, false
		}
	}
}

// strictRefs lists the tables without whose row a condition cannot be true.
func strictRefs(e sql.Expr, s *scope) []*ref {
	of := func(list ...sql.Expr) []*ref {
		var out []*ref
		for _, x := range list {
			if m, ok := s.resolve(x); ok && m.ref != nil {
				out = append(out, m.ref)
			}
		}
		return out
	}
	switch e := e.(type) {
	case *sql.Binary:
		switch e.Op {
		case "=", "!=", "<", "<=", ">", ">=":
			return of(e.X, e.Y)
		}
	case *sql.Match:
		return of(e.X)
	case *sql.In:
		return of(e.X)
	case *sql.Between:
		return of(e.X)
	case *sql.IsNull:
		if e.Not {
			return of(e.X)
		}
	case *sql.Unary:
		if m, ok := e.X.(*sql.Match); ok && e.Op == "NOT" {
			return of(m.X)
		}
	}
	return nil
}

// nextRoot picks, of the tables that are not reached, the one that leads to
// most others; of equal ones the first. Tables of outer joins come last.
func (b *block) nextRoot(edges []edge) *ref {
	var best *ref
	most := -1
	for _, r := range b.refs {
		if r.root || r.parent != nil || r.outer {
			continue
		}
		if n := len(b.reachable(r, edges)); n > most {
			best, most = r, n
		}
	}
	return best
}

func (b *block) reachable(root *ref, edges []edge) []*ref {
	seen := []*ref{root}
	for i := 0; i < len(seen); i++ {
		for _, e := range edges {
			if e.from == seen[i] && !slices.Contains(seen, e.to) && e.to.parent == nil && !e.to.root && !e.to.absent {
				seen = append(seen, e.to)
			}
		}
	}
	return seen
}

// reach takes the ways from a root. What is the same row comes first.
func (b *block) reach(root *ref, edges []edge) {
	queue := []*ref{root}
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		for _, same := range [...]bool{true, false} {
			for _, e := range edges {
				if e.from != from || (e.link == "") != same || e.to.root || e.to.parent != nil || e.to.absent {
					continue
				}
				e.to.parent, e.to.link, e.to.same = from, e.link, e.link == ""
				b.taken = append(b.taken, e)
				queue = append(queue, e.to)
			}
		}
	}
}

// alone settles the tables of outer joins that no link leads to.
func (b *block) alone() {
	for _, r := range b.refs {
		if r.root || r.parent != nil {
			continue
		}
		switch {
		case r.absent:
			// its rows are asked by NOT IN
		case len(b.roots) == 0:
			b.c.refuse(r.at, "a query cannot begin with LEFT JOIN")
		case b.unused(r):
			b.dropped = append(b.dropped, r)
			if !b.distinct {
				b.c.lose(r.at, "LEFT JOIN %s returns a row again for each partner, and nothing of it: each row comes once here", r.t.name)
			}
		default:
			b.c.lose(r.at, "LEFT JOIN %s leads to several rows: rows without a partner are left out", r.t.name)
			r.outer, r.root = false, true
			b.roots = append(b.roots, r)
		}
	}
}

// unused says that nothing but its own ON speaks of a ref.
func (b *block) unused(r *ref) bool {
	used := false
	look := func(e sql.Expr, s *scope) {
		walk(e, func(x sql.Expr) {
			if m, ok := s.resolve(x); ok && m.ref == r {
				used = true
			}
		})
	}
	for _, bd := range b.bounds {
		if bd.of != r {
			look(bd.expr, bd.in)
		}
	}
	for _, col := range b.core.Columns {
		if col.Star && (col.Table == "" || strings.EqualFold(col.Table, r.name)) {
			return false
		}
		look(col.Expr, b.scope)
	}
	for _, e := range append(slices.Clone(b.core.Group), b.core.Having) {
		look(e, b.scope)
	}
	return !used
}

// prefixes names the scans and gives every table what stands before its
// columns. Only where there are several scans do they need names.
func (b *block) prefixes() {
	count := map[string]int{}
	var roots []*ref
	for _, r := range b.roots {
		if r.t.name == "time" && len(b.roots) > 1 {
			continue // it is now, wherever one looks
		}
		count[r.t.module]++
		roots = append(roots, r)
	}
	b.scans = roots
	taken := map[string]bool{}
	for _, r := range roots {
		if len(roots) == 1 {
			break
		}
		name := r.t.module
		if count[name] > 1 {
			name = identifier(r.name)
		}
		for taken[name] {
			name += "_"
		}
		taken[name] = true
		r.prefix = name + "."
	}
	var set func(r *ref)
	set = func(r *ref) {
		for _, e := range b.taken {
			if e.from != r {
				continue
			}
			e.to.prefix = r.prefix
			if !e.to.same {
				e.to.prefix = under(e.link, r.prefix) + "."
				e.to.link = under(e.link, r.prefix)
			}
			set(e.to)
		}
	}
	for _, r := range b.roots {
		set(r)
	}
}

// consume takes out the equalities that links and rows of their own say.
func (b *block) consume(eqs []equality, edges []edge) {
	type point struct {
		r *ref
		c *column
	}
	parent := map[point]point{}
	var find func(p point) point
	find = func(p point) point {
		if q, ok := parent[p]; ok && q != p {
			return find(q)
		}
		return p
	}
	for _, e := range b.taken {
		if e.x != nil {
			parent[find(point{e.from, e.x})] = find(point{e.to, e.y})
		}
	}
	for _, e := range eqs {
		x, y := find(point{e.a.ref, e.a.col}), find(point{e.b.ref, e.b.col})
		if x == y || slices.Contains(b.dropped, e.a.ref) || slices.Contains(b.dropped, e.b.ref) {
			e.bound.used = true
			continue
		}
		if e.a.ref.absent || e.b.ref.absent {
			continue
		}
		parent[x] = y
	}
}

// identifier makes a name of the language of one of SQL.
func identifier(name string) string {
	clean := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '_'
	}, name)
	if clean == "" || clean[0] >= '0' && clean[0] <= '9' {
		clean = "_" + clean
	}
	if reserved(clean) {
		clean += "_"
	}
	return clean
}
