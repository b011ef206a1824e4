package pattern

import (
	"fmt"
	"strings"
)

// maxInner is the longest jump inside an alternative, in bytes: a longer one
// could not be taken apart.
const maxInner = 200

// ParseHex reads what stands between the braces of a hexadecimal string. The
// error is a [*SyntaxError].
func ParseHex(text string) (*Node, error) {
	p := &hexParser{text: text}
	if len(text) > MaxText {
		return nil, p.fail("a hexadecimal string of %d bytes is too long: at most %d", len(text), MaxText)
	}
	n, err := p.alternation(0)
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.text) {
		return nil, p.fail("no parenthesis is open that this one could close")
	}
	return n, nil
}

type hexParser struct {
	text string
	pos  int
}

func (p *hexParser) fail(format string, args ...any) error {
	return &SyntaxError{Offset: p.pos, Message: fmt.Sprintf(format, args...)}
}

// skip goes over blanks and comments, and gives the next byte or 0.
func (p *hexParser) skip() byte {
	p.pos = SkipBlank(p.text, p.pos)
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// SkipBlank gives the first offset from at on where neither a blank nor a
// comment stands.
func SkipBlank(text string, at int) int {
	for at < len(text) {
		rest := text[at:]
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r' || rest[0] == '\n':
			at++
		case strings.HasPrefix(rest, "//"):
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				at += n
			} else {
				at = len(text)
			}
		case strings.HasPrefix(rest, "/*"):
			if n := strings.Index(rest[2:], "*/"); n >= 0 {
				at += n + 4
			} else {
				at = len(text)
			}
		default:
			return at
		}
	}
	return at
}

func (p *hexParser) alternation(depth int) (*Node, error) {
	if depth > maxNest {
		return nil, p.fail("alternatives stand more than %d deep in one another", maxNest)
	}
	var subs []*Node
	for {
		n, err := p.tokens(depth)
		if err != nil {
			return nil, err
		}
		subs = append(subs, n)
		if depth == 0 || p.skip() != '|' {
			break
		}
		p.pos++
	}
	if len(subs) == 1 {
		return subs[0], nil
	}
	return &Node{Op: Alternate, Subs: subs}, nil
}

// tokens reads a sequence up to the end, a bar or a parenthesis.
func (p *hexParser) tokens(depth int) (*Node, error) {
	var subs []*Node
	jump, at := false, 0
	for {
		c := p.skip()
		if p.pos >= len(p.text) || c == '|' && depth > 0 || c == ')' {
			break
		}
		at = p.pos
		n, err := p.token(c, depth)
		if err != nil {
			return nil, err
		}
		if jump = n.Op == Repeat; jump && len(subs) == 0 {
			p.pos = at
			return nil, p.fail("a jump cannot stand first")
		}
		if before := subs[max(0, len(subs)-1):]; jump && before[0].Op == Repeat {
			// Two jumps are one.
			n.Min, n.Max = n.Min+before[0].Min, sum(n.Max, before[0].Max)
			subs = subs[:len(subs)-1]
		}
		subs = append(subs, n)
	}
	switch {
	case len(subs) == 0:
		return nil, p.fail("bytes are missing here")
	case jump:
		p.pos = at
		return nil, p.fail("a jump cannot stand last")
	}
	return concat(subs...), nil
}

func (p *hexParser) token(c byte, depth int) (*Node, error) {
	switch c {
	case '(':
		p.pos++
		n, err := p.alternation(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.skip() != ')' {
			return nil, p.fail("an alternative is not closed")
		}
		p.pos++
		return n, nil
	case '[':
		return p.jump(depth)
	case '~':
		p.pos++
		s, err := p.bytes()
		if err != nil {
			return nil, err
		}
		if s.negate(); s.size() == 0 {
			return nil, p.fail("~?? stands for no byte")
		}
		return leaf(s), nil
	}
	s, err := p.bytes()
	return leaf(s), err
}

// bytes reads two digits, either of which may be a question mark.
func (p *hexParser) bytes() (Set, error) {
	var s Set
	if p.pos+2 > len(p.text) {
		return s, p.fail("a byte needs two digits")
	}
	hi, okHi := nibble(p.text[p.pos])
	lo, okLo := nibble(p.text[p.pos+1])
	if !okHi || !okLo {
		return s, p.fail("%q is no byte: two of 0-9, A-F and ?", p.text[p.pos:p.pos+2])
	}
	for c := range 256 {
		if (hi < 0 || c>>4 == hi) && (lo < 0 || c&15 == lo) {
			s.add(byte(c))
		}
	}
	p.pos += 2
	return s, nil
}

// nibble gives the value of a digit, or -1 for a question mark.
func nibble(c byte) (int, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0'), true
	case c|lowerBit >= 'a' && c|lowerBit <= 'f':
		return int(c|lowerBit-'a') + 10, true
	}
	return -1, c == '?'
}

// jump reads [n], [n-m], [n-], [-m] or [-].
func (p *hexParser) jump(depth int) (*Node, error) {
	p.pos++
	p.skip()
	lo, end, hasLo := digitsWide(p.text, p.pos)
	p.pos = end
	hi := lo
	if p.skip() == '-' {
		p.pos++
		p.skip()
		var hasHi bool
		if hi, p.pos, hasHi = digitsWide(p.text, p.pos); !hasHi {
			hi = Endless
		}
	} else if !hasLo {
		return nil, p.fail("a jump needs a length: [4], [2-8] or [-]")
	}
	switch {
	case p.skip() != ']':
		return nil, p.fail("a jump is not closed")
	case lo > maxJump || hi > maxJump:
		return nil, p.fail("a jump goes over %d bytes at most", maxJump)
	case hi != Endless && hi < lo:
		return nil, p.fail("a jump's most is less than its least")
	case depth > 0 && (hi == Endless || hi > maxInner):
		return nil, p.fail("a jump inside an alternative goes over %d bytes at most", maxInner)
	}
	p.pos++
	return &Node{Op: Repeat, Subs: []*Node{leaf(all())}, Min: lo, Max: hi, Lazy: true, Jump: true}, nil
}

// maxJump is the longest jump with a bound, in bytes.
const maxJump = 1 << 30

func digitsWide(text string, at int) (n, end int, ok bool) {
	begin := at
	for at < len(text) && text[at] >= '0' && text[at] <= '9' {
		n = min(n*10+int(text[at]-'0'), maxJump+1)
		at++
	}
	return n, at, at > begin
}
