package sql

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokQuoted // a name in quotes
	tokText
	tokNumber
	tokBlob
	tokSign
)

// A token is a word or sign. Upper is a word in upper case, for keywords.
type token struct {
	kind        tokenKind
	at, end     int
	text, upper string
}

// lexer cuts a text into tokens and comments.
type lexer struct {
	src      string
	at       int
	toks     []token
	comments []Comment
}

func lex(src string) ([]token, []Comment, error) {
	if !utf8.ValidString(src) {
		at := 0
		for at < len(src) {
			c, n := utf8.DecodeRuneInString(src[at:])
			if c == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		return nil, nil, &Error{at, "this is not UTF-8"}
	}
	l := &lexer{src: src}
	for {
		more, err := l.next()
		if err != nil {
			return nil, nil, err
		}
		if !more {
			return l.toks, l.comments, nil
		}
		if len(l.toks) > maxTokens {
			return nil, nil, &Error{l.at, "it has too many words"}
		}
	}
}

func (l *lexer) add(kind tokenKind, end int, text string) {
	t := token{kind: kind, at: l.at, end: end, text: text}
	if kind == tokWord {
		t.upper = strings.ToUpper(text)
	}
	l.toks = append(l.toks, t)
	l.at = end
}

// next reads one token or comment, and says whether there may be more.
func (l *lexer) next() (bool, error) {
	for l.at < len(l.src) && strings.IndexByte(" \t\r\n\f\v", l.src[l.at]) >= 0 {
		l.at++
	}
	rest := l.src[l.at:]
	switch {
	case rest == "":
		l.add(tokEnd, l.at, "")
		return false, nil
	case strings.HasPrefix(rest, "--"):
		line, _, _ := strings.Cut(rest, "\n")
		l.comments = append(l.comments, Comment{l.at, strings.TrimSpace(strings.TrimLeft(line, "-"))})
		l.at += len(line)
		return true, nil
	case strings.HasPrefix(rest, "/*"):
		i := strings.Index(rest[2:], "*/")
		if i < 0 {
			return false, &Error{l.at, "this comment has no end"}
		}
		l.comments = append(l.comments, Comment{l.at, strings.TrimSpace(rest[2 : i+2])})
		l.at += i + 4
		return true, nil
	}
	return true, l.token(rest)
}

func (l *lexer) token(rest string) error {
	c := rest[0]
	switch {
	case c == '\'':
		return l.quoted(rest, tokText, "text")
	case c == '"' || c == '`':
		return l.quoted(rest, tokQuoted, "name")
	case c == '[':
		i := strings.IndexByte(rest, ']')
		if i < 0 {
			return &Error{l.at, "this name has no end"}
		}
		l.add(tokQuoted, l.at+i+1, rest[1:i])
	case (c == 'x' || c == 'X') && len(rest) > 1 && rest[1] == '\'':
		i := strings.IndexByte(rest[2:], '\'')
		if i < 0 {
			return &Error{l.at, "these bytes have no end"}
		}
		l.add(tokBlob, l.at+i+3, rest[2:i+2])
	case digit(c) || c == '.' && len(rest) > 1 && digit(rest[1]):
		n := numberLength(rest)
		l.add(tokNumber, l.at+n, rest[:n])
	case letter(c):
		n := 1
		for n < len(rest) && (letter(rest[n]) || digit(rest[n]) || rest[n] == '$') {
			n++
		}
		l.add(tokWord, l.at+n, rest[:n])
	default:
		return l.sign(rest)
	}
	return nil
}

// signs are those of two and more characters, the longer ones first.
var signs = [...]string{"->>", "->", "==", "<>", "!=", "<=", ">=", "||", "<<", ">>"}

func (l *lexer) sign(rest string) error {
	for _, s := range signs {
		if strings.HasPrefix(rest, s) {
			l.add(tokSign, l.at+len(s), s)
			return nil
		}
	}
	if strings.IndexByte("()+-*/%&|~<>=,.;", rest[0]) < 0 {
		c, _ := utf8.DecodeRuneInString(rest)
		return &Error{l.at, "SQL has no sign " + string(c)}
	}
	l.add(tokSign, l.at+1, rest[:1])
	return nil
}

// quoted reads up to the closing quote; one that is doubled stands for itself.
func (l *lexer) quoted(rest string, kind tokenKind, what string) error {
	q := rest[0]
	for i := 1; i < len(rest); i++ {
		if rest[i] != q {
			continue
		}
		if i+1 < len(rest) && rest[i+1] == q {
			i++
			continue
		}
		two := string([]byte{q, q})
		l.add(kind, l.at+i+1, strings.ReplaceAll(rest[1:i], two, two[:1]))
		return nil
	}
	return &Error{l.at, "this " + what + " has no end"}
}

func numberLength(s string) int {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		n := 2
		for n < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[n]) >= 0 {
			n++
		}
		return n
	}
	n := 0
	digits := func() {
		for n < len(s) && digit(s[n]) {
			n++
		}
	}
	digits()
	if n < len(s) && s[n] == '.' {
		n++
		digits()
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		e := n + 1
		if e < len(s) && (s[e] == '+' || s[e] == '-') {
			e++
		}
		if e < len(s) && digit(s[e]) {
			n = e
			digits()
		}
	}
	return n
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
