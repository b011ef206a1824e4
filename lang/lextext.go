package lang

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/value"
)

func textToken(text string) token { return token{kind: kindText, val: value.NewText(text)} }

func bareToken(text string) token { return token{kind: kindBare, val: value.NewText(text)} }

// quoted reads "…" with the escapes of Go.
func (s *scanner) quoted() {
	start := s.pos
	text, ok := s.quotedText()
	t := textToken(text)
	t.bad = !ok
	s.emit(t, start)
}

// quotedText reads "…" and reports what is wrong in it.
func (s *scanner) quotedText() (string, bool) {
	start, ok := s.pos, true
	s.pos++
	var b strings.Builder
	for s.pos < len(s.text) && s.text[s.pos] != '\n' {
		if s.text[s.pos] == '"' {
			s.pos++
			return b.String(), ok
		}
		if s.text[s.pos] != '\\' {
			b.WriteByte(s.text[s.pos])
			s.pos++
			continue
		}
		r, multi, tail, err := strconv.UnquoteChar(s.rest(), '"')
		if err != nil {
			ok = false
			s.badEscape()
			continue
		}
		if r < utf8.RuneSelf || !multi {
			b.WriteByte(byte(r))
		} else {
			b.WriteRune(r)
		}
		s.pos = len(s.text) - len(tail)
	}
	s.report(unterminatedText(Span{start, s.pos}, '"'))
	return b.String(), false
}

// badEscape reports the escape here and steps over its first two characters,
// but never over the end of the line.
func (s *scanner) badEscape() {
	start := s.pos
	s.pos++
	if s.pos < len(s.text) && s.text[s.pos] != '\n' {
		_, n := utf8.DecodeRuneInString(s.rest())
		s.pos += n
		s.report(badEscape(Span{start, s.pos}, s.text[start:s.pos]))
	}
}

// raw reads '…', where ” is a quote and nothing else is special.
func (s *scanner) raw() {
	start := s.pos
	s.pos++
	var b strings.Builder
	for s.pos < len(s.text) && s.text[s.pos] != '\n' {
		c := s.text[s.pos]
		s.pos++
		if c != '\'' {
			b.WriteByte(c)
			continue
		}
		if s.byteAt(0) != '\'' {
			s.emit(textToken(b.String()), start)
			return
		}
		b.WriteByte(c)
		s.pos++
	}
	s.report(unterminatedText(Span{start, s.pos}, '\''))
	t := textToken(b.String())
	t.bad = true
	s.emit(t, start)
}

// hexBytes reads x"4d5a".
func (s *scanner) hexBytes() {
	start := s.pos
	quote := s.byteAt(1)
	s.pos += 2
	i := strings.IndexAny(s.rest(), string(quote)+"\n")
	t := token{kind: kindValue}
	if i < 0 || s.text[s.pos+i] == '\n' {
		s.toLineEnd()
		s.report(unterminatedText(Span{start + 1, s.pos}, rune(quote)))
		t.bad = true
		s.emit(t, start)
		return
	}
	digits := s.text[s.pos : s.pos+i]
	s.pos += i + 1
	raw, err := hex.DecodeString(digits)
	if err != nil {
		s.report(badBytes(Span{start, s.pos}, digits))
		t.bad = true
	}
	t.val = value.NewBytes(raw)
	s.emit(t, start)
}

// smartQuoted reads what stands between curly quotes as the text that was
// meant, and complains.
func (s *scanner) smartQuoted(open rune) {
	start := s.pos
	s.pos += utf8.RuneLen(open)
	body := s.rest()
	if i := strings.IndexByte(body, '\n'); i >= 0 {
		body = body[:i]
	}
	end := strings.IndexFunc(body, func(r rune) bool { return isSmartQuote(r) || r == '"' || r == '\'' })
	if end < 0 {
		s.report(smartQuote(Span{start, s.pos}, ""))
		s.emitBad(start)
		return
	}
	_, n := utf8.DecodeRuneInString(body[end:])
	s.pos += end + n
	s.report(smartQuote(Span{start, s.pos}, body[:end]))
	t := textToken(body[:end])
	t.bad = true
	s.emit(t, start)
}

func isSmartQuote(r rune) bool {
	return r >= '\u2018' && r <= '\u201f' || r == '\u00ab' || r == '\u00bb' || r == '\u00b4'
}

// unquotedRegex looks at what follows MATCHES: a regular expression without
// quotes would fall to pieces under the ordinary rules.
func (s *scanner) unquotedRegex() bool {
	c := s.text[s.pos]
	if c == '"' || c == '\'' || c == '$' || c == '@' || c == '(' || (c == 'x' || c == 'X') && (s.byteAt(1) == '"' || s.byteAt(1) == '\'') {
		return false
	}
	word := s.rest()
	if i := strings.IndexAny(word, " \t\r\n;"); i >= 0 {
		word = word[:i]
	}
	word = trimUnopened(strings.TrimRight(word, ","))
	first, _ := utf8.DecodeRuneInString(word)
	name := readName(word)
	if word == "" || isSmartQuote(first) || name != "" && (name == word || word[len(name)] == '(' || isDotted(word)) {
		return false
	}
	start := s.pos
	s.pos += len(word)
	s.report(unquotedRegex(Span{start, s.pos}, word))
	t := textToken(word)
	t.bad = true
	s.emit(t, start)
	return true
}

// trimUnopened cuts the parentheses at the end that the word did not open.
func trimUnopened(word string) string {
	excess := strings.Count(word, ")") - strings.Count(word, "(")
	for ; excess > 0 && strings.HasSuffix(word, ")"); excess-- {
		word = word[:len(word)-1]
	}
	return word
}

func isDotted(word string) bool {
	for part := range strings.SplitSeq(word, ".") {
		if !isPlainName(part) {
			return false
		}
	}
	return true
}
