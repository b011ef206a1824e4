package complete

import (
	"slices"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// sensible says whether a keyword or an operator that the grammar allows is
// of any use here. What it refuses is right in the grammar and refused, or
// meant by nobody, when the query is checked.
func (f *finder) sensible(s lang.Slot) bool {
	switch s.Rule {
	case "Content", "Line":
		return f.cur.Clause != "TARGET" && f.cur.Left == nil && f.cur.Call == "" && f.hasContent()
	case "Operand":
		return slices.Contains([]string{"PARAM", "LET", "RETURN"}, f.cur.Clause)
	case "Where":
		return slices.Contains([]string{"FROM", "FIND", "WATCH"}, f.cur.Clause)
	case "Arguments":
		return f.cur.Call == "count"
	case "Compare", "Text", "In", "Between", "Is", "Tail":
		return f.tests(s.Term) && !(s.Rule == "Compare" && f.cur.After == "NOT")
	case "Scans":
		return s.Term != "NOT" || f.cur.Clause == "FIND" || f.cur.Clause == "WATCH"
	}
	return true
}

// hasContent says whether CONTAINS and its like may stand without a left side.
func (f *finder) hasContent() bool {
	_, schemas := f.scope()
	return slices.ContainsFunc(schemas, func(s *modules.Schema) bool { return s.Content })
}

// tests says whether what was written last can be tested so.
func (f *finder) tests(op string) bool {
	last, ok := f.last()
	if !ok {
		return true
	}
	switch op {
	case "<", "<=", ">", ">=", "BETWEEN":
		return last.Type != value.Bool && last.Type != value.Hash && last.Type != value.List
	case "LIKE", "GLOB", "MATCHES", "STARTS WITH", "ENDS WITH", "CONTAINS":
		return last.Type == value.Text || last.Type == value.Bytes || last.Type == value.List && op == "CONTAINS"
	case "MISSING":
		return last.Link != ""
	}
	return true
}

// last finds the column that was written just before the word.
func (f *finder) last() (modules.Column, bool) {
	if len(f.cur.Before) == 0 {
		return modules.Column{}, false
	}
	g := *f
	g.cur.Left = f.cur.Before
	return g.left()
}
