package sqlite

import (
	"slices"
	"strings"
)

// A token is a word of a statement.
type token struct {
	kind byte   // a word, 0 a number, ' a text, " a name in any quotes, x a blob, else the sign itself; zero at the end
	text string // without quotes
}

// is says whether it is the keyword or the sign.
func (t token) is(word string) bool {
	return t.kind != '\'' && t.kind != '"' && t.kind != 'x' && strings.EqualFold(t.text, word)
}

// names says whether it can be a name.
func (t token) names() bool { return t.kind == 'a' || t.kind == '"' || t.kind == '\'' }

// ends says whether the type of a column ends before it.
func (t token) ends() bool {
	return slices.ContainsFunc([]string{"CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS", "ON", "DEFERRABLE", "AUTOINCREMENT"}, t.is)
}

// A statement is one that is being read.
type statement struct {
	text string
	at   int
}

// begin reads up to the columns.
func (p *statement) begin() error {
	var before []token
	for len(before) < 12 {
		t, err := p.token()
		if err != nil {
			return err
		}
		if t.is("(") && len(before) >= 3 && before[0].is("CREATE") && slices.ContainsFunc(before[1:3], func(t token) bool { return t.is("TABLE") }) {
			return nil
		}
		before = append(before, t)
	}
	return malformed("no CREATE TABLE name (")
}

// part reads up to the next comma, or up to the end of the columns.
func (p *statement) part() (part []token, end bool, err error) {
	for depth := 0; ; {
		t, err := p.token()
		if err != nil {
			return nil, false, err
		}
		switch {
		case t.kind == 0:
			return nil, false, malformed("the columns do not end")
		case t.is("("):
			depth++
		case t.is(")"):
			if depth--; depth < 0 {
				return part, true, nil
			}
		case t.is(",") && depth == 0:
			return part, false, nil
		}
		part = append(part, t)
	}
}

// token reads the next word; its kind is zero at the end.
func (p *statement) token() (token, error) {
	if err := p.blank(); err != nil {
		return token{}, err
	}
	if p.at >= len(p.text) {
		return token{}, nil
	}
	c := p.text[p.at]
	switch {
	case c == '\'':
		return p.quoted('\'', c)
	case c == '"' || c == '`':
		return p.quoted('"', c)
	case c == '[':
		return p.quoted('"', ']')
	case (c == 'x' || c == 'X') && strings.HasPrefix(p.text[p.at+1:], "'"):
		p.at++
		return p.quoted('x', '\'')
	case isDigit(c) || c == '.' && p.at+1 < len(p.text) && isDigit(p.text[p.at+1]):
		return p.number(), nil
	case isWord(c):
		start := p.at
		for p.at < len(p.text) && (isWord(p.text[p.at]) || isDigit(p.text[p.at])) {
			p.at++
		}
		return token{'a', p.text[start:p.at]}, nil
	}
	p.at++
	return token{c, p.text[p.at-1 : p.at]}, nil
}

// blank passes over white space and comments.
func (p *statement) blank() error {
	for p.at < len(p.text) {
		rest := p.text[p.at:]
		switch {
		case strings.IndexByte(" \t\n\r\f", rest[0]) >= 0:
			p.at++
			continue
		case strings.HasPrefix(rest, "--"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				p.at += end
			} else {
				p.at = len(p.text)
			}
			continue
		case strings.HasPrefix(rest, "/*"):
			if end := strings.Index(rest[2:], "*/"); end >= 0 {
				p.at += end + len("/**/")
			} else {
				p.at = len(p.text)
			}
			continue
		case rest[0] == 0:
			return malformed("a statement with a zero in it")
		}
		return nil
	}
	return nil
}

// quoted reads what ends with a sign, which stands in it where it is doubled.
func (p *statement) quoted(kind, end byte) (token, error) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		if c := p.text[p.at]; c != end {
			b.WriteByte(c)
		} else if end != ']' && p.at+1 < len(p.text) && p.text[p.at+1] == end {
			b.WriteByte(c)
			p.at++
		} else {
			p.at++
			return token{kind, b.String()}, nil
		}
	}
	return token{}, malformed("a name or a text that does not end")
}

// number reads a number in decimal or hexadecimal.
func (p *statement) number() token {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		sign := (c == '+' || c == '-') && p.at > start && p.text[p.at-1]|0x20 == 'e' && !strings.HasPrefix(strings.ToLower(p.text[start:]), "0x")
		if !isDigit(c) && !isWord(c) && c != '.' && !sign {
			break
		}
		p.at++
	}
	return token{'0', p.text[start:p.at]}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c >= 0x80
}
