package mig

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/convert/document"
)

// file converts the searches of module file. Those whose settings are the same
// stand in one query, since they share a walk as they did in MIG.
func (o *operation) file(p *document.Node) {
	searches := p.Get("searches")
	if searches == nil {
		searches = p // before syntaxversion 2, labels stood alone
		o.Lose(p.Line(), "MIG found no searches here, and looked at nothing; they are read as they were meant")
	} else {
		o.unknown(p, "searches")
	}
	var order []string
	groups := map[string][]string{}
	for i, label := range searches.Keys() {
		find, with := o.search(label, searches.Items()[i])
		if find == "" {
			continue
		}
		if _, seen := groups[with]; !seen {
			order = append(order, with)
		}
		groups[with] = append(groups[with], find)
	}
	for _, with := range order {
		o.ask(groups[with], strings.Split(with, "\n")...)
	}
}

// The options of a search, as MIG named them.
var (
	searchKeys = []string{"description", "paths", "names", "sizes", "modes", "mtimes", "contents", "md5", "sha1", "sha2", "sha3", "options"}
	optionKeys = []string{"matchall", "macroal", "mismatch", "maxdepth", "matchlimit", "maxerrors", "returnsha256", "decompress", "debug", "remotefs"}
)

// search gives FIND … of a search, and its settings, a line each.
func (o *operation) search(label string, s *document.Node) (find, with string) {
	opts := s.Get("options")
	o.unknown(s, append(searchKeys, "regexes", "path", "hashes")...)
	o.unknown(opts, optionKeys...)
	f := &fileSearch{operation: o, label: label, node: s, every: opts.Get("macroal").Text() == "true", mismatch: opts.Get("mismatch").Texts()}
	f.conditions()
	if text := s.Get("description").Text(); text != "" {
		o.Comments = append(o.Comments, label+": "+text)
	}
	places := o.places(s)
	if len(places) == 0 {
		o.Lose(s.Line(), "search %q names no path, and MIG refused it", label)
		return "", ""
	}
	if f.bad {
		return "", ""
	}
	conds := []string{`type = "file"`}
	switch {
	case opts.Get("matchall").Text() == "true":
		conds = append(conds, f.conds...)
	case len(f.conds) > 0:
		conds = append(conds, anyOf(f.conds))
	}
	find = "FIND file " + strings.Join(places, ", ") + " AS " + alias(label) + where(conds) + " RETURN path, size, mode, mtime"
	if opts.Get("returnsha256").Text() == "true" {
		find += ", sha256"
	}
	if n := atoi(opts.Get("matchlimit")); n > 0 {
		find += fmt.Sprintf(" LIMIT %d PER HOST", n)
	}
	return find, strings.Join(o.settings(opts), "\n")
}

func (o *operation) settings(opts *document.Node) []string {
	with := []string{"follow_links = on"} // MIG followed links to files
	if n := atoi(opts.Get("maxdepth")); n > 0 {
		with = append(with, fmt.Sprintf("depth = %d", n))
	}
	if n := atoi(opts.Get("maxerrors")); n > 0 {
		with = append(with, fmt.Sprintf("errors = %d", n))
	}
	if opts.Get("decompress").Text() == "true" {
		with = append(with, "decompress = on")
	}
	return with
}

func atoi(n *document.Node) int {
	f, err := strconv.ParseFloat(n.Text(), 64)
	if err != nil || f > 1e9 {
		return 0
	}
	return int(f)
}

// places gives the paths as locators. MIG took no globs: one that stands
// there is read as one, and said.
func (o *operation) places(s *document.Node) []string {
	var out []string
	for _, key := range [...]string{"paths", "path"} {
		for _, p := range s.Get(key).Items() {
			path := p.Text()
			switch {
			case path == "":
				continue
			case strings.ContainsAny(path, "*?[{"):
				o.Lose(p.Line(), "MIG took %q for a plain name, and looked at nothing there", path)
			case key == "path":
				o.Lose(p.Line(), `"path" is of an older MIG; it is read as paths`)
			}
			out = append(out, locator(path))
		}
	}
	return out
}

// locator writes a path as the language takes it, in quotes where it must.
func locator(path string) string {
	if strings.HasPrefix(path, "/") && !strings.ContainsAny(path, " \t\"'();,\\") && !strings.Contains(path, "--") {
		return path
	}
	return convert.Quote(path)
}

// A fileSearch gathers the conditions of one search.
type fileSearch struct {
	*operation
	label    string
	node     *document.Node
	every    bool     // macroal
	mismatch []string // kinds of conditions that are turned round
	conds    []string
	bad      bool // a condition cannot be read
}

func (f *fileSearch) conditions() {
	f.each("names", "name", nameCondition)
	f.each("sizes", "size", sizeCondition)
	f.each("modes", "mode", modeCondition)
	f.each("mtimes", "mtime", mtimeCondition)
	f.each("contents", "content", f.content)
	if old := f.node.Get("regexes"); old != nil {
		f.Lose(old.Line(), `"regexes" is of an older MIG, which passed over it later; it is read as contents`)
		f.each("regexes", "content", f.content)
	}
	for _, kind := range [...]string{"md5", "sha1", "sha2", "sha3"} {
		f.hashes(kind)
	}
}

// each adds the conditions of an option. A ! before one, and mismatch, turn it
// round; both together leave it as it was.
func (f *fileSearch) each(key, kind string, cond func(string) (string, error)) {
	for _, n := range f.node.Get(key).Items() {
		text, negated := strings.CutPrefix(n.Text(), "!")
		if kind != "name" && kind != "content" {
			text, negated = n.Text(), false
		}
		if text == "" {
			continue
		}
		c, err := cond(text)
		if err != nil {
			f.Lose(n.Line(), "%s %q: %s; MIG refused it, and search %q is left out", key, text, err, f.label)
			f.bad = true
			continue
		}
		if negated != slices.Contains(f.mismatch, kind) {
			c = "NOT (" + c + ")"
		}
		f.conds = append(f.conds, c)
	}
}

// plain gives the text that a regular expression without signs stands for,
// and whether it is held at the beginning and at the end.
func plain(re string) (text string, begins, ends, ok bool) {
	re, begins = strings.CutPrefix(re, "^")
	if strings.HasSuffix(re, "$") && !strings.HasSuffix(re, `\$`) {
		re, ends = strings.TrimSuffix(re, "$"), true
	}
	tree, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return "", false, false, false
	}
	if tree.Op == syntax.OpEmptyMatch && re == "" {
		return "", begins, ends, true
	}
	if tree.Op != syntax.OpLiteral || tree.Flags&syntax.FoldCase != 0 {
		return "", false, false, false
	}
	return string(tree.Rune), begins, ends, true
}

func nameCondition(re string) (string, error) {
	text, begins, ends, ok := plain(re)
	switch {
	case ok && begins && ends:
		return "name = " + convert.Quote(text), nil
	case ok && begins:
		return "name STARTS WITH " + convert.Quote(text), nil
	case ok && ends:
		return "name ENDS WITH " + convert.Quote(text), nil
	case ok:
		return "name CONTAINS " + convert.Quote(text), nil
	}
	if _, err := regexp.Compile(re); err != nil {
		return "", err
	}
	return "name MATCHES " + convert.Quote(re), nil
}

var sizeForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([<>]?)([0-9]{1,15})([kmgtKMGT]?)$`) })

func sizeCondition(text string) (string, error) {
	m := sizeForm().FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("this is no size as MIG wrote them")
	}
	op := map[string]string{"": "=", "<": "<=", ">": ">="}[m[1]]
	unit := map[string]string{"": "B", "k": "KiB", "m": "MiB", "g": "GiB", "t": "TiB"}[strings.ToLower(m[3])]
	return "size " + op + " " + m[2] + unit, nil
}

var mtimeForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([<>])([0-9]{1,9})([dhm])$`) })

func mtimeCondition(text string) (string, error) {
	m := mtimeForm().FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("this is no age as MIG wrote them")
	}
	op := map[string]string{"<": ">", ">": "<"}[m[1]]
	return "mtime " + op + " now - " + m[2] + m[3], nil
}

// goMode is the text that MIG's expressions of modes were held against: Go's
// letters, which differ from those of ls where set-id bits are.
const goMode = `concat(if(suid, "u", ""), if(sgid, "g", ""), if(sticky, "t", ""), if(suid OR sgid OR sticky, "", "-"), ` +
	`replace(replace(replace(replace(replace(replace(replace(replace(substr(mode_octal, 2), "7", "rwx"), "6", "rw-"), "5", "r-x"), "4", "r--"), "3", "-wx"), "2", "-w-"), "1", "--x"), "0", "---"))`

var plainMode = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^-[r-][w-][x-][r-][w-][x-][r-][w-][x-]$`) })

func modeCondition(re string) (string, error) {
	if bare := strings.TrimSuffix(strings.TrimPrefix(re, "^"), "$"); plainMode().MatchString(bare) {
		return "mode = " + convert.Quote(bare), nil
	}
	if _, err := regexp.Compile(re); err != nil {
		return "", err
	}
	return goMode + " MATCHES " + convert.Quote(re), nil
}

// content gives the condition of a line, since MIG looked at lines.
func (f *fileSearch) content(re string) (string, error) {
	if _, err := regexp.Compile(re); err != nil {
		return "", err
	}
	if f.every {
		return "EVERY LINE MATCHES " + convert.Quote(re), nil
	}
	if text, begins, ends, ok := plain(re); ok && !begins && !ends && !strings.ContainsAny(text, "\r\n") {
		return "CONTAINS " + convert.Quote(text), nil
	}
	return "ANY LINE MATCHES " + convert.Quote(re), nil
}

// manyHashes is how many stand in the query; more are a list beside it.
const manyHashes = 8

// hashes adds the hashes of a kind. The number of digits says which of a
// family each is.
func (f *fileSearch) hashes(kind string) {
	byColumn := map[string][]string{}
	for _, n := range f.node.Get(kind).Items() {
		column := hashColumn(kind, len(n.Text()))
		if column == "" {
			f.Lose(n.Line(), "%s %q has no length of such a hash; MIG refused it, and search %q is left out", kind, n.Text(), f.label)
			f.bad = true
			continue
		}
		h := strings.ToLower(n.Text())
		if !slices.Contains(byColumn[column], h) {
			byColumn[column] = append(byColumn[column], h)
		}
	}
	matchall := f.node.Get("options").Get("matchall").Text() == "true"
	for _, column := range [...]string{"md5", "sha1", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512"} {
		set := byColumn[column]
		if len(set) == 0 {
			continue
		}
		if matchall && len(set) > 1 {
			f.Lose(f.node.Get(kind).Line(), "with matchall MIG wanted all of several %s of one file, which none has; any of them is asked for", column)
		}
		c := column + " " + f.set(column, set)
		if slices.Contains(f.mismatch, kind) {
			c = "NOT (" + c + ")"
		}
		f.conds = append(f.conds, c)
	}
}

func hashColumn(kind string, digits int) string {
	switch {
	case kind == "md5" && digits == 32, kind == "sha1" && digits == 40:
		return kind
	case kind == "sha2" && (digits == 64 || digits == 96 || digits == 128):
		return fmt.Sprintf("sha%d", digits*4)
	case kind == "sha3" && (digits == 56 || digits == 64 || digits == 96 || digits == 128):
		return fmt.Sprintf("sha3_%d", digits*4)
	}
	return ""
}

// set gives = x, IN (…) or IN @list.
func (f *fileSearch) set(column string, values []string) string {
	switch {
	case len(values) == 1:
		return "= " + convert.Quote(values[0])
	case len(values) <= manyHashes:
		quoted := make([]string, len(values))
		for i, v := range values {
			quoted[i] = convert.Quote(v)
		}
		return "IN (" + strings.Join(quoted, ", ") + ")"
	}
	name := alias(f.label) + "-" + column + ".txt"
	f.result.Lists = append(f.result.Lists, convert.List{Name: name, Text: []byte(strings.Join(values, "\n") + "\n")})
	return "IN @" + name
}
