package sigma

import (
	"regexp"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// maxPlaces bounds the places of a query; where there are more, all of the
// disk is looked at.
const maxPlaces = 40

// place finds the folders in which all that a rule can mean lies; / where it
// does not say.
func place(x *expr) string {
	dirs := folders(x)
	if len(dirs) == 0 || len(dirs) > maxPlaces {
		if windowsPaths(x) {
			return `'C:\'`
		}
		return "/"
	}
	slices.Sort(dirs)
	var out []string
	for _, d := range slices.Compact(dirs) {
		if n := len(out); n > 0 && strings.HasPrefix(d, out[n-1]+"/") {
			continue
		}
		out = append(out, d)
	}
	for i, d := range out {
		out[i] = convert.Quote(globbed(d))
	}
	return strings.Join(out, ", ")
}

// folders gives where an expression can hold; none for everywhere.
func folders(x *expr) []string {
	switch x.op {
	case '&':
		var best []string
		for _, sub := range x.subs {
			if dirs := folders(sub); len(dirs) > 0 && (best == nil || len(dirs) < len(best)) {
				best = dirs
			}
		}
		return best
	case '|':
		var all []string
		for _, sub := range x.subs {
			dirs := folders(sub)
			if len(dirs) == 0 {
				return nil
			}
			all = append(all, dirs...)
		}
		return all
	case '!':
		return nil
	}
	if x.test.kind != like || len(x.test.words) == 0 || !strings.HasSuffix(strings.ToLower(x.test.field), "filename") {
		return nil
	}
	var dirs []string
	for _, p := range x.test.words {
		if len(p) == 0 || p[0].wild != 0 || !strings.HasPrefix(p[0].text, "/") {
			return nil
		}
		text, whole := p.literal()
		if !whole {
			text = p[0].text[:strings.LastIndexByte(p[0].text, '/')]
		}
		if text = strings.TrimRight(text, "/"); text == "" {
			return nil
		}
		dirs = append(dirs, text)
	}
	return dirs
}

// windowsPaths says whether a rule speaks of paths with backslashes.
func windowsPaths(x *expr) bool {
	if x.op != 't' {
		return slices.ContainsFunc(x.subs, windowsPaths)
	}
	return slices.ContainsFunc(x.test.words, func(p pattern) bool {
		return slices.ContainsFunc(p, func(s piece) bool { return strings.Contains(s.text, `\`) })
	})
}

// globbed takes the meaning from what a place would take for wildcards.
func globbed(path string) string {
	return strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`, `{`, `[{]`).Replace(path)
}

func quoteRegexp(s string) string { return regexp.QuoteMeta(s) }
