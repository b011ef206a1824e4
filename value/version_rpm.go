package value

// Ranks of rpm's tokens.
const (
	rpmTilde = iota
	rpmEnd
	rpmCaret
	rpmLetters
	rpmNumber
)

// nextRPM gives runs of letters and of digits, ~ and ^; all else only separates.
func (p *part) nextRPM() token {
	for p.pos < len(p.s) {
		switch c := p.s[p.pos]; {
		case c == '~':
			p.pos++
			return token{rank: rpmTilde}
		case c == '^':
			p.pos++
			return token{rank: rpmCaret}
		case isLetter(c):
			return token{rank: rpmLetters, text: p.takeWhile(isLetter)}
		case isDigit(c):
			return token{rank: rpmNumber, num: true, text: p.takeWhile(isDigit)}
		}
		p.pos++
	}
	return p.end(rpmEnd)
}
