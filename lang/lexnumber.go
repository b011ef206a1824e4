package lang

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// hashDigits are the lengths of digests in hex: MD5, SHA-1, SHA-224, SHA-256,
// SHA-384 and SHA-512.
func isHash(word string) bool {
	switch len(word) {
	case 32, 40, 56, 64, 96, 128:
	default:
		return false
	}
	for i := 0; i < len(word); i++ {
		if !isHex(word[i]) {
			return false
		}
	}
	return true
}

// number reads what begins with a digit: a number with or without a unit, a
// time, an address, a hash, a version.
func (s *scanner) number() {
	start := s.pos
	if n := datePrefix(s.rest()); n > 0 {
		s.time(n)
		return
	}
	word := numberWord(s.rest())
	if isHash(word) {
		s.pos += len(word)
		s.emit(bareToken(word), start)
		return
	}
	if strings.Count(word, ":") >= 2 && s.tryAddress() {
		return
	}
	word = strings.TrimRight(word, ":")
	if strings.Count(word, ".") == 3 && s.tryAddress() {
		return
	}
	if n := floatLength(s.rest()); n > 0 && (n >= len(word)) {
		s.plainNumber(n)
		return
	}
	if strings.Count(word, ".") >= 2 {
		s.pos += versionLength(s.rest())
		s.emit(bareToken(s.text[start:s.pos]), start)
		return
	}
	s.pos += len(word)
	s.withUnit(word, start)
}

// datePrefix gives the length of a date in front, well formed or not, or 0.
func datePrefix(text string) int {
	digits := func(from int) int {
		n := from
		for n < len(text) && isDigit(text[n]) {
			n++
		}
		return n
	}
	y := digits(0)
	if y != 4 || y >= len(text) || text[y] != '-' {
		return 0
	}
	m := digits(y + 1)
	if m == y+1 || m > y+3 || m >= len(text) || text[m] != '-' {
		return 0
	}
	d := digits(m + 1)
	if d == m+1 || d > m+3 {
		return 0
	}
	return d
}

// time reads a date of n bytes and the clock that may follow it.
func (s *scanner) time(n int) {
	start := s.pos
	s.pos += n
	if (s.byteAt(0) == 'T' || s.byteAt(0) == 't') && isDigit(s.byteAt(1)) {
		s.pos++
		for isDigit(s.byteAt(0)) || (s.byteAt(0) == ':' || s.byteAt(0) == '.') && isDigit(s.byteAt(1)) {
			s.pos++
		}
		s.zone()
	}
	for isWordByte(s.byteAt(0)) {
		s.pos++ // so that 2026-11-23x is one wrong word, not two
	}
	word := s.text[start:s.pos]
	t, err := value.ParseTime(word)
	if err != nil {
		s.report(badTime(Span{start, s.pos}, word))
	}
	s.emit(token{kind: kindValue, val: value.NewTime(t), bad: err != nil}, start)
}

func (s *scanner) zone() {
	switch c := s.byteAt(0); {
	case c == 'Z' || c == 'z':
		s.pos++
	case (c == '+' || c == '-') && isDigit(s.byteAt(1)) && isDigit(s.byteAt(2)) && s.byteAt(3) == ':':
		s.pos += 4
		for isDigit(s.byteAt(0)) {
			s.pos++
		}
	}
}

// numberWord gives the letters, digits, points and colons in front, but not a
// point that no letter or digit follows.
func numberWord(text string) string {
	for i, r := range text {
		next := byte(0)
		if i+1 < len(text) {
			next = text[i+1]
		}
		switch {
		case r == 'µ', r == 'μ', r == ':', r < 0x80 && isWordByte(byte(r)):
		case r == '.' && isWordByte(next):
		default:
			return text[:i]
		}
	}
	return text
}

// floatLength gives the length of a whole or decimal number with an exponent.
func floatLength(text string) int {
	n := 0
	run := func() {
		for n < len(text) && isDigit(text[n]) {
			n++
		}
	}
	run()
	if n+1 < len(text) && text[n] == '.' && isDigit(text[n+1]) {
		n++
		run()
	}
	if n < len(text) && text[n]|0x20 == 'e' {
		back := n
		if n++; n < len(text) && (text[n] == '+' || text[n] == '-') {
			n++
		}
		from := n
		if run(); n == from {
			n = back
		}
	}
	if n < len(text) && (isWordByte(text[n]) || text[n] == '.' && n+1 < len(text) && isWordByte(text[n+1])) {
		return 0
	}
	return n
}

// plainNumber reads n bytes as a number without a unit. With a leading zero it
// is bare text: 0644 is a mode, never 644.
func (s *scanner) plainNumber(n int) {
	start := s.pos
	s.pos += n
	word := s.text[start:s.pos]
	if len(word) > 1 && word[0] == '0' && isDigit(word[1]) && !strings.ContainsAny(word, ".eE") {
		s.emit(bareToken(word), start)
		return
	}
	var v value.Value
	var err error
	if strings.ContainsAny(word, ".eE") {
		var f float64
		f, err = strconv.ParseFloat(word, 64)
		v = value.NewFloat(f)
	} else {
		var i int64
		i, err = strconv.ParseInt(word, 10, 64)
		v = value.NewInt(i)
	}
	if err != nil {
		s.report(numberOverflow(Span{start, s.pos}, word))
	}
	s.emit(token{kind: kindValue, val: v, bad: err != nil}, start)
}

// versionLength takes in what a version may hold after its numbers.
func versionLength(text string) int {
	n := 0
	for n < len(text) && (isWordByte(text[n]) || strings.IndexByte(".+~-", text[n]) >= 0 && n+1 < len(text) && isWordByte(text[n+1])) {
		n++
	}
	return n
}

// withUnit gives the word that began at start its meaning as a size or a
// duration.
func (s *scanner) withUnit(word string, start int) {
	t := token{kind: kindValue}
	if n, err := value.ParseSize(word); err == nil {
		t.val = value.NewSize(n)
	} else if d, err := value.ParseDuration(word); err == nil {
		t.val = value.NewDuration(d)
	} else {
		t.bad = true
		s.report(badUnit(Span{start, s.pos}, word))
	}
	s.emit(t, start)
}

func (s *scanner) leadingPoint() {
	start := s.pos
	s.pos++
	for isWordByte(s.byteAt(0)) {
		s.pos++
	}
	word := s.text[start:s.pos]
	s.report(leadingPoint(Span{start, s.pos}, word))
	s.emit(token{kind: kindValue, bad: true}, start)
}

// colonAhead reports whether the hex digits here run into a colon, as those of
// an IPv6 address do.
func (s *scanner) colonAhead() bool {
	n := 0
	for isHex(s.byteAt(n)) && n < 5 {
		n++
	}
	return s.byteAt(n) == ':' && !isDrive(s.rest())
}

// address reads what begins like an IPv6 address.
func (s *scanner) address() {
	if s.tryAddress() {
		return
	}
	if s.text[s.pos] != ':' {
		s.wordOrStray()
		return
	}
	s.stray()
}

// tryAddress reads an address or a network if there is one here.
func (s *scanner) tryAddress() bool {
	start, n := s.pos, 0
	for isHex(s.byteAt(n)) || s.byteAt(n) == ':' || s.byteAt(n) == '.' && isHex(s.byteAt(n+1)) {
		n++
	}
	text := s.text[start : start+n]
	if strings.Contains(text, ":") && s.byteAt(n) == '%' && isWordByte(s.byteAt(n+1)) {
		for n++; isWordByte(s.byteAt(n)) || s.byteAt(n) == '.' || s.byteAt(n) == '-'; n++ {
		}
		text = s.text[start : start+n]
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || isWordByte(s.byteAt(n)) {
		return false
	}
	if s.byteAt(n) != '/' || !isDigit(s.byteAt(n+1)) {
		s.pos += n
		s.emit(token{kind: kindValue, val: value.NewIP(addr)}, start)
		return true
	}
	for n++; isWordByte(s.byteAt(n)); n++ {
	}
	s.pos += n
	prefix, err := netip.ParsePrefix(s.text[start:s.pos])
	if err != nil {
		s.report(badNetwork(Span{start, s.pos}, addr))
	}
	s.emit(token{kind: kindValue, val: value.NewCIDR(prefix), bad: err != nil}, start)
	return true
}

// percent takes the sign of WITH cpu = 10%, which says what the number is
// anyway. Before anything that could be divided by it stays an operator, as it
// is everywhere else.
func (s *scanner) percent() {
	n := len(s.toks) - 1
	if s.byteAt(0) != '%' || n < 3 || !(s.toks[n-3].is("WITH") || s.toks[n-3].is(",")) ||
		s.toks[n-2].kind != kindIdent || s.toks[n-2].text != "cpu" || !s.toks[n-1].is("=") {
		return
	}
	if next := s.byteAt(1); next == 0 || next == ',' || next == ';' || isBlank(next) {
		s.pos++
		s.toks[n].span.End = s.pos
	}
}
