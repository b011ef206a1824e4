package sigma

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// maxDashes bounds the places of a value at which windash means any of five
// dashes.
const maxDashes = 4

// modifiers are what stands behind the name of a field.
type modifiers struct {
	kind               kind
	front, back        bool     // anything may stand before, behind
	encode             []string // in their order: wide, base64 …
	flags              string   // of an expression
	all, cased, negate bool
	windash            bool
	bad                string // one that cannot be asked
}

// parseModifiers reads them. One that is not known is told by its name.
func parseModifiers(names []string) modifiers {
	var m modifiers
	kinds := map[string]kind{
		"re": matches, "cidr": network, "lt": less, "lte": lessEqual, "gt": greater, "gte": greaterEqual,
		"exists": exists, "fieldref": sameAs,
	}
	for _, name := range names {
		k, isKind := kinds[name]
		switch {
		case isKind:
			m.kind = k
		case name == "contains":
			m.front, m.back = true, true
		case name == "startswith":
			m.back = true
		case name == "endswith":
			m.front = true
		case name == "all":
			m.all = true
		case name == "cased":
			m.cased = true
		case name == "neq":
			m.negate = true
		case name == "windash":
			m.windash = true
		case name == "i", name == "m", name == "s", name == "ignorecase", name == "multiline", name == "dotall":
			m.flags += map[byte]string{'i': "i", 'm': "m", 's': "s", 'd': "s"}[name[0]]
		case name == "base64", name == "base64offset", name == "wide", name == "utf16", name == "utf16le", name == "utf16be":
			m.encode = append(m.encode, name)
		case name == "expand":
			m.bad = "expand: the values of its placeholders are kept outside of the rule"
		default:
			m.bad = fmt.Sprintf("the modifier %q is not known", name)
		}
	}
	if m.kind != like && (m.front || m.back || len(m.encode) > 0 || m.windash) {
		m.bad = "its modifiers do not go together: " + strings.Join(names, ", ")
	}
	if n := len(m.encode); m.bad == "" && n > 0 && !strings.HasPrefix(m.encode[n-1], "base64") {
		m.bad = "the modifier " + m.encode[n-1] + " without base64 makes bytes, and what is looked at here is text"
	}
	return m
}

// modified makes the tests of a field.
func modified(field string, names []string, values []*document.Node, n *document.Node) (*expr, *problem) {
	m := parseModifiers(names)
	if field == "" && m.kind == like {
		m.front, m.back = true, true
	}
	var subs []*expr
	var together *test
	for _, v := range values {
		if v.Kind() == document.Null {
			subs = append(subs, &expr{op: 't', test: &test{field: field, kind: null, line: n.Line(), bad: m.bad}})
			continue
		}
		t := &test{field: field, kind: m.kind, cased: m.cased, flagged: m.flags, line: v.Line(), bad: m.bad}
		if t.bad == "" {
			if err := t.read(v, m); err != nil {
				return nil, err
			}
		}
		switch {
		case together == nil || m.all || m.kind == exists || t.bad != "":
			subs = append(subs, &expr{op: 't', test: t})
			if t.bad == "" {
				together = t
			}
		default:
			together.words, together.texts = append(together.words, t.words...), append(together.texts, t.texts...)
		}
	}
	op := byte('|')
	if m.all {
		op = '&'
	}
	x := joined(op, subs)
	if m.negate {
		x = not(x)
	}
	return x, nil
}

// read gives a test its value.
func (t *test) read(v *document.Node, m modifiers) *problem {
	text := v.Text()
	switch t.kind {
	case like:
		p := parsePattern(text)
		if len(m.encode) > 0 {
			t.words, t.bad = encoded(p, m)
			return nil
		}
		ps := []pattern{p}
		if m.windash {
			if ps, t.bad = dashes(p); t.bad != "" {
				return nil
			}
		}
		for _, p := range ps {
			t.words = append(t.words, p.open(m.front, m.back))
		}
		return nil
	case matches:
		if _, err := regexp.Compile(text); err != nil {
			t.bad = fmt.Sprintf("the expression %q is none of RE2, which has neither looks around nor references back: %s", shorten(text), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	case network:
		if _, err := netip.ParsePrefix(text); err != nil {
			return wrong(v, "%q is no network", text)
		}
	case less, lessEqual, greater, greaterEqual:
		if _, err := strconv.ParseInt(text, 0, 64); err != nil {
			return wrong(v, "%q is no whole number", text)
		}
	case exists:
		if yes, err := strconv.ParseBool(strings.ToLower(text)); err != nil {
			return wrong(v, "exists is true or false, and not %q", text)
		} else if !yes {
			t.kind = null
		}
	}
	t.texts = []string{text}
	return nil
}

// encoded gives the texts that a value has in base64.
func encoded(p pattern, m modifiers) ([]pattern, string) {
	text, ok := p.literal()
	if !ok {
		return nil, "a value with wildcards has no base64"
	}
	raw := []string{text}
	for _, name := range m.encode {
		var next []string
		for _, s := range raw {
			next = append(next, encodings(name, s)...)
		}
		raw = next
	}
	var out []pattern
	for _, s := range raw {
		if s == "" {
			return nil, "a value is too short for base64offset"
		}
		out = append(out, plain(s).open(m.front, m.back))
	}
	return out, ""
}

// encodings applies one modifier. Of base64offset there are three results, by
// where in the encoded whole the text begins, each without the characters
// that its neighbours share.
func encodings(name, s string) []string {
	switch name {
	case "base64":
		return []string{base64.StdEncoding.EncodeToString([]byte(s))}
	case "base64offset":
		var out []string
		for shift := range 3 {
			whole := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", shift) + s))
			from := [...]int{0, 2, 3}[shift]
			to := len(whole) - [...]int{0, 3, 2}[(len(s)+shift)%3]
			out = append(out, whole[min(from, to):to])
		}
		return out
	}
	var b []byte
	if name == "utf16" {
		b = append(b, 0xff, 0xfe)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		if name == "utf16be" {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return []string{string(b)}
}

// dashes gives the pattern with each of the dashes that Windows takes, at each
// place where an option begins.
func dashes(p pattern) ([]pattern, string) {
	out := []pattern{nil}
	places := 0
	for _, x := range p {
		rest := x.text
		for x.wild == 0 && rest != "" {
			at := optionAt(x.text, len(x.text)-len(rest))
			if at < 0 {
				break
			}
			if places++; places > maxDashes {
				return nil, fmt.Sprintf("windash has over %d places in one value", maxDashes)
			}
			before := x.text[len(x.text)-len(rest) : at]
			var next []pattern
			for _, o := range out {
				for _, dash := range [...]string{"-", "/", "–", "—", "―"} {
					next = append(next, o.open(false, false).add(piece{text: before + dash}))
				}
			}
			out, rest = next, x.text[at+1:]
		}
		if x.wild == 0 {
			x.text = rest
		}
		for i := range out {
			if x.wild != 0 || x.text != "" {
				out[i] = out[i].add(x)
			}
		}
	}
	return out, ""
}

// optionAt finds a dash or slash, from a place on, that stands behind no
// letter and before one.
func optionAt(s string, from int) int {
	for i := from; i+1 < len(s); i++ {
		if (s[i] == '-' || s[i] == '/') && (i == 0 || !letter(s[i-1])) && letter(s[i+1]) {
			return i
		}
	}
	return -1
}

func letter(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b >= utf8.RuneSelf
}

// shorten keeps a message short.
func shorten(s string) string {
	const most = 60 // characters
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
