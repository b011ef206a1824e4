package yara

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// program is what all rules together were compiled to.
type program struct {
	parts   []*part
	atoms   *atoms
	always  []*Rule // those that may hold without any string
	globals []*Rule
	gates   []gate
	guards  []expr
	modules []*Module
	vars    int // the most variables that are alive at once
	dynamic int // bytes that are kept of a stream before and after a place
	strs    int
}

// compiler makes rules out of what was written.
type compiler struct {
	*parser
	opts    Options
	prog    *program
	byName  map[string]*Rule
	modules map[string]int // by name, index into prog.modules; -1 where unknown
	guards  map[string]int
	gates   map[string]int

	wild  map[string]bool // the fronts of the rules that sets named by a *
	nodes int             // parts of conditions so far
	work  int             // what was charged so far
	lines []lineMark      // by text
	out   []*Rule
	rule  *Rule
	strs  map[string]*str
	used  map[*str]bool
	scope []variable
	loops int // loops over strings that are open
}

// variable is one of a loop.
type variable struct {
	name string
	typ  Type
	slot int
}

// compile reads a text of rules.
func compile(src Source, o Options) (*Rules, error) {
	p := &parser{include: o.Include}
	text := p.source(src)
	c := &compiler{parser: p, opts: o, prog: &program{}, byName: map[string]*Rule{}, modules: map[string]int{}, guards: map[string]int{}, gates: map[string]int{}, wild: map[string]bool{}}
	for _, t := range p.imports {
		c.importModule(t)
	}
	for name, v := range o.Externals {
		if _, ok := externalValue(v); !ok {
			c.note(span{}, fmt.Sprintf("the external %s is a %T: an int64, a float64, a bool or a string is needed", name, v), "")
		}
	}
	for _, r := range p.rules {
		c.compileRule(r)
	}
	if len(p.diags) > 0 {
		sort.SliceStable(p.diags, func(i, j int) bool {
			return p.diags[i].Source == p.diags[j].Source && p.diags[i].Start < p.diags[j].Start
		})
		return nil, &Error{Diagnostics: p.diags, More: p.more}
	}
	c.prog.link()
	return &Rules{text: text, rules: c.out, prog: c.prog}, nil
}

func (c *compiler) importModule(t token) {
	name := t.val.text
	if _, seen := c.modules[name]; seen {
		return
	}
	var known []string
	for _, m := range c.opts.Modules {
		if m.Name == name {
			c.modules[name] = len(c.prog.modules)
			c.prog.modules = append(c.prog.modules, m)
			return
		}
		known = append(known, m.Name)
	}
	c.modules[name] = -1
	hint := "no modules are known here"
	if slices.Sort(known); len(known) > 0 {
		hint = "known are " + strings.Join(known, ", ")
	}
	c.note(t.span, fmt.Sprintf("the module %q is not known", name), hint)
}

// externalValue makes a value of an external.
func externalValue(v any) (Value, bool) {
	switch v := v.(type) {
	case int64:
		return Integer(v), true
	case int:
		return Integer(int64(v)), true
	case float64:
		return Number(v), true
	case bool:
		return Boolean(v), true
	case string:
		return Text(v), true
	}
	return Value{}, false
}

func (c *compiler) compileRule(n *ruleNode) {
	r := &Rule{
		Name: n.name.text, Meta: n.meta, Private: n.private, Global: n.global,
		Source: c.sources[n.name.src].Name, Line: c.line(n.name.span), index: len(c.out),
	}
	for _, t := range n.tags {
		if slices.Contains(r.Tags, t.text) {
			c.note(t.span, fmt.Sprintf("the tag %s stands twice", t.text), "")
		}
		r.Tags = append(r.Tags, t.text)
	}
	for i := range len(r.Name) + 1 {
		if front := r.Name[:i]; c.wild[front] {
			c.note(n.name.span, fmt.Sprintf("a condition before this rule names %s*, which would mean it, too", front), "put the rule before, or give it another name")
			break
		}
	}
	c.out = append(c.out, r)
	if first := c.byName[r.Name]; first != nil {
		c.note(n.name.span, fmt.Sprintf("there are two rules %s", r.Name), fmt.Sprintf("the first stands in %s, line %d", first.Source, first.Line))
	} else {
		defer func() { c.byName[r.Name] = r }()
	}
	if _, taken := c.modules[r.Name]; taken {
		c.note(n.name.span, fmt.Sprintf("the rule %s is called like a module that is imported", r.Name), "")
	}
	c.rule, c.strs, c.used, c.scope, c.loops = r, map[string]*str{}, map[*str]bool{}, nil, 0
	for i := range n.strings {
		c.compileString(r, &n.strings[i])
	}
	cond, typ := c.expr(n.cond)
	c.wantCondition(n.cond, typ)
	r.cond = cond
	for i, s := range r.strings {
		if !c.used[s] && !strings.HasPrefix(s.name, "$_") {
			c.note(n.strings[i].name, fmt.Sprintf("the condition of %s does not name the string %s", r.Name, s.name), "name it, take it out, or let its name begin with $_")
		}
	}
	if len(c.diags) == 0 {
		c.plan(r, n.cond)
	}
}

// plan says when a rule has to be looked at.
func (c *compiler) plan(r *Rule, cond node) {
	var key []string
	var guards []int
	for i, part := range conjuncts(cond) {
		x := r.cond
		if and, ok := r.cond.(*andExpr); ok {
			x = and.all[i]
		}
		if !isEarly(part) {
			continue
		}
		text := c.sources[part.where().src].Text[part.where().start:part.where().end]
		id, seen := c.guards[text]
		if !seen {
			id = len(c.prog.guards)
			c.guards[text] = id
			c.prog.guards = append(c.prog.guards, x)
		}
		guards = append(guards, id)
		key = append(key, text)
	}
	id, seen := c.gates[strings.Join(key, "\x00")]
	if !seen {
		id = len(c.prog.gates)
		c.gates[strings.Join(key, "\x00")] = id
		c.prog.gates = append(c.prog.gates, gate{guards: guards})
	}
	r.gate = id
	c.prog.gates[id].strings = c.prog.gates[id].strings || len(r.strings) > 0
	if r.Global {
		c.prog.globals = append(c.prog.globals, r)
	}
	if !needsString(cond) {
		c.prog.always = append(c.prog.always, r)
	}
}

// maxWork bounds what rules may come to when they are compiled, in bytes of
// what is kept: a collection of ten thousand rules takes a tenth of it.
const maxWork = 128 << 20

// charge counts what is kept, and refuses what goes beyond the bound.
func (c *compiler) charge(at span, n int) bool {
	if c.work > maxWork {
		return false
	}
	if c.work += n; c.work > maxWork {
		c.note(at, "with this the rules come to more than can be kept: repetitions, xor and sets multiply", "")
	}
	return c.work <= maxWork
}

// lineMark is the line of an offset that was asked for last.
type lineMark struct{ offset, line int }

// line gives the line of a place, from 1; places are asked for in order.
func (c *compiler) line(at span) int {
	for len(c.lines) <= at.src {
		c.lines = append(c.lines, lineMark{})
	}
	m := &c.lines[at.src]
	if at.start >= m.offset {
		m.line += strings.Count(c.sources[at.src].Text[m.offset:at.start], "\n")
		m.offset = at.start
	}
	return m.line + 1
}

// conjuncts lists what a condition joins by "and".
func conjuncts(n node) []node {
	if b, ok := n.(*binaryNode); ok && b.op == "and" {
		return append(conjuncts(b.x), b.y)
	}
	return []node{n}
}

// isEarly says whether a condition, or a part of one, asks only for the size
// and for integers of the content: it can be answered before the search.
func isEarly(n node) bool {
	switch n := n.(type) {
	case *literalNode:
		return true
	case *nameNode:
		return n.name == "filesize"
	case *unaryNode:
		return isEarly(n.of)
	case *binaryNode:
		return isEarly(n.x) && isEarly(n.y)
	case *callNode:
		name, ok := n.of.(*nameNode)
		if _, is := readers[nameOf(name, ok)]; !is || len(n.args) != 1 {
			return false
		}
		return isEarly(n.args[0])
	}
	return false
}

func nameOf(n *nameNode, ok bool) string {
	if !ok {
		return ""
	}
	return n.name
}

// needsString says that a condition cannot hold where no string of its rule
// stands anywhere.
func needsString(n node) bool {
	switch n := n.(type) {
	case *stringUse:
		return n.sign != '#'
	case *binaryNode:
		return binaryNeedsString(n)
	case *ofNode:
		return n.set.isStrings() && atLeastOne(n.q)
	case *forOfNode:
		return atLeastOne(n.q) && needsString(n.body)
	case *forInNode:
		return atLeastOne(n.q) && needsString(n.body)
	}
	return false
}

func (s *setNode) isStrings() bool {
	return s.them || len(s.items) > 0 && s.items[0].kind == tokString
}

// atLeastOne says that a quantifier cannot be content with nothing.
func atLeastOne(q quantNode) bool {
	if lit, ok := q.n.(*literalNode); ok {
		return lit.val.Int() > 0
	}
	return q.word == "any" || q.word == "all"
}

func binaryNeedsString(n *binaryNode) bool {
	switch n.op {
	case "and":
		return needsString(n.x) || needsString(n.y)
	case "or":
		return needsString(n.x) && needsString(n.y)
	}
	// An offset or a length of what is nowhere is undefined.
	for _, side := range [...]node{n.x, n.y} {
		if s, ok := side.(*stringUse); ok && (s.sign == '@' || s.sign == '!') {
			return true
		}
	}
	count, ok := n.x.(*stringUse)
	least, isNumber := n.y.(*literalNode)
	if !ok || !isNumber || count.sign != '#' || least.val.kind != Int {
		return false
	}
	switch n.op {
	case ">":
		return least.val.Int() >= 0
	case ">=", "==":
		return least.val.Int() > 0
	}
	return false
}

// wantCondition refuses what is neither true nor false.
func (c *compiler) wantCondition(n node, t Type) {
	switch t.Kind {
	case Bool, Int, Float, String, None:
	default:
		c.note(n.where(), fmt.Sprintf("%s is neither true nor false", article(t.Kind)), "")
	}
}

func article(k Kind) string {
	word := k.String()
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}
