package lang

import "strings"

// When a query does not parse, participle knows one token at most, and not
// always the right one. So the query is cut at its clause keywords, the order
// of the clauses is checked, and every clause is parsed alone: that finds
// several mistakes at once, each near its place. explainer does the cutting,
// the rules in rules.go find the words.

// maxExplained is how many clauses of one query are looked at for mistakes; a
// query of a person has a dozen.
const maxExplained = 1_000

// clause is a piece of a query that begins with its keyword. The keyword of
// what stands before the first clause is "".
type clause struct {
	key      string
	from, to int // tokens, the keyword included
	joined   bool
}

type explainer struct {
	text     string
	toks     []token
	from, to int
	unpaired map[int]bool // parentheses without their other half
	clauses  []clause
	diags    []Diagnostic
}

// explain says what is wrong with the tokens of one query, of which participle
// could not take the one at the index. It says nothing only where the lexer has
// complained already.
func explain(s *scanner, from, to, at int) []Diagnostic {
	e := &explainer{text: s.text, toks: s.toks, from: from, to: to, unpaired: map[int]bool{}}
	e.parentheses()
	e.cut()
	e.order()
	for _, c := range e.clauses[:min(len(e.clauses), maxExplained)] {
		e.clause(c)
	}
	if len(e.diags) == 0 && !e.anyBad(from, to) {
		e.failed(clause{from: from, to: to}, at)
	}
	return e.diags
}

func (e *explainer) report(d Diagnostic) { e.diags = append(e.diags, d) }

func (e *explainer) anyBad(from, to int) bool {
	for _, t := range e.toks[from:to] {
		if t.bad {
			return true
		}
	}
	return false
}

// parentheses reports those without their other half.
func (e *explainer) parentheses() {
	var open []int
	for i := e.from; i < e.to; i++ {
		switch t := e.toks[i]; {
		case t.is("("):
			open = append(open, i)
		case t.is(")") && len(open) > 0:
			open = open[:len(open)-1]
		case t.is(")"):
			e.unpaired[i] = true
			e.report(unopened(t.span))
		}
	}
	for _, i := range open {
		e.unpaired[i] = true
		e.report(unclosed(e.toks[i].span))
	}
}

// cut finds the clauses outside of parentheses.
func (e *explainer) cut() {
	depth := 0
	c := clause{from: e.from}
	for i := e.from; i < e.to; i++ {
		t := e.toks[i]
		switch {
		case e.unpaired[i] && !(t.is("(") && e.toks[i+1].isAny("FIND", "WATCH")):
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		}
		key := clauseKey(t)
		if depth > 0 || key == "" {
			continue
		}
		end, joined := i, false
		if key == "FIND" {
			end, joined = e.joiner(i)
		}
		e.add(c, end)
		c = clause{key: key, from: i, joined: joined}
	}
	e.add(c, e.to)
}

// joiner gives the index of the AND or OR before the FIND at the index. A comma
// joins too: its own clause complains.
func (e *explainer) joiner(find int) (end int, joined bool) {
	before := func(n int) token {
		if find-n < e.from {
			return token{}
		}
		return e.toks[find-n]
	}
	switch {
	case before(1).isAny("AND", "OR"):
		return find - 1, true
	case before(1).is("NOT") && before(2).isAny("AND", "OR"):
		e.report(notBeforeFind(before(1).span, e.toks[find].text))
		return find - 2, true
	}
	return find, before(1).is(",")
}

func (e *explainer) add(c clause, end int) {
	if c.to = end; c.key != "" || c.from < end {
		e.clauses = append(e.clauses, c)
	}
}

// clauseKey gives the keyword of the clause that begins with the token, in its
// plainest form, or "".
func clauseKey(t token) string {
	switch {
	case t.kind != kindKeyword:
		return ""
	case t.text == "WATCH":
		return "FIND"
	case t.text == "STACK BY":
		return "STACK"
	}
	if clauseRank(t.text) > 0 {
		return t.text
	}
	return ""
}

// clauseRank gives the place of a clause in the order of the language. A WHERE
// has two places; this is the one after FIND.
func clauseRank(key string) int {
	for i, k := range []string{
		"EXPLAIN", "PARAM", "LET", "FROM", "target", "FIND", "WHERE", "RETURN", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "EVERY", "WITH",
	} {
		if k == key || k == "RETURN" && key == "STACK" {
			return i + 1
		}
	}
	return 0
}

// order reports clauses that are missing, stand twice or stand too late.
func (e *explainer) order() {
	seen := map[int]string{} // the clauses so far of this FIND and of the query, by rank
	finds, latest := 0, ""
	for _, c := range e.clauses {
		if c.key == "" {
			continue
		}
		key, span := c.key, e.toks[c.from].span
		switch {
		case key == "WHERE" && finds == 0:
			key = "target"
		case key == "FIND":
			if finds++; finds > 1 && !c.joined {
				e.report(unjoined(span, "write AND FIND or OR FIND, or ; to begin another query"))
			}
			if finds == 1 && c.joined && e.toks[c.from-1].isAny("AND", "OR") {
				e.report(joinedToNothing(e.toks[c.from-1]))
			}
			if finds > 1 && clauseRank(latest) < clauseRank("EVERY") {
				clear(seen)
				latest = ""
			}
		}
		if twice := seen[clauseRank(key)]; twice != "" {
			e.report(clauseTwice(span, c.key, twice))
		} else if clauseRank(key) < clauseRank(latest) {
			e.report(clauseOrder(span, c.key, latest))
		} else {
			latest = key
		}
		if key != "PARAM" && key != "LET" && key != "FIND" {
			seen[clauseRank(key)] = key
		}
	}
	e.missingFind(finds)
}

// missingFind reports a query without FIND, unless what stands before its first
// clause explains itself.
func (e *explainer) missingFind(finds int) {
	if finds > 0 || e.clauses[0].key == "" {
		return
	}
	end := e.toks[e.to-1].span.End
	e.report(missingFind(Span{end, end}, e.clauses[0].key))
}

// clause parses one clause alone and explains its failure, or what is wrong in
// it although it parses.
func (e *explainer) clause(c clause) {
	b := &builder{toks: e.toks}
	at, ok := c.from, false
	switch c.key {
	case "EXPLAIN":
		at, ok = tryClause(e, c, func(*explainRule) {})
	case "PARAM":
		at, ok = tryClause(e, c, func(r *paramRule) { b.param(r) })
	case "LET":
		at, ok = tryClause(e, c, func(r *letRule) { b.sum(r.Value) })
	case "FROM":
		at, ok = tryClause(e, c, func(r *fromRule) { b.from(r) })
	case "WHERE":
		at, ok = tryClause(e, c, func(r *whereRule) { b.expr(r.Cond) })
	case "FIND":
		at, ok = tryClause(e, c, func(r *scansRule) { b.find(&findRule{stretch: r.stretch, Scans: r}) })
	case "EVERY":
		at, ok = tryClause(e, c, func(r *everyRule) { b.sum(r.Period) })
	case "WITH":
		at, ok = tryClause(e, c, func(*withRule) {})
	case "":
	default:
		at, ok = e.shapingClause(c, b)
	}
	if !ok {
		e.failed(c, at)
	}
	e.diags = append(e.diags, b.diags...)
}

// shapingClause parses the clauses that shape rows.
func (e *explainer) shapingClause(c clause, b *builder) (at int, ok bool) {
	switch c.key {
	case "RETURN":
		return tryClause(e, c, func(r *returnRule) { b.items(r.Items) })
	case "STACK":
		return tryClause(e, c, func(r *stackRule) { b.items(r.Items) })
	case "GROUP BY":
		return tryClause(e, c, func(r *groupRule) { b.exprs(r.Keys) })
	case "HAVING":
		return tryClause(e, c, func(r *havingRule) { b.expr(r.Cond) })
	case "ORDER BY":
		return tryClause(e, c, func(*orderRule) {})
	}
	return tryClause(e, c, func(r *limitRule) { b.checkLimit(b.sum(r.Count)) })
}

// tryClause parses a clause as the rule and has what it holds checked.
func tryClause[R any](e *explainer, c clause, check func(*R)) (at int, ok bool) {
	rule, at, ok := parseRule[R](e.toks, c.from, c.to)
	if ok {
		check(rule)
	}
	return at, ok
}

// failed applies the rules to a clause of which the token at the index could
// not be taken.
func (e *explainer) failed(c clause, at int) {
	at = e.settle(c, min(max(at, c.from), c.to))
	for i := c.from; i < c.to && i <= at; i++ {
		if e.toks[i].kind == kindBad || e.unpaired[i] || e.toks[i].bad && i >= at-1 {
			return // the reason has been told
		}
	}
	for i := at; i < c.to; i++ {
		if e.unpaired[i] {
			return
		}
	}
	f := &failure{explainer: e, clause: c, at: at, tok: e.toks[at]}
	if at > c.from {
		f.prev = e.toks[at-1]
	}
	f.ends = at >= c.to || f.tok.is(")")
	for _, rule := range rules {
		if d, ok := rule(f); ok {
			e.report(d)
			return
		}
	}
}

// settle moves from a comma or an operator with nothing behind it to what
// stands there instead: inside parentheses participle points at the former.
func (e *explainer) settle(c clause, at int) int {
	if at <= c.from || at+1 > c.to || !e.toks[at-1].endsOperand() || !e.toks[at].isAny(",", "AND", "OR", "+", "-", "*", "/", "%") {
		return at
	}
	next := e.toks[at+1]
	if at+1 < c.to && (next.startsOperand() || next.isAny("NOT", "-", "CONTAINS", "MATCHES", "YARA", "ANY LINE", "EVERY LINE", "FIND", "WATCH")) {
		return at
	}
	return at + 1
}

// source gives the text of the tokens from one index to another, in one line.
func (e *explainer) source(from, to int) string {
	if from >= to {
		return ""
	}
	return strings.Join(strings.Fields(e.text[e.toks[from].span.Start:e.toks[to-1].span.End]), " ")
}
