// Package search finds byte patterns in the content of files: literals, long
// lists of literals, and regular expressions.
//
// Compile turns patterns into a Set, which goroutines share; each takes a
// Scanner from it. Scanner.Whole asks one pattern of a content in memory;
// Scanner.Start, Want and Feed ask several of a stream in chunks, with the
// same answers wherever the chunks are cut; Scanner.Matches says where, and
// Scanner.Cut where a content can be cut for it.
//
// A content is bytes. A literal stands where its bytes stand. A regular
// expression has the syntax and the meaning of the standard library's regexp
// on a []byte, with (?m) set: ^ and $ match at the edges of lines, a dot
// matches anything but a newline. As there, bytes are decoded as UTF-8, and a
// byte that is not part of valid UTF-8 counts as one character U+FFFD: a dot
// and a negated class match it, `é` matches the two bytes C3 A9, and `\xE9`
// the same two, not the one byte E9.
//
// Fold ignores case. In a literal or a list entry the ASCII letters fold, and
// no other byte matches them; one that is valid UTF-8 and holds letters beyond
// ASCII folds by Unicode simple folding throughout, as (?i) does. In an
// expression Fold is (?i).
//
// The package reads no files and must not be used to match names or paths: it
// knows neither separators nor globs.
package search

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what Compile takes.
const (
	// MaxPatterns is the number of patterns of a Set: each is a pass over
	// every content.
	MaxPatterns = 1024
	// MaxLiteral is the length of a literal or list entry in bytes: so much,
	// less one, is kept of a stream between chunks.
	MaxLiteral = 64 << 10
	// MaxList is the number of entries of a list, for which memory is
	// planned at 100 bytes an entry.
	MaxList = 1_000_000
	// MaxListBytes is the sum of the lengths of a list's entries: offsets
	// into them take four bytes, and an agent is not a database.
	MaxListBytes = 256 << 20
	// MaxWideFold is the number of entries of a list that fold beyond ASCII:
	// they are sought as one expression.
	MaxWideFold = 64
	// MaxRegexp is the length of an expression in bytes: what a person or a
	// rule writes is shorter, and parsing is not free.
	MaxRegexp = 4 << 10
	// MaxProgram is the number of instructions of a compiled expression: a
	// state of the automaton takes up to four bytes for each.
	MaxProgram = 8192
	// maxStates is the memory for automaton states of a Scanner in bytes,
	// shared among its expressions; past it states are made again.
	maxStates = 2 << 20
	// minStates is the least of it that one expression gets, in bytes: room
	// for the states of a simple expression.
	minStates = 32 << 10
)

// Causes of refusal; an error of Compile wraps one of them where it applies.
var (
	ErrEmpty     = errors.New("pattern is empty")
	ErrAmbiguous = errors.New("pattern has more than one of literal, list and regexp")
	ErrTooLarge  = errors.New("pattern is too large")
)

// Pattern is one question about the bytes of a content. Exactly one of
// Literal, List and Regexp is set.
type Pattern struct {
	Literal []byte   // these bytes occur; at most MaxLiteral
	List    [][]byte // any of these occurs; at most MaxList of at most MaxLiteral bytes
	Regexp  string   // this expression matches somewhere; at most MaxRegexp bytes
	Fold    bool     // ignore case, as the package comment says
}

// Set is compiled patterns, known by their index. It is read-only, and any
// number of goroutines may use it.
type Set struct {
	pats []compiled
	keep int // bytes of a stream to keep between chunks
	runs int // patterns that need an automaton
}

// compiled is a pattern ready to be sought: a literal; or a list, an
// expression, or both, of which either suffices.
type compiled struct {
	lit   *literal
	list  *list
	re    *regex
	tails [][]byte // what a match of lit or list that holds a newline may have before it
}

// Compile prepares patterns. An error names the index of the pattern at fault
// and the cause.
func Compile(ps []Pattern) (*Set, error) {
	if len(ps) > MaxPatterns {
		return nil, fmt.Errorf("%w: %d patterns, at most %d", ErrTooLarge, len(ps), MaxPatterns)
	}
	s := &Set{}
	for i, p := range ps {
		c, err := compile(p)
		if err != nil {
			return nil, fmt.Errorf("pattern %d: %w", i, err)
		}
		s.pats = append(s.pats, c)
		s.keep = max(s.keep, c.history())
		if c.re != nil {
			s.runs++
		}
	}
	return s, nil
}

// Len is the number of patterns.
func (s *Set) Len() int { return len(s.pats) }

func compile(p Pattern) (compiled, error) {
	switch {
	case len(p.Literal) > 0 && p.List == nil && p.Regexp == "":
		return compileLiteral(p.Literal, p.Fold)
	case p.Literal == nil && len(p.List) > 0 && p.Regexp == "":
		return compileList(p.List, p.Fold)
	case p.Literal == nil && p.List == nil && p.Regexp != "":
		if len(p.Regexp) > MaxRegexp {
			return compiled{}, fmt.Errorf("%w: regexp of %d bytes, at most %d", ErrTooLarge, len(p.Regexp), MaxRegexp)
		}
		re, err := newRegex(p.Regexp, p.Fold)
		return compiled{re: re}, err
	case len(p.Literal) == 0 && len(p.List) == 0 && p.Regexp == "":
		return compiled{}, ErrEmpty
	default:
		return compiled{}, ErrAmbiguous
	}
}

func compileLiteral(text []byte, fold bool) (compiled, error) {
	if len(text) > MaxLiteral {
		return compiled{}, fmt.Errorf("%w: literal of %d bytes, at most %d", ErrTooLarge, len(text), MaxLiteral)
	}
	if fold && foldsWide(text) {
		re, err := newRegex(regexp.QuoteMeta(string(text)), true)
		return compiled{re: re}, err
	}
	return compiled{lit: newLiteral(text, fold), tails: tailsOf(text)}, nil
}

func compileList(entries [][]byte, fold bool) (compiled, error) {
	if len(entries) > MaxList {
		return compiled{}, fmt.Errorf("%w: list of %d entries, at most %d", ErrTooLarge, len(entries), MaxList)
	}
	plain, size := entries, 0
	var wide []string
	for i, e := range entries {
		size += len(e)
		switch {
		case len(e) == 0:
			return compiled{}, fmt.Errorf("list entry %d: %w", i, ErrEmpty)
		case len(e) > MaxLiteral:
			return compiled{}, fmt.Errorf("list entry %d: %w: %d bytes, at most %d", i, ErrTooLarge, len(e), MaxLiteral)
		case fold && foldsWide(e):
			if wide = append(wide, regexp.QuoteMeta(string(e))); len(wide) == 1 {
				plain = append([][]byte(nil), entries[:i]...)
			}
		case len(wide) > 0:
			plain = append(plain, e)
		}
	}
	if size > MaxListBytes {
		return compiled{}, fmt.Errorf("%w: list of %d bytes, at most %d", ErrTooLarge, size, MaxListBytes)
	}
	if len(wide) > MaxWideFold {
		return compiled{}, fmt.Errorf("%w: list of %d entries that fold beyond ASCII, at most %d", ErrTooLarge, len(wide), MaxWideFold)
	}
	c := compiled{list: newList(plain, fold)}
	for _, e := range plain {
		c.tails = append(c.tails, tailsOf(e)...)
	}
	if len(wide) == 0 {
		return c, nil
	}
	re, err := newRegex(strings.Join(wide, "|"), true)
	if err != nil {
		return compiled{}, err
	}
	re.std.Longest()
	c.re = re
	return c, nil
}

// history is how many bytes before a chunk a stream must keep.
func (c *compiled) history() int {
	n := 0
	if c.lit != nil {
		n = len(c.lit.text) - 1
	}
	if c.list != nil {
		n = max(n, c.list.longest-1)
	}
	if c.re != nil {
		n = max(n, c.re.history())
	}
	return n
}

// foldsWide tells whether text holds letters beyond ASCII that have a case.
func foldsWide(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r >= utf8.RuneSelf && unicode.SimpleFold(r) != r {
			return true
		}
		text = text[n:]
	}
	return false
}
