package lang

import (
	"strings"
	"unicode/utf8"
)

// A foreign operator is one that another language has: what it is read as
// here, and what the hint says.
type foreignOperator struct{ text, means, hint string }

// foreignOperators is tried in order, the longer before the shorter.
var foreignOperators = []foreignOperator{
	{"==", "=", "write ="},
	{"=~", "MATCHES", "write MATCHES"},
	{"=>", ">=", "write >="},
	{"=<", "<=", "write <="},
	{"<>", "!=", "write !="},
	{"!~", "NOT MATCHES", "write NOT MATCHES"},
	{"&&", "AND", "write AND"},
	{"||", "OR", "write OR; concat(a, b) joins texts"},
	{"≠", "!=", "write !="},
	{"≤", "<=", "write <="},
	{"≥", ">=", "write >="},
	{"–", "-", "write the plain - of the keyboard"},
	{"—", "-", "write the plain - of the keyboard"},
	{"−", "-", "write the plain - of the keyboard"},
	{"×", "*", "write *"},
	{"÷", "/", "write / with blanks around it"},
}

// singleOperators are tried after the operators of the language itself.
var singleOperators = []foreignOperator{
	{"!", "NOT", "write NOT"},
	{"~", "MATCHES", "write MATCHES"},
	{"&", "AND", "write AND"},
	{"|", "OR", "write OR"},
	{"[", "(", "lists stand in parentheses: (a, b)"},
	{"]", ")", "lists stand in parentheses: (a, b)"},
}

// strayHints say what was probably meant by a character that has no meaning.
var strayHints = map[rune]string{
	'\\': `a path with a backslash begins with a drive or \\; put other text with a backslash in '…'`,
	'{':  "braces stand only in globs; put the glob in quotes",
	'}':  "braces stand only in globs; put the glob in quotes",
	'?':  "a parameter is $name; put a glob in quotes",
	'^':  "put a regular expression in '…' after MATCHES",
	':':  "put text with a colon in quotes",
}

// operator reads punctuation, and the comments and quotes of other languages.
func (s *scanner) operator(c byte) {
	if s.foreign(foreignOperators) {
		return
	}
	two := s.rest()[:min(2, len(s.rest()))]
	switch {
	case two == "!=" || two == "<=" || two == ">=":
		s.emitPunct(two, 2)
	case c == '.' && isDigit(s.byteAt(1)) && s.last().span.End != s.pos:
		s.leadingPoint()
	case strings.IndexByte("()+*%.,;=<>-/", c) >= 0:
		s.emitPunct(s.rest()[:1], 1)
	case c == '#':
		start := s.pos
		s.toLineEnd()
		s.report(foreignComment(Span{start, s.pos}, "#"))
	case c == '`':
		s.backquoted()
	case s.foreign(singleOperators):
	default:
		s.stray()
	}
}

// foreign reads an operator of another language as what it means here.
func (s *scanner) foreign(ops []foreignOperator) bool {
	for _, op := range ops {
		if !strings.HasPrefix(s.rest(), op.text) {
			continue
		}
		start := s.pos
		s.pos += len(op.text)
		s.report(foreignOp(Span{start, s.pos}, op))
		for word := range strings.FieldsSeq(op.means) {
			kind := kindPunct
			if isHardKeyword(word) {
				kind = kindKeyword
			}
			s.emit(token{kind: kind, text: word, bad: true}, start)
		}
		return true
	}
	return false
}

// backquoted reads a `name` as the name.
func (s *scanner) backquoted() {
	start := s.pos
	s.pos++
	name := readName(s.rest())
	s.pos += len(name)
	if s.byteAt(0) == '`' {
		s.pos++
	}
	s.report(backquote(Span{start, s.pos}))
	if name == "" {
		s.emitBad(start)
		return
	}
	s.emit(token{kind: kindIdent, text: name, bad: true}, start)
}

// stray reads one character that has no meaning outside of quotes.
func (s *scanner) stray() {
	r, n := utf8.DecodeRuneInString(s.rest())
	start := s.pos
	switch {
	case isSmartQuote(r):
		s.smartQuoted(r)
	case !isVisible(r):
		s.pos += n
		s.report(controlCharacter(Span{start, s.pos}, r))
	case s.foreign(foreignOperators):
	case r == '\\' && s.place == placeAfterAlias && len(s.toks) > 1 && s.toks[len(s.toks)-2].kind == kindBare:
		s.pos += len(readWord(s.rest()))
		from := s.toks[len(s.toks)-2].span.Start
		s.report(unquotedBlank(Span{from, s.pos}, s.text[from:s.pos]))
		s.emitBad(start)
	default:
		s.pos += n
		s.report(strayCharacter(Span{start, s.pos}, r))
		s.emitBad(start)
	}
}
