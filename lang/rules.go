package lang

import (
	"strings"

	"github.com/alecthomas/participle/v2/lexer"
)

// failure is a clause with the token that could not be taken.
type failure struct {
	*explainer
	clause    clause
	at        int
	tok, prev token
	ends      bool // nothing of the clause, or of its parenthesis, is left
}

// before gives the n-th token before the one that could not be taken.
func (f *failure) before(n int) token {
	if f.at-n < f.clause.from {
		return token{kind: lexer.EOF}
	}
	return f.toks[f.at-n]
}

// after gives the n-th token behind the one that could not be taken.
func (f *failure) after(n int) token {
	if f.at+n >= f.clause.to {
		return token{kind: lexer.EOF}
	}
	return f.toks[f.at+n]
}

// rules are tried in order; the last one always has an answer.
var rules = []func(*failure) (Diagnostic, bool){
	leadingRule, foreignRule, nameRule, moduleRule, settingRuleOf, misspeltRule, betweenRuleOf, commaRule, isRuleOf, limitRuleOf,
	slashRule, globRule, valueRule, conditionRuleOf, columnRule, whereRuleOf, chainRule, notRuleOf, neighbourRule, lastRule,
}

var none Diagnostic

// leadingRule speaks of what stands before the first clause.
func leadingRule(f *failure) (Diagnostic, bool) {
	if f.clause.key != "" {
		return none, false
	}
	if d, ok := comment(f.tok); ok {
		return d, true
	}
	if f.tok.is("NOT") && f.toks[f.at+1].isAny("FIND", "WATCH") {
		return notBeforeFind(f.tok.span, f.toks[f.at+1].text), true
	}
	if f.tok.kind == kindIdent {
		if strings.EqualFold(f.tok.text, "ANALYZE") {
			return misspelt(f.tok, f.after(1), "EXPLAIN ANALYZE"), true
		}
		if d, ok := foreignWord(f.tok); ok {
			return d, true
		}
		if key, ok := f.nearKeyword(f.tok, clauseWords); ok {
			return misspelt(f.tok, f.after(1), key), true
		}
	}
	return noFind(f.tok.span, f.source(f.clause.from, f.clause.to)), true
}

// comment recognises /* … */ and // …, which the lexer takes for paths.
func comment(t token) (Diagnostic, bool) {
	text := t.val.Text()
	if t.kind == kindBare && (text == "/*" || strings.HasPrefix(text, "//")) {
		return foreignComment(t.span, text[:2]), true
	}
	return none, false
}

// foreignRule knows the words of SQL and of other query languages.
func foreignRule(f *failure) (Diagnostic, bool) {
	for _, t := range []token{f.tok, f.prev} {
		if t.kind == kindIdent && (f.at < f.clause.to || t.span != f.tok.span) {
			if d, ok := foreignWord(t); ok {
				return d, true
			}
		}
	}
	return none, false
}

func foreignWord(t token) (Diagnostic, bool) {
	hint, ok := foreignWords[strings.ToUpper(t.text)]
	if !ok {
		return none, false
	}
	return foreignKeyword(t, hint), true
}

// nameRule speaks of the names that AS, PARAM, LET, FROM and a dot ask for.
func nameRule(f *failure) (Diagnostic, bool) {
	p := f.prev
	switch {
	case !p.isAny("AS", "PARAM", "LET", ".", "FROM"):
		return none, false
	case f.tok.kind == kindParam && f.at < f.clause.to:
		return dollarName(f.tok), true
	case p.is("FROM"):
		return missingSource(p.span), true
	case f.at < f.clause.to && f.tok.kind == kindKeyword, p.isAny("AS", "PARAM", "LET") && f.tok.kind == kindKeyword && f.touchingLine():
		return keywordName(f.tok), true
	}
	return missingName(p), true
}

// touchingLine reports whether the token that could not be taken stands on the
// line of the one before and has something behind it: RETURN x AS limit.
func (f *failure) touchingLine() bool {
	between := f.text[f.prev.span.End:f.tok.span.Start]
	next := f.toks[min(f.at+1, len(f.toks)-1)]
	if f.tok.isAny("FIND", "WATCH", "FROM") {
		return false
	}
	return !strings.Contains(between, "\n") && (next.kind == lexer.EOF || next.is(";") || next.isAny("=", ",", ")") || next.kind == kindIdent && f.clause.key == "PARAM")
}

func moduleRule(f *failure) (Diagnostic, bool) {
	if f.clause.key != "FIND" && !f.prev.isAny("FIND", "WATCH") {
		return none, false
	}
	asked := f.prev.isAny("FIND", "WATCH") || f.prev.is("NOT") && f.before(2).isAny("FIND", "WATCH")
	if !asked {
		return none, false
	}
	locator := ""
	if f.at < f.clause.to && (f.tok.kind == kindBare || f.tok.kind == kindText) {
		locator = f.source(f.at, f.at+1)
	}
	return missingModule(f.prev, locator), true
}

// settingRuleOf speaks of PARAM name type, LET name = value and WITH name = value.
func settingRuleOf(f *failure) (Diagnostic, bool) {
	named := f.prev.kind == kindIdent && f.before(2).isAny("LET", "WITH", ",")
	switch {
	case f.clause.key == "PARAM" && f.at == f.clause.from+2:
		return missingType(f.prev), true
	case (f.clause.key == "LET" || f.clause.key == "WITH") && named:
		return missingEquals(f.prev), true
	case f.clause.key == "WITH" && f.prev.is("WITH"):
		return missingSetting(f.prev), true
	}
	return none, false
}

// clauseWords begin a clause; operatorWords stand inside one.
var (
	clauseWords = []string{
		"FIND", "FROM", "WHERE", "RETURN", "STACK", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "EVERY", "WITH",
		"EXPLAIN", "PARAM", "LET", "WATCH",
	}
	operatorWords = []string{
		"AND", "OR", "NOT", "LIKE", "GLOB", "MATCHES", "CONTAINS", "STARTS WITH", "ENDS WITH", "BETWEEN", "YARA",
		"NOCASE", "DESC", "ASC", "PER HOST", "NULL", "MISSING", "DISTINCT", "ANALYZE", "ANY LINE",
	}
)

// nearKeyword finds the keyword that an unknown word was meant to be. One of
// two words is compared by its first.
func (f *failure) nearKeyword(t token, lists ...[]string) (string, bool) {
	var words []string
	full := map[string]string{}
	for _, list := range lists {
		for _, key := range list {
			first, _, _ := strings.Cut(key, " ")
			words = append(words, first)
			full[first] = key
		}
	}
	if len(t.text) < 3 {
		return "", false
	}
	word, ok := Nearest(t.text, words)
	return full[word], ok
}

// misspeltRule looks at the token and at the one before it, which may have
// been taken for an alias.
func misspeltRule(f *failure) (Diagnostic, bool) {
	if f.at < f.clause.to && f.tok.kind == kindIdent {
		up := strings.ToUpper(f.tok.text)
		if up == "PER" {
			return perAlone(f.tok.span), true
		}
		if strings.HasPrefix(up, "LINE") && (strings.EqualFold(f.prev.text, "ANY") || f.prev.is("EVERY")) {
			return misspelt(f.tok, f.after(1), "LINE"), true
		}
		if key, ok := f.nearKeyword(f.tok, clauseWords, operatorWords); ok && (f.prev.endsOperand() || f.prev.is("EXPLAIN")) {
			return misspelt(f.tok, f.after(1), key), true
		}
	}
	if f.prev.kind == kindIdent && !f.before(2).isAny(".", "AS", "FIND", "WATCH", ",") {
		key, ok := f.nearKeyword(f.prev, clauseWords, operatorWords)
		if ok && (f.before(2).endsOperand() || f.tok.kind != kindPunct) && !f.tok.isAny("AND", "OR") && f.at < f.clause.to {
			return misspelt(f.prev, f.tok, key), true
		}
	}
	return none, false
}

// betweenRuleOf finds a BETWEEN that still waits for its AND.
func betweenRuleOf(f *failure) (Diagnostic, bool) {
	for n := 1; n <= f.at-f.clause.from; n++ {
		t := f.before(n)
		switch {
		case t.is("BETWEEN") && n == 1:
			return badBetween(t.span), true
		case t.is("BETWEEN"):
			return badBetween(Span{t.span.Start, f.prev.span.End}), true
		case t.isAny("AND", "OR", "WHERE", "NOT"):
			return none, false
		}
	}
	return none, false
}

// commaRule speaks of commas and of parentheses without content.
func commaRule(f *failure) (Diagnostic, bool) {
	switch {
	case f.prev.is(",") && f.tok.isAny("FIND", "WATCH"):
		return unjoined(f.prev.span, "write AND FIND or OR FIND"), true
	case f.prev.is("NOT") && f.tok.isAny("FIND", "WATCH"):
		return notBeforeFind(f.prev.span, f.tok.text), true
	case f.prev.is(",") && (f.ends || f.tok.is(",") || f.tok.kind == kindKeyword && !f.tok.startsOperand()):
		return trailingComma(f.prev.span), true
	case f.prev.is("(") && f.tok.is(")"):
		return emptyList(Span{f.prev.span.Start, f.tok.span.End}), true
	}
	return none, false
}

func isRuleOf(f *failure) (Diagnostic, bool) {
	if f.prev.is("IS") || f.prev.is("NOT") && f.before(2).is("IS") {
		return badIs(f.prev.span), true
	}
	return none, false
}

func limitRuleOf(f *failure) (Diagnostic, bool) {
	switch {
	case f.clause.key != "LIMIT":
		return none, false
	case f.prev.is("LIMIT"):
		return badLimit(f.prev.span), true
	case f.ends:
		return none, false
	case f.tok.is(","), f.tok.startsOperand():
		return limitOnce(f.tok.span), true
	}
	return none, false
}

// slashRule speaks of the / that begins a path where none is expected.
func slashRule(f *failure) (Diagnostic, bool) {
	text := f.tok.val.Text()
	if f.tok.kind != kindBare || f.at >= f.clause.to || !strings.HasPrefix(text, "/") {
		return none, false
	}
	if d, ok := comment(f.tok); ok {
		return d, true
	}
	switch {
	case f.clause.key == "FIND" && f.prev.kind == kindIdent && f.before(2).kind == kindBare:
		return unquotedBlank(Span{f.before(2).span.Start, f.tok.span.End}, f.source(f.at-2, f.at+1)), true
	case f.prev.endsOperand() && f.prev.kind != kindBare:
		return pathNotDivision(f.tok.span), true
	}
	return none, false
}

// globRule speaks of * and % that were meant as part of a text.
func globRule(f *failure) (Diagnostic, bool) {
	inText := f.prev.isAny("*", "%") && f.ends && f.before(2).span.End == f.prev.span.Start
	first := f.tok.isAny("*", "%") && f.at < f.clause.to && !f.prev.endsOperand() && f.prev.kind != lexer.EOF
	if !inText && !first {
		return none, false
	}
	from := f.at
	for f.ends && from > f.clause.from+1 && (from == f.at || f.toks[from-1].span.End == f.toks[from].span.Start) {
		from--
	}
	start := f.toks[from].span.Start
	word := readWord(f.text[start:])
	return unquotedText(Span{start, start + len(word)}, word), true
}
