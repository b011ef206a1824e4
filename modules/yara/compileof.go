package yara

import (
	"fmt"
	"strings"
)

// find gives the string that a condition names.
func (c *compiler) find(n *stringUse) (strRef, bool) {
	if n.name == "$" {
		if c.loops == 0 {
			c.note(n.span, fmt.Sprintf("%c without a name stands only in a loop over strings", n.sign), "")
			return strRef{}, false
		}
		return strRef{}, true
	}
	s := c.strs[n.name]
	if s == nil {
		c.note(n.span, fmt.Sprintf("the rule has no string %s", n.name), "")
		return strRef{}, false
	}
	c.used[s] = true
	return strRef{s}, true
}

// counted notes that every place of a string matters.
func (c *compiler) counted(ref strRef) {
	if ref.s != nil {
		ref.s.exact, ref.s.roaming = true, true
	}
}

func (c *compiler) stringUse(n *stringUse) (expr, Type) {
	ref, ok := c.find(n)
	if !ok {
		return nothing()
	}
	var x expr
	typ := Type{Kind: Int}
	switch {
	case n.sign == '#' && n.lo != nil:
		x = &countInExpr{ref, c.typed(n.lo, Int, "an end of the range"), c.typed(n.hi, Int, "an end of the range")}
	case n.sign == '#':
		x = &countExpr{ref}
	case n.sign != '$':
		var index expr = &literalExpr{Integer(1)}
		if n.index != nil {
			index = c.typed(n.index, Int, "an index")
		}
		x = &placeExpr{ref, index, n.sign == '!'}
	case n.at != nil:
		at := c.typed(n.at, Int, "an offset")
		if ref.s != nil {
			ref.s.pin(at)
		}
		return &foundAtExpr{ref, at}, Type{Kind: Bool}
	case n.lo != nil:
		x = &foundInExpr{ref, c.typed(n.lo, Int, "an end of the range"), c.typed(n.hi, Int, "an end of the range")}
		typ = Type{Kind: Bool}
	default:
		if ref.s != nil {
			ref.s.roaming = true
		}
		return &foundExpr{ref}, Type{Kind: Bool}
	}
	c.counted(ref)
	return x, typ
}

// pin notes that a string is asked for at one offset.
func (s *str) pin(at expr) {
	lit, ok := at.(*literalExpr)
	if !ok || lit.val.Int() < 0 || s.pinned && s.fixed != lit.val.Int() {
		s.roaming, s.exact = true, true
		return
	}
	s.pinned, s.fixed = true, lit.val.Int()
	s.exact = true
}

// quant compiles a quantifier over so many, or over an unknown number where
// that is negative.
func (c *compiler) quant(q quantNode, total int) quant {
	switch q.word {
	case "all":
		return quant{kind: quantAll}
	case "any":
		return quant{kind: quantAny}
	case "none":
		return quant{kind: quantNone}
	}
	out := quant{kind: quantCount, n: c.typed(q.n, Int, "how many")}
	if q.percent {
		out.kind = quantShare
	}
	lit, ok := out.n.(*literalExpr)
	if !ok || lit.val.kind != Int {
		return out
	}
	n := lit.val.Int()
	switch {
	case n < 0:
		c.note(q.span, "how many cannot be negative", "")
	case q.percent && (n < 1 || n > 100):
		c.note(q.span, "a share is from 1% to 100%", "")
	case !q.percent && total >= 0 && n > int64(total):
		c.note(q.span, fmt.Sprintf("%d are asked for, and there are %d", n, total), "")
	}
	return out
}

// set gives the strings of a set; every place of each matters where exact.
func (c *compiler) set(n setNode) []*str {
	if n.them {
		if len(c.rule.strings) == 0 {
			c.note(n.span, "them are the strings of the rule, and it has none", "")
		}
		for _, s := range c.rule.strings {
			c.used[s], s.roaming = true, true
		}
		return c.rule.strings
	}
	var out []*str
	seen := map[*str]bool{}
	for _, item := range n.items {
		if item.kind != tokString {
			c.note(item.span, fmt.Sprintf("%s is a rule, and the others are strings", item.text), "")
			continue
		}
		found := false
		c.charge(item.span, len(c.rule.strings)/16)
		for _, s := range c.rule.strings {
			prefix, wild := strings.CutSuffix(item.text, "*")
			if s.name != item.text && (!wild || !strings.HasPrefix(s.name, prefix)) {
				continue
			}
			found = true
			c.used[s], s.roaming = true, true
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
		if !found {
			c.note(item.span, fmt.Sprintf("the rule has no string %s", item.text), "")
		}
	}
	return out
}

func (c *compiler) of(n *ofNode) (expr, Type) {
	if !n.set.isStrings() {
		return c.ofRules(n)
	}
	strs := c.set(n.set)
	e := &ofExpr{q: c.quant(n.q, len(strs)), strs: strs}
	switch {
	case n.at != nil:
		e.at = c.typed(n.at, Int, "an offset")
	case n.lo != nil:
		e.lo = c.typed(n.lo, Int, "an end of the range")
		e.hi = c.typed(n.hi, Int, "an end of the range")
	default:
		return e, Type{Kind: Bool}
	}
	for _, s := range strs {
		s.exact = true
	}
	return e, Type{Kind: Bool}
}

func (c *compiler) ofRules(n *ofNode) (expr, Type) {
	if n.at != nil || n.lo != nil {
		return c.refuse(n.span, "rules have no places: neither at nor in goes with them")
	}
	e := &ofRulesExpr{}
	for _, item := range n.set.items {
		if item.kind == tokString {
			c.note(item.span, fmt.Sprintf("%s is a string, and the others are rules", item.text), "")
			continue
		}
		prefix, wild := strings.CutSuffix(item.text, "*")
		if wild {
			c.wild[prefix] = true
		}
		found := false
		c.charge(item.span, len(c.out)/16)
		for _, r := range c.out[:len(c.out)-1] {
			if r.Name == item.text || wild && strings.HasPrefix(r.Name, prefix) {
				found = true
				e.rules = append(e.rules, &ruleExpr{r})
				c.charge(item.span, 16)
			}
		}
		if !found {
			c.note(item.span, fmt.Sprintf("no rule %s stands before this one", item.text), "")
		}
	}
	e.q = c.quant(n.q, len(e.rules))
	return e, Type{Kind: Bool}
}

func (c *compiler) forOf(n *forOfNode) (expr, Type) {
	if !n.set.isStrings() {
		return c.refuse(n.set.span, "a loop goes over strings, and these are rules")
	}
	strs := c.set(n.set)
	for _, s := range strs {
		s.exact = true
	}
	e := &forOfExpr{q: c.quant(n.q, -1), strs: strs}
	c.loops++
	e.body, e.cost = c.body(n.body)
	c.loops--
	return e, Type{Kind: Bool}
}

func (c *compiler) forIn(n *forInNode) (expr, Type) {
	e := &forInExpr{q: c.quant(n.q, -1), slot: c.slots()}
	types := c.iterated(e, &n.iter)
	if types != nil && len(types) != len(n.vars) {
		c.note(n.iter.span, fmt.Sprintf("this gives %d values at a time, and the loop has %d variables", len(types), len(n.vars)), "")
	}
	for i, v := range n.vars {
		var t Type
		if i < len(types) {
			t = types[i]
		}
		c.scope = append(c.scope, variable{v.text, t, e.slot + i})
	}
	c.prog.vars = max(c.prog.vars, e.slot+max(2, len(n.vars)))
	e.body, e.cost = c.body(n.body)
	c.scope = c.scope[:len(c.scope)-len(n.vars)]
	return e, Type{Kind: Bool}
}

// body compiles what a loop asks of each, and says what that costs.
func (c *compiler) body(n node) (expr, int64) {
	const step = 4 // steps for a part of a condition
	before := c.nodes
	x := c.condition(n)
	return x, int64(step * (c.nodes - before + 1))
}

// slots is the first slot that no open loop uses.
func (c *compiler) slots() int {
	n := 0
	for _, v := range c.scope {
		n = max(n, v.slot+1)
	}
	return n
}

// iterated compiles what a loop goes over, and gives the types of its
// variables; nil where it was refused.
func (c *compiler) iterated(e *forInExpr, n *iterNode) []Type {
	switch {
	case n.lo != nil:
		e.lo = c.typed(n.lo, Int, "an end of the range")
		e.hi = c.typed(n.hi, Int, "an end of the range")
		return []Type{{Kind: Int}}
	case n.list != nil:
		var t Type
		for _, item := range n.list {
			x, it := c.expr(item)
			if it.Kind != Int && it.Kind != String && it.Kind != None || t.Kind != None && it.Kind != t.Kind {
				c.note(item.where(), "a list holds integers, or it holds texts", "")
			}
			t = it
			e.list = append(e.list, x)
		}
		return []Type{t}
	}
	of, t := c.expr(n.of)
	e.of = of
	switch t.Kind {
	case Array:
		return []Type{*t.Elem}
	case Dict:
		return []Type{{Kind: String}, *t.Elem}
	case None:
		return nil
	}
	c.note(n.span, fmt.Sprintf("a loop cannot go over %s", article(t.Kind)), "")
	return nil
}
