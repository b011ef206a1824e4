package sigma

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// maxInline is how many values a condition shows; more are a list beside the
// query file.
const maxInline = 40

// A writer writes the queries of one rule.
type writer struct {
	rule  *convert.Rule
	lists *[]convert.List
	file  string // what the names of lists begin with
	src   source
}

// A phrase is a condition in the language.
type phrase struct {
	text  string
	op    byte   // 't', '&' or '|': what joins it
	total bool   // it is never unknown
	lost  []lost // where nothing of it can be asked: why
}

// A lost is a test that cannot be asked.
type lost struct {
	line int
	why  string
}

// query adds the query of a condition for one source. An extra one, beside
// that which stands for the rule, is added only where it asks all of it.
func (w *writer) query(s source, x *expr, extra bool) {
	where, ok := w.where(s, x, extra)
	if !ok {
		return
	}
	q := s.from + "\nFIND " + s.find
	if s.place != nil {
		q += " " + s.place(x)
	}
	w.rule.Queries = append(w.rule.Queries, q+"\n  WHERE "+where+"\n  RETURN "+s.returns)
	w.note(s)
}

// note says how a source differs from events as they come. What is true of
// every rule of its kind is a comment, and no reason why one is not whole.
func (w *writer) note(s source) {
	for _, n := range s.notes {
		if !slices.Contains(w.rule.Comments, n) {
			w.rule.Comments = append(w.rule.Comments, n)
		}
	}
	for _, n := range s.partly {
		w.rule.Lose(0, "%s", n)
	}
}

// where gives the whole condition of a query; false where there is none.
func (w *writer) where(s source, x *expr, extra bool) (string, bool) {
	real := w.rule
	sketch := *real
	if extra {
		sketch = convert.Rule{Outcome: convert.Whole}
	}
	lists := len(*w.lists)
	w.src, w.rule = s, &sketch
	p := w.phrase(s.rewritten(x), true)
	w.rule = real
	switch {
	case extra && (sketch.Outcome != convert.Whole || len(p.lost) > 0):
		*w.lists = (*w.lists)[:lists]
		return "", false
	case !extra:
		*real = sketch
	}
	if len(p.lost) > 0 {
		for _, l := range p.lost {
			w.rule.Lose(l.line, "%s", l.why)
		}
		return "", false
	}
	parts := slices.Clone(s.fixed)
	if p.op == '|' && len(parts) > 0 {
		p.text = "(" + p.text + ")"
	}
	return strings.Join(append(parts, p.text), "\n    AND "), true
}

// phrase writes an expression. What cannot be asked is left out where the rest
// still says something, and that is told with what follows from it: positive
// says whether more that holds means more that is found.
func (w *writer) phrase(x *expr, positive bool) phrase {
	switch x.op {
	case 't':
		return w.test(x.test)
	case '!':
		p := w.phrase(x.subs[0], !positive)
		if len(p.lost) > 0 {
			return p
		}
		return negated(p)
	}
	out := phrase{op: x.op, total: true}
	var kept []phrase
	for _, sub := range x.subs {
		p := w.phrase(sub, positive)
		if len(p.lost) > 0 {
			out.lost = append(out.lost, p.lost...)
			continue
		}
		kept = append(kept, p)
		out.total = out.total && p.total
	}
	if len(kept) == 0 {
		return out
	}
	effect := "what only that would find is not found"
	if (x.op == '&') == positive {
		effect = "more is found than the rule means"
	}
	for _, l := range out.lost {
		w.rule.Lose(l.line, "%s; %s", l.why, effect)
	}
	if len(kept) == 1 {
		return kept[0]
	}
	texts := make([]string, len(kept))
	for i, p := range kept {
		if texts[i] = p.text; p.op != 't' && p.op != x.op {
			texts[i] = "(" + p.text + ")"
		}
	}
	out.lost = nil
	out.text = strings.Join(texts, map[byte]string{'&': "\n    AND ", '|': "\n    OR "}[x.op])
	return out
}

// negated is true where a phrase is not, also where it is unknown.
func negated(p phrase) phrase {
	switch {
	case !p.total:
		p.text = "NOT coalesce(" + p.text + ", false)"
	case strings.HasSuffix(p.text, " IS NULL") && p.op == 't':
		p.text = strings.TrimSuffix(p.text, "NULL") + "NOT NULL"
	default:
		p.text = "NOT (" + p.text + ")"
	}
	return phrase{text: p.text, op: 't', total: true}
}

// test writes one test.
func (w *writer) test(t *test) phrase {
	cannot := func(format string, args ...any) phrase {
		return phrase{lost: []lost{{t.line, fmt.Sprintf(format, args...)}}}
	}
	if t.bad != "" {
		return cannot("%s", t.bad)
	}
	c, why := w.src.column(t.field)
	if why != "" {
		return cannot("%s", why)
	}
	switch {
	case c.unspaced && t.spaced():
		return cannot("auditd writes values with blanks, such as that of %s, in hexadecimal", t.field)
	case c.write != nil:
		if text, total := c.write(t); text != "" {
			return phrase{text: text, op: 't', total: total}
		}
		return cannot("%s has another value here than %s", t.field, t.said())
	case t.kind == null:
		return phrase{text: c.text + " IS NULL", op: 't', total: true}
	case t.kind == exists:
		return phrase{text: c.text + " IS NOT NULL", op: 't', total: true}
	case t.kind == sameAs:
		other, why := w.src.column(t.texts[0])
		if why != "" || other.write != nil || other.kind != c.kind {
			return cannot("%s cannot be compared with %s", t.field, t.texts[0])
		}
		if c.kind != text || t.cased {
			return phrase{text: c.text + " = " + other.text, op: 't'}
		}
		return phrase{text: "lower(" + c.text + ") = lower(" + other.text + ")", op: 't'}
	}
	var p phrase
	switch c.kind {
	case number:
		p = numbers(c, t)
	case address:
		p = addresses(c, t)
	case hash:
		p = w.hashes(c, t)
	default:
		p = w.texts(c, t)
	}
	if p.text == "" {
		return cannot("%s is %s, and is not asked for %s", t.field, c.kind, t.said())
	}
	return p
}

// said shows the values of a test in a message.
func (t *test) said() string {
	if t.kind == like && len(t.words) > 0 {
		return strconv.Quote(shorten(t.words[0].like()))
	}
	return strconv.Quote(shorten(strings.Join(t.texts, ", ")))
}

// compared gives the sign of a comparison.
func (k kind) sign() string {
	return map[kind]string{less: "<", lessEqual: "<=", greater: ">", greaterEqual: ">="}[k]
}

func numbers(c column, t *test) phrase {
	if sign := t.kind.sign(); sign != "" {
		return phrase{text: c.text + " " + sign + " " + number10(t.texts[0]), op: 't'}
	}
	var list []string
	for _, p := range t.words {
		s, literal := p.literal()
		if shape, _ := p.shape(); shape == anything {
			return phrase{text: c.text + " IS NOT NULL", op: 't', total: true}
		}
		if s = number10(s); s == "" || !literal {
			return phrase{}
		}
		list = append(list, s)
	}
	return oneOf(c.text, list)
}

// number10 gives a whole number, which may be written as 0x10, in decimal; ""
// where it is none.
func number10(s string) string {
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// oneOf writes = or IN of what needs no quotes.
func oneOf(column string, list []string) phrase {
	switch len(list) {
	case 0:
		return phrase{}
	case 1:
		return phrase{text: column + " = " + list[0], op: 't'}
	}
	return phrase{text: column + " IN (" + strings.Join(list, ", ") + ")", op: 't'}
}

// addresses writes IN of addresses and networks. 10.* is a network, too.
func addresses(c column, t *test) phrase {
	var list []string
	for _, s := range t.texts {
		if _, err := netip.ParsePrefix(s); err != nil || t.kind != network {
			return phrase{}
		}
		list = append(list, s)
	}
	for _, p := range t.words {
		shape, s := p.shape()
		a, err := netip.ParseAddr(s)
		switch octets := strings.Split(strings.TrimSuffix(s, "."), "."); {
		case shape == equals && err == nil && a.Zone() == "":
			list = append(list, a.String())
		case shape == anything:
			return phrase{text: c.text + " IS NOT NULL", op: 't', total: true}
		case shape == startsWith && strings.HasSuffix(s, ".") && len(octets) < 4:
			a, err := netip.ParseAddr(strings.Join(append(octets, "0", "0", "0")[:4], "."))
			if err != nil {
				return phrase{}
			}
			list = append(list, netip.PrefixFrom(a, 8*len(octets)).String())
		default:
			return phrase{}
		}
	}
	if len(list) == 0 {
		return phrase{}
	}
	return phrase{text: c.text + " IN (" + strings.Join(list, ", ") + ")", op: 't'}
}

// hashes writes IN of whole hashes; where one is looked for inside of a field,
// it is that field.
func (w *writer) hashes(c column, t *test) phrase {
	var list []string
	for _, p := range t.words {
		_, s := p.shape()
		if _, err := hex.DecodeString(s); err != nil || len(s) != c.digits {
			return phrase{}
		}
		list = append(list, strings.ToLower(s))
	}
	if len(list) > maxInline {
		return phrase{text: c.text + " IN @" + w.list(list), op: 't'}
	}
	for i := range list {
		list[i] = strconv.Quote(list[i])
	}
	return oneOf(c.text, list)
}

// texts writes tests of a text, those of a kind together.
func (w *writer) texts(c column, t *test) phrase {
	switch {
	case t.kind == matches:
		return w.expressions(c, t)
	case t.kind == network:
		return networkText(c, t)
	case t.kind.sign() != "":
		return phrase{text: "int(" + c.text + ") " + t.kind.sign() + " " + number10(t.texts[0]), op: 't'}
	}
	type group struct {
		column, op string
		values     []string
	}
	var groups []group
	var whole []string
	for _, p := range t.words {
		shape, s := p.shape()
		name := c.text
		if c.anchored != "" && p.anchored() {
			name = c.anchored
		}
		switch {
		case shape == anything:
			whole = append(whole, c.text+" IS NOT NULL")
			continue
		case shape == equals && s == "":
			whole = append(whole, "coalesce("+c.text+`, "") = ""`)
			continue
		}
		op := [...]string{equals: "IN", contains: "CONTAINS", startsWith: "STARTS WITH", endsWith: "ENDS WITH", wildcards: "LIKE"}[shape]
		i := slices.IndexFunc(groups, func(g group) bool { return g.column == name && g.op == op })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{column: name, op: op})
		}
		if !slices.Contains(groups[i].values, s) {
			groups[i].values = append(groups[i].values, s)
		}
	}
	total := len(groups) == 0
	for _, g := range groups {
		whole = append(whole, g.column+" "+w.listed(g.op, g.values, t.cased))
	}
	op := byte('|')
	if len(whole) == 1 {
		op = 't'
	}
	return phrase{text: strings.Join(whole, " OR "), op: op, total: total}
}

func hasLetters(s string) bool { return strings.ToLower(s) != strings.ToUpper(s) }

// listed writes an operator with its values: one, several, or a list beside
// the query. NOCASE is left out where there are no letters.
func (w *writer) listed(op string, values []string, cased bool) string {
	nocase := " NOCASE"
	if cased || !slices.ContainsFunc(values, hasLetters) {
		nocase = ""
	}
	if len(values) > maxInline && !slices.ContainsFunc(values, unlisted) {
		return op + " @" + w.list(values) + nocase
	}
	switch one := op == "IN" && len(values) == 1; {
	case one && nocase == "":
		return "= " + convert.Quote(values[0])
	case one && !strings.ContainsAny(values[0], "*?"): // LIKE with those is taken for a mistake
		return "LIKE " + convert.Quote(plain(values[0]).like()) + nocase
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = convert.Quote(v)
	}
	if len(values) == 1 && op != "IN" {
		return op + " " + quoted[0] + nocase
	}
	return op + " (" + strings.Join(quoted, ", ") + ")" + nocase
}

// unlisted says whether a value cannot stand in a file with a value a line.
func unlisted(s string) bool {
	return strings.TrimSpace(s) != s || s == "" || s[0] == '#' || strings.ContainsAny(s, "\r\n") || strings.HasPrefix(s, "\ufeff")
}

// list adds a list, or finds one that holds the same, and gives its name.
func (w *writer) list(values []string) string {
	text := strings.Join(values, "\n") + "\n"
	for _, l := range *w.lists {
		if string(l.Text) == text {
			return l.Name
		}
	}
	name := w.file + "-" + strconv.Itoa(len(*w.lists)+1) + ".txt"
	*w.lists = append(*w.lists, convert.List{Name: name, Text: []byte(text)})
	return name
}

// expressions writes MATCHES.
func (w *writer) expressions(c column, t *test) phrase {
	flags := ""
	for _, f := range "ms" {
		if strings.ContainsRune(t.flagged, f) {
			flags += string(f)
		}
	}
	quoted := make([]string, len(t.texts))
	for i, s := range t.texts {
		if flags != "" {
			s = "(?" + flags + ")" + s
		}
		quoted[i] = convert.Quote(s)
	}
	text := quoted[0]
	if len(quoted) > 1 {
		text = "(" + strings.Join(quoted, ", ") + ")"
	}
	if strings.ContainsRune(t.flagged, 'i') {
		text += " NOCASE"
	}
	return phrase{text: c.text + " MATCHES " + text, op: 't'}
}

// maxStarts is how many beginnings a network may come to in a text.
const maxStarts = 512

// networkText asks a text for addresses of networks, by the beginnings that
// they have. There are none for networks of IPv6,
// which has many ways to write an address.
func networkText(c column, t *test) phrase {
	var starts, whole []string
	for _, s := range t.texts {
		p, err := netip.ParsePrefix(s)
		if err == nil && p.IsSingleIP() {
			whole = append(whole, strconv.Quote(p.Addr().String()))
			continue
		}
		if err != nil || !p.Addr().Is4() || p.Bits() == 0 || len(starts)+len(whole) > maxStarts {
			return phrase{}
		}
		bytes := (p.Bits() + 7) / 8
		for i := range 1 << (8*bytes - p.Bits()) {
			a := p.Masked().Addr().As4()
			a[bytes-1] += byte(i)
			if bytes == len(a) {
				whole = append(whole, strconv.Quote(netip.AddrFrom4(a).String()))
				continue
			}
			octets := strings.Split(netip.AddrFrom4(a).String(), ".")
			starts = append(starts, strconv.Quote(strings.Join(octets[:bytes], ".")+"."))
		}
	}
	var parts []string
	if len(starts) > 0 {
		parts = append(parts, c.text+" STARTS WITH ("+strings.Join(starts, ", ")+")")
	}
	if len(whole) > 0 {
		parts = append(parts, c.text+" IN ("+strings.Join(whole, ", ")+")")
	}
	return phrase{text: strings.Join(parts, " OR "), op: '|'}
}
