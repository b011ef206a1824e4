package value

// Ranks of dpkg's tokens: ~ comes before the end, letters before all other characters.
const (
	dpkgTilde = -1
	dpkgEnd   = 0 // and a number, which never stands against the end
	dpkgOther = 256
)

// nextDpkg gives each character outside numbers as a token, then the number after them, which is zero where
// there is none: "a" equals "a0", and "" equals "0".
func (p *part) nextDpkg() token {
	if p.pos == len(p.s) && p.last == 'n' {
		return p.end(dpkgEnd)
	}
	if p.pos == len(p.s) || isDigit(p.s[p.pos]) {
		p.last = 'n'
		return token{rank: dpkgEnd, num: true, text: p.takeWhile(isDigit)}
	}
	c := p.s[p.pos]
	p.pos++
	p.last = 'c'
	switch {
	case c == '~':
		return token{rank: dpkgTilde}
	case isLetter(c):
		return token{rank: int16(c)}
	}
	return token{rank: dpkgOther + int16(c)}
}
