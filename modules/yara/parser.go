package yara

import (
	"fmt"
	"strings"
)

// Bounds on the text of rules.
const (
	// maxText is the length of the rules with all includes in bytes: the
	// largest public collections come to a quarter of it.
	maxText = 64 << 20
	// maxIncludes is how deep includes may stand in one another: that of
	// YARA.
	maxIncludes = 16
	// maxNest is how deep parentheses, loops and functions may stand in one
	// another: the parser and those after it call themselves.
	maxNest = 100
	// maxOperators is how many operators a condition may have: a chain of
	// them is as deep as it is long.
	maxOperators = 20_000
	// maxRules is the number of rules: what is kept of each by a scan.
	maxRules = 100_000
	// maxStrings is the number of strings of a rule: that of YARA.
	maxStrings = 10_000
)

// parser reads texts into rules as they were written.
type parser struct {
	lex     lexer
	tok     token
	sources []Source
	include func(string) ([]byte, error)

	bad     bool // what is being read has a mistake: nothing more comes
	diags   []Diagnostic
	more    int
	depth   int
	ops     int
	total   int
	chain   []string // the names of the texts that are being read
	rules   []*ruleNode
	imports []token
}

// fail notes a mistake and ends what is being read.
func (p *parser) fail(at span, format string, args ...any) {
	if !p.bad {
		p.note(at, fmt.Sprintf(format, args...), "")
	}
	p.bad = true
	p.tok = token{span: at, kind: tokEnd}
}

// note notes a mistake.
func (p *parser) note(at span, message, hint string) {
	if len(p.diags) >= maxDiagnostics {
		p.more++
		return
	}
	p.diags = append(p.diags, Diagnostic{Source: p.sources[at.src], Start: at.start, End: at.end, Message: message, Hint: hint})
}

// advance goes to the next token and gives the one before.
func (p *parser) advance() token {
	t := p.tok
	if p.bad {
		return t
	}
	tok, msg := p.lex.next()
	if p.tok = tok; msg != "" {
		p.fail(tok.span, "%s", msg)
	}
	return t
}

// peek gives the token behind the current one.
func (p *parser) peek() token {
	l := p.lex
	t, _ := l.next()
	return t
}

// accept takes a token if it is the one.
func (p *parser) accept(text string) bool {
	if !p.tok.is(text) {
		return false
	}
	p.advance()
	return true
}

// expect takes a token that must be there.
func (p *parser) expect(text, why string) token {
	if !p.tok.is(text) {
		p.fail(p.tok.span, "%s %s, and here is %s", text, why, p.tok)
		return p.tok
	}
	return p.advance()
}

// name takes a name that is no keyword.
func (p *parser) name(what string) token {
	switch {
	case p.tok.kind != tokWord:
		p.fail(p.tok.span, "%s is missing: here is %s", what, p.tok)
	case isKeyword(p.tok.text):
		p.fail(p.tok.span, "%q is a word of the language and cannot be %s", p.tok.text, what)
	case len(p.tok.text) > maxName:
		p.fail(p.tok.span, "%s is too long: at most %d characters", what, maxName)
	}
	return p.advance()
}

// maxName is the length of a name: that of YARA.
const maxName = 128

// source reads one text with all that it includes, and gives it with these
// resolved.
func (p *parser) source(src Source) string {
	index := len(p.sources)
	p.sources = append(p.sources, src)
	if p.total += len(src.Text); p.total > maxText {
		p.note(span{src: index}, fmt.Sprintf("the rules come to more than %d bytes", maxText), "")
		return ""
	}
	outer, outerTok := p.lex, p.tok
	p.lex = lexer{text: src.Text, src: index}
	p.chain = append(p.chain, src.Name)
	p.bad = false
	p.advance()
	var out strings.Builder
	from := 0
	for p.bad || p.tok.kind != tokEnd {
		if p.bad && !p.resume() {
			break
		}
		if p.tok.is("include") {
			at := p.tok.start
			text := p.includes()
			out.WriteString(src.Text[from:at])
			out.WriteString("\n" + text + "\n")
			from = max(at, min(p.tok.start, len(src.Text)))
			continue
		}
		p.top()
	}
	out.WriteString(src.Text[from:])
	p.chain = p.chain[:len(p.chain)-1]
	p.lex, p.tok = outer, outerTok
	return strings.TrimPrefix(out.String(), "\xef\xbb\xbf")
}

// resume goes on at the next rule after a mistake.
func (p *parser) resume() bool {
	p.bad, p.depth = false, 0
	l := &p.lex
	for {
		tok, msg := l.next()
		if tok.kind == tokEnd && (msg == "" || l.pos >= len(l.text)) {
			p.tok = tok
			return false
		}
		if tok.kind == tokWord && (tok.text == "rule" || tok.text == "private" && p.startsRule(l) || tok.text == "global" || tok.text == "import" || tok.text == "include") {
			p.tok = tok
			return true
		}
	}
}

// startsRule says whether a word after this one makes it the beginning of a
// rule: strings may be private, too.
func (p *parser) startsRule(l *lexer) bool {
	ahead := *l
	t, _ := ahead.next()
	return t.is("rule") || t.is("global")
}

// includes reads an include and gives the text that it stands for.
func (p *parser) includes() string {
	p.advance()
	at := p.tok
	if at.kind != tokText {
		p.fail(at.span, "include needs the name of a file between quotes")
		return ""
	}
	name := at.val.text
	// The token behind is read before the included text, so that what stands
	// here goes on there.
	p.advance()
	if p.bad {
		return ""
	}
	switch {
	case p.include == nil:
		p.note(at.span, fmt.Sprintf("include %q cannot be followed here", name), "put the rules of that file into this one")
		return ""
	case len(p.chain) > maxIncludes:
		p.note(at.span, fmt.Sprintf("files include one another more than %d deep", maxIncludes), "")
		return ""
	}
	for _, open := range p.chain[1:] {
		if open == name {
			p.note(at.span, fmt.Sprintf("%q includes itself", name), "")
			return ""
		}
	}
	text, err := p.include(name)
	if err != nil {
		p.note(at.span, fmt.Sprintf("include %q: %v", name, err), "")
		return ""
	}
	tok, bad := p.tok, p.bad
	out := p.source(Source{Name: name, Text: string(text)})
	p.tok, p.bad = tok, bad
	return out
}

// top reads what stands outside of rules: an import or a rule.
func (p *parser) top() {
	switch {
	case p.tok.is("import"):
		p.advance()
		if p.tok.kind != tokText {
			p.fail(p.tok.span, "import needs the name of a module between quotes")
			return
		}
		p.imports = append(p.imports, p.advance())
	case p.tok.is("rule"), p.tok.is("private"), p.tok.is("global"):
		if r := p.rule(); !p.bad {
			if len(p.rules) >= maxRules {
				p.fail(r.name.span, "there are more than %d rules", maxRules)
				return
			}
			p.rules = append(p.rules, r)
		}
	default:
		p.fail(p.tok.span, "a rule, an import or an include is missing: here is %s", p.tok)
	}
}

func (p *parser) rule() *ruleNode {
	r := &ruleNode{}
	for {
		if p.accept("private") {
			r.private = true
		} else if p.accept("global") {
			r.global = true
		} else {
			break
		}
	}
	p.expect("rule", "must follow")
	r.name = p.name("the name of a rule")
	if p.accept(":") {
		for p.tok.kind == tokWord {
			r.tags = append(r.tags, p.name("a tag"))
		}
		if len(r.tags) == 0 {
			p.fail(p.tok.span, "a colon stands before tags, and here is %s", p.tok)
		}
	}
	p.expect("{", "must begin the rule")
	if p.accept("meta") {
		p.expect(":", "must follow meta")
		p.meta(r)
	}
	if p.accept("strings") {
		p.expect(":", "must follow strings")
		p.strings(r)
	}
	if p.tok.is("variables") {
		p.fail(p.tok.span, "the section %q is not known", p.tok.text)
	}
	p.expect("condition", "must follow, as each rule has one")
	p.expect(":", "must follow condition")
	p.ops = 0
	r.cond = p.expression()
	if !p.bad && !p.tok.is("}") {
		p.fail(p.tok.span, "the condition cannot go on with %s", p.tok)
	}
	p.expect("}", "must end the rule")
	return r
}

func (p *parser) meta(r *ruleNode) {
	for p.tok.kind == tokWord && !p.tok.is("strings") && !p.tok.is("condition") {
		name := p.name("the name of a meta line")
		p.expect("=", "must follow the name of a meta line")
		minus := p.accept("-")
		m := Meta{Name: name.text}
		switch t := p.tok; {
		case t.kind == tokInt && minus:
			m.Value = Integer(-t.val.Int())
		case t.kind == tokInt, t.kind == tokText && !minus:
			m.Value = t.val
		case (t.is("true") || t.is("false")) && !minus:
			m.Value = Boolean(t.text == "true")
		default:
			p.fail(t.span, "a meta line holds a text, an integer, true or false, and here is %s", t)
		}
		p.advance()
		r.meta = append(r.meta, m)
	}
}

func isKeyword(word string) bool {
	_, found := keywords[word]
	return found
}

// keywords are the words that cannot be names.
var keywords = map[string]bool{
	"all": true, "and": true, "any": true, "ascii": true, "at": true, "base64": true, "base64wide": true,
	"condition": true, "contains": true, "defined": true, "endswith": true, "entrypoint": true, "false": true,
	"filesize": true, "for": true, "fullword": true, "global": true, "icontains": true, "iendswith": true,
	"iequals": true, "import": true, "in": true, "include": true, "int16": true, "int16be": true, "int32": true,
	"int32be": true, "int8": true, "int8be": true, "istartswith": true, "matches": true, "meta": true,
	"nocase": true, "none": true, "not": true, "of": true, "or": true, "private": true, "rule": true,
	"startswith": true, "strings": true, "them": true, "true": true, "uint16": true, "uint16be": true,
	"uint32": true, "uint32be": true, "uint8": true, "uint8be": true, "wide": true, "xor": true,
}
