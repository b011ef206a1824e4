package feed

import (
	"maps"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

// An expr is what a pattern of STIX or the definition of an OpenIOC says: a
// term, or terms that are joined. It is neutral to where it came from.
type expr struct {
	op   byte // 't' for a term, '&', '|'
	term term
	subs []*expr
}

// A term is one comparison of a column of a module.
type term struct {
	module string
	cond   string    // of the language, whole in itself
	plain  indicator // where it is one that may stand in a list
	simple bool
	bad    string // why it cannot be asked; cond is "" then
	line   int
}

// maxBranches bounds how many queries one pattern unfolds to.
const maxBranches = 64

// take adds what an expression asks for: indicators that stand alone to the
// lists, all else as a rule of its own.
func (c *collector) take(x *expr, name string, header convert.Rule) {
	rest := c.simple(x)
	if rest == nil {
		return
	}
	r := header
	r.Name, r.Outcome = name, convert.Whole
	branches, lost := unfold(rest)
	if len(branches) == 0 && len(lost) > 0 && rest.op != '&' {
		for _, why := range lost {
			c.cannot(why, header.Line)
		}
		return
	}
	for _, why := range lost {
		r.Lose(r.Line, "%s", why)
	}
	if len(branches) == 0 {
		r.Outcome = convert.Not
	}
	for _, b := range branches {
		r.Queries = append(r.Queries, questions(b)...)
	}
	c.result.Rules = append(c.result.Rules, r)
}

// simple takes out of an expression what stands alone, any of which will do,
// and gives the rest; nil where nothing is left.
func (c *collector) simple(x *expr) *expr {
	switch {
	case x.op == '|':
		rest := &expr{op: '|'}
		for _, sub := range x.subs {
			if left := c.simple(sub); left != nil {
				rest.subs = append(rest.subs, left)
			}
		}
		if len(rest.subs) == 0 {
			return nil
		}
		return rest
	case x.op != 't' || !x.term.simple:
		return x
	}
	plain := x.term.plain
	switch {
	case plain.field == "" && !c.guess(plain):
		c.cannot("values that are no indicator, such as "+shorten(plain.value), x.term.line)
	case plain.field == networkText:
		plain.value = c.refang(plain.value, x.term.line)
		c.add(plain)
	case plain.field == remote:
		if !c.address(plain) {
			c.cannot("addresses that are none, such as "+shorten(plain.value), x.term.line)
		}
	case plain.field != "":
		c.checked(string(plain.field), plain.field, plain)
	}
	return nil
}

// A branch is terms that hold together: of each module a condition.
type branch map[string][]string

// unfold gives the branches of an expression, any of which will do, and why
// others were lost: a term that cannot be asked makes its branch vanish.
func unfold(x *expr) (out []branch, lost []string) {
	if module, cond, ok := oneModule(x); ok && x.op != '&' {
		return []branch{{module: {cond}}}, nil
	}
	switch x.op {
	case 't':
		return nil, []string{x.term.bad}
	case '|':
		for _, s := range x.subs {
			b, l := unfold(s)
			out, lost = append(out, b...), append(lost, l...)
		}
	default:
		out = []branch{{}}
		for _, s := range x.subs {
			b, l := unfold(s)
			out, lost = cross(out, b), append(lost, l...)
		}
	}
	if len(out) > maxBranches {
		return nil, []string{"it unfolds to too many questions"}
	}
	return out, lost
}

// oneModule gives the condition of an expression that is all about one module.
func oneModule(x *expr) (module, cond string, ok bool) {
	if x.op == 't' {
		return x.term.module, x.term.cond, x.term.bad == ""
	}
	word := " OR "
	if x.op == '&' {
		word = " AND "
	}
	var conds []string
	for _, s := range x.subs {
		m, c, ok := oneModule(s)
		if !ok || module != "" && m != module {
			return "", "", false
		}
		module, conds = m, append(conds, c)
	}
	return module, "(" + strings.Join(conds, word) + ")", true
}

func cross(a, b []branch) []branch {
	var out []branch
	for _, x := range a {
		for _, y := range b {
			if len(out) > maxBranches {
				return out
			}
			z := branch{}
			for _, part := range [...]branch{x, y} {
				for m, conds := range part {
					z[m] = append(slices.Clone(z[m]), conds...)
				}
			}
			out = append(out, z)
		}
	}
	return out
}

// returns are what a query of a module brings back.
var returns = map[string]string{
	"file": "path, size, mtime, owner, sha256", "process": "pid, name, exe, cmdline, user", "socket": "protocol, state, remote_address, remote_port, process.name, process.exe",
	"registry": "key, name, modified", "user": "name, uid, home", "certificate": "path, subject, issuer, sha256", "memory": "process, process.name, address",
	"service": "name, image, start, account", "unit": "name, path, state",
}

// questions gives the queries of a branch: a FIND for each module, all of which
// have to find something on the same host. Where files may be anywhere, there
// is one for Windows, whose root is another.
func questions(b branch) []string {
	_, registry := b["registry"]
	_, service := b["service"]
	files, anywhere := b["file"]
	anywhere = anywhere && !placed(files)
	switch {
	case registry || service:
		return []string{question(b, ` WHERE os = "windows"`, `'C:\**'`)}
	case anywhere:
		return []string{question(b, ` WHERE os != "windows"`, "/"), question(b, ` WHERE os = "windows"`, `'C:\**'`)}
	}
	return []string{question(b, "", "")}
}

func question(b branch, target, root string) string {
	var finds []string
	for _, m := range slices.Sorted(maps.Keys(b)) {
		conds := b[m]
		find := "FIND " + m
		if m == "file" && !placed(conds) {
			find, conds = find+" "+root, append([]string{`type = "file"`}, conds...)
		}
		if key, rest, ok := keyOf(m, conds); ok {
			find, conds = find+" "+key, rest
		}
		if len(conds) > 0 {
			find += " WHERE " + strings.Join(conds, " AND ")
		}
		if r := returns[m]; r != "" {
			find += " RETURN " + r
		}
		finds = append(finds, find)
	}
	return "FROM fleet" + target + "\n" + strings.Join(finds, "\nAND ")
}

// placed says whether a condition names the path of the file.
func placed(conds []string) bool {
	return slices.ContainsFunc(conds, func(c string) bool { return strings.HasPrefix(c, "path = ") })
}

// keyOf takes the place of a registry key out of conditions.
func keyOf(module string, conds []string) (place string, rest []string, ok bool) {
	if module != "registry" {
		return "", conds, false
	}
	for i, c := range conds {
		if p, is := strings.CutPrefix(c, "key = "); is {
			return p, slices.Delete(slices.Clone(conds), i, i+1), true
		}
	}
	return "", conds, false
}
