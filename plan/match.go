package plan

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// MatchOp is a text predicate.
type MatchOp uint8

// The text predicates.
const (
	TextContains MatchOp = iota + 1
	StartsWith
	EndsWith
	Like
	Glob
	Regexp
)

// String gives the predicate as the language writes it.
func (o MatchOp) String() string {
	return [...]string{"?", "CONTAINS", "STARTS WITH", "ENDS WITH", "LIKE", "GLOB", "MATCHES"}[min(o, Regexp)]
}

// Eval decides the predicate over X's text; bytes count as text.
func (e *Match) Eval(env Env) (value.Value, error) {
	x, err := e.X.Eval(env)
	if err != nil || x.IsNull() {
		return value.Value{}, err
	}
	text := textOf(x)
	if e.Dynamic == nil {
		for _, test := range e.tests {
			if test(text) {
				return value.NewBool(true), nil
			}
		}
		return value.NewBool(false), nil
	}
	y, err := e.Dynamic.Eval(env)
	if err != nil || y.IsNull() {
		return value.Value{}, err
	}
	test, err := CompileMatch(e.Op, textOf(y), e.Fold)
	if err != nil {
		return value.Value{}, fmt.Errorf("the pattern %q of %s: %w", textOf(y), e.Op, err)
	}
	return value.NewBool(test(text)), nil
}

func textOf(v value.Value) string {
	switch v.Type() {
	case value.Bytes:
		return string(v.Bytes())
	case value.Text, value.Version:
		return v.Text()
	}
	return v.String()
}

// plainTest makes the test of a predicate that needs no compiling.
func plainTest(op MatchOp, pattern string, fold bool) func(string) bool {
	switch {
	case op == TextContains && fold:
		return func(s string) bool { return value.FoldContains(s, pattern) }
	case op == TextContains:
		return func(s string) bool { return strings.Contains(s, pattern) }
	case op == StartsWith && fold:
		return func(s string) bool { return value.FoldHasPrefix(s, pattern) }
	case op == StartsWith:
		return func(s string) bool { return strings.HasPrefix(s, pattern) }
	case op == EndsWith && fold:
		return func(s string) bool { return value.FoldHasSuffix(s, pattern) }
	case op == EndsWith:
		return func(s string) bool { return strings.HasSuffix(s, pattern) }
	}
	return nil
}

// CompileMatch makes the test of one constant pattern, or says what is wrong
// with it.
func CompileMatch(op MatchOp, pattern string, fold bool) (func(string) bool, error) {
	switch op {
	case Like:
		p, err := value.CompileLike(pattern, fold)
		if err != nil {
			return nil, err
		}
		return p.Match, nil
	case Glob:
		g, err := value.CompileGlob(pattern, value.GlobOptions{Fold: fold, Windows: value.BackslashSeparates(pattern)})
		if err != nil {
			return nil, err
		}
		return g.Match, nil
	case Regexp:
		if len(pattern) > maxRegexp {
			return nil, fmt.Errorf("the pattern has %d bytes, more than %d", len(pattern), maxRegexp)
		}
		if fold {
			pattern = "(?i)" + pattern
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	if test := plainTest(op, pattern, fold); test != nil {
		return test, nil
	}
	return nil, fmt.Errorf("no text predicate %d", op)
}

// maxRegexp bounds a pattern in bytes: a program grows with its pattern, and
// no rule that people write comes near.
const maxRegexp = 4096
