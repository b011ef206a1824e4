package value

import "strings"

// Ranks of the identifiers between the dots.
const (
	semverEnd = iota
	semverNumber
	semverText
)

// splitSemver cuts the numbers, without zeros at their end, from the pre-release, which lowers the rank.
func splitSemver(s string) version {
	core, pre, isPre := strings.Cut(cutBuild(cutV(s)), "-")
	v := version{main: trimParts(core), tail: pre}
	if !isPre {
		v.rank = 1
	}
	return v
}

// nextSemver gives the identifiers between the dots: numbers come before texts.
func (p *part) nextSemver() token {
	if p.pos >= len(p.s) {
		return p.end(semverEnd)
	}
	text := p.takeWhile(func(c byte) bool { return c != '.' })
	p.pos++
	if digitsIn(text) == len(text) && text != "" {
		return token{rank: semverNumber, num: true, text: text}
	}
	return token{rank: semverText, text: text}
}

func cutV(s string) string {
	if len(s) > 1 && s[0]|0x20 == 'v' && isDigit(s[1]) {
		return s[1:]
	}
	return s
}

func cutBuild(s string) string {
	s, _, _ = strings.Cut(s, "+")
	return s
}

// trimParts drops zeros at the end of dotted numbers, where a missing part counts as zero.
func trimParts(s string) string {
	for {
		i := strings.LastIndexByte(s, '.')
		if i < 0 || i == len(s)-1 || trimZeros(s[i+1:]) != "" {
			break
		}
		s = s[:i]
	}
	if s != "" && trimZeros(s) == "" {
		return ""
	}
	return s
}

// genericVersion brings a version of unknown origin into a form that dpkg's rules order as people expect.
// Since each version is changed by itself, the order stays total, which "semver if both are" would not be.
func genericVersion(s string) string {
	s = cutV(s)
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '.') {
		n++
	}
	core, rest := s[:n], s[n:]
	switch {
	case strings.HasSuffix(core, "."), strings.HasPrefix(core, "."):
		return s
	case rest == "":
		return trimParts(core)
	case strings.Count(core, ".") != 2:
		return s
	case rest[0] == '+':
		return trimParts(core)
	case rest[0] == '-' && len(rest) > 1 && isLetter(rest[1]):
		return trimParts(core) + "~" + cutBuild(rest[1:])
	}
	return s
}
