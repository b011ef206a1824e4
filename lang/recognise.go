package lang

import (
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/participle/v2/ebnf"
	"github.com/alecthomas/participle/v2/lexer"
)

// A network is the grammar as transition networks: a rule is a set of states,
// an edge takes a token, runs another rule, or takes nothing. It is made from
// what the parser prints, so that there is one grammar.
//
// Running all paths at once is Earley's algorithm (CACM 13, 2, 1970) over
// states instead of dotted rules. No rule of ours can be empty, which spares
// its special case; newNetwork checks that.
type network struct {
	states []netState
	rules  []netRule
	file   int // the rule of a whole file
}

type netState struct {
	rule  int
	last  bool // the rule ends here
	edges []edge
}

type netRule struct {
	name        string
	first, last int // states
}

type edge struct {
	kind edgeKind
	to   int
	term string // of edgeTerm: a keyword, punctuation, or <kind>
	nth  int    // which one of its rule's equal terms it is
	rule int    // of edgeRule
	look []string
	not  bool // of edgeLook: none of look
}

type edgeKind uint8

const (
	edgeEmpty edgeKind = iota
	edgeTerm
	edgeRule
	edgeLook // the next token must be one of look, or none of them
)

// net is built at the first use, as the parser is.
var net = sync.OnceValue(func() *network {
	tree, err := ebnf.ParseString(Grammar())
	if err != nil {
		panic("lang: the printed grammar: " + err.Error())
	}
	return newNetwork(tree)
})

func newNetwork(tree *ebnf.EBNF) *network {
	n := &network{}
	index := map[string]int{}
	for i, p := range tree.Productions {
		index[p.Production] = i
		n.rules = append(n.rules, netRule{name: p.Production, first: n.state(i), last: n.state(i)})
		n.states[n.rules[i].last].last = true
	}
	n.file = index["File"]
	for i, p := range tree.Productions {
		b := &netBuilder{network: n, rule: i, index: index, seen: map[string]int{}}
		b.expression(p.Expression, n.rules[i].first, n.rules[i].last)
	}
	for _, r := range n.rules {
		if n.empties(r.first)[r.last] {
			panic("lang: the rule " + r.name + " can be empty")
		}
	}
	return n
}

func (n *network) state(rule int) int {
	n.states = append(n.states, netState{rule: rule})
	return len(n.states) - 1
}

func (n *network) edge(from int, e edge) {
	s := &n.states[from]
	s.edges = append(s.edges, e)
}

// empties gives the states that can be reached without a token.
func (n *network) empties(from int) map[int]bool {
	seen, todo := map[int]bool{from: true}, []int{from}
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		for _, e := range n.states[s].edges {
			if (e.kind == edgeEmpty || e.kind == edgeLook) && !seen[e.to] {
				seen[e.to] = true
				todo = append(todo, e.to)
			}
		}
	}
	return seen
}

// A netBuilder lays the edges of one rule.
type netBuilder struct {
	*network
	rule  int
	index map[string]int
	seen  map[string]int // how many of a term there are
}

func (b *netBuilder) expression(x *ebnf.Expression, from, to int) {
	for _, seq := range x.Alternatives {
		at := from
		for i, term := range seq.Terms {
			next := to
			if i < len(seq.Terms)-1 {
				next = b.state(b.rule)
			}
			b.term(term, at, next)
			at = next
		}
	}
}

func (b *netBuilder) term(t *ebnf.Term, from, to int) {
	switch t.Repetition {
	case "?":
		b.edge(from, edge{to: to})
	case "*", "+":
		// A loop through states of its own, so that no other path enters it.
		head, tail := b.state(b.rule), b.state(b.rule)
		b.edge(from, edge{to: head})
		b.edge(tail, edge{to: head})
		b.edge(tail, edge{to: to})
		if t.Repetition == "*" {
			b.edge(head, edge{to: to})
		}
		from, to = head, tail
	}
	switch {
	case t.Group != nil && t.Group.Lookahead != ebnf.LookaheadAssertionNone:
		var look []string
		for _, seq := range t.Group.Expr.Alternatives {
			look = append(look, termText(seq.Terms[0]))
		}
		b.edge(from, edge{kind: edgeLook, look: look, not: t.Group.Lookahead == ebnf.LookaheadAssertionNegative, to: to})
	case t.Group != nil:
		b.expression(t.Group.Expr, from, to)
	case t.Name != "":
		b.edge(from, edge{kind: edgeRule, rule: b.index[t.Name], to: to})
	default:
		text := termText(t)
		b.edge(from, edge{kind: edgeTerm, term: text, nth: b.seen[text], to: to})
		b.seen[text]++
	}
}

// termText gives a token as slots name it.
func termText(t *ebnf.Term) string {
	if t.Token != "" {
		return "<" + t.Token + ">"
	}
	return strings.Trim(t.Literal, `"`)
}

// term gives the name that the networks have for a token.
func (t token) term() string {
	switch t.kind {
	case kindIdent:
		return "<ident>"
	case kindText:
		return "<text>"
	case kindBare:
		return "<bare>"
	case kindValue:
		return "<value>"
	case kindParam:
		return "<param>"
	case kindList:
		return "<list>"
	case kindBad, lexer.EOF:
		return ""
	}
	return t.text
}

// An item is a path that is being followed: a state, where its rule began,
// and what the next token must or must not be, if that
// matters.
type item struct {
	state, origin int
	look          *edge
}

// A chart holds all paths through the tokens so far.
type chart struct {
	net  *network
	sets []itemSet
}

// An itemSet holds the items between two tokens.
type itemSet struct {
	items   []item
	seen    map[item]bool
	waiting map[int][]waiting // items that wait for a rule to end, by rule
}

type waiting struct {
	item
	to int
}

func (n *network) run(toks []token) *chart {
	c := &chart{net: n, sets: make([]itemSet, len(toks)+1)}
	for i := range c.sets {
		c.sets[i] = itemSet{seen: map[item]bool{}, waiting: map[int][]waiting{}}
	}
	c.add(0, item{state: n.rules[n.file].first})
	for at := range c.sets {
		next := ""
		if at < len(toks) {
			next = toks[at].term()
		}
		// The set grows while it is gone through.
		for i := 0; i < len(c.sets[at].items); i++ {
			it := c.sets[at].items[i]
			c.step(at, it, next)
			if s := n.states[it.state]; s.last {
				for _, w := range c.sets[it.origin].waiting[s.rule] {
					c.add(at, item{state: w.to, origin: w.origin})
				}
			}
		}
	}
	return c
}

func (c *chart) add(at int, it item) {
	if set := &c.sets[at]; !set.seen[it] {
		set.seen[it] = true
		set.items = append(set.items, it)
	}
}

// step follows the edges of an item of the set at; next is the token behind.
func (c *chart) step(at int, it item, next string) {
	edges := c.net.states[it.state].edges
	for i := range edges {
		switch e := &edges[i]; e.kind {
		case edgeEmpty:
			c.add(at, item{e.to, it.origin, it.look})
		case edgeLook:
			c.add(at, item{e.to, it.origin, e})
		case edgeRule:
			w := c.sets[at].waiting
			w[e.rule] = append(w[e.rule], waiting{it, e.to})
			c.add(at, item{c.net.rules[e.rule].first, at, it.look})
		case edgeTerm:
			if e.term == next && it.allows(next) {
				c.add(at+1, item{state: e.to, origin: it.origin})
			}
		}
	}
}

// allows says whether a token may come next.
func (i item) allows(term string) bool {
	return i.look == nil || slices.Contains(i.look.look, term) != i.look.not
}

// expected lists what may come behind so many tokens, each once.
func (c *chart) expected(at int) []Slot {
	var slots []Slot
	seen := map[Slot]bool{}
	for _, it := range c.sets[at].items {
		for _, e := range c.net.states[it.state].edges {
			if e.kind != edgeTerm || !it.allows(e.term) {
				continue
			}
			s := Slot{Rule: c.net.rules[c.net.states[it.state].rule].name, Term: e.term, Nth: e.nth}
			if !seen[s] {
				seen[s] = true
				slots = append(slots, s)
			}
		}
	}
	return slots
}
