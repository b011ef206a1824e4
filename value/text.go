package value

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// String writes the value for eyes. Control characters, bidirectional controls, invisible characters and
// invalid UTF-8 become escapes (\n, \x1b, \u202e, \xff), so that evidence cannot harm a terminal; the
// backslash itself stays as it is. A size is an exact binary unit or a plain number, a mode is as in ls -l,
// a hash lower-case hex, Null is empty. Literal is the form that can be read back.
func (v Value) String() string {
	switch v.typ {
	case Text, Version:
		return EscapeText(v.text)
	case Size:
		return binarySize(int64(v.hi))
	case Mode:
		return FormatMode(uint32(v.hi))
	case Bytes, Hash:
		return hexText(v.text)
	case List:
		return v.join("[", "]", Value.String)
	case Float:
		return strconv.FormatFloat(math.Float64frombits(v.hi), 'g', -1, 64)
	case Null:
		return ""
	}
	return v.plain()
}

// Literal writes the value as the query language does, in one line of printable characters. Text, hashes,
// versions and modes are quoted, and a column gives them back their type (see Convert); a list is in
// parentheses; Null, NaN and the infinities, which have no literal, are null.
func (v Value) Literal() string {
	switch v.typ {
	case Text, Version:
		return quoteText(v.text)
	case Bytes:
		return `x"` + hexText(v.text) + `"`
	case Hash:
		return `"` + hexText(v.text) + `"`
	case Mode:
		return `"0` + strconv.FormatUint(v.hi, 8) + `"`
	case Size:
		return FormatSize(int64(v.hi))
	case List:
		return v.join("(", ")", Value.Literal)
	case Float:
		return floatLiteral(math.Float64frombits(v.hi))
	case Null:
		return "null"
	}
	return v.plain()
}

// plain writes the types that look the same to eyes, in a query and in JSON text.
func (v Value) plain() string {
	switch v.typ {
	case Int:
		return strconv.FormatInt(int64(v.hi), 10)
	case Bool:
		return strconv.FormatBool(v.hi == 1)
	case Duration:
		return FormatDuration(time.Duration(v.hi))
	case Time:
		return v.Time().Format(time.RFC3339Nano)
	case IP:
		if v.text != "" {
			return v.addr().String() + "%" + EscapeText(v.text)
		}
		return v.addr().String()
	case CIDR:
		return v.CIDR().String()
	}
	return ""
}

func (v Value) join(open, end string, write func(Value) string) string {
	var b strings.Builder
	b.WriteString(open)
	for i, e := range v.List() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(write(e))
	}
	b.WriteString(end)
	return b.String()
}

// floatLiteral always has a point or an exponent, so that it reads back as a float.
func floatLiteral(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "null"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.ContainsAny(s, ".e") {
		return s
	}
	return s + ".0"
}

const hexDigits = "0123456789abcdef"

func hexText(raw string) string {
	b := make([]byte, 0, 2*len(raw))
	for i := 0; i < len(raw); i++ {
		b = append(b, hexDigits[raw[i]>>4], hexDigits[raw[i]&15])
	}
	return string(b)
}

// EscapeText makes every character visible that could steer a terminal or hide from the reader: controls,
// bidirectional controls, invisible characters, unusual blanks, bytes that are not UTF-8. What a build server
// would obey where it reads its log, such as ::stop-commands::x and ##vso[…], is broken by the escape of one sign.
func EscapeText(s string) string {
	if isPlainASCII(s) {
		return s
	}
	return string(appendEscaped(make([]byte, 0, len(s)+16), s, false))
}

// EscapeLines is EscapeText for a text of several lines, such as an error with its hint: their ends stay.
func EscapeLines(s string) string {
	if !strings.Contains(s, "\n") {
		return EscapeText(s)
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = EscapeText(l)
	}
	return strings.Join(lines, "\n")
}

func quoteText(s string) string {
	b := append(make([]byte, 0, len(s)+2), '"')
	return string(append(appendEscaped(b, s, true), '"'))
}

func isPlainASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' || s[i] == '#' && obeyed(s, i) {
			return false
		}
	}
	return startOfCommand(s) < 0
}

// obeyed says whether the # at i is the second one of ##[ or ##word[, wherever that stands: Azure Pipelines,
// TeamCity and older runners of GitHub take commands from it.
func obeyed(s string, i int) bool {
	if i == 0 || s[i-1] != '#' {
		return false
	}
	for i++; i < len(s) && (s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z'); i++ {
	}
	return i < len(s) && s[i] == '['
}

// startOfCommand gives where a text begins with ::word as GitHub's runners have commands, or -1. A word of
// hexadecimal digits alone is an address of IPv6, and no command is called like that.
func startOfCommand(s string) int {
	at := len(s) - len(strings.TrimLeft(s, " \t\r\n\v\f"))
	word, ok := strings.CutPrefix(s[at:], "::")
	if !ok {
		return -1
	}
	for i := 0; i < len(word) && (word[i] == '-' || word[i]|0x20 >= 'a' && word[i]|0x20 <= 'z'); i++ {
		if word[i] == '-' || word[i]|0x20 > 'f' {
			return at
		}
	}
	return -1
}

func appendEscaped(dst []byte, s string, quoted bool) []byte {
	command := -1
	if !quoted { // what is in quotes is at no line's beginning
		command = startOfCommand(s)
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, '\\', 'x', hexDigits[s[i]>>4], hexDigits[s[i]&15])
		case quoted && (r == '"' || r == '\\'):
			dst = append(dst, '\\', byte(r))
		case i == command || r == '#' && obeyed(s, i):
			dst = appendRuneEscape(dst, r)
		case isVisible(r):
			dst = append(dst, s[i:i+n]...)
		default:
			dst = appendRuneEscape(dst, r)
		}
		i += n
	}
	return dst
}

func appendRuneEscape(dst []byte, r rune) []byte {
	switch r {
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	switch {
	case r < utf8.RuneSelf:
		return append(dst, '\\', 'x', hexDigits[r>>4], hexDigits[r&15])
	case r <= 0xffff:
		return appendHex4(append(dst, '\\', 'u'), r)
	}
	return appendHex4(appendHex4(append(dst, '\\', 'U'), r>>16), r&0xffff)
}

func appendHex4(dst []byte, r rune) []byte {
	return append(dst, hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// isVisible adds to strconv.IsPrint the characters that Unicode counts as letters, marks or symbols but
// that leave no trace on a screen.
func isVisible(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r >= ' ' && r <= '~'
	case r == 0x034f, r == 0x115f, r == 0x1160, r == 0x17b4, r == 0x17b5, r == 0x2800, r == 0x3164, r == 0xffa0,
		r >= 0x180b && r <= 0x180f, r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0000 && r <= 0xe0fff:
		return false
	}
	return strconv.IsPrint(r)
}
