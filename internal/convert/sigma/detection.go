package sigma

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// Bounds of one rule.
const (
	maxTests = 20_000 // tests that a condition may come to: rules with long lists have a thousand
	maxDepth = 60     // levels of a condition: rules have five
)

// An expr is what a detection says: a test, or expressions that are joined.
type expr struct {
	op   byte // 't' for a test, '&', '|', '!'
	subs []*expr
	test *test
}

// A test is about one field: that it has one of some values.
type test struct {
	field   string // as the rule calls it; "" for what stands anywhere in the event
	kind    kind
	words   []pattern // of kind like
	texts   []string  // of the others: expressions, networks, a number, a field
	cased   bool
	bad     string // why it cannot be asked, whatever the source is
	line    int
	flagged string // of kind matches: flags of the expression
}

// A kind is how a field is tested.
type kind uint8

const (
	like    kind = iota // it fits one of the patterns
	matches             // one of the expressions is found in it
	network             // it lies in one of the networks
	less                // and so on: it compares so with a number
	lessEqual
	greater
	greaterEqual
	exists // it is there
	null   // it is not there
	sameAs // it is as another field
)

// A problem is why a rule cannot be read.
type problem struct {
	line    int
	message string
}

func wrong(n *document.Node, format string, args ...any) *problem {
	return &problem{n.Line(), fmt.Sprintf(format, args...)}
}

// A detection is what a rule looks for.
type detection struct {
	names      []string // of the selections, in their order
	selections map[string]*expr
	conditions []condition
}

// parseDetection reads the selections and conditions of a rule.
func parseDetection(d layers) (*detection, *problem) {
	names, nodes := d.within("detection")
	t := &detection{selections: map[string]*expr{}}
	for _, name := range names {
		if name == "condition" || name == "timeframe" {
			continue
		}
		x, err := selection(nodes[name], 0)
		if err != nil {
			return nil, err
		}
		t.names, t.selections[name] = append(t.names, name), x
	}
	conds := nodes["condition"]
	if conds == nil || len(conds.Items()) == 0 {
		return nil, wrong(d.get("detection"), "it has no condition")
	}
	for _, n := range conds.Items() {
		c, err := t.condition(n)
		if err != nil {
			return nil, err
		}
		if count(c.tree) > maxTests {
			return nil, wrong(n, "its condition unfolds to over %d tests", maxTests)
		}
		if c.aggregate != nil {
			c.aggregate.span = nodes["timeframe"].Text()
		}
		t.conditions = append(t.conditions, c)
	}
	return t, nil
}

func count(x *expr) int {
	n := 1
	if x.test != nil {
		n = len(x.test.words) + len(x.test.texts)
	}
	for _, s := range x.subs {
		if n += count(s); n > maxTests {
			break
		}
	}
	return n
}

// selection reads a selection: a map whose tests hold together, or a list of
// which any does. What has no field is looked for anywhere.
func selection(n *document.Node, depth int) (*expr, *problem) {
	if depth > maxDepth {
		return nil, wrong(n, "it has over %d levels", maxDepth)
	}
	x := &expr{op: '|'}
	switch n.Kind() {
	case document.Map:
		x.op = '&'
		for i, key := range n.Keys() {
			sub, err := item(key, n.Items()[i])
			if err != nil {
				return nil, err
			}
			x.subs = append(x.subs, sub)
		}
	case document.List:
		var words []*document.Node
		for _, m := range n.Items() {
			if m.Kind() != document.Map && m.Kind() != document.List {
				words = append(words, m)
				continue
			}
			sub, err := selection(m, depth+1)
			if err != nil {
				return nil, err
			}
			x.subs = append(x.subs, sub)
		}
		if len(words) > 0 {
			sub, err := modified("", nil, words, n)
			if err != nil {
				return nil, err
			}
			x.subs = append(x.subs, sub)
		}
	case document.Null:
		return nil, wrong(n, "a selection is empty")
	default:
		return modified("", nil, []*document.Node{n}, n)
	}
	if len(x.subs) == 0 {
		return nil, wrong(n, "a selection is empty")
	}
	return joined(x.op, x.subs), nil
}

// item reads FIELD|MODIFIER: VALUES.
func item(key string, n *document.Node) (*expr, *problem) {
	parts := strings.Split(key, "|")
	values := []*document.Node{n}
	if n.Kind() == document.List {
		values = n.Items()
	}
	if len(values) == 0 {
		return nil, wrong(n, "%q has no values", key)
	}
	for _, v := range values {
		if v.Kind() == document.Map || v.Kind() == document.List {
			return nil, wrong(v, "%q has %s where a value is meant", key, v.Kind())
		}
	}
	return modified(parts[0], parts[1:], values, n)
}

// joined joins expressions, of which there is at least one.
func joined(op byte, subs []*expr) *expr {
	if len(subs) == 1 {
		return subs[0]
	}
	return &expr{op: op, subs: subs}
}

func not(x *expr) *expr { return &expr{op: '!', subs: []*expr{x}} }
