package value

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON writes the value as JSON (RFC 8259):
//
//   - text as a string; a byte that is not UTF-8 becomes the lone surrogate \udc80 to \udcff, as Python's
//     surrogateescape does, so that json.loads(…).encode("utf-8", "surrogateescape") gives the bytes back;
//   - int and size (in bytes) as numbers; mode as the text of ls -l;
//   - float as the shortest number that reads back, NaN and the infinities as null;
//   - duration as seconds, with as many digits after the point as are needed;
//   - time in RFC 3339 and UTC; ip, cidr, hash and version as strings; bytes in base64;
//   - list as an array, Null as null.
func AppendJSON(dst []byte, v Value) []byte {
	switch v.typ {
	case Text, Version:
		return appendJSONText(dst, v.text)
	case Bytes:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), []byte(v.text)), '"')
	case Int, Size:
		return strconv.AppendInt(dst, int64(v.hi), 10)
	case Float:
		return appendJSONFloat(dst, math.Float64frombits(v.hi))
	case Bool:
		return strconv.AppendBool(dst, v.hi == 1)
	case Duration:
		return appendSeconds(dst, time.Duration(v.hi))
	case IP:
		a := v.addr().String()
		if v.text != "" {
			a += "%" + v.text
		}
		return appendJSONText(dst, a)
	case Time, CIDR, Hash, Mode:
		return append(append(append(dst, '"'), v.String()...), '"')
	case List:
		dst = append(dst, '[')
		for i, e := range v.List() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, e)
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}

func appendJSONFloat(dst []byte, f float64) []byte {
	switch a := math.Abs(f); {
	case math.IsNaN(f), math.IsInf(f, 0):
		return append(dst, "null"...)
	case a != 0 && (a < 1e-6 || a >= 1e21):
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendSeconds(dst []byte, d time.Duration) []byte {
	n := magnitude(int64(d))
	if d < 0 {
		dst = append(dst, '-')
	}
	dst = strconv.AppendUint(dst, n/1e9, 10)
	frac := n % 1e9
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for pow := uint64(1e8); frac > 0; pow /= 10 {
		dst = append(dst, byte('0'+frac/pow))
		frac %= pow
	}
	return dst
}

// EscapeJSON makes visible in a document of JSON what EscapeText makes visible in a text. The document, which
// must be well-formed, means what it did: what is escaped can stand in its texts alone.
func EscapeJSON(doc []byte) []byte {
	s := string(doc)
	if isPlainASCII(s) {
		return doc
	}
	dst := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n' || r == '\t' || r == '\r' || isVisible(r) && (r != '#' || !obeyed(s, i)):
			dst = append(dst, s[i:i+n]...)
		default:
			dst = appendUnicode(dst, r)
		}
		i += n
	}
	return dst
}

// appendUnicode escapes a character as JSON has it.
func appendUnicode(dst []byte, r rune) []byte {
	if r > 0xffff {
		dst = appendHex4(append(dst, `\u`...), 0xd800+(r-0x10000)>>10)
		r = 0xdc00 + (r-0x10000)&0x3ff
	}
	return appendHex4(append(dst, `\u`...), r)
}

// appendJSONText escapes what EscapeText does, since JSON lines end up on terminals too.
func appendJSONText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = appendHex4(append(dst, `\u`...), 0xdc00+rune(s[i]))
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case isVisible(r) && (r != '#' || !obeyed(s, i)):
			dst = append(dst, s[i:i+n]...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		default:
			dst = appendUnicode(dst, r)
		}
		i += n
	}
	return append(dst, '"')
}
