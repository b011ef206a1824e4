package lang

import (
	"fmt"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/quaestor-engine/quaestor/value"
)

// The messages about what stands inside a clause.

func missingValue(op token) Diagnostic {
	hint := ""
	switch op.text {
	case "IN":
		hint = `write IN ("a", "b"), IN @list.txt or IN (FIND … RETURN …)`
	case "EVERY":
		hint = "write EVERY 1h"
	case "MATCHES":
		hint = "write MATCHES '…'"
	case "LIKE":
		hint = `write LIKE "%text%"`
	case "GLOB":
		hint = `write GLOB "*.so"`
	case "CONTAINS", "STARTS WITH", "ENDS WITH":
		hint = "write " + op.text + ` "text"`
	case "*", "%":
		hint = "put a value behind it; a pattern stands in quotes"
	default:
		hint = "put a value behind it"
	}
	return diag(CodeMissingValue, op.span, op.text+" has no value on its right", hint)
}

func missingItems(key token) Diagnostic {
	hint := "write " + key.text + " path"
	if key.is("DISTINCT") {
		hint = "write DISTINCT path"
	}
	return diag(CodeMissingValue, key.span, key.text+" needs a column behind it", hint)
}

func lineWithoutTest(t token) Diagnostic {
	return diag(CodeMissingOperator, t.span, "ANY LINE and EVERY LINE need a test behind them", "write ANY LINE MATCHES '…' or ANY LINE CONTAINS \"…\"")
}

func missingCondition(key token) Diagnostic {
	hint := "put a condition behind it, or remove it"
	if key.is("WHERE") || key.is("HAVING") {
		hint = "write " + key.text + " size > 1MB, or remove it"
	}
	return diag(CodeMissingCondition, key.span, key.text+" needs a condition behind it", hint)
}

func missingColumn(op token) Diagnostic {
	if op.isAny("AND", "OR") {
		return diag(CodeMissingColumn, op.span, op.text+" has no condition on its left", "put a condition before it, or remove it")
	}
	return diag(CodeMissingColumn, op.span, op.text+" has no column on its left", "put a column before it")
}

func missingOperator(t token, left, right string) Diagnostic {
	return diag(CodeMissingOperator, t.span, fmt.Sprintf("there is no operator between %s and %s", short(left), short(right)),
		"write =, LIKE, CONTAINS or another; AND between conditions; quotes around text with blanks")
}

func missingComma(prev, next token, left, right string) Diagnostic {
	return diag(CodeMissingComma, Span{prev.span.Start, next.span.End}, "there is no comma between the two", "write "+short(left)+", "+short(right))
}

func trailingComma(s Span) Diagnostic {
	return diag(CodeTrailingComma, s, "nothing follows this comma", "remove it, or go on behind it")
}

func emptyList(s Span) Diagnostic {
	return diag(CodeEmptyList, s, "these parentheses are empty", `write ("a", "b")`)
}

func missingName(key token) Diagnostic {
	return diag(CodeMissingName, key.span, fmt.Sprintf("%s needs a name behind it", quote(key.text)), "a name is letters, digits and _")
}

func missingSource(s Span) Diagnostic {
	return diag(CodeMissingName, s, "FROM needs a source behind it", `write FROM fleet, FROM local or FROM host "web1"`)
}

func missingSetting(key token) Diagnostic {
	return diag(CodeMissingName, key.span, "WITH needs a setting behind it", "write WITH timeout = 5m")
}

func dollarName(t token) Diagnostic {
	return diag(CodeBadParameter, t.span, "a name is declared without $", "write "+t.text+"; use it as $"+t.text)
}

func keywordName(t token) Diagnostic {
	return diag(CodeKeywordName, t.span, t.text+" is a keyword and cannot be a name", "choose another, as "+strings.ToLower(strings.ReplaceAll(t.text, " ", "_"))+"_1")
}

func missingEquals(name token) Diagnostic {
	return diag(CodeMissingEquals, name.span, fmt.Sprintf("%q needs = and a value behind it", name.text), "write "+name.text+" = value")
}

func missingType(name token) Diagnostic {
	return diag(CodeMissingType, name.span, fmt.Sprintf("the parameter %q needs a type behind it", name.text), "write PARAM "+name.text+" duration = 7d, or text, int, size, time, …")
}

// typeNames gives the types that a parameter can have.
func typeNames() []string {
	var names []string
	for t := value.Text; t.String() != "invalid"; t++ {
		names = append(names, t.String())
	}
	return names
}

func unknownType(id Ident) Diagnostic {
	hint := "the types are " + strings.Join(typeNames(), ", ")
	if near, ok := Nearest(id.Name, typeNames()); ok {
		hint = DidYouMean(near)
	}
	return diag(CodeUnknownType, id.span, fmt.Sprintf("there is no type %q", id.Name), hint)
}

func unknownSource(id Ident) Diagnostic {
	var names []string
	for _, n := range sourceNames {
		names = append(names, n.Text)
	}
	hint := "FROM says who is asked: fleet, local, host, hits, misses or case; FIND says what to look for"
	if near, ok := Nearest(id.Name, names); ok {
		hint = DidYouMean(near)
	}
	return diag(CodeUnknownSource, id.span, fmt.Sprintf("there is no source %q", id.Name), hint)
}

func sourceTakesNothing(f *From) Diagnostic {
	span := Span{f.Args[0].Span().Start, f.Args[len(f.Args)-1].Span().End}
	return diag(CodeSourceArguments, span, f.Source.Name+" stands alone", `narrow it with WHERE, or write FROM host "web1"`)
}

func sourceNeeds(f *From, example string) Diagnostic {
	return diag(CodeSourceArguments, f.Source.span, f.Source.Name+" needs a name behind it", "write "+example)
}

func badBetween(s Span) Diagnostic {
	return diag(CodeBadBetween, s, "BETWEEN needs two values with AND between them", "write BETWEEN 1 AND 5")
}

func badIs(s Span) Diagnostic {
	return diag(CodeBadIs, s, "IS asks for NULL or MISSING only", "write IS NULL, IS NOT NULL or IS MISSING; = compares with a value")
}

func badIn(s Span, text string) Diagnostic {
	return diag(CodeBadIn, s, "IN needs a list, a network or a subquery", "write IN ("+short(text)+"), IN @list.txt or IN (FIND … RETURN …)")
}

func badNot(s Span) Diagnostic {
	return diag(CodeBadNot, s, "NOT behind a column needs LIKE, IN, CONTAINS or their like", "write NOT before the condition, or != for not equal")
}

// notComparison speaks of x NOT = y.
func notComparison(c *Compare) Diagnostic {
	opposite := map[Op]string{OpEq: "!=", OpNe: "=", OpLt: ">=", OpLe: ">", OpGt: "<=", OpGe: "<"}
	return diag(CodeBadNot, c.OpSpan, "NOT does not stand before "+c.Op.String(), "write "+opposite[c.Op]+", or NOT before the condition")
}

func badLimit(s Span) Diagnostic {
	return diag(CodeBadLimit, s, "LIMIT needs a whole number above 0", "write LIMIT 10 or LIMIT $n")
}

func limitOnce(s Span) Diagnostic {
	return diag(CodeBadLimit, s, "LIMIT takes one number", "write LIMIT 10, or LIMIT 10 PER HOST")
}

func badNoCase(s Span) Diagnostic {
	return diag(CodeBadNoCase, s, "NOCASE stands behind a text test and its text", `write LIKE "text" NOCASE, or compare lower(column)`)
}

func compareNull(c *Compare) Diagnostic {
	hint := "write IS NULL"
	if c.Op == OpNe {
		hint = "write IS NOT NULL"
	}
	return diag(CodeCompareNull, Span{c.OpSpan.Start, c.Y.Span().End}, "a comparison with NULL is never true", hint)
}

func likeStar(l *Literal) Diagnostic {
	return diag(CodeLikeStar, l.span, "LIKE has % and _ in the place of * and ?", "write GLOB "+l.Value.Literal()+", or LIKE with %")
}

func chained(op token) Diagnostic {
	return diag(CodeChained, op.span, "comparisons do not chain", "write a < b AND b < c, or BETWEEN")
}

func pathNotDivision(s Span) Diagnostic {
	return diag(CodePathNotDivision, s, "a / with no blank behind it begins a path", "write blanks on both sides of / to divide")
}

func unquotedBlank(s Span, text string) Diagnostic {
	return diag(CodeUnquotedBlank, s, "a path or glob with a blank stands in quotes", "write "+textLiteral(short(text)))
}

func unquotedText(s Span, word string) Diagnostic {
	return diag(CodeUnquotedText, s, "a text with * or % stands in quotes", "write "+textLiteral(short(word)))
}

func unexpected(t token, text, clause string) Diagnostic {
	if t.kind == lexer.EOF {
		text = "the end"
	} else {
		text = quote(text)
	}
	hint := keywordHints[t.text]
	switch {
	case hint != "":
	case clause == "FIND":
		hint = "after FIND come a module, its locators, a name for it, and WHERE with a condition"
	case clause == "":
		hint = "write FIND file /etc/*"
	default:
		hint = "it fits nowhere in " + clause
	}
	return diag(CodeUnexpected, t.span, text+" does not belong here", hint)
}
