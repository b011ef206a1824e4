package mig

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// target turns the WHERE condition over MIG's table of agents, which was
// PostgreSQL, into one over facts.
func (a *action) target(n *document.Node) {
	p := &sqlTarget{line: n.Line()}
	p.tokens = sqlToken().FindAllString(n.Text(), -1)
	cond, err := p.or(0)
	if err == nil && p.at < len(p.tokens) {
		err = fmt.Errorf("%q is not understood", p.tokens[p.at])
	}
	if n.Text() == "" {
		cond, err = always, nil
	}
	if err != nil {
		a.lost = "its target is not carried over, and without one too many would be asked: " + err.Error()
		return
	}
	a.notes = p.notes
	a.from = "FROM fleet"
	if cond != always {
		a.from += " WHERE " + cond
	}
}

// always is the condition that is true of every agent that can be asked.
const always = "true"

// sqlToken cuts a condition into words, texts and signs. What it leaves out is
// white space.
var sqlToken = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_.]*|[0-9.]+|->>|->|#>>|<>|!=|>=|<=|!~\*|~\*|!~|::|[^\s]`)
})

const maxTargetDepth = 50 // levels of brackets

type sqlTarget struct {
	line   int
	tokens []string
	at     int
	notes  []convert.Note
}

var errTargetEnds = errors.New("it ends in the middle")

func (p *sqlTarget) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

// take moves on if the next token is the word.
func (p *sqlTarget) take(word string) bool {
	if strings.EqualFold(p.peek(), word) {
		p.at++
		return true
	}
	return false
}

func (p *sqlTarget) or(depth int) (string, error)  { return p.joined(depth, "OR", p.and) }
func (p *sqlTarget) and(depth int) (string, error) { return p.joined(depth, "AND", p.not) }

func (p *sqlTarget) joined(depth int, word string, part func(int) (string, error)) (string, error) {
	var conds []string
	for {
		c, err := part(depth)
		if err != nil {
			return "", err
		}
		switch {
		case c != always:
			conds = append(conds, c)
		case word == "OR": // one that is always true makes all of it so
			conds = nil
			for p.take(word) {
				if _, err := part(depth); err != nil {
					return "", err
				}
			}
			return always, nil
		}
		if !p.take(word) {
			break
		}
	}
	switch {
	case len(conds) == 0:
		return always, nil
	case word == "OR":
		return anyOf(conds), nil
	}
	return all(conds), nil
}

func (p *sqlTarget) not(depth int) (string, error) {
	if depth > maxTargetDepth {
		return "", fmt.Errorf("it has over %d levels of brackets", maxTargetDepth)
	}
	switch {
	case p.take("NOT"):
		c, err := p.not(depth + 1)
		if c == always {
			return "", errors.New("NOT before a status has no meaning here")
		}
		return "NOT (" + c + ")", err
	case p.take("("):
		c, err := p.or(depth + 1)
		if err == nil && !p.take(")") {
			err = errTargetEnds
		}
		return c, err // OR brings its own brackets, and AND needs none
	}
	return p.comparison()
}

// comparison reads a column, an operator and what it is compared with.
func (p *sqlTarget) comparison() (string, error) {
	column, err := p.column()
	if err != nil {
		return "", err
	}
	negated := p.take("NOT")
	op := strings.ToUpper(p.peek())
	p.at++
	var values []string
	switch op {
	case "IN":
		if !p.take("(") {
			return "", errTargetEnds
		}
		for {
			v, err := p.text()
			if err != nil {
				return "", err
			}
			values = append(values, v)
			if !p.take(",") {
				break
			}
		}
		if !p.take(")") {
			return "", errTargetEnds
		}
	case "=", "!=", "<>", "LIKE", "ILIKE", "~", "~*", "!~", "!~*", ">", "<", ">=", "<=":
		v, err := p.text()
		if err != nil {
			return "", err
		}
		values = []string{v}
	default:
		return "", fmt.Errorf("%q is not understood", op)
	}
	return p.fact(column, op, negated, values)
}

// column reads name, environment->>'os' and their like, without the table.
func (p *sqlTarget) column() (string, error) {
	name := strings.ToLower(strings.TrimPrefix(strings.ToLower(p.peek()), "agents."))
	if name == "" {
		return "", errTargetEnds
	}
	p.at++
	for p.take("->>") || p.take("->") || p.take("#>>") {
		key, err := p.text()
		if err != nil {
			return "", err
		}
		name += "." + key
	}
	return name, nil
}

func (p *sqlTarget) text() (string, error) {
	t := p.peek()
	if len(t) < 2 || t[0] != '\'' || t[len(t)-1] != '\'' {
		if t == "" {
			return "", errTargetEnds
		}
		return "", fmt.Errorf("%q stands where a text was meant", t)
	}
	p.at++
	return strings.ReplaceAll(t[1:len(t)-1], "''", "'"), nil
}

func (p *sqlTarget) lose(format string, args ...any) {
	p.notes = append(p.notes, convert.Note{Line: p.line, Message: fmt.Sprintf(format, args...)})
}

// facts are MIG's columns that are facts here.
var facts = map[string]string{
	"environment.os": "os", "environment.arch": "arch", "environment.init": "init", "environment.ident": "distro_name",
	"name": "hostname", "version": "agent_version",
}

// fact gives the condition over a fact.
func (p *sqlTarget) fact(column, op string, negated bool, values []string) (string, error) {
	switch {
	case column == "status" && !negated && (op == "=" || op == "IN"):
		return always, nil // who can be asked is asked, and who was not there is counted
	case column == "mode" && !negated && op == "=" && values[0] == "daemon":
		return always, nil // agents here stay connected
	case column == "queueloc" && !negated && strings.HasSuffix(op, "LIKE") && strings.HasSuffix(values[0], ".%") && !strings.Contains(values[0], "_"):
		return "os = " + convert.Quote(strings.TrimSuffix(values[0], ".%")), nil
	}
	fact := facts[column]
	if key, ok := strings.CutPrefix(column, "tags."); ok && alias(key) == key {
		fact = "tags." + key
	}
	switch fact {
	case "":
		return "", fmt.Errorf("%s is no fact of an agent here", column)
	case "distro_name":
		p.lose("MIG's ident is distro_name here, which may be worded otherwise")
	}
	return compare(fact, op, negated, values)
}

func compare(fact, op string, negated bool, values []string) (string, error) {
	not, nocase := "", ""
	if negated {
		not = "NOT "
	}
	v := convert.Quote(values[0])
	switch op {
	case "IN":
		for i := range values {
			values[i] = convert.Quote(values[i])
		}
		return fact + " " + not + "IN (" + strings.Join(values, ", ") + ")", nil
	case "=", ">", "<", ">=", "<=":
		return fact + " " + op + " " + v, nil
	case "!=", "<>":
		return fact + " != " + v, nil
	case "ILIKE", "~*", "!~*":
		nocase = " NOCASE"
	}
	if strings.HasPrefix(op, "!") {
		not = "NOT "
	}
	word := "MATCHES"
	if strings.HasSuffix(op, "LIKE") {
		word = "LIKE"
	}
	return fact + " " + not + word + " " + v + nocase, nil
}
