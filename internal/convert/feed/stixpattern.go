package feed

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Bounds of a pattern.
const (
	maxPattern      = 64 << 10 // bytes
	maxPatternDepth = 50       // levels of brackets
)

// A pattern is read by the grammar of STIX 2.1, part 9.
type pattern struct {
	tokens []string
	at     int
	line   int
	lost   []string
}

// patternToken cuts a pattern into texts with their letter, paths of
// properties, numbers, words and signs.
var patternToken = regexp.MustCompile(`[thb]?'(?:[^'\\]|\\.)*'|[A-Za-z][A-Za-z0-9_-]*:[A-Za-z0-9_.\[\]*'-]+|-?[0-9]+(?:\.[0-9]+)?|[A-Za-z]+|!=|<>|>=|<=|==|[^\s]`)

var errPatternEnds = errors.New("it ends in the middle")

// parsePattern gives what a pattern asks for, and what of it was lost.
func parsePattern(text string, line int) (*expr, []string, error) {
	if len(text) > maxPattern {
		return nil, nil, fmt.Errorf("it has over %d KiB", maxPattern>>10)
	}
	p := &pattern{tokens: patternToken.FindAllString(text, -1), line: line}
	x, err := p.observations(0)
	if err == nil && p.at < len(p.tokens) {
		err = fmt.Errorf("%q is not understood", p.tokens[p.at])
	}
	return x, p.lost, err
}

func (p *pattern) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *pattern) take(word string) bool {
	if strings.EqualFold(p.peek(), word) {
		p.at++
		return true
	}
	return false
}

func (p *pattern) next() (string, error) {
	t := p.peek()
	if t == "" {
		return "", errPatternEnds
	}
	p.at++
	return t, nil
}

// observations reads what stands in and between square brackets.
func (p *pattern) observations(depth int) (*expr, error) {
	return p.joined(depth, p.observation, "OR", "AND", "FOLLOWEDBY")
}

// joined reads parts with words between them, the first of which binds least.
func (p *pattern) joined(depth int, part func(int) (*expr, error), words ...string) (*expr, error) {
	if len(words) == 0 {
		return part(depth)
	}
	first, err := p.joined(depth, part, words[1:]...)
	if err != nil {
		return nil, err
	}
	op := byte('&')
	if words[0] == "OR" {
		op = '|'
	}
	x := &expr{op: op, subs: []*expr{first}}
	for p.take(words[0]) {
		if words[0] == "FOLLOWEDBY" {
			p.lost = append(p.lost, "the order in which things were seen is not asked: both have to be there")
		}
		sub, err := p.joined(depth, part, words[1:]...)
		if err != nil {
			return nil, err
		}
		x.subs = append(x.subs, sub)
	}
	if len(x.subs) == 1 {
		return first, nil
	}
	return x, nil
}

func (p *pattern) observation(depth int) (*expr, error) {
	if depth > maxPatternDepth {
		return nil, fmt.Errorf("it has over %d levels of brackets", maxPatternDepth)
	}
	var x *expr
	var err error
	switch {
	case p.take("["):
		if x, err = p.comparisons(depth + 1); err == nil && !p.take("]") {
			err = p.expected("]")
		}
	case p.take("("):
		if x, err = p.observations(depth + 1); err == nil && !p.take(")") {
			err = p.expected(")")
		}
	default:
		return nil, p.expected("[")
	}
	if err != nil {
		return nil, err
	}
	return x, p.qualifiers()
}

func (p *pattern) expected(what string) error {
	if p.peek() == "" {
		return errPatternEnds
	}
	return fmt.Errorf("%q stands where %q was meant", p.peek(), what)
}

// qualifiers reads WITHIN, REPEATS and START … STOP, which ask for times of
// events that an endpoint cannot tell afterwards.
func (p *pattern) qualifiers() error {
	for {
		n := 0
		switch {
		case p.take("WITHIN"):
			n = 2
		case p.take("REPEATS"):
			n = 2
		case p.take("START"):
			n = 3
		default:
			return nil
		}
		p.lost = append(p.lost, "how often and when something was seen is not asked: what is there now is")
		for range n {
			if _, err := p.next(); err != nil {
				return err
			}
		}
	}
}

func (p *pattern) comparisons(depth int) (*expr, error) {
	return p.joined(depth, p.comparison, "OR", "AND")
}

func (p *pattern) comparison(depth int) (*expr, error) {
	if depth > maxPatternDepth {
		return nil, fmt.Errorf("it has over %d levels of brackets", maxPatternDepth)
	}
	if p.take("(") {
		x, err := p.comparisons(depth + 1)
		if err == nil && !p.take(")") {
			err = p.expected(")")
		}
		return x, err
	}
	negated := p.take("NOT")
	exists := p.take("EXISTS")
	path, err := p.next()
	if err != nil {
		return nil, err
	}
	if !strings.Contains(path, ":") || strings.HasPrefix(path, "'") {
		return nil, fmt.Errorf("%q stands where a property was meant, such as file:name", path)
	}
	name := stixName(path)
	if exists {
		return &expr{op: 't', term: term{bad: "EXISTS is not asked: " + path, line: p.line}}, nil
	}
	negated = p.take("NOT") != negated
	op, err := p.next()
	if err != nil {
		return nil, err
	}
	return p.compared(stixNames[name], path, strings.ToUpper(op), negated)
}

// stixOps are the operators, and what they are here.
var stixOps = map[string]string{
	"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
	"LIKE": "like", "MATCHES": "matches", "ISSUBSET": "=",
}

func (p *pattern) compared(k known, path, op string, negated bool) (*expr, error) {
	if op == "IN" {
		return p.among(k, path, negated)
	}
	word, ok := stixOps[op]
	if !ok {
		return nil, fmt.Errorf("%q is no operator", op)
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	return &expr{op: 't', term: comparison{known: k, name: path, op: word, value: v, negated: negated, line: p.line}.term()}, nil
}

// among reads (a, b, …): any of them, or, with NOT, none.
func (p *pattern) among(k known, path string, negated bool) (*expr, error) {
	if !p.take("(") {
		return nil, p.expected("(")
	}
	x := &expr{op: '|'}
	if negated {
		x.op = '&'
	}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		x.subs = append(x.subs, &expr{op: 't', term: comparison{known: k, name: path, op: "=", value: v, negated: negated, line: p.line}.term()})
		if !p.take(",") {
			break
		}
	}
	if !p.take(")") {
		return nil, p.expected(")")
	}
	return x, nil
}

// value reads a text, a number, true or false; h'…' and b'…' are bytes.
func (p *pattern) value() (string, error) {
	t, err := p.next()
	if err != nil {
		return "", err
	}
	i := strings.IndexByte(t, '\'')
	if i < 0 || i > 1 {
		return t, nil
	}
	if len(t) < i+2 {
		return "", errors.New("a text has no closing quote")
	}
	text := unescape.Replace(t[i+1 : len(t)-1])
	switch t[:i] {
	case "h":
		_, err = hex.DecodeString(text)
		text = "{" + text + "}"
	case "b":
		var b []byte
		b, err = base64.StdEncoding.DecodeString(text)
		text = "{" + hex.EncodeToString(b) + "}"
	}
	return text, err
}

var unescape = strings.NewReplacer(`\'`, `'`, `\\`, `\`)
