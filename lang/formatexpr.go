package lang

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/quaestor-engine/quaestor/value"
)

// The precedences, the loosest first.
const (
	precOr = iota + 1
	precAnd
	precNot
	precTest
	precSum
	precProduct
	precSign
	precOperand
)

func precOf(e Expr) int {
	switch e := e.(type) {
	case *Binary:
		switch e.Op {
		case OpOr:
			return precOr
		case OpAnd:
			return precAnd
		case OpAdd, OpSub:
			return precSum
		}
		return precProduct
	case *Unary:
		if e.Op == OpNot {
			return precNot
		}
		return precSign
	case *Compare, *In, *Between, *Is:
		return precTest
	case *Literal:
		if strings.HasPrefix(e.Value.Literal(), "-") {
			return precSign
		}
	}
	return precOperand
}

// formatExpr writes an expression, in parentheses if it binds looser than what
// stands around it.
func formatExpr(e Expr, prec int) string {
	if precOf(e) < prec {
		return "(" + exprText(e) + ")"
	}
	return exprText(e)
}

func exprText(e Expr) string {
	switch e := e.(type) {
	case *Literal:
		return literalText(e)
	case *Name:
		return commaedBy(".", e.Parts)
	case *ParamRef:
		return "$" + e.Name
	case *ListRef:
		return listText(e.Path)
	case *Call:
		return callText(e)
	case *Unary:
		return unaryText(e)
	case *Binary:
		return chainText(e)
	case *Tuple:
		return "(" + exprList(e.Items) + ")"
	case *Paren:
		return "(" + formatExpr(e.X, precOr) + ")"
	case *Subquery:
		return "(" + oneLine(findParts(e.Find, 0)) + ")"
	case *Line:
		if e.Every {
			return "EVERY LINE"
		}
		return "ANY LINE"
	}
	return testText(e)
}

// chainText writes a chain of operators of one precedence in a loop, since a
// chain may have tens of thousands of links.
func chainText(b *Binary) string {
	p := precOf(b)
	var links []string
	var x Expr = b
	for ok := true; ok && precOf(b) == p; b, ok = x.(*Binary) {
		links = append(links, b.Op.String()+" "+formatExpr(b.Y, p+1))
		x = b.X
	}
	links = append(links, formatExpr(x, p))
	slices.Reverse(links)
	return strings.Join(links, " ")
}

// testText writes what compares a left side with something.
func testText(e Expr) string {
	switch e := e.(type) {
	case *Compare:
		return left(e.X) + notText(e.Not) + e.Op.String() + " " + rightText(e) + noCaseText(e.NoCase)
	case *In:
		return left(e.X) + notText(e.Not) + "IN " + formatExpr(e.Y, precSum) + noCaseText(e.NoCase)
	case *Between:
		return left(e.X) + notText(e.Not) + "BETWEEN " + formatExpr(e.Low, precSum) + " AND " + formatExpr(e.High, precSum)
	case *Is:
		word := "NULL"
		if e.Missing {
			word = "MISSING"
		}
		return left(e.X) + "IS " + notText(e.Not) + word
	}
	return ""
}

func commaedBy(sep string, parts []Ident) string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.Name
	}
	return strings.Join(names, sep)
}

func left(x Expr) string {
	if x == nil {
		return ""
	}
	return formatExpr(x, precSum) + " "
}

func notText(not bool) string {
	if not {
		return "NOT "
	}
	return ""
}

func noCaseText(noCase bool) string {
	if noCase {
		return " NOCASE"
	}
	return ""
}

// rightText writes the right side of a comparison. After GLOB and MATCHES the
// lexer reads a bare word its own way, so what does not begin with a quote, a
// bracket or a plain name gets parentheses.
func rightText(c *Compare) string {
	text := formatExpr(c.Y, precSum)
	if c.Op != OpGlob && c.Op != OpMatches {
		return text
	}
	switch y := c.Y.(type) {
	case *Literal:
		if s := y.Value; s.Type() == value.Text && c.Op == OpMatches && canBeRaw(s.Text()) {
			return "'" + s.Text() + "'"
		}
		if strings.HasPrefix(text, `"`) || strings.HasPrefix(text, "'") {
			return text
		}
	case *Name:
		if len(y.Parts) == 1 {
			return text
		}
	case *ParamRef, *ListRef, *Call, *Tuple, *Paren, *Subquery:
		return text
	}
	return "(" + text + ")"
}

func unaryText(u *Unary) string {
	if u.Op == OpNot {
		return "NOT " + formatExpr(u.X, precNot)
	}
	x := formatExpr(u.X, precSign)
	if strings.HasPrefix(x, "-") {
		return "- " + x // -- would begin a comment
	}
	return "-" + x
}

func callText(c *Call) string {
	switch {
	case c.Star:
		return c.Name.Name + "(*)"
	case c.Distinct:
		return c.Name.Name + "(DISTINCT " + exprList(c.Args) + ")"
	}
	return c.Name.Name + "(" + exprList(c.Args) + ")"
}

func literalText(l *Literal) string {
	switch l.Value.Type() {
	case value.Text, value.Version:
		return textLiteral(l.Value.Text())
	case value.Time:
		return strings.TrimSuffix(l.Value.Literal(), "T00:00:00Z")
	}
	return l.Value.Literal()
}

// textLiteral writes a text in '…' where that saves doubled backslashes, else
// in "…".
func textLiteral(s string) string {
	if strings.Contains(s, `\`) && canBeRaw(s) {
		return "'" + s + "'"
	}
	return value.NewText(s).Literal()
}

// canBeRaw reports whether the text can stand in '…' as it is.
func canBeRaw(s string) bool {
	return !strings.Contains(s, "'") && value.EscapeText(s) == s
}

// locatorText writes a locator without quotes where it was without and reads
// back as itself.
func locatorText(e Expr) string {
	l, ok := e.(*Literal)
	if !ok {
		return formatExpr(e, precOperand)
	}
	text := l.Value.Text()
	if l.Value.Type() != value.Text {
		text = strings.Trim(l.Value.Literal(), `"`)
	} else if !l.Bare {
		return textLiteral(text)
	}
	if readsAs("FIND m "+text, kindBare, text) {
		return text
	}
	return textLiteral(text)
}

func listText(path string) string {
	if readsAs("IN @"+path, kindList, path) {
		return "@" + path
	}
	return "@" + value.NewText(path).Literal()
}

// readsAs reports whether the last token of a text without mistakes is of the
// kind and holds what it should.
func readsAs(text string, kind lexer.TokenType, want string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	s := scan(text)
	if len(s.diags) > 0 || len(s.comments) > 0 || len(s.toks) < 3 {
		return false
	}
	t := s.toks[len(s.toks)-2]
	got := t.text
	if t.kind == kindBare {
		got = t.val.Text()
	}
	before := len(text) - len(want)
	return t.kind == kind && got == want && t.span.Start <= before
}
