package plan

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/value"
)

// ErrInvalid is the root of every error about a plan that cannot be run.
var ErrInvalid = errors.New("plan: invalid")

// Prepare checks that the plan holds together (every number names something
// that is there) and compiles its patterns and sets. It must be called once
// before the plan is run, and before it is shared; Decode has done so.
func (p *Plan) Prepare() error {
	for _, s := range p.Sets {
		if err := s.prepare(); err != nil {
			return err
		}
	}
	c := &preparer{plan: p, facts: len(p.Facts)}
	c.outs = len(p.Facts)
	c.expr(p.Target)
	c.target()
	c.outs = 0
	for _, t := range p.Tables {
		c.table(t, false)
	}
	for _, t := range p.Subs {
		c.table(t, true)
	}
	if len(p.Tables) == 0 {
		c.fail("no table")
	}
	if p.Every < 0 {
		c.fail("a period of %s", p.Every)
	}
	if p.Watch {
		c.watch()
	}
	if p.Every > 0 && !p.here() {
		c.rounds()
	}
	return c.err
}

// target checks that what hosts are chosen by speaks of their facts alone: a
// column or a question has no slot there, and a subquery is asked too late.
func (c *preparer) target() {
	Walk(c.plan.Target, func(e Expr) {
		if _, ok := e.(*InSub); ok {
			c.fail("the target looks hosts up in a subquery")
		}
	})
}

// watch checks that a plan about changes is nothing else.
func (c *preparer) watch() {
	if len(c.plan.Tables) != 1 || len(c.plan.Subs) > 0 || c.plan.Every != 0 {
		c.fail("changes are watched by one table, without subqueries and once")
		return
	}
	t := c.plan.Tables[0]
	if t.Not || len(t.Slots) != 1 || t.Slots[0].Lines || t.Group != nil || t.Distinct || len(t.Order) > 0 {
		c.fail("changes of table %q are watched, and joined, grouped, ordered or shown by lines", t.Name)
	}
}

// rounds checks that a plan that hosts repeat has rows that each can compare
// for itself.
func (c *preparer) rounds() {
	if len(c.plan.Tables) != 1 {
		c.fail("%d tables are asked in rounds, and one can be", len(c.plan.Tables))
		return
	}
	t := c.plan.Tables[0]
	if t.Not || t.Group != nil || t.Distinct || len(t.Order) > 0 || t.Limit >= 0 {
		c.fail("table %q is asked in rounds, and grouped, ordered, cut or made distinct over all hosts", t.Name)
	}
}

type preparer struct {
	plan  *Plan
	slots []*Slot // that expressions may speak of
	outs  int     // columns that Out may number
	facts int
	err   error
}

func (c *preparer) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
}

func (c *preparer) table(t *Table, sub bool) {
	if len(t.Slots) == 0 || t.Slots[0].Key != nil || t.Slots[0].Link {
		c.fail("table %q does not begin with a scan", t.Name)
		return
	}
	for i, s := range t.Slots {
		c.slots, c.outs = t.Slots[:i], 0
		if s.Within && (s.Key == nil || s.Link) {
			c.fail("slot %d of table %q looks within nothing", i, t.Name)
		}
		c.expr(s.Key)
		c.exprs(s.JoinThere)
		c.slots = t.Slots[:i+1]
		c.exprs(s.JoinHere)
		c.expr(s.Filter)
		if len(s.JoinHere) != len(s.JoinThere) {
			c.fail("slot %d of table %q joins %d with %d", i, t.Name, len(s.JoinHere), len(s.JoinThere))
		}
		for _, f := range s.FilterColumns {
			c.within(f, len(s.Columns), "filter column")
		}
		c.outs = 1
		for _, q := range s.Questions {
			c.expr(q.Test)
			if q.Kind < Contains || q.Kind > Yara || (q.Kind == LineTest) != (q.Test != nil) || (q.Kind == Yara) != (q.Rules != nil) {
				c.fail("slot %d of table %q has a question of no kind", i, t.Name)
			}
			if q.Rules != nil && q.Lines != WholeContent {
				c.fail("slot %d of table %q asks rules of lines", i, t.Name)
			}
		}
	}
	c.slots, c.outs = t.Slots, 0
	c.expr(t.Where)
	if t.Group != nil {
		c.exprs(t.Group.Keys)
		for _, a := range t.Group.Aggs {
			c.aggregate(t, a)
		}
		c.slots, c.outs = nil, len(t.Group.Keys)+len(t.Group.Aggs)
	}
	if t.Group != nil && !t.Not && !sub && !c.plan.here() {
		c.merged(t)
	}
	c.expr(t.Having)
	for _, o := range t.Outputs {
		c.whole(t, o.Expr)
	}
	for _, o := range t.Order {
		c.whole(t, o.Expr)
	}
}

// merged checks what stands behind the groups of all hosts together: it is
// decided where the question came from, and subqueries are asked on the hosts.
func (c *preparer) merged(t *Table) {
	look := func(e Expr) {
		if _, ok := e.(*InSub); ok {
			c.fail("table %q looks its groups up in a subquery, which each host asks for itself", t.Name)
		}
	}
	Walk(t.Having, look)
	for _, o := range t.Outputs {
		Walk(o.Expr, look)
	}
	for _, o := range t.Order {
		Walk(o.Expr, look)
	}
}

// whole checks an expression that must be there.
func (c *preparer) whole(t *Table, e Expr) {
	if e == nil {
		c.fail("table %q returns nothing, or has nothing to order by", t.Name)
	}
	c.expr(e)
}

// aggregate checks that an aggregate is of something, where it must be.
func (c *preparer) aggregate(t *Table, a Agg) {
	alone := a.Func == AggHosts || a.Func == AggCount && !a.Distinct
	if a.Func < AggCount || a.Func > AggList || a.Arg == nil && !alone || a.Distinct && a.Func != AggCount {
		c.fail("table %q has an aggregate of no kind, or of nothing", t.Name)
	}
	c.expr(a.Arg)
}

func (c *preparer) exprs(xs []Expr) {
	for _, x := range xs {
		c.expr(x)
	}
}

func (c *preparer) within(i, n int, what string) {
	if i < 0 || i >= n {
		c.fail("%s %d of %d", what, i, n)
	}
}

func (c *preparer) expr(e Expr) {
	Walk(e, c.node)
}

func (c *preparer) node(e Expr) {
	switch e := e.(type) {
	case *Col:
		c.within(e.Slot, len(c.slots), "slot")
		if c.err == nil {
			c.within(e.Index, len(c.slots[e.Slot].Columns), "column")
		}
	case *Ask:
		c.within(e.Slot, len(c.slots), "slot")
		if c.err == nil {
			c.within(e.Question, len(c.slots[e.Slot].Questions), "question")
		}
	case *IsMissing:
		c.within(e.Slot, len(c.slots), "slot")
	case *Out:
		c.within(e.Index, c.outs, "output")
	case *InSub:
		c.within(e.Sub, len(c.plan.Subs), "subquery")
		if c.err == nil && len(e.Xs) != len(c.plan.Subs[e.Sub].Outputs) {
			c.fail("a tuple of %d against a subquery of %d", len(e.Xs), len(c.plan.Subs[e.Sub].Outputs))
		}
	case *InSet:
		c.within(e.Set, len(c.plan.Sets), "set")
		if c.err == nil {
			e.set = c.plan.Sets[e.Set]
			if len(e.Xs) != e.set.Width {
				c.fail("a tuple of %d against a set of %d", len(e.Xs), e.set.Width)
			}
		}
	case *Match:
		c.match(e)
	case *Call:
		fn := e.fn // one that is not in the table was given to NewCall
		if fn == nil {
			fn, _ = FuncByName(e.Func)
		}
		switch {
		case fn == nil:
			c.fail("no function %q", e.Func)
		case len(e.Args) < fn.Min || fn.Max >= 0 && len(e.Args) > fn.Max:
			c.fail("function %s with %d arguments", e.Func, len(e.Args))
		}
		e.fn = fn
	}
}

func (c *preparer) match(e *Match) {
	if e.Dynamic != nil {
		if e.Op != Glob && plainTest(e.Op, "", e.Fold) == nil || len(e.Patterns) > 0 {
			c.fail("%s takes constant patterns", e.Op)
		}
		return
	}
	e.tests = make([]func(string) bool, len(e.Patterns))
	for i, p := range e.Patterns {
		test, err := CompileMatch(e.Op, p, e.Fold)
		if err != nil {
			c.fail("%s %q: %v", e.Op, p, err)
		}
		e.tests[i] = test
	}
}

func (s *Set) prepare() error {
	if s.Width < 1 || len(s.Values)%s.Width != 0 {
		return fmt.Errorf("%w: set %q holds %d values in tuples of %d", ErrInvalid, s.Name, len(s.Values), s.Width)
	}
	s.index = make(map[string]struct{}, len(s.Values)/s.Width)
	var key []byte
	for i := 0; i < len(s.Values); i += s.Width {
		key = key[:0]
		for _, v := range s.Values[i : i+s.Width] {
			// A version of no known scheme equals one of any.
			s.loose = s.loose || v.Type() == value.Version
			key = s.appendKey(key, v)
		}
		s.index[string(key)] = struct{}{}
	}
	return nil
}

// among says whether a tuple is in the set by comparing it with each of its
// tuples: for what no key can tell. Of (null, 2) it is known that it is not
// in ((1, 3)), and not known whether it is in ((1, 2)).
func (s *Set) among(tuple []value.Value) value.Truth {
	some := value.False
	for i := 0; i < len(s.Values) && some != value.True; i += s.Width {
		all := value.True
		for k, v := range tuple {
			if v.IsNull() || s.Values[i+k].IsNull() {
				all = all.And(value.Unknown)
			} else {
				all = all.And(compare(Eq, v, s.Values[i+k], s.Fold))
			}
			if all == value.False {
				break
			}
		}
		some = some.Or(all)
	}
	return some
}

// appendKey appends the key under which a value is looked up.
func (s *Set) appendKey(dst []byte, v value.Value) []byte {
	if s.Fold && v.Type() == value.Text {
		v = value.NewText(folded(v.Text()))
	}
	return v.AppendKey(dst)
}

// folded gives one text for all that value.FoldEqual takes for the same: each
// character stands as the first of those that it is folded with. Bytes that
// are not UTF-8 stay.
func folded(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return strings.ToUpper(text)
	}
	out := make([]byte, 0, len(text))
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 {
			out = append(out, text[0])
		} else {
			first := r
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				first = min(first, f)
			}
			out = utf8.AppendRune(out, first)
		}
		text = text[n:]
	}
	return string(out)
}

// Len is the number of tuples in the set.
func (s *Set) Len() int { return len(s.Values) / max(s.Width, 1) }
