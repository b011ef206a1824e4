package value

import (
	"cmp"
	"encoding/binary"
	"strings"
)

// CompareVersions orders two versions by the scheme: -1, 0 or 1. Any text is accepted; what is no
// version of the scheme still has its place, so that the order is total.
//
//   - Dpkg: Debian Policy 5.6.12, "Version", the sort order of epoch, upstream version and revision.
//   - RPM: rpmvercmp of rpm 4.15 and later with ~ and ^, as told in rpm-version(7), on epoch, version and
//     release; a missing epoch is 0, and a missing release is older than any.
//   - APK: the comparison of apk-tools as told in apk-package(5): number{.number}{letter}{_suffix{number}}
//     {~hash}{-rN}; after the first, a number with a leading zero compares as text.
//   - Semver: section 11 of Semantic Versioning 2.0.0, with a leading v and any number of parts, where
//     a missing one is 0; build metadata does not count.
//   - AnyScheme, where nothing is known of either: as Dpkg, but a pre-release in semver's form
//     (1.2.3-rc.1) comes before its release, build metadata of semver's form does not count, and zeros at
//     the end of dotted numbers may be missing.
func CompareVersions(a, b string, s Scheme) int {
	if a == b {
		return 0
	}
	x, y := splitVersion(a, s), splitVersion(b, s)
	return cmp.Or(
		compareDigits(x.epoch, y.epoch),
		compareParts(x.main, y.main, s),
		cmp.Compare(x.rank, y.rank),
		compareParts(x.tail, y.tail, s),
	)
}

// appendVersionKey writes the tokens that CompareVersions looks at, without what it ignores.
func appendVersionKey(dst []byte, text string, s Scheme) []byte {
	v := splitVersion(text, s)
	dst = appendString(dst, trimZeros(v.epoch))
	dst = appendPartKey(dst, v.main, s)
	return appendPartKey(append(dst, v.rank), v.tail, s)
}

// version is a version in the parts that are compared one after the other.
type version struct {
	epoch string // digits
	main  string
	rank  uint8 // decides between a version with a tail and one without
	tail  string
}

func splitVersion(s string, scheme Scheme) version {
	switch scheme {
	case RPM:
		v := splitEpoch(s)
		if i := strings.LastIndexByte(v.main, '-'); i >= 0 {
			v.main, v.tail, v.rank = v.main[:i], v.main[i+1:], 1
		}
		return v
	case APK:
		return version{main: s}
	case Semver:
		return splitSemver(s)
	case AnyScheme:
		s = genericVersion(s)
	}
	v := splitEpoch(s)
	if i := strings.LastIndexByte(v.main, '-'); i >= 0 {
		v.main, v.tail = v.main[:i], v.main[i+1:]
	}
	return v
}

// splitEpoch takes what stands before the first colon for the epoch, if it is a number.
func splitEpoch(s string) version {
	if n := digitsIn(s); n > 0 && n < len(s) && s[n] == ':' {
		return version{epoch: s[:n], main: s[n+1:]}
	}
	return version{main: s}
}

// token is what a scheme compares at one place: first the rank, then the text, as a number where num.
type token struct {
	rank int16
	num  bool
	text string
}

// part reads the tokens of one part of a version. After the last it gives the scheme's end token for ever.
type part struct {
	s      string
	pos    int
	scheme Scheme
	last   byte // what the previous token was; each scheme has its own letters, 0 is the start
	ended  bool
}

func (p *part) next() token {
	switch p.scheme {
	case RPM:
		return p.nextRPM()
	case APK:
		return p.nextAPK()
	case Semver:
		return p.nextSemver()
	}
	return p.nextDpkg()
}

// end is the token after the last.
func (p *part) end(rank int16) token {
	p.ended = true
	return token{rank: rank}
}

// takeWhile gives the longest run from the current place whose bytes are all wanted.
func (p *part) takeWhile(wanted func(byte) bool) string {
	from := p.pos
	for p.pos < len(p.s) && wanted(p.s[p.pos]) {
		p.pos++
	}
	return p.s[from:p.pos]
}

func compareParts(a, b string, s Scheme) int {
	x, y := part{s: a, scheme: s}, part{s: b, scheme: s}
	for !x.ended || !y.ended {
		t, u := x.next(), y.next()
		c := cmp.Compare(t.rank, u.rank)
		switch {
		case c != 0:
		case t.num:
			c = compareDigits(t.text, u.text)
		default:
			c = strings.Compare(t.text, u.text)
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func appendPartKey(dst []byte, s string, scheme Scheme) []byte {
	for p := (part{s: s, scheme: scheme}); !p.ended; {
		t := p.next()
		if t.num {
			t.text = trimZeros(t.text)
		}
		dst = appendString(binary.BigEndian.AppendUint16(dst, uint16(t.rank)), t.text)
	}
	return dst
}

// compareDigits compares two numbers of any length; no digits are zero.
func compareDigits(a, b string) int {
	a, b = trimZeros(a), trimZeros(b)
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func trimZeros(s string) string { return strings.TrimLeft(s, "0") }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
