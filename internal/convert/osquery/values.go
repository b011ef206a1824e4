package osquery

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// meaning compares a column that is a condition for each of its values.
func (s *scope) meaning(at int, op string, x term, lit string) cond {
	c, ok := x.col.truths[lit]
	if !ok && (op == "=" || op == "!=") {
		s.c.lose(at, "column %s of %s has nothing here that is %q", x.col.name, x.ref.t.name, lit)
		if op == "=" {
			return cond{never, precAtom}
		}
		return cond{}
	}
	if op == "=" {
		return parsed(under(c, x.ref.prefix))
	}
	var others []cond
	for _, v := range sortedKeys(x.col.truths) {
		a, errA := strconv.ParseFloat(v, 64)
		b, errB := strconv.ParseFloat(lit, 64)
		order := strings.Compare(v, lit)
		if errA == nil && errB == nil {
			order = int(min(max(a-b, -1), 1))
		}
		if holds(op, order) {
			others = append(others, parsed(under(x.col.truths[v], x.ref.prefix)))
		}
	}
	return some(others...)
}

// word compares a column whose values have other names here.
func (s *scope) word(at int, op string, x term, lit string) cond {
	if slices.Contains(x.empty, lit) && (op == "=" || op == "!=") {
		return s.compareEmpty(op, x, lit)
	}
	if op != "=" && op != "!=" {
		var list []string
		for _, v := range sortedKeys(x.col.words) {
			a, errA := strconv.ParseFloat(v, 64)
			b, errB := strconv.ParseFloat(lit, 64)
			order := strings.Compare(v, lit)
			if errA == nil && errB == nil {
				order = int(min(max(a-b, -1), 1))
			}
			if holds(op, order) {
				list = append(list, x.col.words[v])
			}
		}
		return s.nullable(x, oneOfWords(x.text, list), func(v string) bool { return holds(op, strings.Compare(v, lit)) })
	}
	word, ok := x.col.words[lit]
	if !ok {
		s.c.lose(at, "column %s of %s has nothing here that is %q", x.col.name, x.ref.t.name, lit)
		if op == "=" {
			return cond{never, precAtom}
		}
		return cond{}
	}
	return s.nullable(x, compared(x.in(precSum)+" "+op+" "+convert.Quote(word)), func(v string) bool { return op == "!=" })
}

func oneOfWords(x string, list []string) cond {
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) == 0 {
		return cond{never, precAtom}
	}
	return oneOf(x, list)
}

func noneOfWords(x string, list []string) cond {
	slices.Sort(list)
	list = slices.Compact(list)
	switch len(list) {
	case 0:
		return cond{}
	case 1:
		return compared(x + " != " + convert.Quote(list[0]))
	}
	return compared(strings.Replace(oneOf(x, list).text, " IN (", " NOT IN (", 1))
}

// flag compares a condition with 0 or 1.
func (s *scope) flag(at int, op string, x term, lit string) cond {
	f, err := strconv.ParseFloat(strings.TrimSpace(lit), 64)
	if err != nil {
		switch strings.ToLower(lit) {
		case "true":
			f = 1
		case "false":
		default:
			s.c.refuse(at, "%q is compared with a flag of 0 and 1", lit)
		}
	}
	order := func(v float64) int {
		switch {
		case v < f:
			return -1
		case v > f:
			return 1
		}
		return 0
	}
	one, zero := holds(op, order(1)), holds(op, order(0))
	c := cond{x.text, x.prec}
	switch {
	case one && zero:
		return cond{}
	case one:
	case zero:
		c = c.negated()
	default:
		c = cond{never, precAtom}
	}
	return s.nullable(x, c, func(v string) bool {
		n, _ := strconv.ParseFloat(v, 64)
		return holds(op, order(n))
	})
}
