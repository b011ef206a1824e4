package sigma

import "strings"

// A pattern is a value of Sigma: text, with * for any text and ? for one
// character. Neighbouring pieces are never both text.
type pattern []piece

// A piece is a text, or a wildcard.
type piece struct {
	wild byte // '*', '?', or 0 for text
	text string
}

// parsePattern reads a value. A backslash takes a wildcard, or a backslash,
// as it is; before all else it is a backslash.
func parsePattern(s string) pattern {
	var p pattern
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`*?\`, s[i+1]) >= 0:
			i++
			p = p.add(piece{text: s[i : i+1]})
		case c == '*' || c == '?':
			p = p.add(piece{wild: c})
		default:
			p = p.add(piece{text: s[i : i+1]})
		}
	}
	return p
}

// plain makes a pattern of a text without wildcards.
func plain(s string) pattern {
	if s == "" {
		return nil
	}
	return pattern{{text: s}}
}

func (p pattern) add(x piece) pattern {
	if n := len(p); n > 0 {
		switch last := &p[n-1]; {
		case x.wild == 0 && last.wild == 0:
			last.text += x.text
			return p
		case x.wild == '*' && last.wild == '*':
			return p
		}
	}
	return append(p, x)
}

// literal gives the text of a pattern without wildcards.
func (p pattern) literal() (string, bool) {
	switch {
	case len(p) == 0:
		return "", true
	case len(p) == 1 && p[0].wild == 0:
		return p[0].text, true
	}
	return "", false
}

// open lets any text stand before the pattern, behind it, or both.
func (p pattern) open(front, back bool) pattern {
	var out pattern
	if front {
		out = out.add(piece{wild: '*'})
	}
	for _, x := range p {
		out = out.add(x)
	}
	if back {
		out = out.add(piece{wild: '*'})
	}
	return out
}

// A shape is what a pattern comes to in the language.
type shape uint8

const (
	anything shape = iota
	equals
	contains
	startsWith
	endsWith
	wildcards
)

// shape gives the plainest test of a pattern, and the text of it.
func (p pattern) shape() (shape, string) {
	if text, ok := p.literal(); ok {
		return equals, text
	}
	front, back := p[0].wild == '*', p[len(p)-1].wild == '*'
	inner := p
	if front {
		inner = inner[1:]
	}
	if back && len(inner) > 0 {
		inner = inner[:len(inner)-1]
	}
	text, ok := inner.literal()
	switch {
	case !ok:
		return wildcards, p.like()
	case text == "":
		return anything, ""
	case front && back:
		return contains, text
	case front:
		return endsWith, text
	}
	return startsWith, text
}

// like writes the pattern as LIKE has it.
func (p pattern) like() string {
	var b strings.Builder
	for _, x := range p {
		switch x.wild {
		case '*':
			b.WriteByte('%')
		case '?':
			b.WriteByte('_')
		default:
			b.WriteString(strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(x.text))
		}
	}
	return b.String()
}

// anchored says whether the beginning of the text counts.
func (p pattern) anchored() bool { return len(p) == 0 || p[0].wild != '*' }
