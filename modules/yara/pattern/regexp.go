package pattern

import (
	"fmt"
	"strconv"
)

// Bounds on what is parsed.
const (
	// maxRepeat is the largest count in braces: that of YARA.
	maxRepeat = 32767
	// maxNest is how deep groups may stand in one another: what a person
	// writes does not come near, and the parser calls itself.
	maxNest = 100
	// MaxText is the length of an expression or a hexadecimal string in
	// bytes.
	MaxText = 64 << 10
)

// A SyntaxError says what is wrong with a pattern, and where.
type SyntaxError struct {
	Offset  int // in the text of the pattern
	Message string
}

// Error gives the message.
func (e *SyntaxError) Error() string { return e.Message }

// Flags change how an expression is read.
type Flags struct {
	Fold   bool // ASCII letters ignore case
	DotAll bool // a dot matches a newline, too
}

// ParseRegexp reads an expression, without the slashes around it. The error
// is a [*SyntaxError].
func ParseRegexp(text string, f Flags) (*Node, error) {
	p := &parser{text: text, flags: f}
	if len(text) > MaxText {
		return nil, p.fail("an expression of %d bytes is too long: at most %d", len(text), MaxText)
	}
	n, err := p.alternation(0)
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.text) {
		return nil, p.fail("no group is open that this parenthesis could close")
	}
	return n, nil
}

// parser reads an expression.
type parser struct {
	text  string
	pos   int
	flags Flags
}

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{Offset: p.pos, Message: fmt.Sprintf(format, args...)}
}

// peek gives the next byte, or 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) more() bool { return p.pos < len(p.text) }

func (p *parser) alternation(depth int) (*Node, error) {
	if depth > maxNest {
		return nil, p.fail("groups stand more than %d deep in one another", maxNest)
	}
	var subs []*Node
	for {
		n, err := p.concatenation(depth)
		if err != nil {
			return nil, err
		}
		subs = append(subs, n)
		if p.peek() != '|' || !p.more() {
			break
		}
		p.pos++
	}
	if len(subs) == 1 {
		return subs[0], nil
	}
	return &Node{Op: Alternate, Subs: subs}, nil
}

func (p *parser) concatenation(depth int) (*Node, error) {
	var subs []*Node
	for p.more() && p.peek() != '|' && p.peek() != ')' {
		n, err := p.single(depth)
		if err != nil {
			return nil, err
		}
		if n, err = p.repeated(n); err != nil {
			return nil, err
		}
		subs = append(subs, n)
	}
	if len(subs) == 0 {
		return &Node{Op: Empty}, nil
	}
	return concat(subs...), nil
}

// single reads what a quantifier may follow.
func (p *parser) single(depth int) (*Node, error) {
	c := p.text[p.pos]
	p.pos++
	switch c {
	case '(':
		if p.peek() == '?' && p.more() {
			return nil, p.fail("groups that begin with (? are not known: a group only binds together")
		}
		n, err := p.alternation(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.peek() != ')' {
			return nil, p.fail("a group is not closed")
		}
		p.pos++
		return n, nil
	case '[':
		return p.class()
	case '.':
		s := all()
		if !p.flags.DotAll {
			s[0] &^= 1 << '\n'
		}
		return leaf(s), nil
	case '^':
		return &Node{Op: TextStart}, nil
	case '$':
		return &Node{Op: TextEnd}, nil
	case '*', '+', '?':
		p.pos--
		return nil, p.fail("nothing stands before %q that could be repeated", c)
	case '\\':
		return p.escaped()
	}
	return p.literal(c), nil
}

func (p *parser) literal(c byte) *Node {
	s := one(c)
	if p.flags.Fold {
		s.fold()
	}
	return leaf(s)
}

// escaped reads what follows a backslash outside of a class.
func (p *parser) escaped() (*Node, error) {
	switch c := p.peek(); {
	case !p.more():
		return nil, p.fail("the expression ends with a backslash")
	case c == 'b':
		p.pos++
		return &Node{Op: Boundary}, nil
	case c == 'B':
		p.pos++
		return &Node{Op: NoBoundary}, nil
	case c >= '1' && c <= '9':
		return nil, p.fail("a backreference like \\%c is not known", c)
	}
	s, _, err := p.escape()
	if err != nil {
		return nil, err
	}
	if p.flags.Fold {
		s.fold()
	}
	return leaf(s), nil
}

// escape reads what follows a backslash: a set, and the byte where it is one.
func (p *parser) escape() (s Set, single int, err error) {
	if !p.more() {
		return s, 0, p.fail("the expression ends with a backslash")
	}
	c := p.text[p.pos]
	p.pos++
	if set, ok := shorthand(c); ok {
		return set, -1, nil
	}
	switch c {
	case 'n':
		c = '\n'
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'f':
		c = '\f'
	case 'a':
		c = '\a'
	case 'x':
		if p.pos+2 > len(p.text) {
			return s, 0, p.fail("\\x needs two hexadecimal digits")
		}
		v, bad := strconv.ParseUint(p.text[p.pos:p.pos+2], 16, 8)
		if bad != nil {
			return s, 0, p.fail("\\x needs two hexadecimal digits")
		}
		p.pos += 2
		c = byte(v)
	}
	return one(c), int(c), nil
}

// shorthand gives the set of \w, \d, \s and their opposites.
func shorthand(c byte) (s Set, ok bool) {
	switch c | lowerBit {
	case 'w':
		s = wordBytes()
	case 'd':
		s.addRange('0', '9')
	case 's':
		for _, b := range []byte(" \t\r\n\v\f") {
			s.add(b)
		}
	default:
		return s, false
	}
	if c&lowerBit == 0 {
		s.negate()
	}
	return s, true
}

func wordBytes() (s Set) {
	s.addRange('0', '9')
	s.addRange('a', 'z')
	s.addRange('A', 'Z')
	s.add('_')
	return s
}

// class reads what follows an opening bracket.
func (p *parser) class() (*Node, error) {
	begin := p.pos - 1
	negated := p.peek() == '^'
	if negated {
		p.pos++
	}
	var s Set
	for first := true; ; first = false {
		if !p.more() {
			p.pos = begin
			return nil, p.fail("a class is not closed: it needs ]")
		}
		if p.peek() == ']' && !first {
			p.pos++
			break
		}
		if err := p.member(&s); err != nil {
			return nil, err
		}
	}
	if p.flags.Fold {
		s.fold()
	}
	if negated {
		s.negate()
	}
	return leaf(s), nil
}

// member reads a byte, a range or a shorthand of a class.
func (p *parser) member(s *Set) error {
	lo, err := p.end(s)
	if err != nil || lo < 0 {
		return err
	}
	if p.peek() != '-' || p.pos+1 >= len(p.text) || p.text[p.pos+1] == ']' {
		s.add(byte(lo))
		return nil
	}
	p.pos++
	hi, err := p.end(s)
	if err != nil {
		return err
	}
	if hi < 0 {
		return p.fail("a range cannot end with a shorthand")
	}
	if hi < lo {
		return p.fail("a range ends before it begins")
	}
	s.addRange(byte(lo), byte(hi))
	return nil
}

// end reads one end of a range; a shorthand goes into the set and gives -1.
func (p *parser) end(s *Set) (int, error) {
	c := p.text[p.pos]
	p.pos++
	if c != '\\' {
		return int(c), nil
	}
	if p.peek() == 'b' && p.more() {
		p.pos++
		return '\b', nil
	}
	set, single, err := p.escape()
	if err == nil && single < 0 {
		s.union(&set)
	}
	return single, err
}

// repeated reads the quantifier behind a node, if there is one.
func (p *parser) repeated(n *Node) (*Node, error) {
	if !p.more() {
		return n, nil
	}
	lo, hi := 0, Endless
	switch p.peek() {
	case '*':
	case '+':
		lo = 1
	case '?':
		hi = 1
	case '{':
		var ok bool
		var err error
		if lo, hi, ok, err = p.braces(); !ok || err != nil {
			return n, err
		}
		p.pos--
	default:
		return n, nil
	}
	p.pos++
	r := &Node{Op: Repeat, Subs: []*Node{n}, Min: lo, Max: hi, Jump: hi > 1}
	if p.peek() == '?' && p.more() {
		p.pos++
		r.Lazy = true
	}
	if p.more() {
		switch p.peek() {
		case '*', '+', '?':
			return nil, p.fail("a repetition cannot be repeated without a group")
		}
	}
	return r, nil
}

// braces reads {n}, {n,}, {,m} or {n,m}; anything else is no quantifier.
func (p *parser) braces() (lo, hi int, ok bool, err error) {
	at := p.pos + 1
	lo, at, hasLo := digits(p.text, at)
	if at < len(p.text) && p.text[at] == '}' && hasLo {
		hi = lo
	} else {
		if at >= len(p.text) || p.text[at] != ',' {
			return 0, 0, false, nil
		}
		var hasHi bool
		if hi, at, hasHi = digits(p.text, at+1); !hasHi {
			hi = Endless
		}
		if at >= len(p.text) || p.text[at] != '}' {
			return 0, 0, false, nil
		}
	}
	if lo > maxRepeat || hi > maxRepeat {
		return 0, 0, true, p.fail("a repetition counts to %d at most", maxRepeat)
	}
	if hi != Endless && hi < lo {
		return 0, 0, true, p.fail("a repetition's most is less than its least")
	}
	p.pos = at + 1
	return lo, hi, true, nil
}

// digits reads a number; what is larger than any bound stays so.
func digits(text string, at int) (n, end int, ok bool) {
	begin := at
	for at < len(text) && text[at] >= '0' && text[at] <= '9' {
		n = min(n*10+int(text[at]-'0'), maxRepeat+1)
		at++
	}
	return n, at, at > begin
}
