package yara

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/yara/pattern"
)

// nothing is the expression of what was refused; its type None fits anywhere,
// so that a mistake is told of once.
func nothing() (expr, Type) { return &literalExpr{}, Type{} }

func (c *compiler) refuse(at span, format string, args ...any) (expr, Type) {
	c.note(at, fmt.Sprintf(format, args...), "")
	return nothing()
}

// expr compiles a part of a condition and gives its type.
func (c *compiler) expr(n node) (expr, Type) {
	c.nodes++
	switch n := n.(type) {
	case *literalNode:
		return &literalExpr{n.val}, Type{Kind: n.val.kind}
	case *regexNode:
		return c.regex(n)
	case *nameNode:
		return c.name(n)
	case *fieldNode:
		return c.field(n)
	case *indexNode:
		return c.index(n)
	case *callNode:
		return c.call(n)
	case *stringUse:
		return c.stringUse(n)
	case *unaryNode:
		return c.unary(n)
	case *binaryNode:
		return c.binary(n)
	case *ofNode:
		return c.of(n)
	case *forOfNode:
		return c.forOf(n)
	case *forInNode:
		return c.forIn(n)
	}
	return nothing()
}

// typed compiles what must be of a kind.
func (c *compiler) typed(n node, want Kind, what string) expr {
	x, t := c.expr(n)
	if t.Kind != want && t.Kind != None {
		c.note(n.where(), fmt.Sprintf("%s is %s, and here is %s", what, article(want), article(t.Kind)), "")
	}
	return x
}

// condition compiles what is true or false.
func (c *compiler) condition(n node) expr {
	x, t := c.expr(n)
	c.wantCondition(n, t)
	return x
}

func (c *compiler) regex(n *regexNode) (expr, Type) {
	re, err := pattern.NewRegexp(n.text, n.flag)
	if err != nil {
		c.notePattern(span{n.src, n.start + 1, n.end}, n.text, err)
		return nothing()
	}
	return &literalExpr{Value{kind: Regex, ref: re}}, Type{Kind: Regex}
}

// notePattern tells of a mistake in a pattern that begins at a place.
func (c *compiler) notePattern(at span, text string, err error) {
	var syntax *pattern.SyntaxError
	if errors.As(err, &syntax) {
		at.start = min(at.start+syntax.Offset, at.end-1)
		at.end = at.start + 1
		c.note(at, syntax.Message, "")
		return
	}
	c.note(at, fmt.Sprintf("the pattern is %v", err), "")
}

func (c *compiler) name(n *nameNode) (expr, Type) {
	switch n.name {
	case "filesize":
		return sizeExpr{}, Type{Kind: Int}
	case "entrypoint":
		return entryExpr{}, Type{Kind: Int}
	}
	for i := len(c.scope) - 1; i >= 0; i-- {
		if v := c.scope[i]; v.name == n.name {
			return &varExpr{v.slot}, v.typ
		}
	}
	if i, ok := c.modules[n.name]; ok {
		if i < 0 {
			return nothing()
		}
		return &moduleExpr{i}, StructOf(c.prog.modules[i].Fields)
	}
	if r := c.byName[n.name]; r != nil {
		return &ruleExpr{r}, Type{Kind: Bool}
	}
	if ext, ok := c.opts.Externals[n.name]; ok {
		v, _ := externalValue(ext)
		return &literalExpr{v}, Type{Kind: v.kind}
	}
	hint := ""
	if _, found := readers[n.name]; found {
		hint = n.name + " takes an offset in parentheses"
	} else if n.name == c.rule.Name {
		hint = "a rule cannot name itself"
	} else if slices.ContainsFunc(c.parser.rules, func(r *ruleNode) bool { return r.name.text == n.name }) {
		hint = "a rule names rules that stand before it"
	} else if slices.ContainsFunc(c.opts.Modules, func(m *Module) bool { return m.Name == n.name }) {
		hint = fmt.Sprintf("it needs import %q", n.name)
	}
	c.note(n.span, fmt.Sprintf("%s is not known: neither a variable, a rule nor a module", n.name), hint)
	return nothing()
}

func (c *compiler) field(n *fieldNode) (expr, Type) {
	of, t := c.expr(n.of)
	if t.Kind == None {
		return nothing()
	}
	if t.Kind != Struct {
		return c.refuse(n.span, "%s has no fields", article(t.Kind))
	}
	ft, ok := t.Fields[n.name]
	if !ok {
		return c.refuse(n.span, "the field %s is not known here", n.name)
	}
	if ft.Const.IsDefined() {
		return &literalExpr{ft.Const}, Type{Kind: ft.Kind}
	}
	return &fieldExpr{of, n.name}, ft
}

func (c *compiler) index(n *indexNode) (expr, Type) {
	of, t := c.expr(n.of)
	switch t.Kind {
	case Array:
		return &indexExpr{of, c.typed(n.index, Int, "an index")}, *t.Elem
	case Dict:
		return &indexExpr{of, c.typed(n.index, String, "a key")}, *t.Elem
	case None:
		return nothing()
	}
	return c.refuse(n.span, "%s has no parts by index", article(t.Kind))
}

func (c *compiler) call(n *callNode) (expr, Type) {
	if name, ok := n.of.(*nameNode); ok {
		if rd, ok := readers[name.name]; ok {
			if len(n.args) != 1 {
				return c.refuse(n.span, "%s takes one offset", name.name)
			}
			return &readExpr{rd, c.typed(n.args[0], Int, "an offset")}, Type{Kind: Int}
		}
	}
	of, t := c.expr(n.of)
	call := &callExpr{of: of}
	var kinds []Kind
	for _, a := range n.args {
		x, at := c.expr(a)
		call.args = append(call.args, x)
		if kinds = append(kinds, at.Kind); at.Kind == None {
			return nothing()
		}
	}
	if t.Kind == None {
		return nothing()
	}
	if t.Kind != Func {
		return c.refuse(n.span, "%s cannot be called", article(t.Kind))
	}
	for _, s := range t.Calls {
		if slices.Equal(s.Args, kinds) {
			return call, s.Result
		}
	}
	var ways []string
	for _, s := range t.Calls {
		ways = append(ways, "("+kindList(s.Args)+")")
	}
	c.note(n.span, fmt.Sprintf("the function does not take (%s)", kindList(kinds)), "it takes "+strings.Join(ways, " or "))
	return nothing()
}

func kindList(kinds []Kind) string {
	var words []string
	for _, k := range kinds {
		words = append(words, k.String())
	}
	return strings.Join(words, ", ")
}

func (c *compiler) unary(n *unaryNode) (expr, Type) {
	switch n.op {
	case "not":
		return &notExpr{c.condition(n.of)}, Type{Kind: Bool}
	case "defined":
		x, _ := c.expr(n.of)
		return &definedExpr{x}, Type{Kind: Bool}
	case "~":
		return &flipExpr{c.typed(n.of, Int, "the operand of ~")}, Type{Kind: Int}
	}
	x, t := c.expr(n.of)
	switch t.Kind {
	case Int, Float:
	case None:
		return nothing()
	default:
		return c.refuse(n.span, "%s has no negative", article(t.Kind))
	}
	if lit, ok := x.(*literalExpr); ok {
		return &literalExpr{(&negateExpr{lit}).eval(nil)}, t
	}
	return &negateExpr{x}, t
}

func (c *compiler) binary(n *binaryNode) (expr, Type) {
	switch n.op {
	case "and", "or":
		return c.joined(n)
	case "matches":
		return c.matches(n)
	}
	x, tx := c.expr(n.x)
	y, ty := c.expr(n.y)
	if tx.Kind == None || ty.Kind == None {
		return nothing()
	}
	if by, ok := y.(*literalExpr); ok && by.val == Integer(0) && (n.op == `\` || n.op == "%") && tx.Kind == Int {
		return c.refuse(n.span, "this divides by zero")
	}
	number := func(t Type) bool { return t.Kind == Int || t.Kind == Float }
	ints := tx.Kind == Int && ty.Kind == Int
	switch n.op {
	case "==", "!=", "<", "<=", ">", ">=":
		if number(tx) && number(ty) || tx.Kind == String && ty.Kind == String {
			return &compareExpr{n.op, x, y}, Type{Kind: Bool}
		}
	case "+", "-", "*", `\`:
		if !ints && number(tx) && number(ty) {
			return &floatExpr{n.op, x, y}, Type{Kind: Float}
		}
		fallthrough
	case "%", "&", "|", "^", "<<", ">>":
		if ints {
			return &intExpr{n.op, x, y}, Type{Kind: Int}
		}
	default:
		if tx.Kind == String && ty.Kind == String {
			return &textExpr{n.op, x, y}, Type{Kind: Bool}
		}
	}
	return c.refuse(n.span, "%s does not go between %s and %s", n.op, article(tx.Kind), article(ty.Kind))
}

// joined compiles a chain of "and" or of "or" as one.
func (c *compiler) joined(n *binaryNode) (expr, Type) {
	var parts []expr
	var left node = n
	var rights []node
	for {
		b, ok := left.(*binaryNode)
		if !ok || b.op != n.op {
			break
		}
		rights = append(rights, b.y)
		left = b.x
	}
	parts = append(parts, c.condition(left))
	for _, right := range slices.Backward(rights) {
		parts = append(parts, c.condition(right))
	}
	if n.op == "and" {
		return &andExpr{parts}, Type{Kind: Bool}
	}
	return &orExpr{parts}, Type{Kind: Bool}
}

func (c *compiler) matches(n *binaryNode) (expr, Type) {
	x := c.typed(n.x, String, "the left side of matches")
	y, t := c.expr(n.y)
	if t.Kind == None {
		return nothing()
	}
	re, ok := y.(*literalExpr)
	if t.Kind != Regex || !ok {
		return c.refuse(n.y.where(), "the right side of matches is a /regular expression/, and here is %s", article(t.Kind))
	}
	return &matchExpr{x, re.val}, Type{Kind: Bool}
}
