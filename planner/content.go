package planner

import (
	"reflect"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// contentScan finds the one scan whose content a predicate without a left
// side speaks of.
func (s *scope) contentScan(e lang.Expr) (*scanInfo, bool) {
	var found []*scanInfo
	for _, scan := range s.scans {
		if scan.schema.Content {
			found = append(found, scan)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], true
	case len(found) > 1:
		s.c.report(ambiguousContent(e.Span(), found[0].name, found[1].name))
	case len(s.scans) == 0:
		s.c.report(noContentHere(e.Span(), "a fact of a host"))
	default:
		s.c.report(noContentHere(e.Span(), s.scans[0].schema.Name))
	}
	return nil, false
}

// contentQuestion checks CONTAINS and MATCHES without a left side, and with
// the column content on it, which means the same.
func (s *scope) contentQuestion(e *lang.Compare, scan *scanInfo) (plan.Expr, bool) {
	q := plan.Question{Fold: e.NoCase, Text: nodeText(positive(e))}
	if !s.fillQuestion(&q, e) {
		return nil, false
	}
	return s.ask(scan, q, e.Span(), e.Not), true
}

// contentOf gives the scan whose content an expression is, or nil. The content
// behind a link is a value like others: a link finds one small thing.
func (s *scope) contentOf(x typed) *scanInfo {
	col, ok := x.expr.(*plan.Col)
	if !ok || col.Slot >= len(s.scans) || !s.scans[col.Slot].schema.Content || x.col.Name != "content" {
		return nil
	}
	return s.scans[col.Slot]
}

// positive is the predicate without its NOT, for its name in EXPLAIN.
func positive(e *lang.Compare) *lang.Compare {
	p := *e
	p.Not = false
	return &p
}

// fillQuestion reads the patterns of a question about content.
func (s *scope) fillQuestion(q *plan.Question, e *lang.Compare) bool {
	op := matchOps[e.Op]
	patterns, dynamic, _, ok := s.patterns(e.Y)
	switch {
	case !ok:
		return false
	case dynamic != nil:
		s.c.report(patternNotConstant(e.Y.Span(), op))
		return false
	case len(patterns) == 0:
		s.c.report(emptyList(e.Y.Span()))
		return false
	case slices.Contains(patterns, ""):
		s.c.report(emptyPattern(e.Y.Span(), e.Op))
		return false
	}
	var p search.Pattern
	if op == plan.Regexp {
		q.Kind, q.Regexp = plan.Matches, anyOf(patterns)
		p.Regexp = q.Regexp
		s.lintPattern(e, op, patterns[0])
	} else {
		q.Kind = plan.Contains
		for _, text := range patterns {
			q.Literal = append(q.Literal, []byte(text))
		}
		p.List = q.Literal
	}
	p.Fold = q.Fold
	_, err := search.Compile([]search.Pattern{p})
	if err != nil || op == plan.Regexp && len(patterns) > 1 {
		return s.eachPattern(e, op, patterns, err)
	}
	return true
}

// eachPattern says which of several patterns is wrong: one may spoil the others,
// and two that are wrong may look right together. Err is what is wrong with all
// of them as one, or nil.
func (s *scope) eachPattern(e *lang.Compare, op plan.MatchOp, patterns []string, err error) bool {
	for _, text := range patterns {
		one := search.Pattern{Fold: e.NoCase}
		if op == plan.Regexp {
			one.Regexp = text
		} else {
			one.Literal = []byte(text)
		}
		if _, err := search.Compile([]search.Pattern{one}); err != nil {
			s.c.report(badPattern(e.Y.Span(), op, text, err))
			return false
		}
	}
	if err != nil {
		s.c.report(badPatterns(e.Y.Span(), len(patterns), err))
	}
	return err == nil
}

// anyOf makes one regular expression of several.
func anyOf(patterns []string) string {
	if len(patterns) == 1 {
		return patterns[0]
	}
	return "(?:" + strings.Join(patterns, ")|(?:") + ")"
}

// lineQuestion checks a predicate on ANY LINE or EVERY LINE.
func (s *scope) lineQuestion(e *lang.Compare, line *lang.Line) (plan.Expr, bool) {
	scan, ok := s.contentScan(e)
	if !ok {
		return nil, false
	}
	plain := (e.Op == lang.OpContains || e.Op == lang.OpMatches) && !e.Not
	q := plan.Question{Fold: e.NoCase, Lines: lineMode(line), Text: nodeText(e)}
	if plain {
		if !s.fillQuestion(&q, e) {
			return nil, false
		}
		return s.ask(scan, q, e.Span(), false), true
	}
	sub := &scope{c: s.c, line: true, around: s}
	var test plan.Expr
	if op, isMatch := matchOps[e.Op]; isMatch {
		test, ok = sub.match(e, op, typed{expr: &plan.Out{Name: "line"}, typ: value.Text, node: line})
	} else {
		test, ok = sub.compareLine(e, line)
	}
	if !ok {
		return nil, false
	}
	q.Kind, q.Test, q.Fold = plan.LineTest, test, false
	return s.ask(scan, q, e.Span(), false), true
}

func (s *scope) compareLine(e *lang.Compare, line *lang.Line) (plan.Expr, bool) {
	y, ok := s.operand(e.Y, true)
	if !ok {
		return nil, false
	}
	return s.cmp(e, typed{expr: &plan.Out{Name: "line"}, typ: value.Text, node: line}, y)
}

func lineMode(l *lang.Line) plan.LineMode {
	if l.Every {
		return plan.EveryLine
	}
	return plan.AnyLine
}

// lineIn checks ANY LINE [NOT] IN …
func (s *scope) lineIn(e *lang.In, line *lang.Line) (plan.Expr, bool) {
	scan, ok := s.contentScan(e)
	if !ok {
		return nil, false
	}
	sub := &scope{c: s.c, line: true, around: s}
	test, ok := sub.in(e)
	if !ok {
		return nil, false
	}
	if hasSub(test) {
		s.c.report(lineInSubquery(e.Y.Span()))
		return nil, false
	}
	q := plan.Question{Kind: plan.LineTest, Lines: lineMode(line), Test: test, Text: nodeText(e)}
	return s.ask(scan, q, e.Span(), false), true
}

// ask gives the answer to a question; the same question is put once.
func (s *scope) ask(scan *scanInfo, q plan.Question, at lang.Span, not bool) plan.Expr {
	slot := s.table.Slots[scan.slot]
	q.Show = !s.negated && q.Lines != plan.EveryLine
	i := scan.question(slot, q)
	switch {
	case i < 0 && len(slot.Questions) > search.MaxPatterns:
		return &plan.Ask{Slot: scan.slot, Name: q.Text} // it was said
	case i < 0:
		if i = len(slot.Questions); i == search.MaxPatterns {
			s.c.report(tooManyQuestions(at))
		}
		slot.Questions = append(slot.Questions, q)
		if scan.asked == nil {
			scan.asked = map[string][]int{}
		}
		scan.asked[q.Text] = append(scan.asked[q.Text], i)
	}
	slot.Questions[i].Show = slot.Questions[i].Show || q.Show
	var out plan.Expr = &plan.Ask{Slot: scan.slot, Question: i, Name: q.Text}
	if not {
		out = &plan.Not{X: out}
	}
	return out
}

// question finds a question that is put already, whether it is shown or not.
func (s *scanInfo) question(slot *plan.Slot, q plan.Question) int {
	for _, i := range s.asked[q.Text] {
		o := slot.Questions[i]
		o.Show = q.Show
		if reflect.DeepEqual(o, q) {
			return i
		}
	}
	return -1
}
