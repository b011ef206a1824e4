package lang

// valueRule speaks of operators without a right side.
func valueRule(f *failure) (Diagnostic, bool) {
	p := f.prev
	switch {
	case p.isAny("ANY LINE", "EVERY LINE") || p.is("NOT") && f.before(2).isAny("ANY LINE", "EVERY LINE"):
		return lineWithoutTest(p), true
	case isOperator(p), p.is("EVERY"):
		return missingValue(p), true
	case p.isAny("RETURN", "STACK", "STACK BY", "GROUP BY", "ORDER BY", "DISTINCT"):
		return missingItems(p), true
	}
	return none, false
}

// isOperator reports whether a value must stand behind the token.
func isOperator(t token) bool {
	return isTest(t) || t.isAny("+", "-", "*", "/", "%", "YARA")
}

// isTest reports whether the token compares what is on its left with what is
// on its right.
func isTest(t token) bool {
	return isComparison(t) || t.isAny("LIKE", "GLOB", "MATCHES", "CONTAINS", "STARTS WITH", "ENDS WITH", "IN", "BETWEEN")
}

func isComparison(t token) bool { return t.isAny("=", "!=", "<", "<=", ">", ">=") }

// conditionRuleOf speaks of AND, OR, NOT, WHERE and HAVING with nothing behind.
func conditionRuleOf(f *failure) (Diagnostic, bool) {
	if f.prev.isAny("AND", "OR", "NOT", "WHERE", "HAVING") && f.ends {
		if f.prev.is("NOT") && f.before(2).endsOperand() {
			return badNot(f.prev.span), true
		}
		return missingCondition(f.prev), true
	}
	return none, false
}

// columnRule speaks of operators without a left side.
func columnRule(f *failure) (Diagnostic, bool) {
	if f.at >= f.clause.to {
		return none, false
	}
	op := isTest(f.tok) || f.tok.isAny("IS", "AND", "OR", "+", "*", "/", "%")
	if op && f.prev.isAny("WHERE", "HAVING", "AND", "OR", "NOT", "(", ",") && !f.before(2).endsOperand() {
		return missingColumn(f.tok), true
	}
	if op && f.prev.isAny("WHERE", "HAVING", "AND", "OR", "(", ",") {
		return missingColumn(f.tok), true
	}
	return none, false
}

// whereRuleOf speaks of a condition that follows FIND or FROM without WHERE.
func whereRuleOf(f *failure) (Diagnostic, bool) {
	if f.clause.key != "FIND" && f.clause.key != "FROM" || f.at >= f.clause.to || f.inParentheses() || f.conditionBegun() {
		return none, false
	}
	if isTest(f.tok) && f.before(2).isAny("FIND", "WATCH") { // it stands where a module should
		place := f.after(1)
		locator := ""
		if place.kind == kindBare && f.tok.is("IN") {
			locator = f.source(f.at+1, f.at+2)
		}
		return missingModule(f.before(2), locator), true
	}
	if isTest(f.tok) || f.tok.isAny("IS", ".") || f.tok.is("NOT") && f.prev.kind == kindIdent {
		return missingWhere(f.prev.span, f.source(f.at-1, f.clause.to)), true
	}
	if f.tok.is("(") {
		return missingWhere(f.tok.span, f.source(f.at, f.clause.to)), true
	}
	return none, false
}

// conditionBegun reports whether the FIND has its condition already.
func (f *failure) conditionBegun() bool {
	for i := f.clause.from; i < f.at; i++ {
		t := f.toks[i]
		if t.isAny("CONTAINS", "MATCHES", "YARA", "ANY LINE", "EVERY LINE") || t.is("NOT") && i > f.clause.from+1 {
			return true
		}
	}
	return false
}

func (f *failure) inParentheses() bool {
	depth := 0
	for i := f.clause.from; i < f.at; i++ {
		switch {
		case f.toks[i].is("("):
			depth++
		case f.toks[i].is(")"):
			depth--
		}
	}
	return depth > 0
}

// chainRule speaks of a < b < c, and of NOCASE where it cannot stand.
func chainRule(f *failure) (Diagnostic, bool) {
	if f.at >= f.clause.to {
		return none, false
	}
	if f.tok.is("NOCASE") {
		return badNoCase(f.tok.span), true
	}
	if !isTest(f.tok) && !f.tok.is("IS") {
		return none, false
	}
	for n := 1; n <= f.at-f.clause.from; n++ {
		t := f.before(n)
		if isTest(t) || t.is("IS") {
			return chained(f.tok), true
		}
		if t.isAny("AND", "OR", "NOT", "WHERE", "HAVING", "(", ",") {
			break
		}
	}
	return none, false
}

func notRuleOf(f *failure) (Diagnostic, bool) {
	if f.prev.is("NOT") && f.before(2).endsOperand() {
		return badNot(f.prev.span), true
	}
	return none, false
}

// neighbourRule speaks of two operands with nothing between them.
func neighbourRule(f *failure) (Diagnostic, bool) {
	if f.at >= f.clause.to || !f.prev.endsOperand() || !f.tok.startsOperand() {
		return none, false
	}
	switch f.clause.key {
	case "RETURN", "STACK", "GROUP BY", "ORDER BY", "WITH":
		return missingComma(f.prev, f.tok, f.source(f.at-1, f.at), f.source(f.at, f.at+1)), true
	case "FIND":
		if !f.conditionBegun() {
			return f.secondLocator()
		}
	case "FROM":
		return missingComma(f.prev, f.tok, f.source(f.at-1, f.at), f.source(f.at, f.at+1)), true
	}
	if f.inParentheses() && f.inList() {
		return missingComma(f.prev, f.tok, f.source(f.at-1, f.at), f.source(f.at, f.at+1)), true
	}
	return missingOperator(f.tok, f.source(f.at-1, f.at), f.source(f.at, f.at+1)), true
}

// secondLocator speaks of what follows a locator or an alias.
func (f *failure) secondLocator() (Diagnostic, bool) {
	if f.prev.kind == kindBare && f.tok.kind != kindIdent {
		return missingComma(f.prev, f.tok, f.source(f.at-1, f.at), f.source(f.at, f.at+1)), true
	}
	if f.prev.kind == kindIdent && f.before(2).kind == kindBare {
		return unquotedBlank(Span{f.before(2).span.Start, f.tok.span.End}, f.source(f.at-2, f.at+1)), true
	}
	return none, false
}

// inList reports whether the innermost parenthesis is a list or a call.
func (f *failure) inList() bool {
	depth := 0
	for n := 1; n <= f.at-f.clause.from; n++ {
		switch t := f.before(n); {
		case t.is(")"):
			depth++
		case t.is("(") && depth > 0:
			depth--
		case t.is("("):
			p := f.before(n + 1)
			return p.is("IN") || p.kind == kindIdent || isTest(p)
		case t.is(",") && depth == 0:
			return true
		}
	}
	return false
}

func lastRule(f *failure) (Diagnostic, bool) {
	return unexpected(f.tok, f.source(f.at, min(f.at+1, len(f.toks)-1)), f.clause.key), true
}
