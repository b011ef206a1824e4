package pattern

import (
	"math"
	"sync"
)

// A Regexp is an expression that is asked of short texts. Any number of
// goroutines may use it.
type Regexp struct {
	prog     *Program
	matchers sync.Pool
}

// NewRegexp compiles an expression, without its slashes. The error is a
// [*SyntaxError] or wraps [ErrTooLarge].
func NewRegexp(text string, f Flags) (*Regexp, error) {
	n, err := ParseRegexp(text, f)
	if err != nil {
		return nil, err
	}
	p, err := Compile(n)
	if err != nil {
		return nil, err
	}
	return &Regexp{prog: p, matchers: sync.Pool{New: func() any { return &Matcher{} }}}, nil
}

// MatchString says whether the expression matches somewhere in a text. It
// takes time that grows with the length of both.
func (r *Regexp) MatchString(s string) bool {
	m := r.matchers.Get().(*Matcher)
	defer r.matchers.Put(m)
	m.Steps = math.MaxInt64
	return m.Search(r.prog, []byte(s))
}
