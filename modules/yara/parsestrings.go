package yara

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/yara/pattern"
)

// maxTextString is the length of a text that is searched, in bytes: that of
// YARA.
const maxTextString = 8 << 10

// strings reads the lines of a strings section.
func (p *parser) strings(r *ruleNode) {
	seen := map[string]bool{}
	for p.tok.kind == tokString && p.tok.text[0] == '$' && !p.bad {
		s := stringNode{name: p.tok.span, id: p.tok.text}
		if strings.HasSuffix(s.id, "*") {
			p.fail(p.tok.span, "the name of a string has no *")
			return
		}
		if s.id != "$" && seen[s.id] {
			p.note(p.tok.span, fmt.Sprintf("the rule has two strings %s", s.id), "")
		}
		seen[s.id] = true
		if len(r.strings) >= maxStrings {
			p.fail(p.tok.span, "the rule has more than %d strings", maxStrings)
			return
		}
		p.advance()
		if !p.tok.is("=") {
			p.fail(p.tok.span, "= must follow the name of a string, and here is %s", p.tok)
			return
		}
		// What follows is cut by rules of its own.
		p.pattern(&s)
		p.modifiers(&s)
		if p.bad {
			return
		}
		p.checkModifiers(&s)
		r.strings = append(r.strings, s)
	}
	if len(r.strings) == 0 && !p.bad {
		p.fail(p.tok.span, "a strings section holds lines like $a = \"text\", and here is %s", p.tok)
	}
}

// pattern reads what stands behind the = of a string; the current token is
// the =.
func (p *parser) pattern(s *stringNode) {
	if msg := p.lex.skip(); msg != "" {
		p.fail(p.tok.span, "%s", msg)
		return
	}
	at := p.lex.pos
	s.at = span{p.lex.src, at, at}
	switch {
	case at < len(p.lex.text) && p.lex.text[at] == '{':
		p.hex(s)
	case at < len(p.lex.text) && p.lex.text[at] == '/':
		text, letters, msg := p.lex.slashes(at)
		if msg != "" {
			p.fail(span{p.lex.src, at, at + 1}, "%s", msg)
			return
		}
		s.kind, s.text = regexString, text
		s.flag = flagsOf(letters)
		if text == "" {
			p.fail(span{p.lex.src, at, p.lex.pos}, "the expression is empty")
		}
	default:
		p.advance()
		if p.tok.kind != tokText {
			p.fail(p.tok.span, "a text, an expression or { bytes } is missing: here is %s", p.tok)
			return
		}
		s.text = p.tok.val.text
		if s.text == "" {
			p.fail(p.tok.span, "the string %s is empty", s.id)
		}
		if len(s.text) > maxTextString {
			p.fail(p.tok.span, "the string %s has %d bytes: at most %d", s.id, len(s.text), maxTextString)
		}
	}
	s.at.end = p.lex.pos
	p.advance()
}

func flagsOf(letters string) pattern.Flags {
	return pattern.Flags{Fold: strings.Contains(letters, "i"), DotAll: strings.Contains(letters, "s")}
}

// hex takes the text between braces.
func (p *parser) hex(s *stringNode) {
	text, at := p.lex.text, p.lex.pos+1
	for ; at < len(text); at++ {
		if at = pattern.SkipBlank(text, at); at >= len(text) || text[at] == '}' {
			break
		}
	}
	if at >= len(text) {
		p.fail(span{p.lex.src, p.lex.pos, p.lex.pos + 1}, "the string %s is not closed: it needs }", s.id)
		return
	}
	s.kind, s.text = hexString, text[p.lex.pos+1:at]
	p.lex.pos = at + 1
}

// modifiers reads the words behind a string.
func (p *parser) modifiers(s *stringNode) {
	m := &s.mods
	m.at, m.xorMax = p.tok.span, 255
	m.has = map[string]bool{}
	for p.tok.kind == tokWord && !p.bad {
		word := p.tok.text
		at := p.tok.span
		switch word {
		case "nocase":
			m.nocase = true
		case "wide":
			m.wide = true
		case "ascii":
			m.ascii = true
		case "fullword":
			m.fullword = true
		case "private":
			m.private = true
		case "xor":
			m.xor = true
		case "base64":
			m.base64 = true
		case "base64wide":
			m.base64wide = true
		default:
			return
		}
		if m.has[word] {
			p.note(at, fmt.Sprintf("the modifier %s stands twice", word), "")
		}
		m.has[word] = true
		p.advance()
		if p.tok.is("(") {
			p.argument(word, m)
		}
	}
}

// argument reads what stands in parentheses behind a modifier.
func (p *parser) argument(word string, m *modifiers) {
	open := p.advance()
	switch word {
	case "xor":
		m.xorMin = p.key()
		m.xorMax = m.xorMin
		if p.accept("-") {
			m.xorMax = p.key()
		}
		if m.xorMax < m.xorMin {
			p.fail(open.span, "the range of keys ends before it begins")
		}
	case "base64", "base64wide":
		at := p.tok
		if at.kind != tokText {
			p.fail(at.span, "an alphabet of 64 characters between quotes is missing: here is %s", at)
			return
		}
		if len(at.val.text) != 64 {
			p.fail(at.span, "an alphabet has 64 characters, and this one %d", len(at.val.text))
			return
		}
		if m.alphabet != "" && m.alphabet != at.val.text {
			p.fail(at.span, "base64 and base64wide of one string have one alphabet")
			return
		}
		m.alphabet = at.val.text
		p.advance()
	default:
		p.fail(open.span, "the modifier %s takes nothing in parentheses", word)
	}
	p.expect(")", "must follow")
}

// key reads a key of xor.
func (p *parser) key() byte {
	if p.tok.kind != tokInt || p.tok.val.Int() > 255 {
		p.fail(p.tok.span, "a key of xor is a number up to 255, and here is %s", p.tok)
		return 0
	}
	return byte(p.advance().val.Int())
}

// checkModifiers refuses modifiers that do not go together.
func (p *parser) checkModifiers(s *stringNode) {
	m := &s.mods
	for _, word := range [...]string{"nocase", "wide", "ascii", "fullword", "xor", "base64", "base64wide"} {
		if !m.has[word] {
			continue
		}
		if s.kind == hexString {
			p.note(m.at, fmt.Sprintf("the modifier %s does not go with { bytes }: only private does", word), "")
		}
		if s.kind == regexString && (word == "xor" || strings.HasPrefix(word, "base64")) {
			p.note(m.at, fmt.Sprintf("the modifier %s does not go with an expression", word), "")
		}
	}
	coded := m.base64 || m.base64wide
	for _, c := range [...]struct {
		on   bool
		a, b string
	}{
		{m.xor && m.nocase, "xor", "nocase"},
		{m.xor && coded, "xor", "base64"},
		{coded && m.nocase, "base64", "nocase"},
		{coded && m.fullword, "base64", "fullword"},
	} {
		if c.on {
			p.note(m.at, fmt.Sprintf("the modifiers %s and %s do not go together", c.a, c.b), "")
		}
	}
	if coded && len(s.text) < 3 {
		p.note(s.at, "base64 needs a text of three bytes at least", "")
	}
}
