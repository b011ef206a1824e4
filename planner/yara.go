package planner

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/yara"
	"github.com/quaestor-engine/quaestor/modules/yara/asking"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// maxRules bounds a text of rules with all that it includes, in bytes: what
// is signed and sent to every host holds it.
const maxRules = 16 << 20

// yaraQuestion checks YARA @rules.yar, YARA 'rule …', or several of them:
// what the rules include is read here, so that what is signed is whole.
func (s *scope) yaraQuestion(e *lang.Compare) (plan.Expr, bool) {
	scan, ok := s.contentScan(e)
	if !ok {
		return nil, false
	}
	if _, asks := scan.schema.Column("yara.rule"); !asks {
		s.c.report(rulesNotHere(e.OpSpan, scan.schema.Name))
		return nil, false
	}
	if e.NoCase {
		s.c.report(noCaseOnRules(e.OpSpan))
		return nil, false
	}
	var ors []plan.Expr
	for _, y := range s.alternatives(e.Y) {
		rules, ok := s.rules(y)
		if !ok {
			return nil, false
		}
		ors = append(ors, s.ask(scan, plan.Question{Kind: plan.Yara, Text: "YARA " + rules.text, Rules: rules.Rules}, e.Span(), false))
	}
	out := ors[0]
	if len(ors) > 1 {
		out = &plan.Or{Xs: ors}
	}
	if e.Not {
		out = &plan.Not{X: out}
	}
	return out, true
}

// alternatives are the members of a list in parentheses, and what a name of
// LET stands for.
func (s *scope) alternatives(y lang.Expr) []lang.Expr {
	switch y := y.(type) {
	case *lang.Tuple:
		return y.Items
	case *lang.Paren:
		return []lang.Expr{y.X}
	case *lang.ParamRef:
		if l := s.c.let(y); l != nil {
			return s.alternatives(l.Value)
		}
	}
	return []lang.Expr{y}
}

// readRules are rules with their text for EXPLAIN.
type readRules struct {
	*plan.Rules
	text string
}

// rules reads and checks one text of rules.
func (s *scope) rules(y lang.Expr) (readRules, bool) {
	r := readRules{Rules: &plan.Rules{Name: inQuery}}
	if ref, ok := y.(*lang.ListRef); ok {
		if s.c.in.ReadList == nil {
			s.c.report(noLists(ref))
			return r, false
		}
		data, err := s.c.in.ReadList(ref.Path)
		if err != nil {
			s.c.report(unreadableList(ref, err))
			return r, false
		}
		r.Name, r.Text = "@"+ref.Path, string(data)
	} else {
		t, ok := s.operand(y, true)
		if !ok {
			return r, false
		}
		v, isConst := t.constant()
		if !isConst || v.Type() != value.Text || t.bare != "" {
			s.c.report(rulesNotText(y))
			return r, false
		}
		r.Text = v.Text()
	}
	compiled, ok := s.compileRules(y, r.Rules)
	if !ok {
		return r, false
	}
	names := make([]string, 0, few)
	for _, rule := range compiled.Rules()[:min(few, len(compiled.Rules()))] {
		names = append(names, rule.Name)
	}
	r.text = strings.Join(names, ", ")
	if n := len(compiled.Rules()); n > few {
		r.text = fmt.Sprintf("%d rules: %s, …", n, r.text)
	}
	if r.Name != inQuery {
		r.text = fmt.Sprintf("%s (%s)", r.Name, r.text)
	}
	return r, true
}

// inQuery is what rules are called that stand in the query.
const inQuery = "this text"

// few is how many rules of a text EXPLAIN names.
const few = 3

// compileRules checks a text of rules, and puts the text in which every
// include stands resolved in its place.
func (s *scope) compileRules(y lang.Expr, r *plan.Rules) (*yara.Rules, bool) {
	given := s.c.externals()
	total := len(r.Text)
	m := &modules.Rules{Name: strings.TrimPrefix(r.Name, "@"), Text: r.Text, Externals: given}
	compiled, err := asking.Read(m, func(name string) ([]byte, error) {
		data, err := s.included(y, name)
		if total += len(data); err == nil && total > maxRules {
			err = errors.New("the rules are too long with all that they include")
		}
		return data, err
	}, func() time.Time { return s.c.in.Now })
	var wrong *yara.Error
	switch {
	case errors.As(err, &wrong):
		s.badRules(y, r, wrong)
		return nil, false
	case err != nil:
		s.c.report(rulesNotRead(y.Span(), r.Name, err))
		return nil, false
	case len(r.Text) > maxRules:
		s.c.report(rulesTooLong(y.Span(), r.Name, len(r.Text), maxRules))
		return nil, false
	case len(compiled.Rules()) == 0:
		s.c.report(noRules(y.Span(), r.Name))
		return nil, false
	}
	r.Text = compiled.Text()
	for name, v := range given {
		if hasWord(r.Text, name) {
			s.c.used[name] = true
			r.Externals = append(r.Externals, plan.External{Name: name, Value: external(v)})
		}
	}
	slices.SortFunc(r.Externals, func(a, b plan.External) int { return strings.Compare(a.Name, b.Name) })
	return compiled, true
}

// included reads what a text of rules includes, from beside it.
func (s *scope) included(y lang.Expr, name string) ([]byte, error) {
	ref, ok := y.(*lang.ListRef)
	if !ok || s.c.in.ReadList == nil {
		return nil, errors.New("rules that stand in a query include no files")
	}
	if !path.IsAbs(name) {
		name = path.Join(path.Dir(ref.Path), name)
	}
	return s.c.in.ReadList(name)
}

// badRules reports what is wrong with rules: in the query where they stand
// there, and otherwise with the place in their file.
func (s *scope) badRules(y lang.Expr, r *plan.Rules, wrong *yara.Error) {
	from, here := s.placeOf(y, r.Text)
	shown := wrong.Diagnostics[:min(len(wrong.Diagnostics), maxListProblems)]
	for _, d := range shown {
		at := y.Span()
		if here && d.Source.Text == r.Text {
			at = lang.Span{Start: from + d.Start, End: from + max(d.End, d.Start+1)}
		}
		s.c.report(badRule(at, d, here))
	}
	if more := len(wrong.Diagnostics) + wrong.More - len(shown); more > 0 {
		s.c.report(moreBadRules(y.Span(), r.Name, more))
	}
}

// placeOf says where in the query a text stands that is written there as it
// is.
func (s *scope) placeOf(y lang.Expr, text string) (int, bool) {
	at, src := y.Span(), s.c.in.Source.Text
	if at.Start < 0 || at.End > len(src) || at.End-at.Start < 2 {
		return 0, false
	}
	inside := src[at.Start+1 : at.End-1]
	return at.Start + 1, inside == text
}

// externals gives the parameters and names of the query that rules may speak
// of without defining them.
func (c *compiler) externals() map[string]any {
	given := map[string]any{}
	probe := *c // what has no value here is wrong only where it is used
	probe.problems, probe.warnings, probe.used = nil, nil, map[string]bool{}
	for _, name := range c.parameterNames() {
		t, ok := (&scope{c: &probe}).operand(&lang.ParamRef{Name: name}, true)
		v, isConst := t.constant()
		if !ok || !isConst {
			continue
		}
		switch v.Type() {
		case value.Int, value.Size:
			given[name] = v.Int()
		case value.Float:
			given[name] = v.Float()
		case value.Bool:
			given[name] = v.Bool()
		case value.Text:
			given[name] = v.Text()
		}
	}
	return given
}

func external(v any) value.Value {
	switch v := v.(type) {
	case int64:
		return value.NewInt(v)
	case float64:
		return value.NewFloat(v)
	case bool:
		return value.NewBool(v)
	}
	return value.NewText(v.(string))
}

// hasWord says whether a word stands in a text by itself.
func hasWord(text, word string) bool {
	part := func(b byte) bool {
		return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
	}
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		from, to := at+i, at+i+len(word)
		if (from == 0 || !part(text[from-1])) && (to == len(text) || !part(text[to])) {
			return true
		}
		at = from + 1
	}
}
