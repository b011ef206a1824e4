package osquery

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

// call translates a function.
func (s *scope) call(e *sql.Call) term {
	if isAggregate(e) {
		return s.aggregate(e)
	}
	if t, ok := s.timeCall(e); ok {
		return t
	}
	if t, ok := s.textCall(e); ok {
		return t
	}
	switch e.Name {
	case "coalesce", "ifnull":
		return s.coalesce(e)
	case "iif", "if":
		c := &sql.Case{At: e.At}
		for i := 0; i+1 < len(e.Args); i += 2 {
			c.Whens = append(c.Whens, sql.When{If: e.Args[i], Then: e.Args[i+1]})
		}
		if len(c.Whens) > 0 {
			if len(e.Args)%2 == 1 {
				c.Else = e.Args[len(e.Args)-1]
			}
			return s.caseOf(c)
		}
	case "nullif":
		if len(e.Args) == 2 {
			x := s.term(e.Args[0])
			c := s.compare(e.Place(), "=", x, s.term(e.Args[1]))
			if c.text == x.text+" IS NULL" {
				return x
			}
			return atom("if("+c.text+", null, "+x.text+")", x.kind)
		}
	case "min", "max":
		return s.extreme(e)
	case "abs":
		if x := s.one(e); x.kind == number {
			return atom("if("+x.text+" < 0, -"+x.in(precAtom)+", "+x.text+")", number)
		}
	case "round":
		if len(e.Args) > 0 {
			s.c.note(e.Place(), "round is left out: the value is shown as it is")
			return s.term(e.Args[0])
		}
	case "version_compare":
		s.c.refuse(e.Place(), "version_compare is carried over where it is compared with 0")
	case "in_cidr_block":
		if len(e.Args) == 2 {
			net, x := s.term(e.Args[0]), s.term(e.Args[1])
			if net.lit != nil && x.kind == address {
				return term{text: x.text + " IN " + net.lit.Text, prec: precCompare, kind: flag, empty: []string{"0"}}
			}
		}
	}
	s.c.refuse(e.Place(), "the function %s with these arguments is not carried over", e.Name)
	return term{}
}

// one is the argument of a function that has one.
func (s *scope) one(e *sql.Call) term {
	if len(e.Args) != 1 {
		s.c.refuse(e.Place(), "the function %s has one argument", e.Name)
	}
	return s.term(e.Args[0])
}

// textCall translates the functions of texts.
func (s *scope) textCall(e *sql.Call) (term, bool) {
	simple := map[string]string{"lower": "lower", "upper": "upper", "trim": "trim", "length": "len", "replace": "replace", "substr": "substr", "substring": "substr", "from_base64": "base64_decode"}
	if name, ok := simple[e.Name]; ok {
		if len(e.Args) == 0 || name == "trim" && len(e.Args) > 1 {
			return term{}, false
		}
		return s.simple(e, name), true
	}
	switch e.Name {
	case "ltrim", "rtrim", "trim":
		return s.trim(e), true
	case "hex":
		return atom("upper(hex("+s.one(e).text+"))", text), true
	case "concat":
		return s.concat(e.Place(), e.Args), true
	case "concat_ws":
		return s.joined(e), true
	case "printf", "format":
		return s.printf(e), true
	case "split":
		return s.split(e)
	case "regex_match":
		return s.regexMatch(e)
	case "to_base64", "conditional_to_base64", "sha1", "sha256", "md5", "regex_split", "unicode", "char", "quote", "inet_aton", "community_id_v1", "json_extract", "json_each", "levenshtein", "instr":
		s.c.refuse(e.Place(), "the function %s is not there", e.Name)
	}
	return term{}, false
}

// fromOne mends substr(x, 0, n), in which SQLite counts a character before the
// first.
func fromOne(args []sql.Expr) []sql.Expr {
	if len(args) != 3 {
		return args
	}
	start, ok1 := args[1].(*sql.Literal)
	length, ok2 := args[2].(*sql.Literal)
	if !ok1 || !ok2 || start.Text != "0" {
		return args
	}
	n, err := strconv.Atoi(length.Text)
	if err != nil || n < 1 {
		return args
	}
	return []sql.Expr{args[0], &sql.Literal{At: start.At, Kind: sql.Number, Text: "1"}, &sql.Literal{At: length.At, Kind: sql.Number, Text: strconv.Itoa(n - 1)}}
}

func (s *scope) simple(e *sql.Call, name string) term {
	args := e.Args
	if name == "substr" {
		args = fromOne(args)
	}
	parts := make([]string, len(args))
	var first term
	for i, a := range args {
		t := s.term(a)
		if i == 0 {
			first = t
			if t.kind == flag {
				t = number01(t)
			}
			parts[i] = t.text
			if t.kind != text && t.lit == nil {
				parts[i] = "concat(" + t.text + ")"
			}
			continue
		}
		parts[i] = t.text
	}
	out := term{text: name + "(" + strings.Join(parts, ", ") + ")", prec: precAtom, kind: text, empty: first.empty, outer: first.outer}
	switch name {
	case "len":
		out.kind = number
		if len(first.empty) > 0 {
			out.empty = []string{strconv.Itoa(len(first.empty[0]))}
		}
	case "upper":
		out.text = strings.Replace(out.text, "upper", "upper", 1)
	}
	return out
}

func (s *scope) joined(e *sql.Call) term {
	if len(e.Args) < 2 {
		s.c.refuse(e.Place(), "concat_ws needs a separator and what it stands between")
	}
	sep := s.term(e.Args[0])
	var parts []string
	for i, a := range e.Args[1:] {
		if i > 0 {
			parts = append(parts, sep.text)
		}
		parts = append(parts, s.term(a).text)
	}
	return atom("concat("+strings.Join(parts, ", ")+")", text)
}

var verbs = regexp.MustCompile(`%[sdi]|%%|%`)

// printf is a concatenation where its verbs are plain.
func (s *scope) printf(e *sql.Call) term {
	if len(e.Args) == 0 {
		s.c.refuse(e.Place(), "printf needs a format")
	}
	f := s.term(e.Args[0])
	if f.lit == nil {
		s.c.refuse(e.Place(), "a format of printf that is no constant is not carried over")
	}
	var parts []string
	arg, rest := 1, f.lit.Text
	add := func(text string) {
		if text != "" {
			parts = append(parts, convert.Quote(text))
		}
	}
	for {
		at := verbs.FindStringIndex(rest)
		if at == nil {
			break
		}
		add(rest[:at[0]])
		switch verb := rest[at[0]:at[1]]; {
		case verb == "%%":
			add("%")
		case verb == "%" || arg >= len(e.Args):
			s.c.refuse(e.Place(), "printf is carried over with %%s and %%d alone")
		default:
			parts = append(parts, s.term(e.Args[arg]).text)
			arg++
		}
		rest = rest[at[1]:]
	}
	add(rest)
	if len(parts) == 0 {
		return s.literal(&sql.Literal{At: e.At, Kind: sql.Text})
	}
	return atom("concat("+strings.Join(parts, ", ")+")", text)
}

// trim takes signs from the ends of a text: blanks, or those that are named.
func (s *scope) trim(e *sql.Call) term {
	if len(e.Args) == 0 {
		s.c.refuse(e.Place(), "the function %s needs a text", e.Name)
	}
	class := " "
	if len(e.Args) > 1 {
		signs, ok := s.textOf(e.Args[1])
		if !ok || signs.Text == "" {
			s.c.refuse(e.Place(), "%s is carried over with constants for its signs", e.Name)
		}
		class = "[" + classOf(signs.Text) + "]"
	}
	regex := map[string]string{"ltrim": "^" + class + "*(.*)$", "rtrim": "^(.*?)" + class + "*$", "trim": "^" + class + "*(.*?)" + class + "*$"}[e.Name]
	x := s.term(e.Args[0])
	return term{text: "extract(" + plainText(x) + ", " + convert.Quote("(?s)"+regex) + ", 1)", prec: precAtom, kind: text, empty: x.empty, outer: x.outer}
}

// classOf writes signs for a class of a regular expression.
func classOf(signs string) string {
	class := ""
	for _, c := range signs {
		if strings.ContainsRune(`\]^-[`, c) {
			class += `\`
		}
		class += string(c)
	}
	return class
}

// split takes the part of a text at a number, from 0; any of the signs
// separates, and parts of nothing are not counted.
func (s *scope) split(e *sql.Call) (term, bool) {
	if len(e.Args) != 3 {
		return term{}, false
	}
	x, sep, n := s.term(e.Args[0]), s.term(e.Args[1]), s.term(e.Args[2])
	i, ok := floatOf(n)
	if sep.lit == nil || sep.lit.Text == "" || !ok || i < 0 || i > 100 {
		s.c.refuse(e.Place(), "split is carried over with constants for its signs and its number")
	}
	class := classOf(sep.lit.Text)
	in, out := "["+class+"]", "[^"+class+"]"
	skip := ""
	if i > 0 {
		skip = "(?:" + out + "+" + in + "+){" + strconv.Itoa(int(i)) + "}"
	}
	return term{text: "extract(" + plainText(x) + ", " + convert.Quote("^"+in+"*"+skip+"("+out+"+)") + ", 1)", prec: precAtom, kind: text, outer: x.outer}, true
}

func (s *scope) regexMatch(e *sql.Call) (term, bool) {
	if len(e.Args) != 3 {
		return term{}, false
	}
	x, re, n := s.term(e.Args[0]), s.term(e.Args[1]), s.term(e.Args[2])
	if re.lit == nil || n.lit == nil {
		s.c.refuse(e.Place(), "regex_match is carried over with constants for its expression and its number")
	}
	if _, err := regexp.Compile(re.lit.Text); err != nil {
		s.c.refuse(e.Place(), "its regular expression has what RE2 has not: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	text1 := "extract(" + plainText(x) + ", " + convert.Quote(re.lit.Text)
	if n.text != "0" {
		text1 += ", " + n.text
	}
	return term{text: text1 + ")", prec: precAtom, kind: text, outer: x.outer}, true
}

// coalesce gives what is null another value: what osquery has for it, as a
// rule, or for the row of an outer join that is not there.
func (s *scope) coalesce(e *sql.Call) term {
	if len(e.Args) == 0 {
		s.c.refuse(e.Place(), "coalesce of nothing")
	}
	x := s.term(e.Args[0])
	if len(e.Args) == 2 {
		if y := s.term(e.Args[1]); y.lit != nil && x.lit == nil && (x.outer == "" || x.empty == nil || len(x.empty) == 1 && x.empty[0] == y.lit.Text) {
			switch {
			case x.outer != "":
				x.empty, x.outer = []string{y.lit.Text}, ""
			case x.empty == nil && x.col == nil:
				x.empty = []string{y.lit.Text}
			}
			if x.kind != text && y.lit.Kind == sql.Text {
				x.shown = x.text
			} else if x.kind == text || x.kind == number {
				x.shown = "coalesce(" + x.text + ", " + y.text + ")"
			}
			return x
		}
	}
	parts := []string{}
	k := x.kind
	for _, a := range e.Args {
		t := s.term(a)
		if t.kind != k {
			k = text
		}
	}
	for _, a := range e.Args {
		t := s.term(a)
		if t.kind != k {
			t.text = plainText(t)
		}
		parts = append(parts, t.text)
	}
	return atom("coalesce("+strings.Join(parts, ", ")+")", k)
}

// extreme is min or max of several values of one row.
func (s *scope) extreme(e *sql.Call) term {
	op := map[string]string{"min": "<", "max": ">"}[e.Name]
	out := s.term(e.Args[0])
	for _, a := range e.Args[1:] {
		t := s.term(a)
		out = atom("if("+out.text+" "+op+" "+t.text+", "+out.text+", "+t.text+")", out.kind)
	}
	return out
}

// aggregate translates the functions of groups.
func (s *scope) aggregate(e *sql.Call) term {
	if e.Filter != nil {
		return s.filtered(e)
	}
	if e.Name == "count" && (e.Star || len(e.Args) == 0) {
		return atom("count()", number)
	}
	if len(e.Args) == 0 {
		s.c.refuse(e.Place(), "%s needs an argument", e.Name)
	}
	x := s.term(e.Args[0])
	if x.kind == flag {
		x = number01(x)
	}
	if x.text == "" {
		s.c.refuse(e.Place(), "this column is compared with constants alone")
	}
	distinct := ""
	if e.Distinct {
		distinct = "DISTINCT "
	}
	switch e.Name {
	case "count":
		if !e.Distinct && x.outer == "" && (x.col != nil || x.lit != nil) {
			return atom("count()", number) // no column of osquery's is NULL
		}
		return atom("count("+distinct+x.filled().text+")", number)
	case "sum", "total", "avg":
		if e.Distinct {
			s.c.refuse(e.Place(), "%s(DISTINCT …) is not carried over", e.Name)
		}
		if x.kind == text || x.kind >= address {
			x = s.numeric(x)
		}
		name := map[string]string{"sum": "sum", "total": "sum", "avg": "avg"}[e.Name]
		return atom(name+"("+x.text+")", x.kind)
	case "min", "max":
		return atom(e.Name+"("+x.text+")", x.kind)
	}
	sep := ","
	if len(e.Args) > 1 {
		if t := s.term(e.Args[1]); t.lit != nil {
			sep = t.lit.Text
		}
	}
	if e.Distinct {
		s.c.lose(e.Place(), "DISTINCT in group_concat is left out")
	}
	s.c.note(e.Place(), "group_concat takes the first 1000 of a group")
	return atom("join(list("+x.text+", 1000), "+convert.Quote(sep)+")", text)
}

// filtered is FILTER (WHERE …), which counts or sums what holds.
func (s *scope) filtered(e *sql.Call) term {
	c := s.cond(e.Filter, false)
	switch {
	case c.always():
		plain := *e
		plain.Filter = nil
		return s.aggregate(&plain)
	case e.Name == "count" && !e.Distinct:
		return atom("sum(if("+c.text+", 1, 0))", number)
	case len(e.Args) == 1 && e.Name != "group_concat":
		x := s.term(e.Args[0])
		return atom(e.Name+"(if("+c.text+", "+x.text+", null))", x.kind)
	}
	s.c.refuse(e.Place(), "FILTER with %s is not carried over", e.Name)
	return term{}
}
