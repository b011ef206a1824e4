package osquery

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
	"github.com/quaestor-engine/quaestor/value"
)

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// match translates LIKE, GLOB and REGEXP.
func (s *scope) match(e *sql.Match, not bool) cond {
	x, y := s.term(e.X), s.term(e.Y)
	if x.lit != nil {
		s.c.refuse(e.Place(), "%s with a constant on the left is not carried over", e.Op)
	}
	if x.kind == seconds || x.kind == duration {
		s.c.refuse(e.Place(), "%s on a time is not carried over: compare it with one", e.Op)
	}
	if x.text == "" {
		s.c.refuse(e.Place(), "this column is compared with constants alone")
	}
	if y.lit == nil {
		return s.matchDynamic(e, x, not)
	}
	switch e.Op {
	case "LIKE":
		return s.like(e, x, y.lit.Text, not)
	case "GLOB":
		return s.glob(e, x, y.lit.Text, not)
	case "REGEXP":
		return s.nullable(x, compared(plainText(x)+word(not, "MATCHES")+convert.Quote(y.lit.Text)), func(v string) bool {
			re, err := regexp.Compile(y.lit.Text)
			return err == nil && re.MatchString(v) != not
		})
	}
	s.c.refuse(e.Place(), "%s is not carried over", e.Op)
	return cond{}
}

func word(not bool, op string) string {
	if not {
		return " NOT " + op + " "
	}
	return " " + op + " "
}

// like translates LIKE, which makes no difference between capital and small
// letters.
func (s *scope) like(e *sql.Match, x term, pattern string, not bool) cond {
	pattern = s.escaped(e, pattern)
	p, err := value.CompileLike(pattern, true)
	if err != nil {
		s.c.refuse(e.Place(), "this pattern is not carried over: %s", err)
	}
	if x.col != nil && (x.col.words != nil || x.col.truths != nil) {
		return s.likeWords(e, x, p.Match, not)
	}
	empty := func(v string) bool { return p.Match(v) != not }
	if x.kind == address {
		if n, ok := networkOf(pattern); ok {
			return s.nullable(x, compared(x.text+word(not, "IN")+n), empty)
		}
	}
	s.fronted(e.Place(), x, pattern)
	left := x.in(precSum)
	if x.kind != text && x.kind != version {
		left = "concat(" + x.text + ")"
		if x.kind == flag {
			left = "concat(" + number01(x).text + ")"
		}
	}
	if strings.Trim(pattern, "%") == "" && pattern != "" { // any text
		if not {
			return cond{never, precAtom}
		}
		if x.outer != "" {
			return compared(x.outer)
		}
		return cond{}
	}
	op, lit, nocase := likeForm(pattern)
	right := convert.Quote(lit)
	if nocase {
		right += " NOCASE"
	}
	if op == "=" {
		if slices.Contains(x.empty, lit) {
			if not {
				return s.compareEmpty("!=", x, lit)
			}
			return s.compareEmpty("=", x, lit)
		}
		if not {
			op = "!="
		}
		return s.nullable(x, compared(left+" "+op+" "+right), empty)
	}
	return s.nullable(x, compared(left+word(not, op)+right), empty)
}

// fronted notes that osquery has more at the beginning of a text, unless a
// pattern asks for a part of it that cannot be there.
func (s *scope) fronted(at int, x term, pattern string) {
	if x.col != nil && x.col.front != "" && !(strings.HasPrefix(pattern, "%") && strings.Contains(pattern, "/")) {
		s.c.lose(at, "column %s of %s begins with %s in osquery, which is a column of its own here", x.col.name, x.ref.t.name, x.col.front)
	}
}

// likeForm gives the shortest way to say a pattern, and whether it has letters
// of which there are two.
func likeForm(pattern string) (op, lit string, nocase bool) {
	nocase = strings.ToLower(pattern) != strings.ToUpper(pattern)
	inner := strings.Trim(pattern, "%")
	if strings.ContainsAny(inner, `%_\`) {
		return "LIKE", pattern, nocase
	}
	front, back := strings.HasPrefix(pattern, "%"), strings.HasSuffix(pattern, "%")
	switch {
	case !front && !back && nocase:
		return "LIKE", pattern, true
	case front && back:
		return "CONTAINS", inner, nocase
	case front:
		return "ENDS WITH", inner, nocase
	case back:
		return "STARTS WITH", inner, nocase
	}
	return "=", inner, nocase
}

// escaped writes a pattern with backslashes where SQL has none, or those of
// ESCAPE.
func (s *scope) escaped(e *sql.Match, pattern string) string {
	esc := ""
	if e.Escape != nil {
		l, ok := e.Escape.(*sql.Literal)
		if !ok || len(l.Text) != 1 {
			s.c.refuse(e.Place(), "ESCAPE names one sign")
		}
		esc = l.Text
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch ch := pattern[i : i+1]; {
		case ch == esc && i+1 < len(pattern):
			i++
			b.WriteString(`\` + pattern[i:i+1])
		case ch == `\`:
			b.WriteString(`\\`)
		default:
			b.WriteString(ch)
		}
	}
	return b.String()
}

// likeWords asks a pattern of the words that a column may be.
func (s *scope) likeWords(e *sql.Match, x term, match func(string) bool, not bool) cond {
	var list []string
	var truths []cond
	var others []string
	for _, v := range sortedKeys(x.col.words) {
		if match(v) {
			list = append(list, x.col.words[v])
		} else {
			others = append(others, x.col.words[v])
		}
	}
	for _, w := range list {
		if slices.Contains(others, w) {
			s.c.lose(e.Place(), "column %s of %s tells apart what is all %q here", x.col.name, x.ref.t.name, w)
		}
	}
	for _, v := range sortedKeys(x.col.truths) {
		if match(v) != not {
			truths = append(truths, parsed(under(x.col.truths[v], x.ref.prefix)))
		}
	}
	if x.col.truths != nil {
		return some(truths...)
	}
	c := oneOfWords(x.text, list)
	if not {
		c = noneOfWords(x.text, list)
	}
	return s.nullable(x, c, func(v string) bool { return match(v) != not })
}

var octets = regexp.MustCompile(`^(\d{1,3})\.(?:(\d{1,3})\.(?:(\d{1,3})\.)?)?%$`)

// networkOf gives the network of a pattern such as 192.168.%.
func networkOf(pattern string) (string, bool) {
	m := octets.FindStringSubmatch(pattern)
	if m == nil {
		return "", false
	}
	bits, text := 0, ""
	for i := 1; i <= 3; i++ {
		part := m[i]
		if part == "" {
			part = "0"
		} else {
			bits += 8
		}
		text += part + "."
	}
	p, err := netip.ParsePrefix(text + "0/" + number10(bits))
	return p.String(), err == nil
}

// glob translates GLOB of SQLite, whose * is any text.
func (s *scope) glob(e *sql.Match, x term, pattern string, not bool) cond {
	if x.col != nil && x.col.words != nil || x.kind == flag {
		s.c.refuse(e.Place(), "GLOB on this column is not carried over")
	}
	like := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`, "*", "%", "?", "_").Replace(pattern)
	left := x.in(precSum)
	if x.kind != text && x.kind != version {
		left = "concat(" + x.text + ")"
	}
	if !strings.ContainsAny(pattern, "[]") {
		p, err := value.CompileLike(like, false)
		if err != nil {
			s.c.refuse(e.Place(), "this pattern is not carried over: %s", err)
		}
		op, lit, _ := likeForm(like)
		empty := func(v string) bool { return p.Match(v) != not }
		if op == "=" {
			if not {
				op = "!="
			}
			return s.nullable(x, compared(left+" "+op+" "+convert.Quote(lit)), empty)
		}
		return s.nullable(x, compared(left+word(not, op)+convert.Quote(lit)), empty)
	}
	re := globRegexp(pattern)
	compiled, err := regexp.Compile(re)
	if err != nil {
		s.c.refuse(e.Place(), "this pattern is not carried over")
	}
	return s.nullable(x, compared(left+word(not, "MATCHES")+convert.Quote(re)), func(v string) bool { return compiled.MatchString(v) != not })
}

// globRegexp makes a regular expression of a glob with classes.
func globRegexp(pattern string) string {
	var b strings.Builder
	b.WriteString("(?s)^")
	for i := 0; i < len(pattern); i++ {
		switch ch := pattern[i]; ch {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			end := strings.IndexByte(pattern[min(i+2, len(pattern)):], ']')
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			class := pattern[i+1 : i+2+end]
			i += 2 + end
			not := strings.HasPrefix(class, "^")
			class = strings.TrimPrefix(class, "^")
			b.WriteByte('[')
			if not {
				b.WriteByte('^')
			}
			b.WriteString(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`).Replace(class) + "]")
		default:
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	return b.String() + "$"
}

// matchDynamic translates a pattern that is made of another column.
func (s *scope) matchDynamic(e *sql.Match, x term, not bool) cond {
	parts := flatten(e.Y)
	if call, ok := e.Y.(*sql.Call); ok && call.Name == "concat" {
		parts = call.Args
	}
	isAny := func(x sql.Expr) bool {
		l, ok := x.(*sql.Literal)
		return ok && l.Text == "%"
	}
	front, back := isAny(parts[0]), isAny(parts[len(parts)-1])
	if front {
		parts = parts[1:]
	}
	if back && len(parts) > 0 {
		parts = parts[:len(parts)-1]
	}
	if e.Op != "LIKE" || len(parts) == 0 {
		s.c.refuse(e.Place(), "a pattern that is made of other columns is carried over where %% stands at its ends alone")
	}
	for i, p := range parts {
		l, ok := p.(*sql.Literal)
		if !ok {
			continue
		}
		if i == len(parts)-1 && strings.HasSuffix(l.Text, "%") && !back {
			back = true
			parts[i] = &sql.Literal{At: l.At, Kind: sql.Text, Text: strings.TrimSuffix(l.Text, "%")}
		}
		if strings.ContainsAny(parts[i].(*sql.Literal).Text, "%_") {
			s.c.refuse(e.Place(), "a pattern that is made of other columns is carried over where %% stands at its ends alone")
		}
	}
	y := s.concat(e.Place(), parts)
	if len(parts) == 1 {
		y = s.term(parts[0])
	}
	if x.kind != text || x.col == nil && len(x.empty) > 0 {
		x = atom(plainText(x), text)
	}
	op := map[[2]bool]string{{true, true}: "CONTAINS", {true, false}: "ENDS WITH", {false, true}: "STARTS WITH"}[[2]bool{front, back}]
	if op == "" {
		op = "="
		if not {
			op, not = "!=", false
		}
		return compared("lower(" + x.text + ") " + op + " lower(" + y.text + ")")
	}
	if len(y.empty) > 0 {
		s.c.note(e.Place(), "a pattern of nothing but %% is true of any text in osquery, and of none here")
	}
	return compared(x.in(precSum) + word(not, op) + y.in(precSum) + " NOCASE")
}
