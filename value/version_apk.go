package value

import "strings"

// Ranks of apk's tokens. What ends earlier in the grammar ranks lower, but for suffixes of a pre-release.
const (
	apkPreSuffix = iota
	apkInvalid
	apkEnd
	apkRevision
	apkHash
	apkSuffixNumber
	apkPostSuffix
	apkLetter
	apkLeadingZero
	apkNumber
)

// The suffixes of apk in their order: before the release, and after it.
const (
	apkPre  = " alpha beta pre rc "
	apkPost = " cvs svn git hg p "
)

// nextAPK reads the grammar from left to right; from the first byte that does not fit, the rest is one
// token of text.
func (p *part) nextAPK() token {
	rest := p.s[p.pos:]
	last := p.last
	switch {
	case rest == "":
		return p.end(apkEnd)
	case last == 0 && isDigit(rest[0]):
		p.last = 'n'
		return token{rank: apkNumber, num: true, text: p.takeWhile(isDigit)}
	case (last == 'n' || last == 'l') && (isDigit(rest[0]) || rest[0] == '.' && digitsIn(rest[1:]) > 0):
		return p.apkDotted(rest)
	case last == 'n' && isLower(rest[0]):
		p.pos++
		p.last = 'l'
		return token{rank: apkLetter, text: rest[:1]}
	case last == 's' && isDigit(rest[0]):
		p.last = 'd'
		return token{rank: apkSuffixNumber, num: true, text: p.takeWhile(isDigit)}
	case rest[0] == '_':
		if t, ok := p.apkSuffix(); ok {
			return t
		}
	case rest[0] == '~' && last != 'r':
		p.pos++
		p.last = 'h'
		return token{rank: apkHash, text: p.takeWhile(func(c byte) bool { return isDigit(c) || isLower(c) })}
	case last != 'r' && strings.HasPrefix(rest, "-r") && digitsIn(rest[2:]) > 0:
		p.pos += 2
		p.last = 'r'
		return token{rank: apkRevision, num: true, text: p.takeWhile(isDigit)}
	}
	p.pos = len(p.s)
	return token{rank: apkInvalid, text: rest}
}

func (p *part) apkDotted(rest string) token {
	if rest[0] == '.' {
		p.pos++
	}
	p.last = 'n'
	t := token{rank: apkNumber, num: true, text: p.takeWhile(isDigit)}
	if t.text[0] == '0' {
		t.rank, t.num = apkLeadingZero, false
	}
	return t
}

func (p *part) apkSuffix() (token, bool) {
	from := p.pos
	p.pos++
	name := p.takeWhile(isLower)
	padded := " " + name + " "
	t := token{rank: apkPreSuffix}
	at := strings.Index(apkPre, padded)
	if at < 0 {
		t.rank = apkPostSuffix
		at = strings.Index(apkPost, padded)
	}
	if name == "" || at < 0 {
		p.pos = from
		return token{}, false
	}
	p.last = 's'
	t.text = string(rune('a' + at))
	return t, true
}
