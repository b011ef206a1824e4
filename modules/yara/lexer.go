package yara

import (
	"fmt"
	"strconv"
	"strings"
)

// span is a place in one of the texts.
type span struct {
	src        int // index of the text
	start, end int
}

func (s span) where() span { return s }

// to joins two places of one text.
func (s span) to(t span) span {
	if t.src == s.src && t.end > s.end {
		s.end = t.end
	}
	return s
}

// tokenKind says what a token is.
type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // a keyword or a name
	tokInt              // val
	tokFloat            // val
	tokText             // val: a text between quotes
	tokString           // $a, #a, @a or !a, with its sign
	tokSign             // everything else
)

type token struct {
	span
	kind tokenKind
	text string // as it stands, for a word, a string and a sign
	val  Value
}

func (t token) is(text string) bool {
	return t.text == text && (t.kind == tokWord || t.kind == tokSign)
}

// String is how messages name a token.
func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "the end of the text"
	case tokText:
		return "a text"
	case tokInt, tokFloat:
		return t.val.String()
	}
	return strconv.Quote(t.text)
}

// lexer cuts a text into tokens.
type lexer struct {
	text string
	src  int
	pos  int
}

// signs of two characters and more, before those of one.
var longSigns = [...]string{"<<", ">>", "<=", ">=", "==", "!=", ".."}

// next gives the next token. What cannot be one is a sign of its own with a
// message.
func (l *lexer) next() (token, string) {
	if msg := l.skip(); msg != "" {
		at := l.pos
		l.pos = len(l.text)
		return l.token(tokEnd, at), msg
	}
	at := l.pos
	if at >= len(l.text) {
		return l.token(tokEnd, at), ""
	}
	c := l.text[at]
	switch {
	case isNameStart(c):
		l.name()
		return l.token(tokWord, at), ""
	case c >= '0' && c <= '9':
		return l.number()
	case c == '"':
		return l.quoted()
	case c == '$', (c == '#' || c == '@') || c == '!' && !strings.HasPrefix(l.text[at:], "!="):
		l.pos++
		l.name()
		if c == '$' && l.pos < len(l.text) && l.text[l.pos] == '*' {
			l.pos++
		}
		return l.token(tokString, at), ""
	}
	for _, s := range longSigns {
		if strings.HasPrefix(l.text[at:], s) {
			l.pos += len(s)
			return l.token(tokSign, at), ""
		}
	}
	l.pos++
	if c >= 0x80 || c < ' ' {
		return l.token(tokSign, at), fmt.Sprintf("a byte %#02x has no meaning here", c)
	}
	return l.token(tokSign, at), ""
}

func (l *lexer) token(kind tokenKind, at int) token {
	return token{span: span{l.src, at, l.pos}, kind: kind, text: l.text[at:l.pos]}
}

// skip goes over blanks and comments.
func (l *lexer) skip() string {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\v\f", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "\xef\xbb\xbf") && l.pos == 0:
			l.pos += 3
		case strings.HasPrefix(rest, "//"):
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				l.pos += n
			} else {
				l.pos = len(l.text)
			}
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return "a comment is not closed: it needs */"
			}
			l.pos += n + 4
		default:
			return ""
		}
	}
	return ""
}

func (l *lexer) name() {
	for l.pos < len(l.text) && isNameByte(l.text[l.pos]) {
		l.pos++
	}
}

func isNameStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func isNameByte(c byte) bool  { return isNameStart(c) || c >= '0' && c <= '9' }

// number reads an integer or a float.
func (l *lexer) number() (token, string) {
	at := l.pos
	rest := l.text[at:]
	base, digits := 10, "0123456789"
	if strings.HasPrefix(rest, "0x") || strings.HasPrefix(rest, "0X") {
		base, digits = 16, "0123456789abcdefABCDEF"
		l.pos += 2
	} else if strings.HasPrefix(rest, "0o") {
		base, digits = 8, "01234567"
		l.pos += 2
	}
	from := l.pos
	l.run(digits)
	if base == 10 && l.pos+1 < len(l.text) && l.text[l.pos] == '.' && l.text[l.pos+1] >= '0' && l.text[l.pos+1] <= '9' {
		l.pos++
		l.run(digits)
		t := l.token(tokFloat, at)
		f, err := strconv.ParseFloat(t.text, 64)
		t.val = Number(f)
		if err != nil {
			return t, "the number is too large"
		}
		return t, ""
	}
	n, err := strconv.ParseInt(l.text[from:l.pos], base, 64)
	unit := int64(1)
	switch rest := l.text[l.pos:]; {
	case base == 10 && strings.HasPrefix(rest, "KB"):
		unit = 1 << 10
		l.pos += 2
	case base == 10 && strings.HasPrefix(rest, "MB"):
		unit = 1 << 20
		l.pos += 2
	}
	t := l.token(tokInt, at)
	t.val = Integer(n * unit)
	if err != nil || n*unit/unit != n {
		return t, "the number does not fit into 64 bits"
	}
	if l.pos < len(l.text) && isNameByte(l.text[l.pos]) {
		l.name()
		return t, fmt.Sprintf("%q is no number", l.text[at:l.pos])
	}
	return t, ""
}

func (l *lexer) run(digits string) {
	for l.pos < len(l.text) && strings.IndexByte(digits, l.text[l.pos]) >= 0 {
		l.pos++
	}
}

// quoted reads a text between quotes.
func (l *lexer) quoted() (token, string) {
	at := l.pos
	var b strings.Builder
	for l.pos++; ; l.pos++ {
		if l.pos >= len(l.text) || l.text[l.pos] == '\n' {
			return l.token(tokText, at), `a text is not closed: it needs "`
		}
		c := l.text[l.pos]
		if c == '"' {
			l.pos++
			break
		}
		if c == '\\' {
			var ok bool
			if c, ok = l.escape(); !ok {
				l.pos = min(l.pos+1, len(l.text))
				t := l.token(tokText, at)
				t.start = max(at, l.pos-2)
				l.toQuote()
				return t, `a backslash stands before \, ", n, r, t or x and two digits`
			}
		}
		b.WriteByte(c)
	}
	t := l.token(tokText, at)
	t.val = Text(b.String())
	return t, ""
}

// escape reads what a backslash begins, and stays on its last byte.
func (l *lexer) escape() (byte, bool) {
	l.pos++
	if l.pos >= len(l.text) {
		return 0, false
	}
	switch c := l.text[l.pos]; c {
	case 'n':
		return '\n', true
	case 't':
		return '\t', true
	case 'r':
		return '\r', true
	case '\\', '"':
		return c, true
	case 'x':
		if l.pos+2 < len(l.text) {
			if v, err := strconv.ParseUint(l.text[l.pos+1:l.pos+3], 16, 8); err == nil {
				l.pos += 2
				return byte(v), true
			}
		}
	}
	return 0, false
}

// toQuote goes behind the quote that ends a text with a mistake in it.
func (l *lexer) toQuote() {
	for l.pos < len(l.text) && l.text[l.pos] != '\n' {
		l.pos++
		if l.text[l.pos-1] == '"' {
			return
		}
	}
}

// slashes reads an expression that begins at an offset, with the letters
// behind it.
func (l *lexer) slashes(at int) (text string, letters string, msg string) {
	l.pos = at + 1
	for ; ; l.pos++ {
		if l.pos >= len(l.text) || l.text[l.pos] == '\n' {
			return "", "", "an expression is not closed: it needs /"
		}
		if l.text[l.pos] == '\\' && l.pos+1 < len(l.text) && l.text[l.pos+1] != '\n' {
			l.pos++
			continue
		}
		if l.text[l.pos] == '/' {
			break
		}
	}
	text = l.text[at+1 : l.pos]
	l.pos++
	from := l.pos
	for l.pos < len(l.text) && (l.text[l.pos] == 'i' || l.text[l.pos] == 's') {
		l.pos++
	}
	return text, l.text[from:l.pos], ""
}
