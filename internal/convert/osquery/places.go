package osquery

import (
	"regexp"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
	"github.com/quaestor-engine/quaestor/modules"
)

// places says of every scan where it looks: where the table says so, or where
// conditions on path and directory do, which osquery's tables of files need.
func (b *block) places() {
	for _, r := range b.scans {
		r.places = r.t.in
		schema, _ := b.c.cat.Schema(r.t.module)
		if schema.Locator.Use == modules.LocatorRequired && len(r.t.in) == 0 {
			b.fromConditions(r)
		}
	}
}

// A spot is a place that a condition names.
type spot struct {
	glob    string // or
	literal string
	hidden  bool // names with a dot in front are left out, at every level
}

func (b *block) fromConditions(r *ref) {
	var found []*bound
	var spots [][]spot
	for _, bd := range b.bounds {
		if s, ok := b.spots(bd.expr, bd.in, r); ok && bd.of == nil {
			found, spots = append(found, bd), append(spots, s)
		}
	}
	switch {
	case len(found) == 1:
		found[0].used = true
		b.lookAt(r, spots[0])
	case len(found) > 1:
		// osquery looks at all places that are named, and then asks all
		// conditions of what it found.
		for _, list := range spots {
			for _, s := range list {
				r.places = append(r.places, s.place())
				b.query.follow = b.query.follow || s.glob != "" && r.t.module == "file"
			}
		}
	case b.dynamic(r):
	case !b.joined(r):
		b.c.refuse(r.at, "table %s is asked without a path or directory, which osquery refuses, too", r.t.name)
	}
}

// dynamic takes a place from a pattern that another's row is part of, such as
// a home.
func (b *block) dynamic(r *ref) bool {
	for _, bd := range b.bounds {
		e, ok := bd.expr.(*sql.Match)
		if !ok || e.Not || e.Op != "LIKE" || e.Escape != nil {
			continue
		}
		m, ok := bd.in.resolve(e.X)
		if _, lit := e.Y.(*sql.Literal); !ok || lit || m.ref != r || m.col.name != "path" {
			continue
		}
		var parts []string
		hidden := false
		for _, x := range flatten(e.Y) {
			t := bd.in.term(x)
			if t.lit == nil {
				parts = append(parts, "escape_glob("+plainText(t)+")")
				continue
			}
			glob, deep := globOf(t.lit.Text)
			parts = append(parts, convert.Quote(glob))
			hidden = hidden || deep
		}
		bd.used = true
		b.query.follow = b.query.follow || r.t.module == "file"
		b.query.conds = append(b.query.conds, compared(r.prefix+"path GLOB concat("+strings.Join(parts, ", ")+")"))
		if hidden {
			b.c.lose(e.Place(), "%%%% leaves out names that begin with a dot in osquery, and here it does not")
		}
		return true
	}
	return false
}

// joined says whether the place of a ref comes from another's rows.
func (b *block) joined(r *ref) bool {
	for _, bd := range b.bounds {
		e, ok := bd.expr.(*sql.Binary)
		if !ok || e.Op != "=" || bd.used {
			continue
		}
		for _, side := range [...]sql.Expr{e.X, e.Y} {
			if m, ok := bd.in.resolve(side); ok && m.ref == r && slices.Contains(r.t.keys, m.col.name) {
				return true
			}
		}
	}
	return false
}

func (s spot) place() string {
	if s.glob != "" {
		return s.glob
	}
	return escape(s.literal)
}

// lookAt makes one condition the places of a scan. Paths that are written out
// stay a condition: a directory as a place means all below it, too.
func (b *block) lookAt(r *ref, spots []spot) {
	spots = folded(spots)
	var literals []string
	var globs []spot
	for _, s := range spots {
		if s.glob == "" {
			literals = append(literals, s.literal)
		} else {
			globs = append(globs, s)
		}
	}
	path := r.prefix + "path"
	if schema, _ := b.c.cat.Schema(r.t.module); schema.Key != schema.Locator.Column {
		// Nothing but a place tells the module where to look.
		for _, l := range literals {
			globs = append(globs, spot{glob: escape(l)})
		}
		literals = nil
	}
	if len(globs) == 0 {
		b.query.conds = append(b.query.conds, oneOf(path, literals))
		return
	}
	b.query.follow = b.query.follow || r.t.module == "file"
	for _, s := range append(globs, literalSpots(literals)...) {
		r.places = append(r.places, s.place())
	}
	var conds []cond
	keep := len(literals) > 0
	for _, s := range globs {
		if s.hidden {
			keep = true
		}
	}
	if !keep {
		return
	}
	for _, s := range globs {
		x := cond{}
		if len(spots) > 1 {
			x = compared(path + " GLOB " + convert.Quote(s.glob))
		}
		if s.hidden {
			x = all(x, visible(path, s.glob))
		}
		conds = append(conds, x)
	}
	if len(literals) > 0 {
		conds = append(conds, oneOf(path, literals))
	}
	b.query.conds = append(b.query.conds, some(conds...))
}

func literalSpots(list []string) []spot {
	var out []spot
	for _, l := range list {
		out = append(out, spot{literal: l})
	}
	return out
}

// visible leaves out what lies below a directory whose name begins with a dot,
// and files of such names.
func visible(path, glob string) cond {
	front, _, _ := strings.Cut(glob, "**")
	if !strings.Contains(front, "/.") && !strings.Contains(front, "[!.]") {
		return compared(path + ` NOT CONTAINS "/."`)
	}
	levels := strings.Count(front, "/")
	return compared(path + " NOT MATCHES '^(?:/[^/]*){" + number10(levels-1) + "}/(?:.*/)?\\.'")
}

func oneOf(x string, texts []string) cond {
	if len(texts) == 1 {
		return compared(x + " = " + convert.Quote(texts[0]))
	}
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = convert.Quote(t)
	}
	return compared(x + " IN (" + strings.Join(quoted, ", ") + ")")
}

// spots reads a condition that speaks of nothing but where a file is.
func (b *block) spots(e sql.Expr, s *scope, r *ref) ([]spot, bool) {
	is := func(x sql.Expr) string {
		m, ok := s.resolve(x)
		if !ok || m.ref == nil || m.ref != r && !(m.ref.same && m.ref.prefix == r.prefix) || m.col.name != "path" && m.col.name != "directory" {
			return ""
		}
		return m.col.name
	}
	switch e := e.(type) {
	case *sql.Binary:
		if e.Op == "OR" {
			x, okX := b.spots(e.X, s, r)
			y, okY := b.spots(e.Y, s, r)
			return append(x, y...), okX && okY
		}
		lit, ok := s.textOf(e.Y)
		if e.Op == "=" && ok {
			return spotOf(is(e.X), lit.Text, false)
		}
	case *sql.In:
		var out []spot
		for _, x := range e.List {
			lit, ok := s.textOf(x)
			if !ok || e.Not {
				return nil, false
			}
			one, ok := spotOf(is(e.X), lit.Text, false)
			if !ok {
				return nil, false
			}
			out = append(out, one...)
		}
		return out, len(out) > 0
	case *sql.Match:
		lit, ok := s.textOf(e.Y)
		if ok && !e.Not && e.Op == "LIKE" && e.Escape == nil {
			return spotOf(is(e.X), lit.Text, true)
		}
	}
	return nil, false
}

// textOf gives a text, which SQLite also takes in double quotes where no column
// is called so.
func (s *scope) textOf(e sql.Expr) (*sql.Literal, bool) {
	if n, ok := e.(*sql.Name); ok && n.Quoted && n.Table == "" {
		if _, isColumn := s.lookup(n); !isColumn {
			return &sql.Literal{At: n.At, Kind: sql.Text, Text: n.Name}, true
		}
	}
	lit, ok := e.(*sql.Literal)
	return lit, ok && lit.Kind == sql.Text
}

// spotOf makes a place of a path or directory; with like it is a pattern.
func spotOf(col, text string, like bool) ([]spot, bool) {
	if col == "" || !strings.HasPrefix(text, "/") {
		return nil, false
	}
	if len(text) > 1 {
		text = strings.TrimSuffix(text, "/")
	}
	dir := ""
	if col == "directory" {
		dir = "/*"
	}
	if !like || !strings.Contains(text, "%") {
		if dir == "" {
			return []spot{{literal: text}}, true
		}
		return []spot{{glob: strings.TrimSuffix(escape(text), "/") + dir}}, true
	}
	glob, hidden := globOf(text)
	return []spot{{glob: glob + dir, hidden: hidden}}, true
}

// globOf makes a glob of a pattern as osquery's tables of files take it: % is
// any text within one level, %% at the end is any number of levels, and
// neither stands for a dot in front of a name.
func globOf(pattern string) (glob string, hidden bool) {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if i == len(parts)-1 && p == "%%" {
			parts[i], hidden = "**", true
			continue
		}
		for strings.Contains(p, "%%") {
			p = strings.ReplaceAll(p, "%%", "%")
		}
		p = strings.ReplaceAll(escape(p), "%", "*")
		if strings.HasPrefix(p, "*") {
			p = "[!.]" + p
		}
		parts[i] = p
	}
	return strings.Join(parts, "/"), hidden
}

// folded makes one place of two that differ in whether names begin with a dot.
func folded(spots []spot) []spot {
	var out []spot
	for _, s := range spots {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for i := 0; i < len(out); i++ {
		front, ok := strings.CutSuffix(out[i].glob, "/[!.]*")
		if !ok {
			continue
		}
		if j := slices.Index(out, spot{glob: front + "/.*"}); j >= 0 {
			out[i].glob = front + "/*"
			out = slices.Delete(out, j, j+1)
			i = -1
		}
	}
	return out
}

var globSigns = regexp.MustCompile(`[\\*?\[\]{}]`)

// escape makes a glob that means the text itself.
func escape(text string) string { return globSigns.ReplaceAllString(text, `\$0`) }

var barePlace = regexp.MustCompile(`^/[a-zA-Z0-9._/*-]*$`)

// place writes a locator, with quotes where it needs them.
func place(p string) string {
	if barePlace.MatchString(p) {
		return p
	}
	return convert.Quote(p)
}
