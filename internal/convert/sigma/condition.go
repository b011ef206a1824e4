package sigma

import (
	"path"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// A condition says how the selections of a rule are joined, and in old rules
// how many events it takes.
type condition struct {
	tree      *expr
	aggregate *aggregate
}

// condition reads one condition.
func (t *detection) condition(n *document.Node) (condition, *problem) {
	text, counted, piped := strings.Cut(n.Text(), "|")
	r := &conditionReader{detection: t, node: n, words: tokens(text)}
	tree, err := r.any(0)
	if err != nil {
		return condition{}, err
	}
	if word := r.peek(); word != "" {
		return condition{}, wrong(n, "the condition goes on with %q, where and or or was meant", word)
	}
	c := condition{tree: tree}
	if piped {
		c.aggregate, err = parseAggregate(counted, n)
	}
	return c, err
}

// tokens cuts a condition into words and parentheses.
func tokens(s string) []string {
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ", ",", " , ").Replace(s))
}

// A conditionReader reads a condition: NOT binds closest, then AND, then OR.
type conditionReader struct {
	*detection
	node  *document.Node
	words []string
}

func (r *conditionReader) peek() string {
	if len(r.words) == 0 {
		return ""
	}
	return strings.ToLower(r.words[0])
}

// next takes a word; "" at the end.
func (r *conditionReader) next() string {
	if len(r.words) == 0 {
		return ""
	}
	w := r.words[0]
	r.words = r.words[1:]
	return w
}

func (r *conditionReader) any(depth int) (*expr, *problem) {
	return r.series(depth, "or", '|', func() (*expr, *problem) {
		return r.series(depth, "and", '&', func() (*expr, *problem) { return r.one(depth) })
	})
}

// series reads what stands between words and or or.
func (r *conditionReader) series(depth int, word string, op byte, read func() (*expr, *problem)) (*expr, *problem) {
	if depth > maxDepth {
		return nil, wrong(r.node, "the condition has over %d levels", maxDepth)
	}
	var subs []*expr
	for {
		x, err := read()
		if err != nil {
			return nil, err
		}
		subs = append(subs, x)
		if r.peek() != word {
			return joined(op, subs), nil
		}
		r.next()
	}
}

func (r *conditionReader) one(depth int) (*expr, *problem) {
	switch word := r.next(); strings.ToLower(word) {
	case "":
		return nil, wrong(r.node, "the condition ends where a selection was meant")
	case "not":
		if depth > maxDepth {
			return nil, wrong(r.node, "the condition has over %d levels", maxDepth)
		}
		x, err := r.one(depth + 1)
		if err != nil {
			return nil, err
		}
		return not(x), nil
	case "(":
		x, err := r.any(depth + 1)
		if err != nil {
			return nil, err
		}
		if r.next() != ")" {
			return nil, wrong(r.node, "a parenthesis is not closed")
		}
		return x, nil
	default:
		if r.peek() == "of" {
			return r.of(word)
		}
		if x := r.selections[word]; x != nil {
			return x, nil
		}
		return nil, wrong(r.node, "there is no selection %q", word)
	}
}

// of reads 1 of selection_*, all of them.
func (r *conditionReader) of(quantity string) (*expr, *problem) {
	r.next()
	op := byte('|')
	switch strings.ToLower(quantity) {
	case "1", "any":
	case "all":
		op = '&'
	default:
		return nil, wrong(r.node, "%s of: only 1, any and all are known", quantity)
	}
	names := r.next()
	var subs []*expr
	for _, name := range r.names {
		chosen := strings.EqualFold(names, "them") && !strings.HasPrefix(name, "_")
		if fits, err := path.Match(names, name); chosen || err == nil && fits {
			subs = append(subs, r.selections[name])
		}
	}
	if len(subs) == 0 {
		return nil, wrong(r.node, "%q names no selection", names)
	}
	return joined(op, subs), nil
}
