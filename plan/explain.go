package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// Notes are what EXPLAIN can add to a plan that the plan itself does not say.
type Notes struct {
	// Cost gives the cost of a module's column: free, stat, read, scan.
	Cost func(module, column string) string
	// Shares says whether a module serves several scans in one pass.
	Shares func(module string) bool
	// Slot gives what was measured of a slot of a table: EXPLAIN ANALYZE.
	Slot func(table, slot int) string
}

// String is EXPLAIN without notes.
func (p *Plan) String() string { return p.Explain(Notes{}) }

// Explain draws the plan as a tree for people.
func (p *Plan) Explain(n Notes) string {
	d := &drawing{plan: p, notes: n}
	root := &branch{text: "ask " + p.who()}
	if p.Every > 0 {
		by := ""
		if !p.here() {
			by = " on each host"
		}
		root.add("every " + value.FormatDuration(p.Every) + by + ", and after the first time only what is new, gone or changed")
	}
	if p.Target != nil {
		root.add("of those where " + Text(p.Target))
	}
	for _, group := range p.walks(n) {
		at := root
		if len(group) > 1 {
			at = root.add("one pass, shared")
		}
		for _, i := range group {
			d.table(at, p.Tables[i], i)
		}
	}
	for i, t := range p.Subs {
		d.table(root.add(fmt.Sprintf("subquery %d, once", i+1)), t, -1)
	}
	if l := p.Limits.text(); l != "" {
		root.add("within " + l)
	}
	var b strings.Builder
	root.draw(&b, "", "")
	return b.String()
}

// here says whether the plan is answered where it was asked.
func (p *Plan) here() bool { return p.Source == "local" || p.Source == "case" }

func (p *Plan) who() string {
	if len(p.Hosts) > 0 {
		return p.Source + " " + strings.Join(p.Hosts, ", ")
	}
	return p.Source
}

// walks groups the tables whose first scans are of one module that serves them
// together.
func (p *Plan) walks(n Notes) [][]int {
	var groups [][]int
	for i, t := range p.Tables {
		k := slices.IndexFunc(groups, func(g []int) bool {
			module := t.Slots[0].Module
			return p.Tables[g[0]].Slots[0].Module == module && n.Shares != nil && n.Shares(module)
		})
		if k < 0 {
			groups = append(groups, []int{i})
		} else {
			groups[k] = append(groups[k], i)
		}
	}
	return groups
}

type branch struct {
	text     string
	children []*branch
}

func (b *branch) add(text string) *branch {
	c := &branch{text: text}
	b.children = append(b.children, c)
	return c
}

func (b *branch) draw(w *strings.Builder, first, rest string) {
	w.WriteString(strings.TrimRight(first+b.text, " ") + "\n")
	for i, c := range b.children {
		if i == len(b.children)-1 {
			c.draw(w, rest+"└─ ", rest+"   ")
		} else {
			c.draw(w, rest+"├─ ", rest+"│  ")
		}
	}
}

type drawing struct {
	plan  *Plan
	notes Notes
}

func (d *drawing) table(at *branch, t *Table, index int) {
	word := "find "
	if d.plan.Watch {
		word = "watch "
	}
	if t.Not {
		word = "find nothing in "
	}
	if index > 0 && t.Or {
		word = "or " + word
	} else if index > 0 {
		word = "and " + word
	}
	b := at.add(word + t.Name)
	for i := range t.Slots {
		d.slot(b, t, i, index)
	}
	if t.Where != nil {
		for _, x := range conjuncts(t.Where) {
			b.add("keep where " + Text(x))
		}
	}
	if t.Group != nil {
		d.group(b, t.Group)
	}
	if d.plan.here() || t.Not || index < 0 {
		d.rest(b, t)
		return
	}
	d.fleet(b, t)
}

// fleet draws what each host sends of a table, and what is made of it where
// the question came from. Where nothing is said, rows are shown as each host
// finds them.
func (d *drawing) fleet(b *branch, t *Table) {
	switch {
	case t.Group != nil:
		d.rest(b.add("each host sends its groups; of all together"), t)
	case t.Distinct || len(t.Order) > 0 || t.Limit >= 0:
		d.columns(b, t)
		what := "each host sends its rows"
		if t.Limit >= 0 {
			what = fmt.Sprintf("each host sends its first %d rows", t.Limit)
		}
		d.order(b.add(what+"; of all together"), t)
	default:
		d.rest(b, t)
	}
}

// rest draws what is made of rows or groups.
func (d *drawing) rest(b *branch, t *Table) {
	if t.Having != nil {
		b.add("keep groups where " + Text(t.Having))
	}
	d.columns(b, t)
	d.order(b, t)
}

func (d *drawing) group(b *branch, g *Group) {
	var keys, aggs []string
	for _, k := range g.Keys {
		keys = append(keys, Text(k))
	}
	for _, a := range g.Aggs {
		arg := Text(a.Arg)
		if a.Distinct {
			arg = "DISTINCT " + arg
		}
		if a.Func == AggList {
			arg += fmt.Sprintf(", %d", a.N)
		}
		aggs = append(aggs, a.Func.String()+"("+arg+")")
	}
	text := "group"
	if len(keys) > 0 {
		text += " by " + strings.Join(keys, ", ")
	}
	b.add(text + ": " + strings.Join(aggs, ", "))
}

func (d *drawing) columns(b *branch, t *Table) {
	var cols []string
	for _, o := range t.Outputs {
		text := Text(o.Expr)
		if text != o.Name {
			text += " AS " + o.Name
		}
		cols = append(cols, text)
	}
	word := "return "
	if t.Distinct {
		word = "return distinct "
	}
	b.add(word + strings.Join(cols, ", "))
}

func (d *drawing) order(b *branch, t *Table) {
	var keys []string
	for _, o := range t.Order {
		key := Text(o.Expr)
		if o.Desc {
			key += " descending"
		}
		keys = append(keys, key)
	}
	if len(keys) > 0 {
		b.add("order by " + strings.Join(keys, ", "))
	}
	if t.Limit >= 0 {
		per := ""
		if t.PerHost {
			per = " a host"
		}
		b.add(fmt.Sprintf("first %d rows%s", t.Limit, per))
	}
	if t.Distinct && !d.plan.here() && len(keys) == 0 && t.Limit < 0 {
		b.add("each row once")
	}
}

func (d *drawing) slot(b *branch, t *Table, i, index int) {
	s := t.Slots[i]
	text := "scan " + s.Module
	switch {
	case s.Link:
		text = fmt.Sprintf("follow %s to %s, once for each", Text(s.Key), s.Module)
	case s.Within:
		text = fmt.Sprintf("scan %s in %s, for each", s.Module, Text(s.Key))
	case s.Key != nil:
		text = fmt.Sprintf("look %s up by %s", s.Module, Text(s.Key))
	case i > 0:
		text = "join " + s.Module
	}
	if s.Alias != s.Module && !s.Link {
		text += " AS " + s.Alias
	}
	c := b.add(text)
	if d.notes.Slot != nil && index >= 0 {
		if note := d.notes.Slot(index, i); note != "" {
			c.text += "   · " + note
		}
	}
	if len(s.Locators) > 0 {
		c.add("in " + few(s.Locators))
	}
	if s.Keys != nil {
		keys := make([]string, len(s.Keys))
		for i, k := range s.Keys {
			keys[i] = k.String()
		}
		c.add("only " + few(keys))
	}
	for k := range s.JoinHere {
		c.add("where " + Text(s.JoinHere[k]) + " = " + Text(s.JoinThere[k]))
	}
	d.filter(c, s)
	if s.Lines {
		what := "a row for each line that matched"
		if slices.ContainsFunc(s.Columns, func(c string) bool { return strings.HasPrefix(c, "yara.") }) {
			what = "a row for each rule that holds"
		}
		c.add(what)
	}
}

// few names the first of many.
func few(words []string) string {
	const most = 4
	if len(words) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
	}
	return strings.Join(words, ", ")
}

// filter draws what is asked of each row, in the order in which it is asked;
// everything that needs the content is answered in one read of it.
func (d *drawing) filter(b *branch, s *Slot) {
	var read *branch
	for _, x := range conjuncts(s.Filter) {
		cost, content := d.cost(s, x)
		at := b
		if content {
			if read == nil {
				read = b.add("one read of the content")
			}
			at = read
		}
		if cost != "" && !content {
			cost += "  "
		} else {
			cost = ""
		}
		at.add(cost + Text(x))
	}
}

func (d *drawing) cost(s *Slot, e Expr) (cost string, content bool) {
	order := []string{"", "free", "stat", "read", "scan"}
	rank := 0
	Walk(e, func(e Expr) {
		switch e := e.(type) {
		case *Ask:
			content = true
		case *Col:
			if d.notes.Cost != nil {
				rank = max(rank, slices.Index(order, d.notes.Cost(s.Module, s.Columns[e.Index])))
			}
		}
	})
	return order[rank], content || rank >= 3
}

func conjuncts(e Expr) []Expr {
	if e == nil {
		return nil
	}
	if and, ok := e.(*And); ok {
		return and.Xs
	}
	return []Expr{e}
}

func (l Limits) text() string {
	var out []string
	add := func(on bool, format string, args ...any) {
		if on {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	add(l.Timeout > 0, "timeout %s", value.FormatDuration(l.Timeout.Round(time.Millisecond)))
	add(l.Rows > 0, "%d rows", l.Rows)
	add(l.Memory > 0, "memory %s", value.FormatSize(l.Memory))
	add(l.Bytes > 0, "bytes %s", value.FormatSize(l.Bytes))
	add(l.Sent > 0, "sent %s", value.FormatSize(l.Sent))
	add(l.CPU > 0, "cpu %d %%", l.CPU)
	add(l.OpenFiles > 0, "%d open files", l.OpenFiles)
	add(l.IO > 0, "io %s", l.IO)
	add(l.MaxFile > 0, "max_file %s", value.FormatSize(l.MaxFile))
	add(l.Depth >= 0, "depth %d", l.Depth)
	add(l.Archives, "archives")
	add(l.Decompress, "decompress")
	add(l.FollowLinks, "follow_links")
	add(l.OneFilesystem, "one_filesystem")
	return strings.Join(out, ", ")
}
