package value

import (
	"fmt"
	"unicode/utf8"
)

// MaxPattern is the longest glob or LIKE pattern, in bytes. It bounds the time of a match.
const MaxPattern = 4096

// LikePattern is a compiled pattern of LIKE. It is safe for use by several goroutines.
type LikePattern struct{ w wildcard }

// CompileLike compiles an SQL pattern: % is any text, _ one character, and \ takes the next character as it
// is. With fold, case does not matter. A pattern that ends in a lone \ or is longer than MaxPattern is an
// error.
func CompileLike(pattern string, fold bool) (*LikePattern, error) {
	if len(pattern) > MaxPattern {
		return nil, fmt.Errorf("the LIKE pattern has %d bytes: at most %d are allowed", len(pattern), MaxPattern)
	}
	var ops []op
	for i := 0; i < len(pattern); {
		_, n := utf8.DecodeRuneInString(pattern[i:])
		o := op{text: pattern[i : i+n]}
		switch pattern[i] {
		case '%':
			o = op{kind: opStar}
		case '_':
			o = op{kind: opOne}
		case '\\':
			if i++; i == len(pattern) {
				return nil, fmt.Errorf("the LIKE pattern %q ends in a backslash: write \\\\ for one", pattern)
			}
			_, n = utf8.DecodeRuneInString(pattern[i:])
			o.text = pattern[i : i+n]
		}
		ops = appendOp(ops, o)
		i += n
	}
	return &LikePattern{newWildcard(ops, fold)}, nil
}

// Match reports whether the whole of s fits the pattern.
func (p *LikePattern) Match(s string) bool { return p.w.match(s) }

// Like reports whether the whole of s fits the pattern; a pattern that does not compile fits nothing.
// Whoever matches more than once uses CompileLike.
func Like(pattern, s string, fold bool) bool {
	p, err := CompileLike(pattern, fold)
	return err == nil && p.Match(s)
}
