package planner

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// A scope says what a name means where it stands.
type scope struct {
	c       *compiler
	table   *plan.Table
	scans   []*scanInfo
	schemas []*modules.Schema // by slot, links included
	links   map[link]int      // the slot that a link column leads to
	facts   bool              // names are facts of a host: FROM … WHERE
	line    bool              // Out 0 is the line under test
	around  *scope            // of a line: where it is asked about
	merged  bool              // groups are of all hosts together
	negated bool              // inside an odd number of NOTs
	failed  bool
	// inWhere is set while the predicate is read: columns of lines may not
	// stand there.
	inWhere  bool
	lineSpan lang.Span
	group    *grouping // set while what stands after GROUP BY is read
}

type scanInfo struct {
	name   string
	schema *modules.Schema
	node   *lang.Scan
	slot   int
	used   bool             // something names it
	asked  map[string][]int // the questions put to its content, by their texts
}

type link struct {
	slot   int
	column string
}

// A typed is a checked expression.
type typed struct {
	expr   plan.Expr
	typ    value.Type
	elem   value.Type      // of a list
	col    *modules.Column // where it is a column
	node   lang.Expr
	bare   string // a bare word that is no column
	listed bool   // it stands for each member of a list, the node
}

func (t typed) constant() (value.Value, bool) {
	k, ok := t.expr.(*plan.Const)
	if !ok {
		return value.Value{}, false
	}
	return k.Value, true
}

// column resolves a name to a column, following links. With word, a single
// part that is no column is text.
func (s *scope) column(n *lang.Name, word bool) (typed, bool) {
	if s.facts {
		return s.factColumn(n, word)
	}
	if s.group != nil {
		return s.group.name(s, n, word)
	}
	if s.around != nil && s.around.names(n) {
		s.c.report(columnInLine(n))
		return typed{}, false
	}
	scan, parts := s.owner(s.joined(n))
	if scan == nil {
		if len(n.Parts) == 1 && strings.EqualFold(n.Parts[0].Name, "now") {
			s.c.columns[n] = true
			return typed{expr: &plan.Now{}, typ: value.Time, node: n}, true
		}
		if word && len(n.Parts) == 1 {
			return s.bareWord(n), true
		}
		return typed{}, s.unknownName(n, word)
	}
	s.c.columns[n] = true
	slot := scan.slot
	for i, part := range parts {
		schema := s.slotSchema(slot)
		k, ok := schema.Column(part.Name)
		if !ok {
			s.c.report(unknownColumn(part, schema))
			return typed{}, false
		}
		col := &schema.Columns[k]
		if !s.columnAllowed(part, schema, col) {
			return typed{}, false
		}
		at := typed{expr: s.col(slot, col.Name, n), typ: col.Type, elem: col.Elem, col: col, node: n}
		if i == len(parts)-1 {
			return at, true
		}
		if slot, ok = s.follow(slot, col, part, parts[i+1]); !ok {
			return typed{}, false
		}
	}
	return typed{}, false
}

// names says whether a name is, or begins with, a column or what a scan is called.
func (s *scope) names(n *lang.Name) bool {
	first := s.joined(n).Parts[0].Name
	return slices.ContainsFunc(s.scans, func(scan *scanInfo) bool {
		_, ok := scan.schema.Column(first)
		return ok || len(n.Parts) > 1 && scan.name == first
	})
}

// joined takes two parts of a name together that are one column, such as
// yara.rule.
func (s *scope) joined(n *lang.Name) *lang.Name {
	out := *n
	for i := 0; i+1 < len(out.Parts) && i < 2; i++ {
		both := out.Parts[i].Join(out.Parts[i+1])
		if slices.ContainsFunc(s.scans, func(scan *scanInfo) bool { _, ok := scan.schema.Column(both.Name); return ok }) {
			out.Parts = slices.Concat(out.Parts[:i], []lang.Ident{both}, out.Parts[i+2:])
			break
		}
	}
	return &out
}

// owner finds the scan that a name begins with, and the parts that follow.
func (s *scope) owner(n *lang.Name) (*scanInfo, []lang.Ident) {
	first := n.Parts[0].Name
	if len(n.Parts) > 1 {
		for _, scan := range s.scans {
			if scan.name == first {
				scan.used = true
				return scan, n.Parts[1:]
			}
		}
	}
	var found []*scanInfo
	for _, scan := range s.scans {
		if _, ok := scan.schema.Column(first); ok {
			found = append(found, scan)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		s.c.report(ambiguousColumn(n.Parts[0], found[0].name, found[1].name))
		s.failed = true
	}
	return found[0], n.Parts
}

func (s *scope) unknownName(n *lang.Name, word bool) bool {
	first := n.Parts[0]
	switch {
	case word && len(n.Parts) > 1:
		s.c.report(dottedWord(n))
	case len(s.scans) == 1:
		s.c.report(unknownColumn(first, s.scans[0].schema))
	case len(s.scans) > 1:
		s.c.report(unknownInAll(first, s.scans))
	default:
		s.c.report(noColumnsHere(first))
	}
	return false
}

// bareWord takes a word without quotes for text, and warns where it is close
// to the name of a column.
func (s *scope) bareWord(n *lang.Name) typed {
	word := n.Parts[0]
	s.c.words[n] = true
	var names []string
	for _, scan := range s.scans {
		for _, col := range scan.schema.Columns {
			names = append(names, col.Name)
		}
	}
	if near, ok := lang.Nearest(word.Name, names); ok {
		s.c.warn(bareWordNearColumn(word, near))
	}
	return typed{expr: &plan.Const{Value: value.NewText(word.Name)}, typ: value.Text, node: n, bare: word.Name}
}

// Behind GLOB and where a module is told its places, words are read as text
// whatever they look like. One that looks exactly like the column of a row
// that has a name would find what nobody asked for, in silence.

// isColumnAsText refuses such a pattern.
func (s *scope) isColumnAsText(l *lang.Literal) bool {
	text := l.Value.Text()
	if !l.Bare {
		return false
	}
	if s.facts {
		_, is := s.c.fact(text)
		if is {
			s.c.report(columnAsText(l.Span(), text, "a fact of a host", true))
		}
		return is
	}
	scan := s.c.columnOf(text)
	if scan == nil {
		return false
	}
	s.c.report(columnAsText(l.Span(), text, "a column of "+scan.schema.Name, slices.Contains(s.scans, scan)))
	scan.used = true
	return true
}

// isColumnAsPlace refuses such a place, but where it is a column of the rows
// that would be found there, which cannot say where to look.
func (s *scope) isColumnAsPlace(e lang.Expr, at *scanInfo) bool {
	l, ok := e.(*lang.Literal)
	if !ok || !l.Bare {
		return false
	}
	scan := s.c.columnOf(l.Value.Text())
	if scan == nil || scan == at {
		return false
	}
	s.c.report(columnAsPlace(l.Span(), l.Value.Text(), scan.schema.Name, at, slices.Contains(s.scans, scan)))
	scan.used = true
	return true
}

// columnOf gives the scan whose name and column a text is, as in p.exe; nil
// where it is none's.
func (c *compiler) columnOf(text string) *scanInfo {
	if strings.ContainsAny(text, "*?[{") {
		return nil // it is a glob whatever it begins with
	}
	name, column, _ := strings.Cut(text, ".")
	for _, scan := range slices.Backward(c.around) { // the nearest has the name
		if scan.name != name {
			continue
		}
		first, _, _ := strings.Cut(column, ".") // what follows goes over links
		for _, col := range []string{column, first} {
			if _, ok := scan.schema.Column(col); ok {
				return scan
			}
		}
	}
	return nil
}

func (s *scope) columnAllowed(part lang.Ident, schema *modules.Schema, col *modules.Column) bool {
	if len(col.OS) > 0 && !slices.Contains(col.OS, s.c.in.OS) && (s.c.plan.Source == "local" || s.c.plan.Source == "") {
		s.c.report(columnElsewhere(part, schema.Name, col.OS, s.c.in.OS))
		return false
	}
	if col.Line {
		if s.inWhere {
			s.c.report(lineInWhere(part))
			return false
		}
		s.lineSpan = part.Span()
	}
	return true
}

// col gives a column of a slot, which the slot then computes.
func (s *scope) col(slot int, name string, n *lang.Name) *plan.Col {
	at := s.table.Slots[slot]
	i := slices.Index(at.Columns, name)
	if i < 0 {
		i = len(at.Columns)
		at.Columns = append(at.Columns, name)
	}
	var shown []string
	for _, p := range n.Parts {
		shown = append(shown, p.Name)
	}
	return &plan.Col{Slot: slot, Index: i, Name: strings.Join(shown, ".")}
}

// follow gives the slot that a link leads to.
func (s *scope) follow(slot int, col *modules.Column, part, next lang.Ident) (int, bool) {
	if col.Link == "" {
		s.c.report(notALink(part, next, col.Type))
		return 0, false
	}
	return s.linkSlot(slot, col, part)
}

func (s *scope) linkSlot(slot int, col *modules.Column, part lang.Ident) (int, bool) {
	if to, ok := s.links[link{slot, col.Name}]; ok {
		return to, true
	}
	schema, ok := s.c.cat.Schema(col.Link)
	if !ok || schema.Key == "" {
		s.c.report(linkNowhere(part, col.Link))
		return 0, false
	}
	to := len(s.table.Slots)
	key := s.col(slot, col.Name, &lang.Name{Parts: []lang.Ident{part}})
	s.table.Slots = append(s.table.Slots, &plan.Slot{Module: schema.Name, Alias: s.table.Slots[slot].Alias + "." + col.Name, Key: key, Link: true})
	s.schemas = append(s.schemas, schema)
	s.links[link{slot, col.Name}] = to
	return to, true
}

func (s *scope) factColumn(n *lang.Name, word bool) (typed, bool) {
	var parts []string
	for _, p := range n.Parts {
		parts = append(parts, p.Name)
	}
	name := strings.Join(parts, ".")
	if t, ok := s.c.fact(name); ok {
		s.c.columns[n] = true
		t.node = n
		return t, true
	}
	if strings.EqualFold(name, "now") {
		s.c.columns[n] = true
		return typed{expr: &plan.Now{}, typ: value.Time, node: n}, true
	}
	if word && len(parts) == 1 {
		return s.bareWord(n), true
	}
	if _, near := lang.Nearest(name, s.c.factNames()); word && !near {
		s.c.report(dottedWord(n))
		return typed{}, false
	}
	s.c.report(unknownFact(n, name, s.c.factNames()))
	return typed{}, false
}
