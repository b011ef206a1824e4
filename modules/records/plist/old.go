package plist

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An oldFile is a list in the form of NeXTSTEP: { name = value; } is a
// dictionary, ( value, value ) a list, <0fbd77> data. A text stands in quotes
// where it has more than letters, digits and a few signs. A file of
// translations is a dictionary without its braces. GNUstep writes other kinds
// as <*I5>, <*R0.5>, <*BY> and <*D2026-11-23 10:00:00 +0000>.
type oldFile struct {
	text string
	at   int
	left budget
}

func decodeOld(data []byte) (*Value, error) {
	if !utf8.Valid(data) {
		return nil, malformed("neither binary nor text")
	}
	f := &oldFile{text: string(data), left: newBudget()}
	v, err := f.root()
	if err != nil {
		return nil, err
	}
	if f.blank(); f.at < len(f.text) {
		return nil, f.wrong("the end")
	}
	return v, nil
}

// root reads the value at the top. A text alone is none: any file of one word
// would be a list.
func (f *oldFile) root() (*Value, error) {
	switch f.blank(); f.next() {
	case '{', '(':
		return f.value(0)
	case 0:
		return nil, malformed("it holds no value")
	}
	return f.dict(0, 0)
}

// wrong says what was to be where the file is.
func (f *oldFile) wrong(want string) error {
	return malformed("line %d: not %s", 1+strings.Count(f.text[:min(f.at, len(f.text))], "\n"), want)
}

// next is the byte that the file is at; 0 at the end.
func (f *oldFile) next() byte {
	if f.at < len(f.text) {
		return f.text[f.at]
	}
	return 0
}

// blank passes over white space and comments.
func (f *oldFile) blank() {
	for {
		rest := f.text[f.at:]
		f.at += len(rest) - len(strings.TrimLeft(rest, " \t\r\n\f\v\u2028\u2029"))
		rest = f.text[f.at:]
		end, is := 0, false
		switch {
		case strings.HasPrefix(rest, "//"):
			end, is = strings.IndexAny(rest, "\r\n"), true
		case strings.HasPrefix(rest, "/*"):
			if end = strings.Index(rest[2:], "*/"); end >= 0 {
				end += len("/**/")
			}
			is = true
		}
		if !is {
			return
		}
		if end < 0 {
			end = len(rest)
		}
		f.at += end
	}
}

// expect passes over a sign.
func (f *oldFile) expect(c byte) error {
	if f.blank(); f.next() != c {
		return f.wrong(strconv.QuoteRune(rune(c)))
	}
	f.at++
	return nil
}

func (f *oldFile) value(depth int) (*Value, error) {
	if depth >= maxDepth {
		return nil, errDeep
	}
	switch f.blank(); f.next() {
	case '{':
		f.at++
		return f.dict('}', depth)
	case '(':
		f.at++
		return f.array(depth)
	case '<':
		return f.angle()
	}
	text, err := f.word()
	if err != nil {
		return nil, err
	}
	return &Value{Kind: Text, text: text}, f.left.take(1, len(text))
}

// dict reads a dictionary up to its end, which is the file's for 0.
func (f *oldFile) dict(end byte, depth int) (*Value, error) {
	v := &Value{Kind: Dict}
	if err := f.left.take(1, 0); err != nil {
		return nil, err
	}
	for {
		if f.blank(); f.next() == end && (end != 0 || f.at == len(f.text)) {
			f.at = min(f.at+1, len(f.text))
			return v, nil
		}
		key, err := f.word()
		if err != nil {
			return nil, err
		}
		if err := f.left.take(0, len(key)); err != nil {
			return nil, err
		}
		item := &Value{Kind: Text, text: key} // a name alone says itself
		if f.blank(); f.next() == '=' || end == 0 {
			if err := f.expect('='); err != nil {
				return nil, err
			}
			if item, err = f.value(depth + 1); err != nil {
				return nil, err
			}
		} else if err := f.left.take(1, len(key)); err != nil {
			return nil, err
		}
		if f.blank(); f.next() != end || end == 0 { // the last ; may be left out
			if err := f.expect(';'); err != nil {
				return nil, err
			}
		}
		v.keys, v.list = append(v.keys, key), append(v.list, item)
	}
}

func (f *oldFile) array(depth int) (*Value, error) {
	v := &Value{Kind: List}
	if err := f.left.take(1, 0); err != nil {
		return nil, err
	}
	for {
		if f.blank(); f.next() == ')' {
			f.at++
			return v, nil
		}
		item, err := f.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v.list = append(v.list, item)
		if f.blank(); f.next() != ')' {
			if err := f.expect(','); err != nil {
				return nil, err
			}
		}
	}
}

// angle reads data, or what GNUstep writes in its place.
func (f *oldFile) angle() (*Value, error) {
	rest := f.text[f.at+1:]
	end := strings.IndexByte(rest, '>')
	if end < 0 {
		return nil, f.wrong("data that ends")
	}
	body := rest[:end]
	v, ok := gnuValue(body)
	if !ok && !strings.HasPrefix(body, "*") {
		b, err := hex.DecodeString(strings.Join(strings.Fields(body), ""))
		v, ok = &Value{Kind: Data, text: string(b)}, err == nil
	}
	if !ok {
		return nil, f.wrong("data in hexadecimal")
	}
	f.at += end + 2
	return v, f.left.take(1, len(v.text))
}

func gnuValue(body string) (*Value, bool) {
	if len(body) < 3 || body[0] != '*' {
		return nil, false
	}
	text := strings.Trim(body[2:], `"`)
	switch body[1] {
	case 'I':
		v, err := integer(text)
		return v, err == nil
	case 'R':
		r, err := strconv.ParseFloat(text, 64)
		return &Value{Kind: Real, bits: math.Float64bits(r)}, err == nil
	case 'B':
		v := &Value{Kind: Bool}
		if text == "Y" {
			v.bits = 1
		}
		return v, text == "Y" || text == "N"
	case 'D':
		t, err := time.Parse("2006-01-02 15:04:05 -0700", text)
		if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
			return nil, false
		}
		return dateOf(t), true
	}
	return nil, false
}

// word reads a text, with or without quotes.
func (f *oldFile) word() (string, error) {
	quote := f.next()
	if quote == '"' || quote == '\'' {
		return f.quoted(quote)
	}
	start := f.at
	for f.at < len(f.text) {
		c := f.text[f.at]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_$/:.-", c) >= 0) {
			break
		}
		f.at++
	}
	if start == f.at {
		return "", f.wrong("a text")
	}
	return f.text[start:f.at], nil
}

func (f *oldFile) quoted(quote byte) (string, error) {
	var b strings.Builder
	for f.at++; f.at < len(f.text); {
		c := f.text[f.at]
		f.at++
		switch c {
		case quote:
			return b.String(), nil
		case '\\':
			if err := f.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", f.wrong("a text that ends")
}

// escape reads what stands after a backslash.
func (f *oldFile) escape(b *strings.Builder) error {
	c := f.next()
	f.at++
	switch {
	case c == 'U' || c == 'u':
		return f.units(b)
	case c >= '0' && c <= '7':
		digits := f.text[f.at-1 : min(f.at+2, len(f.text))]
		end := len(digits) - len(strings.TrimLeft(digits, "01234567"))
		n, err := strconv.ParseUint(digits[:end], 8, 7)
		if err != nil {
			return f.wrong("a sign of ASCII") // beyond it is a set of signs of NeXTSTEP's own
		}
		b.WriteByte(byte(n))
		f.at += end - 1
		return nil
	}
	if i := strings.IndexByte("abfnrtv", c); i >= 0 {
		c = "\a\b\f\n\r\t\v"[i]
	}
	if c >= utf8.RuneSelf || c == 0 {
		return f.wrong("an escape")
	}
	b.WriteByte(c)
	return nil
}

// units reads one or two units of UTF-16 in hexadecimal.
func (f *oldFile) units(b *strings.Builder) error {
	raw := make([]byte, 0, 4)
	for {
		unit, err := hex.DecodeString(f.text[min(f.at, len(f.text)):min(f.at+4, len(f.text))])
		if err != nil || len(unit) != 2 {
			return f.wrong("four digits")
		}
		raw = append(raw, unit...)
		f.at += 4
		rest := f.text[min(f.at, len(f.text)):]
		if len(raw) == 4 || raw[0]&0xfc != 0xd8 || !strings.HasPrefix(rest, `\U`) && !strings.HasPrefix(rest, `\u`) {
			break
		}
		f.at += 2
	}
	b.WriteString(textOf16(raw, binary.BigEndian))
	return nil
}
