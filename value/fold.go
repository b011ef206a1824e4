package value

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// NOCASE compares by Unicode's simple case folding, one character with one: k, K and the Kelvin sign are
// equal, ß and ss are not. Bytes that are not UTF-8 are equal to themselves alone.

// FoldEqual reports whether s and t are equal but for case.
func FoldEqual(s, t string) bool { return unitPrefix(s, t, true) == len(s) }

// FoldHasPrefix reports whether s begins with prefix but for case.
func FoldHasPrefix(s, prefix string) bool { return unitPrefix(s, prefix, true) >= 0 }

// FoldHasSuffix reports whether s ends with suffix but for case.
func FoldHasSuffix(s, suffix string) bool {
	// A character and its folded form may differ in length, so the characters are counted from the end.
	at := len(s)
	for rest := suffix; rest != ""; {
		if at == 0 {
			return false
		}
		_, n := utf8.DecodeLastRuneInString(rest)
		_, m := utf8.DecodeLastRuneInString(s[:at])
		rest, at = rest[:len(rest)-n], at-m
	}
	return FoldEqual(s[at:], suffix)
}

// FoldContains reports whether s contains sub but for case. It takes at most len(s) × len(sub) steps.
func FoldContains(s, sub string) bool {
	if sub == "" {
		return true
	}
	first, _ := decodeUnit(sub)
	if first < utf8.RuneSelf && foldNext(first) == first {
		// A first character without case can be searched for.
		for at := strings.IndexByte(s, byte(first)); at >= 0; {
			if unitPrefix(s[at:], sub, true) >= 0 {
				return true
			}
			next := strings.IndexByte(s[at+1:], byte(first))
			if next < 0 {
				return false
			}
			at += 1 + next
		}
		return false
	}
	for s != "" {
		r, n := decodeUnit(s)
		if foldSame(r, first) && unitPrefix(s, sub, true) >= 0 {
			return true
		}
		s = s[n:]
	}
	return false
}

// invalidByte is where decodeUnit puts bytes that are not UTF-8: among the surrogates, which UTF-8 lacks.
const invalidByte = 0xdc00

// decodeUnit gives the first character of s, which is not empty, or its first byte as a unit of its own.
func decodeUnit(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		r = invalidByte + rune(s[0])
	}
	return r, n
}

// unitPrefix gives how many bytes of s the prefix covers, character by character, or -1.
func unitPrefix(s, prefix string, fold bool) int {
	at := 0
	for prefix != "" {
		if at == len(s) {
			return -1
		}
		p, n := decodeUnit(prefix)
		r, m := decodeUnit(s[at:])
		if r != p && !(fold && foldSame(r, p)) {
			return -1
		}
		prefix, at = prefix[n:], at+m
	}
	return at
}

func foldSame(a, b rune) bool {
	if a == b {
		return true
	}
	for f := foldNext(a); f != a; f = foldNext(f) {
		if f == b {
			return true
		}
	}
	return false
}

func foldNext(r rune) rune {
	if r >= invalidByte && r <= invalidByte+0xff {
		return r
	}
	return unicode.SimpleFold(r)
}
