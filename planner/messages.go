package planner

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// problem makes a diagnostic; args fill the message.
func problem(code lang.Code, at lang.Span, hint, message string, args ...any) lang.Diagnostic {
	return lang.Diagnostic{Code: code, Span: at, Message: fmt.Sprintf(message, args...), Hint: hint}
}

// didYouMean is the hint that names the nearest of the words that would do,
// or lists them where none is near.
func didYouMean(word string, words []string) string {
	if near, ok := lang.Nearest(word, words); ok {
		return lang.DidYouMean(near)
	}
	return "there are " + listed(words)
}

// listed names a few words of many.
func listed(words []string) string {
	const few = 12
	if len(words) > few {
		return strings.Join(words[:few], ", ") + ", …"
	}
	return strings.Join(words, ", ")
}

func columnNames(s *modules.Schema) []string {
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = c.Name
	}
	return names
}

func unknownModule(m lang.Ident, names []string) lang.Diagnostic {
	return problem(CodeUnknownModule, m.Span(), didYouMean(m.Name, names), "there is no module %q", m.Name)
}

func unknownColumn(n lang.Ident, s *modules.Schema) lang.Diagnostic {
	hint := didYouMean(n.Name, columnNames(s))
	if !strings.HasPrefix(hint, "did") {
		hint = "quaestor modules " + s.Name + " lists its columns; text on the left of an operator needs quotes"
	}
	return problem(CodeUnknownColumn, n.Span(), hint, "%s has no column %q", s.Name, n.Name)
}

func unknownInAll(n lang.Ident, scans []*scanInfo) lang.Diagnostic {
	var names, words []string
	for _, s := range scans {
		names = append(names, s.name)
		for _, c := range columnNames(s.schema) {
			words = append(words, s.name+"."+c)
		}
	}
	words = append(words, names...)
	return problem(CodeUnknownColumn, n.Span(), didYouMean(n.Name, words), "none of %s has a column %q", strings.Join(names, ", "), n.Name)
}

func noColumnsHere(n lang.Ident) lang.Diagnostic {
	return problem(CodeUnknownColumn, n.Span(), "only constants can stand here; text needs quotes", "there is no column %q here", n.Name)
}

// dottedWord is of what stands where text may, and reads as a column over links.
func dottedWord(n *lang.Name) lang.Diagnostic {
	return problem(CodeNeedsQuotes, n.Span(), fmt.Sprintf("write %q", nameText(n)), "there is no column %s; text with a dot needs quotes", nameText(n))
}

func columnInLine(n *lang.Name) lang.Diagnostic {
	hint := ""
	if len(n.Parts) == 1 {
		hint = fmt.Sprintf("for the text write %q", n.Parts[0].Name)
	}
	return problem(CodeNotConstant, n.Span(), hint, "a line is asked about what is known before the query runs, and %s is a column", nameText(n))
}

func unknownFact(n *lang.Name, name string, names []string) lang.Diagnostic {
	return problem(CodeUnknownFact, n.Span(), didYouMean(name, names), "a host has no fact %q", name)
}

func unknownFunction(n lang.Ident, names []string) lang.Diagnostic {
	return problem(CodeUnknownFunction, n.Span(), didYouMean(n.Name, names), "there is no function %q", n.Name)
}

func onlyHere(n lang.Ident) lang.Diagnostic {
	return problem(CodeUnknownFunction, n.Span(), "ask this machine alone with it", "the function %q is this program's own, and agents do not have it", n.Name)
}

func unknownSetting(n lang.Ident) lang.Diagnostic {
	var names []string
	for _, s := range Settings() {
		names = append(names, s.Name)
	}
	return problem(CodeUnknownSetting, n.Span(), didYouMean(n.Name, names), "there is no setting %q", n.Name)
}

func unknownParameter(at lang.Span, name string, names []string) lang.Diagnostic {
	hint := "declare it in front of FIND: PARAM " + name + " text"
	if near, ok := lang.Nearest(name, names); ok {
		if at.End > at.Start { // it stands in the query, with its sign
			near = "$" + near
		}
		hint = lang.DidYouMean(near)
	}
	return problem(CodeUnknownParameter, at, hint, "the query declares no parameter %q", name)
}

func notAbove(at lang.Span, name, by string) lang.Diagnostic {
	hint := "declare $" + name + " above $" + by
	if name == by {
		hint = "give what it is made from another name, and declare that above it"
	}
	return problem(CodeUnknownParameter, at, hint, "$%s is not declared above $%s, which names it", name, by)
}

func standsTooOften(at lang.Span) lang.Diagnostic {
	return problem(CodeUnknownParameter, at, "name each fewer times in the others", "spelling out the names of LET gives more than %d values", maxStood)
}

func unknownType(t lang.Ident) lang.Diagnostic {
	names := []string{"text", "bytes", "int", "float", "bool", "size", "duration", "time", "ip", "cidr", "hash", "version", "mode"}
	return problem(CodeUnknownType, t.Span(), didYouMean(t.Name, names), "there is no type %q", t.Name)
}

func declaredTwice(n lang.Ident) lang.Diagnostic {
	return problem(CodeDeclaredTwice, n.Span(), "give one of them another name", "$%s is declared twice", n.Name)
}

func parameterWithoutValue(p *lang.Param) lang.Diagnostic {
	return problem(CodeParameterWithoutValue, p.Span(), "run with --set "+p.Name.Name+"=…, or give it a default: PARAM "+p.Name.Name+" "+p.Type.Name+" = …",
		"parameter %q has no value", p.Name.Name)
}

func badParameter(p *lang.Param, text string, err error) lang.Diagnostic {
	return problem(CodeBadParameterValue, p.Span(), err.Error(), "%q is no %s for parameter %q", text, p.Type.Name, p.Name.Name)
}

func aliasTwice(s *lang.Scan, name string) lang.Diagnostic {
	return problem(CodeAliasTwice, s.Span(), "give each an alias of its own: file /etc/** AS a, file /usr/** AS b", "two scans are called %q", name)
}

func unusedAlias(a lang.Ident, s *modules.Schema) lang.Diagnostic {
	hint := fmt.Sprintf("as an alias it needs AS: AS %s", a.Name)
	if s.Locator.Use != modules.NoLocator {
		hint = fmt.Sprintf("to say where to look, put it in quotes: FIND %s %q; %s", s.Name, a.Name, hint)
	}
	return problem(CodeUnusedAlias, a.Span(), hint, "nothing uses %q, which stands here as another name for %s", a.Name, s.Name)
}

func ambiguousColumn(n lang.Ident, a, b string) lang.Diagnostic {
	return problem(CodeAmbiguousColumn, n.Span(), fmt.Sprintf("write %s.%s or %s.%s", a, n.Name, b, n.Name), "%s and %s both have a column %q", a, b, n.Name)
}

func ambiguousContent(at lang.Span, a, b string) lang.Diagnostic {
	return problem(CodeAmbiguousContent, at, fmt.Sprintf("write %s.content CONTAINS … or %s.content CONTAINS …", a, b), "both %s and %s have content", a, b)
}

func noContentHere(at lang.Span, what string) lang.Diagnostic {
	return problem(CodeNoContent, at, "name the column on the left: hostname CONTAINS \"db\"", "%s has no content to ask about", what)
}

func notALink(part, next lang.Ident, t value.Type) lang.Diagnostic {
	return problem(CodeNotALink, next.Span(), "only a link can be followed by a dot", "%s is %s, which has no column %q", part.Name, article(t), next.Name)
}

func linkNowhere(part lang.Ident, to string) lang.Diagnostic {
	return problem(CodeLinkNowhere, part.Span(), "its own value can be used: without a dot", "%s leads to the module %q, which is not here", part.Name, to)
}

func missingNeedsLink(e *lang.Is) lang.Diagnostic {
	return problem(CodeMissingNeedsLink, e.Span(), "for a value that is not there write IS NULL", "%s is no link, so nothing can be missing at its end", nodeText(e.X))
}

func columnElsewhere(n lang.Ident, module string, systems []string, here string) lang.Diagnostic {
	return problem(CodeColumnElsewhere, n.Span(), "it is there on "+strings.Join(systems, ", "), "on %s %s has no column %q", here, module, n.Name)
}

func article(t value.Type) string {
	switch t {
	case value.Int, value.IP:
		return "an " + t.String()
	case value.Text, value.Bytes, value.Null:
		return t.String()
	}
	return "a " + t.String()
}

func typeMismatch(t, to typed, err error) lang.Diagnostic {
	what := "what it is compared with"
	if to.node != nil {
		what = nodeText(to.node)
	}
	if to.listed {
		what = "a member of " + what
	}
	return problem(CodeTypeMismatch, t.node.Span(), err.Error(), "%s is %s, and %s is not", what, article(to.typ), nodeText(t.node))
}

func wrongLiteral(at lang.Span, want value.Type, err error) lang.Diagnostic {
	return problem(CodeTypeMismatch, at, err.Error(), "%s must stand here", article(want))
}

func cannotCompare(e lang.Expr, x, y typed) lang.Diagnostic {
	hint := ""
	if y.bare != "" {
		hint = fmt.Sprintf("%q is taken as text, since no column has that name", y.bare)
	}
	return problem(CodeTypeMismatch, e.Span(), hint, "%s cannot be compared with %s", article(x.typ), article(y.typ))
}

func noMember(e lang.Expr, x, list typed) lang.Diagnostic {
	hint := ""
	if x.typ == value.CIDR && list.elem == value.IP {
		hint = fmt.Sprintf("for an address of the network write in_cidr(%s, %s)", nodeText(list.node), nodeText(x.node))
	}
	return problem(CodeTypeMismatch, e.Span(), hint, "a member of %s is %s, and %s is %s", nodeText(list.node), article(list.elem), nodeText(x.node), article(x.typ))
}

func otherHashes(at lang.Span, x, y *modules.Column) lang.Diagnostic {
	return problem(CodeTypeMismatch, at, "ask for the same hash of both", "%s has %d hex digits and %s has %d, so that they are never equal", x.Name, 2*x.HashBytes, y.Name, 2*y.HashBytes)
}

func notACondition(e lang.Expr, t value.Type) lang.Diagnostic {
	return problem(CodeNotACondition, e.Span(), "compare it with something: "+nodeText(e)+" = …", "%s is %s, not a condition", nodeText(e), article(t))
}

func notConstant(e lang.Expr) lang.Diagnostic {
	return problem(CodeNotConstant, e.Span(), "write a literal or a $parameter", "%s is not known before the query runs", nodeText(e))
}

func needsQuotes(at lang.Span, text string) lang.Diagnostic {
	return problem(CodeNeedsQuotes, at, fmt.Sprintf("write %q", text), "%s reads as a difference; text with a hyphen needs quotes", text)
}

func notText(e *lang.Compare, x typed) lang.Diagnostic {
	return problem(CodeNotText, e.OpSpan, "compare it with = != < <= > >= IN or BETWEEN", "%s is for text, and %s is %s", e.Op, nodeText(x.node), article(x.typ))
}

func listNotText(e *lang.Compare, name string) lang.Diagnostic {
	return problem(CodeNotText, e.OpSpan, fmt.Sprintf("write contains(%s, \"x\") for a member that equals, any(%s, \"*x*\") for one that matches a glob", name, name), "%s is a list", name)
}

func noCaseOnOther(at lang.Span, t value.Type) lang.Diagnostic {
	return problem(CodeNoCaseOnOther, at, "leave NOCASE out", "NOCASE is for text, and this is %s", article(t))
}

func noCaseSubquery(at lang.Span) lang.Diagnostic {
	return problem(CodeNoCaseOnOther, at, "use lower(…) on both sides", "NOCASE does not reach into a subquery")
}

func unordered(at lang.Span, t value.Type) lang.Diagnostic {
	return problem(CodeUnordered, at, "use = or !=", "a value that is %s is neither less nor greater than another", article(t))
}

func comparedWithNull(e *lang.Compare) lang.Diagnostic {
	is := "IS NULL"
	if e.Op == lang.OpNe {
		is = "IS NOT NULL"
	}
	return problem(CodeComparedWithNull, e.Span(), "write "+is, "a comparison with null is never true")
}

func betweenNull(at lang.Span) lang.Diagnostic {
	return problem(CodeComparedWithNull, at, "for one bound write >= or <=", "nothing is known to lie between bounds of which one is null")
}

func neverThatValue(at lang.Span, c *modules.Column, v string) lang.Diagnostic {
	return problem(CodeNeverThatValue, at, didYouMean(v, c.Values), "%s is never %q", c.Name, v)
}

func addressWithNetwork(at lang.Span) lang.Diagnostic {
	return problem(CodeAddressWithNetwork, at, "write IN: address IN 10.0.0.0/8", "an address does not equal a network")
}

func badPattern(at lang.Span, op plan.MatchOp, p string, err error) lang.Diagnostic {
	what := map[plan.MatchOp]string{plan.Regexp: "regular expression", plan.Glob: "glob", plan.Like: "LIKE pattern"}[op]
	if what == "" {
		what = "pattern"
	}
	return problem(CodeBadPattern, at, trimError(err), "%s is no %s", quoted(p), what)
}

// badPatterns is of patterns that are right one by one.
func badPatterns(at lang.Span, n int, err error) lang.Diagnostic {
	return problem(CodeBadPattern, at, trimError(err), "%d patterns cannot be asked as one: join some of them by OR", n)
}

func badRegexp(at lang.Span, p string, err error) lang.Diagnostic {
	return badPattern(at, plan.Regexp, p, err)
}

// trimError takes the names of packages off the front of an error's text.
func trimError(err error) string {
	text := err.Error()
	for _, prefix := range []string{"pattern 0: ", "parse: ", "error parsing regexp: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// quoted shows text that may be long.
func quoted(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return fmt.Sprintf("%q", s)
}

func emptyPattern(at lang.Span, op lang.Op) lang.Diagnostic {
	return problem(CodeEmptyPattern, at, "for files that are not empty write size > 0", "%s of nothing is true of everything", op)
}

func patternNotConstant(at lang.Span, op plan.MatchOp) lang.Diagnostic {
	return problem(CodePatternNotConstant, at, "text needs quotes", "the pattern of %s must be known before the query runs", op)
}

// columnAsText is of a pattern without quotes. Near: its rows can be spoken of
// where it stands.
func columnAsText(at lang.Span, text, what string, near bool) lang.Diagnostic {
	hint := fmt.Sprintf("for what it holds write (%s), for the text %q", text, text)
	if !near {
		hint = fmt.Sprintf("what it holds cannot be asked about here; for the text write %q", text)
	}
	return problem(CodeColumnAsText, at, hint, "words behind GLOB are text, and %s is %s", text, what)
}

// columnAsPlace is of a place without quotes.
func columnAsPlace(at lang.Span, text, module string, scan *scanInfo, near bool) lang.Diagnostic {
	hint := fmt.Sprintf("to look where it says write WHERE %s.%s = %s; for the text write %q", scan.name, cmp.Or(scan.schema.Locator.Column, scan.schema.Key), text, text)
	if !near {
		hint = fmt.Sprintf("what it holds cannot be asked about here; for the text write %q", text)
	}
	return problem(CodeColumnAsText, at, hint, "words behind a module are text, and %s is a column of %s", text, module)
}

func patternNotText(y lang.Expr, t value.Type) lang.Diagnostic {
	return problem(CodeTypeMismatch, y.Span(), "put it in quotes", "a pattern is text, and %s is %s", nodeText(y), article(t))
}

func wrongArguments(e lang.Expr, signature string, err error) lang.Diagnostic {
	hint := ""
	if signature != "" {
		hint = "it takes " + signature
	}
	return problem(CodeWrongArguments, e.Span(), hint, "%v", err)
}

func wrongCount(e *lang.Call, signature string) lang.Diagnostic {
	return problem(CodeWrongCount, e.Span(), "write "+signature, "%s is not called like this", e.Name.Name)
}

func inNeedsList(y lang.Expr) lang.Diagnostic {
	return problem(CodeInNeedsList, y.Span(), `write ("a", "b"), @file, a network or (FIND … RETURN …)`, "IN needs a list")
}

func tupleWidth(at lang.Span, got, want int) lang.Diagnostic {
	return problem(CodeTupleWidth, at, "", "%d values where %d are looked up", got, want)
}

func nullInList(at lang.Span) lang.Diagnostic {
	return problem(CodeNullInList, at, "add OR … IS NULL", "null is in no list: it equals nothing")
}

func misplaced(e lang.Expr) lang.Diagnostic {
	hint := ""
	switch e.(type) {
	case *lang.Line:
		hint = "ANY LINE and EVERY LINE stand on the left of a predicate: ANY LINE MATCHES '…'"
	case *lang.Tuple:
		hint = "several values stand on either side of IN"
	case *lang.ListRef:
		hint = "a list stands on the right of IN, CONTAINS, MATCHES, LIKE or GLOB"
	case *lang.Subquery:
		hint = "a subquery stands on the right of IN"
	}
	return problem(CodeMisplaced, e.Span(), hint, "%s has no value here", quoted(nodeText(e)))
}

func emptyRange(at lang.Span) lang.Diagnostic {
	return problem(CodeEmptyRange, at, "the smaller bound comes first", "nothing lies between these bounds")
}
