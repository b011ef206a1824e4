package plan

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// Text writes an expression for people, in the words of the language.
func Text(e Expr) string {
	switch e := e.(type) {
	case nil:
		return ""
	case *Const:
		return literal(e.Value)
	case *Col:
		return e.Name
	case *Out:
		return e.Name
	case *Now:
		return "now"
	case *Ask:
		return e.Name
	case *Not:
		return "NOT " + nested(e.X)
	case *And:
		return joined(e.Xs, " AND ")
	case *Or:
		return joined(e.Xs, " OR ")
	case *Cmp:
		return nested(e.X) + " " + e.Op.String() + " " + nested(e.Y) + noCase(e.Fold)
	case *Between:
		return nested(e.X) + " BETWEEN " + nested(e.Low) + " AND " + nested(e.High)
	case *InSet:
		return tuple(e.Xs) + " IN " + e.Name
	case *InSub:
		return fmt.Sprintf("%s IN (subquery %d)", tuple(e.Xs), e.Sub+1)
	case *IsNull:
		return nested(e.X) + " IS NULL"
	case *IsMissing:
		return e.Name + " IS MISSING"
	case *Match:
		return nested(e.X) + " " + e.Op.String() + " " + e.patternText() + noCase(e.Fold)
	case *Call:
		return e.text()
	}
	return "?"
}

func literal(v value.Value) string {
	if v.IsNull() {
		return "null"
	}
	return v.Literal()
}

func noCase(fold bool) string {
	if fold {
		return " NOCASE"
	}
	return ""
}

func (e *Match) patternText() string {
	switch {
	case e.Dynamic != nil:
		return nested(e.Dynamic)
	case e.Name != "":
		return e.Name
	case len(e.Patterns) == 1:
		return value.NewText(e.Patterns[0]).Literal()
	}
	var out []string
	for _, p := range e.Patterns {
		out = append(out, value.NewText(p).Literal())
	}
	return "(" + strings.Join(out, ", ") + ")"
}

func (e *Call) text() string {
	if f, ok := FuncByName(e.Func); ok && f.Signature == "" {
		if len(e.Args) == 1 {
			return "-" + nested(e.Args[0])
		}
		return nested(e.Args[0]) + " " + e.Func + " " + nested(e.Args[1])
	}
	var args []string
	for _, a := range e.Args {
		args = append(args, Text(a))
	}
	return e.Func + "(" + strings.Join(args, ", ") + ")"
}

// nested writes a part in parentheses where it would read wrongly without.
func nested(e Expr) string {
	switch c := e.(type) {
	case *And, *Or, *Cmp, *Between, *InSet, *InSub, *Match:
		return "(" + Text(e) + ")"
	case *Call:
		if f, ok := FuncByName(c.Func); ok && f.Signature == "" {
			return "(" + Text(e) + ")"
		}
	}
	return Text(e)
}

func joined(xs []Expr, by string) string {
	var out []string
	for _, x := range xs {
		text := Text(x)
		if _, isOr := x.(*Or); isOr {
			text = "(" + text + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, by)
}

func tuple(xs []Expr) string {
	if len(xs) == 1 {
		return nested(xs[0])
	}
	var out []string
	for _, x := range xs {
		out = append(out, Text(x))
	}
	return "(" + strings.Join(out, ", ") + ")"
}
