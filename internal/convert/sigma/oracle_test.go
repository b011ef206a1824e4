package sigma

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// This file is a second reading of Sigma, which shares nothing with the
// converter: it evaluates rules on events. It is slow, and takes what the
// tests write alone.

// An oracleEvent has the fields that it has.
type oracleEvent map[string]string

type oracleRule struct {
	Detection map[string]any `yaml:"detection"`
}

// oracleMatches says whether an event fulfils the rule of a text.
func oracleMatches(text string, e oracleEvent) bool {
	var r oracleRule
	if err := yaml.Unmarshal([]byte(text), &r); err != nil {
		panic(err)
	}
	for _, cond := range listOf(r.Detection["condition"]) {
		words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(cond.(string)))
		got, rest := r.or(words, e)
		if len(rest) > 0 {
			panic(fmt.Sprint(cond, " goes on with ", rest))
		}
		if got {
			return true
		}
	}
	return false
}

func listOf(x any) []any {
	if l, ok := x.([]any); ok {
		return l
	}
	return []any{x}
}

func (r oracleRule) or(words []string, e oracleEvent) (bool, []string) {
	got, rest := r.and(words, e)
	for len(rest) > 0 && rest[0] == "or" {
		var more bool
		more, rest = r.and(rest[1:], e)
		got = got || more
	}
	return got, rest
}

func (r oracleRule) and(words []string, e oracleEvent) (bool, []string) {
	got, rest := r.not(words, e)
	for len(rest) > 0 && rest[0] == "and" {
		var more bool
		more, rest = r.not(rest[1:], e)
		got = got && more
	}
	return got, rest
}

func (r oracleRule) not(words []string, e oracleEvent) (bool, []string) {
	switch {
	case words[0] == "not":
		got, rest := r.not(words[1:], e)
		return !got, rest
	case words[0] == "(":
		got, rest := r.or(words[1:], e)
		return got, rest[1:]
	case len(words) > 2 && words[1] == "of":
		hits, all := 0, 0
		for name, sel := range r.Detection {
			prefix, star := strings.CutSuffix(words[2], "*")
			if name == "condition" || !(words[2] == "them" || star && strings.HasPrefix(name, prefix) || name == words[2]) {
				continue
			}
			all++
			if oracleSelection(sel, e) {
				hits++
			}
		}
		return hits > 0 && (words[0] != "all" || hits == all), words[3:]
	}
	return oracleSelection(r.Detection[words[0]], e), words[1:]
}

func oracleSelection(sel any, e oracleEvent) bool {
	switch s := sel.(type) {
	case []any:
		return slices.ContainsFunc(s, func(x any) bool { return oracleSelection(x, e) })
	case map[string]any:
		for key, values := range s {
			if !oracleItem(key, listOf(values), e) {
				return false
			}
		}
		return true
	}
	return slices.ContainsFunc(slices.Collect(mapValues(e)), func(v string) bool { return oracleLike("*"+fmt.Sprint(sel)+"*", v, false) })
}

func mapValues(e oracleEvent) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range e {
			if !yield(v) {
				return
			}
		}
	}
}

func oracleItem(key string, values []any, e oracleEvent) bool {
	parts := strings.Split(key, "|")
	have, there := e[parts[0]]
	mods := parts[1:]
	has := func(m string) bool { return slices.Contains(mods, m) }
	hits := 0
	for _, v := range values {
		if v == nil {
			if !there {
				hits++
			}
			continue
		}
		text := fmt.Sprint(v)
		got := false
		switch {
		case has("exists"):
			got = there == (text == "true")
		case text == "" && !has("contains") && !has("startswith") && !has("endswith"):
			got = have == "" // what a process does not have is an empty text here
		case !there:
		case has("fieldref"):
			other, ok := e[text]
			got = ok && strings.EqualFold(have, other)
		case has("re"):
			flags := ""
			for _, f := range []string{"i", "m", "s"} {
				if has(f) {
					flags += f
				}
			}
			if flags != "" {
				text = "(?" + flags + ")" + text
			}
			got = regexp.MustCompile(text).MatchString(have)
		case has("cidr"):
			a, err := netip.ParseAddr(have)
			got = err == nil && netip.MustParsePrefix(text).Contains(a)
		case has("lt"), has("lte"), has("gt"), has("gte"):
			a, _ := strconv.Atoi(have)
			b, _ := strconv.Atoi(text)
			got = has("lt") && a < b || has("lte") && a <= b || has("gt") && a > b || has("gte") && a >= b
		default:
			for _, x := range oracleTexts(text, mods) {
				front, back := has("contains") || has("endswith"), has("contains") || has("startswith")
				got = got || oracleLike(map[bool]string{true: "*"}[front]+x+map[bool]string{true: "*"}[back], have, has("cased"))
			}
		}
		if got {
			hits++
		}
	}
	return (hits > 0 && (!has("all") || hits == len(values))) != has("neq")
}

// oracleTexts applies what changes a value.
func oracleTexts(text string, mods []string) []string {
	texts := []string{text}
	for _, m := range mods {
		switch m {
		case "wide":
			for i, s := range texts {
				texts[i] = strings.Join(strings.Split(s, ""), "\x00") + "\x00"
			}
		case "base64":
			for i, s := range texts {
				texts[i] = base64.StdEncoding.EncodeToString([]byte(s))
			}
		case "base64offset":
			var out []string
			for _, s := range texts {
				for shift := range 3 {
					// what of the encoded whole is the same, whatever stands around
					a := base64.StdEncoding.EncodeToString([]byte("aa"[:min(shift, 2)] + s + "zz"))
					b := base64.StdEncoding.EncodeToString([]byte("~~"[:min(shift, 2)] + s + "~~"))
					first := 0
					for first < len(a) && a[first] != b[first] {
						first++
					}
					last := first
					for last < len(a) && a[last] == b[last] {
						last++
					}
					bits := shift*8 + len(s)*8
					out = append(out, a[(shift*8+5)/6:min(bits/6, last+1)])
				}
			}
			texts = out
		case "windash":
			var out []string
			for _, s := range texts {
				for _, dash := range []string{"-", "/", "–", "—", "―"} {
					out = append(out, regexp.MustCompile(`(^|\W)[-/](\w)`).ReplaceAllString(s, "${1}"+dash+"${2}"))
				}
			}
			texts = out
		}
	}
	return texts
}

// oracleLike fits a value with the wildcards and backslashes of Sigma.
func oracleLike(value, have string, cased bool) bool {
	re := "(?s)^"
	if !cased {
		re = "(?si)^"
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && i+1 < len(value) && strings.ContainsRune(`\*?`, rune(value[i+1])):
			i++
			re += regexp.QuoteMeta(value[i : i+1])
		case c == '*':
			re += ".*"
		case c == '?':
			re += "."
		default:
			re += escapedByte(c)
		}
	}
	return regexp.MustCompile(re + "$").MatchString(have)
}

// escapedByte takes bytes beyond ASCII as they are, so that they make up
// their characters again.
func escapedByte(c byte) string {
	if c < 0x80 {
		return regexp.QuoteMeta(string(rune(c)))
	}
	return string([]byte{c})
}
