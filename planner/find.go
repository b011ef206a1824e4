package planner

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
)

// maxSubqueries bounds how deep subqueries may stand in each other: each is
// planned, and run, inside the one around it.
const maxSubqueries = 8

// maxScans bounds the modules that one FIND joins: every row of one meets those
// of all others.
const maxScans = 32

// find plans one FIND. It gives nil where the scans are not even known.
func (c *compiler) find(f *lang.Find) *plan.Table {
	t := &plan.Table{Limit: -1}
	s := &scope{c: c, table: t, links: map[link]int{}}
	s.merged = c.depth == 0 && !f.Not && c.plan.Source != "local" && c.plan.Source != "case"
	if !s.addScans(f) {
		return nil
	}
	t.Name = s.scans[0].name
	c.around = append(c.around, s.scans...)
	defer func() { c.around = c.around[:len(c.around)-len(s.scans)] }()
	s.inWhere = true
	conjuncts := s.where(f.Where)
	s.inWhere = false
	if !s.failed {
		s.place(f, conjuncts)
	}
	if s.failed {
		s.shape(f) // for what is wrong there too
		return t
	}
	s.assign(conjuncts)
	s.shape(f)
	s.lines(f)
	s.lintAliases(f)
	if f.Watch {
		s.watched(f)
	}
	return t
}

// addScans makes a slot for each scan, in the order of the text.
func (s *scope) addScans(f *lang.Find) bool {
	if len(f.Scans) > maxScans {
		s.c.report(tooManyScans(f.Scans[maxScans].Span(), len(f.Scans)))
		return false
	}
	known := true
	for _, scan := range f.Scans {
		schema, ok := s.c.cat.Schema(scan.Module.Name)
		if !ok {
			s.c.report(unknownModule(scan.Module, s.c.cat.Names()))
			known = false
			continue
		}
		name := scan.Module.Name
		if scan.Alias != nil {
			name = scan.Alias.Name
		}
		for _, other := range s.scans {
			if other.name == name {
				s.c.report(aliasTwice(scan, name))
				known = false
			}
		}
		if f.Watch {
			schema = modules.Watched(schema)
		}
		slot := &plan.Slot{Module: schema.Name, Alias: name}
		s.scans = append(s.scans, &scanInfo{name: name, schema: schema, node: scan, slot: len(s.table.Slots)})
		s.table.Slots = append(s.table.Slots, slot)
		s.schemas = append(s.schemas, schema)
	}
	return known
}

// A conjunct is one of the conditions that must all hold.
type conjunct struct {
	node  lang.Expr
	expr  plan.Expr
	slots []int // the slots that it speaks of, ascending
	cost  cost
	bound bool // a join holds it already
}

// where splits a predicate at its ANDs and checks each part.
func (s *scope) where(e lang.Expr) []*conjunct {
	if e == nil {
		return nil
	}
	if b, ok := e.(*lang.Binary); ok && b.Op == lang.OpAnd {
		return append(s.where(b.X), s.where(b.Y)...)
	}
	x, ok := s.condition(e)
	if !ok {
		s.failed = true
		return nil
	}
	if k, isConst := x.(*plan.Const); isConst {
		s.c.warn(constantCondition(e.Span(), k.Value))
		if k.Value.Bool() {
			return nil
		}
	}
	// A list with sizes, or of tuples, gives two tests that must both hold:
	// the cheap one may then go before everything else.
	if and, ok := x.(*plan.And); ok && !s.c.in.Naive {
		var out []*conjunct
		for _, part := range and.Xs {
			out = append(out, &conjunct{node: e, expr: part})
		}
		return out
	}
	return []*conjunct{{node: e, expr: x}}
}

// measure finds the slots and the cost of a conjunct; the slots of links are
// known only when all names have been read.
func (s *scope) measure(c *conjunct) {
	c.slots, c.cost = nil, cheapest
	plan.Walk(c.expr, func(e plan.Expr) {
		switch e := e.(type) {
		case *plan.Col:
			c.slots = append(c.slots, e.Slot)
		case *plan.Ask:
			c.slots = append(c.slots, e.Slot)
		case *plan.IsMissing:
			c.slots = append(c.slots, e.Slot)
		}
		c.cost = max(c.cost, s.costOf(e))
	})
	slices.Sort(c.slots)
	c.slots = slices.Compact(c.slots)
}

// assign gives each conjunct to the scan that can decide it, or to the table.
// What reads content waits for what another module looks up, where that
// reads none.
func (s *scope) assign(conjuncts []*conjunct) {
	parts := make([][]*conjunct, len(s.scans))
	var rest []*conjunct
	wait := false
	for _, c := range conjuncts {
		s.measure(c)
		wait = wait || c.cost == costLookup && len(s.scans) == 1
	}
	for _, c := range conjuncts {
		switch {
		case c.bound:
		case wait && c.cost > costLookup:
			rest = append(rest, c)
		case len(c.slots) == 1 && c.slots[0] < len(s.scans) && !hasSub(c.expr) && !s.c.in.Naive:
			parts[c.slots[0]] = append(parts[c.slots[0]], c)
		default:
			rest = append(rest, c)
		}
	}
	for i, p := range parts {
		slot := s.table.Slots[i]
		slot.Filter = s.inOrder(p)
		plan.Walk(slot.Filter, func(e plan.Expr) {
			if col, ok := e.(*plan.Col); ok && !slices.Contains(slot.FilterColumns, col.Index) {
				slot.FilterColumns = append(slot.FilterColumns, col.Index)
			}
		})
	}
	s.table.Where = s.inOrder(rest)
}

func hasSub(e plan.Expr) bool {
	found := false
	plan.Walk(e, func(e plan.Expr) {
		if _, ok := e.(*plan.InSub); ok {
			found = true
		}
	})
	return found
}

// lines makes rows of lines, or of rules, where a column that speaks of a line
// or of a rule is named.
func (s *scope) lines(f *lang.Find) {
	var lines, rules bool
	for i, slot := range s.table.Slots {
		for _, name := range slot.Columns {
			col, _ := s.schemas[i].Column(name)
			if !s.schemas[i].Columns[col].Line {
				continue
			}
			if i > 0 {
				s.c.report(lineElsewhere(s.lineSpan, name, s.scans[i].node == f.Scans[0]))
				return
			}
			slot.Lines = true
			ofRule := strings.HasPrefix(name, "yara.")
			lines, rules = lines || !ofRule, rules || ofRule
		}
	}
	shown := func(ofRule bool) bool {
		return slices.ContainsFunc(s.table.Slots[0].Questions, func(q plan.Question) bool { return q.Show && (q.Rules != nil) == ofRule })
	}
	switch {
	case lines && rules:
		s.c.report(linesAndRules(s.lineSpan))
	case lines && !shown(false):
		s.c.report(lineWithoutQuestion(s.lineSpan))
	case rules && !shown(true):
		s.c.report(ruleWithoutRules(s.lineSpan))
	}
}

// lintAliases refuses a bare alias that nothing uses: it was meant to say
// where to look, and would silently mean everywhere.
func (s *scope) lintAliases(f *lang.Find) {
	for _, scan := range s.scans {
		if a := scan.node.Alias; a != nil && !scan.node.As && !scan.used && len(f.Scans) == 1 {
			s.c.report(unusedAlias(*a, scan.schema))
		}
	}
}

// slotSchema gives the schema behind a slot.
func (s *scope) slotSchema(slot int) *modules.Schema { return s.schemas[slot] }
