package lang

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/quaestor-engine/quaestor/value"
)

// place says where between FIND and its predicate the lexer stands, because
// locators need no quotes there.
type place uint8

const (
	placeOther           place = iota
	placeModule                // a module must follow
	placeLocator               // after the module: a locator, an alias, or the end of the scan
	placeAfterLocator          // a comma leads to another locator or another module
	placeLocatorOrModule       // after that comma
	placeAlias                 // after AS
	placeAfterAlias            // a comma leads to another module
)

// scanner cuts a source into tokens. It never fails: what it cannot read
// becomes a diagnostic and a token that lets the parser go on.
type scanner struct {
	text     string
	pos      int
	place    place
	toks     []token
	comments []Comment
	diags    []Diagnostic
}

// scan lexes a text that is valid UTF-8. The last token is the end of input.
func scan(text string) *scanner {
	s := &scanner{text: text, toks: make([]token, 0, len(text)/4+2)}
	if strings.HasPrefix(text, "\ufeff") {
		s.pos = len("\ufeff")
	}
	for s.trivia(); s.pos < len(s.text); s.trivia() {
		if len(s.toks) >= MaxTokens {
			s.report(tooManyTokens(Span{s.pos, s.pos + 1}))
			break
		}
		s.token()
	}
	s.toks = append(s.toks, token{kind: lexer.EOF, span: Span{len(s.text), len(s.text)}})
	return s
}

func (s *scanner) report(d Diagnostic) { s.diags = append(s.diags, d) }

// emit ends a token that began at start.
func (s *scanner) emit(t token, start int) {
	t.span = Span{start, s.pos}
	s.step(t)
	s.toks = append(s.toks, t)
}

func (s *scanner) emitPunct(text string, n int) {
	start := s.pos
	s.pos += n
	s.emit(token{kind: kindPunct, text: text}, start)
}

func (s *scanner) emitBad(start int) { s.emit(token{kind: kindBad, bad: true}, start) }

// step follows the token to the next place.
func (s *scanner) step(t token) {
	named := t.kind == kindText || t.kind == kindBare || t.kind == kindParam || t.kind == kindList
	at := s.place
	s.place = placeOther
	switch {
	case t.isAny("FIND", "WATCH"), at == placeModule && t.is("NOT"):
		s.place = placeModule
	case at == placeModule && t.kind == kindIdent, at == placeLocatorOrModule && t.kind == kindIdent:
		s.place = placeLocator
	case (at == placeLocator || at == placeLocatorOrModule) && named:
		s.place = placeAfterLocator
	case (at == placeLocator || at == placeAfterLocator) && t.is("AS"):
		s.place = placeAlias
	case at == placeLocator || at == placeAfterLocator || at == placeAlias || at == placeAfterAlias:
		s.place = afterScan(at, t)
	}
}

func afterScan(at place, t token) place {
	switch {
	case t.kind == kindIdent && at != placeAfterAlias:
		return placeAfterAlias
	case t.is(",") && at == placeAfterLocator:
		return placeLocatorOrModule
	case t.is(",") && at != placeAlias:
		return placeModule
	}
	return placeOther
}

func (s *scanner) last() token {
	if len(s.toks) == 0 {
		return token{kind: lexer.EOF}
	}
	return s.toks[len(s.toks)-1]
}

// byteAt gives the byte at an offset from here, or 0 past the end.
func (s *scanner) byteAt(n int) byte {
	if s.pos+n < len(s.text) {
		return s.text[s.pos+n]
	}
	return 0
}

func (s *scanner) rest() string { return s.text[s.pos:] }

// trivia skips blanks and keeps comments aside.
func (s *scanner) trivia() {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			s.pos++
		case strings.HasPrefix(s.rest(), "--"):
			start := s.pos
			s.toLineEnd()
			s.comments = append(s.comments, Comment{
				Span: Span{start, s.pos}, Text: visible(strings.TrimRight(s.text[start:s.pos], " \t\r")),
			})
		default:
			return
		}
	}
}

func (s *scanner) toLineEnd() {
	if i := strings.IndexByte(s.rest(), '\n'); i >= 0 {
		s.pos += i
		return
	}
	s.pos = len(s.text)
}

// token reads one token; there is at least one byte, and it is no blank.
func (s *scanner) token() {
	if s.last().is("MATCHES") && s.unquotedRegex() {
		return
	}
	c := s.text[s.pos]
	if c == '"' || c == '\'' || c == '@' || c == '$' {
		s.quotedOrNamed(c)
		return
	}
	if s.bareExpected() && s.bareWord() {
		return
	}
	switch {
	case isDigit(c):
		s.number()
		s.percent()
	case c == ':' || isHex(c) && s.colonAhead():
		s.address()
	case isDrive(s.rest()), strings.HasPrefix(s.rest(), `\\`), c == '/' && !isBlank(s.byteAt(1)):
		s.path()
	case (c == 'x' || c == 'X') && (s.byteAt(1) == '"' || s.byteAt(1) == '\''):
		s.hexBytes()
	case c < utf8.RuneSelf && !isWordByte(c):
		s.operator(c)
	default:
		s.wordOrStray()
	}
}

func (s *scanner) quotedOrNamed(c byte) {
	switch c {
	case '"':
		s.quoted()
	case '\'':
		s.raw()
	case '@':
		s.listRef()
	default:
		s.param()
	}
}

func (s *scanner) bareExpected() bool {
	return s.place == placeLocator || s.place == placeLocatorOrModule || s.last().is("GLOB")
}

// bareWord reads a locator or a glob without quotes. It leaves plain names,
// brackets and operators to the ordinary rules.
func (s *scanner) bareWord() bool {
	word := readWord(s.rest())
	if word == "" || strings.ContainsRune("=<>!", rune(word[0])) || isPlainName(word) {
		return false
	}
	start := s.pos
	s.pos += len(word)
	s.emit(bareToken(word), start)
	return true
}

func (s *scanner) path() {
	start := s.pos
	s.pos += len(readWord(s.rest()))
	s.emit(bareToken(s.text[start:s.pos]), start)
}

func (s *scanner) listRef() {
	start := s.pos
	s.pos++
	if s.byteAt(0) == '"' {
		text, ok := s.quotedText()
		s.emit(token{kind: kindList, text: text, bad: !ok}, start)
		return
	}
	word := readWord(s.rest())
	s.pos += len(word)
	if word == "" {
		s.report(badListName(Span{start, s.pos}))
	}
	s.emit(token{kind: kindList, text: word, bad: word == ""}, start)
}

func (s *scanner) param() {
	start := s.pos
	s.pos++
	name := readName(s.rest())
	s.pos += len(name)
	if name == "" {
		if end := strings.IndexByte(s.rest(), '}'); s.byteAt(0) == '{' && end > 0 {
			name = readName(s.text[s.pos+1:])
			s.pos += end + 1
		}
		s.report(badParamName(Span{start, s.pos}, name))
		s.emit(token{kind: kindParam, text: name, bad: true}, start)
		return
	}
	s.emit(token{kind: kindParam, text: name}, start)
}

// wordOrStray reads a name or a keyword, or a character that is neither.
func (s *scanner) wordOrStray() {
	name := readName(s.rest())
	if name == "" {
		s.stray()
		return
	}
	start := s.pos
	s.pos += len(name)
	if isHash(name) {
		s.emit(bareToken(name), start)
		return
	}
	if key := s.keyword(name); key != "" {
		s.emit(token{kind: kindKeyword, text: key}, start)
		return
	}
	s.emit(token{kind: kindIdent, text: name}, start)
}

// keyword gives the keyword that the word just read is, or "". It reads on
// where a keyword has two words.
func (s *scanner) keyword(word string) string {
	prev := s.last()
	behindDot := prev.is(".") && prev.span.End == s.pos-len(word)
	beforeDot := s.byteAt(0) == '.' && readName(s.text[s.pos+1:]) != ""
	asModule := s.place == placeModule || s.place == placeLocatorOrModule // .x would be its locator
	if behindDot || beforeDot && !asModule {
		return ""
	}
	up := strings.ToUpper(word)
	if up == "CONTAINS" && s.byteAt(0) == '(' && s.place == placeOther && (!prev.endsOperand() || s.afterSource()) {
		return ""
	}
	if second := pairOf(up); second != "" {
		if s.secondWord(second) {
			return up + " " + second
		}
		if up == "STARTS" || up == "ENDS" {
			return s.startsAlone(up, prev, len(word))
		}
	}
	if isHardKeyword(up) || s.isSoftKeyword(up, prev) {
		return up
	}
	return ""
}

// afterSource reports whether the last token is the source after FROM.
func (s *scanner) afterSource() bool {
	return len(s.toks) > 1 && s.toks[len(s.toks)-2].is("FROM")
}

// startsAlone decides on STARTS and ENDS without WITH: after an operand they
// can only be the operator.
func (s *scanner) startsAlone(up string, prev token, n int) string {
	if !prev.endsOperand() && !prev.isAny("ANY LINE", "EVERY LINE", "NOT") {
		return ""
	}
	s.report(startsWithoutWith(Span{s.pos - n, s.pos}, up))
	return up + " WITH"
}

func (s *scanner) isSoftKeyword(up string, prev token) bool {
	switch up {
	case "ANALYZE":
		return prev.is("EXPLAIN")
	case "MISSING":
		n := len(s.toks)
		return prev.is("IS") || prev.is("NOT") && n > 1 && s.toks[n-2].is("IS")
	}
	return false
}

// secondWord reads the word if it comes next, over blanks and comments.
func (s *scanner) secondWord(want string) bool {
	pos, comments := s.pos, len(s.comments)
	s.trivia()
	if name := readName(s.rest()); pos < s.pos && strings.EqualFold(name, want) {
		s.pos += len(name)
		return true
	}
	s.pos, s.comments = pos, s.comments[:comments]
	return false
}

// readWord gives the front of text up to a blank, a comma outside of braces, a
// semicolon, a parenthesis or a quote.
func readWord(text string) string {
	depth, closer := 0, -1 // where the last } that was looked for stands
	for i, r := range text {
		if r == '{' && closer < i {
			closer = nextCloser(text, i)
		}
		switch {
		case r == '{' && closer < len(text):
			depth++
		case r == '}' && depth > 0:
			depth--
		case r == ',' && depth > 0:
		case strings.ContainsRune(" \t\r\n,;()\"'", r), isSmartQuote(r), !isVisible(r):
			return text[:i]
		}
	}
	return text
}

// nextCloser gives the offset of the } that ends braces opened at from, or the
// length of the text if the word ends before one.
func nextCloser(text string, from int) int {
	i := strings.IndexAny(text[from:], "} \t\r\n;()\"'")
	if i < 0 || text[from+i] != '}' {
		return len(text)
	}
	return from + i
}

// readName gives the plain name in front of text, or "".
func readName(text string) string {
	for i, r := range text {
		letter := r == '_' || unicode.IsLetter(r) || i > 0 && (unicode.IsDigit(r) || unicode.IsMark(r))
		if !letter || !isVisible(r) {
			return text[:i]
		}
	}
	return text
}

func isPlainName(word string) bool { return word != "" && readName(word) == word }

// isVisible reports whether a reader of the query sees the character; some
// letters leave no trace on a screen.
func isVisible(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r != 0x7f
	}
	return !unicode.IsSpace(r) && value.EscapeText(string(r)) == string(r)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isBlank(c byte) bool { return c == 0 || c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isWordByte(c byte) bool { return c == '_' || isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDrive(text string) bool {
	return len(text) > 2 && text[0]|0x20 >= 'a' && text[0]|0x20 <= 'z' && text[1] == ':' && (text[2] == '\\' || text[2] == '/')
}
