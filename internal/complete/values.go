package complete

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// values adds what may stand where a value does.
func (f *finder) values() {
	switch {
	case f.cur.Clause == "FROM":
		f.asked()
	case f.cur.Setting != "":
		f.settingValues()
	case f.cur.After == "IN":
		f.add(Candidate{Text: "(", Kind: Operator, Detail: "(x, y) or (FIND …)", Doc: "A list, or what another FIND returns."})
	default:
		f.compared()
	}
}

// asked adds who and what FROM may name.
func (f *finder) asked() {
	list, kind := f.Hosts, Host
	switch f.cur.Source {
	case "hits", "misses":
		list, kind = f.Answers, Value
	case "case":
		list, kind = f.Cases, Value
	case "host":
	default:
		return
	}
	for _, name := range list {
		f.text(name, kind, true)
	}
}

func (f *finder) settingValues() {
	for _, s := range []string{"archives", "decompress", "follow_links", "one_filesystem"} {
		if s == f.cur.Setting {
			f.plain("on", "off")
		}
	}
}

// compared adds what the column on the left can be.
func (f *finder) compared() {
	name := strings.Join(f.cur.Left, ".")
	if f.cur.Clause == "TARGET" {
		for _, v := range f.Facts[name] {
			f.text(v, Value, false)
		}
	}
	c, ok := f.left()
	if !ok {
		return
	}
	for _, v := range c.Values {
		f.text(v, Value, false)
	}
	if f.isPath(c) && f.cur.Source == "local" {
		f.paths()
	}
	if f.cur.Quote != 0 {
		return
	}
	switch c.Type {
	case value.Bool:
		f.plain("true", "false")
	case value.Time:
		f.plain("now - 1h", "now - 1d", "now - 7d")
	case value.Duration:
		f.plain("1h", "1d", "7d")
	case value.Size:
		f.plain("1KB", "1MB", "1GB")
	}
}

// plain adds values that need no quotes.
func (f *finder) plain(texts ...string) {
	for _, t := range texts {
		if f.cur.Quote == 0 {
			f.add(Candidate{Text: t, Kind: Value})
		}
	}
}

// text adds a text: in the quotes that are open, or in its own where it is no
// plain word.
func (f *finder) text(text string, kind Kind, quoted bool) {
	if f.cur.Quote == 0 && !quoted && isWord(text) && !f.isColumn(text) {
		f.add(Candidate{Text: text, Kind: kind})
		return
	}
	f.literal(text, kind, "")
}

// literal adds a text in quotes, if it begins with what stands between the
// open ones, or with the bare word.
func (f *finder) literal(text string, kind Kind, doc string) {
	if !hasPrefixFold(text, f.word) {
		return
	}
	shown := value.NewText(text).Literal()
	// Only double quotes have escapes for what would steer the terminal.
	if f.cur.Quote == '\'' && !strings.Contains(text, "'") && value.EscapeText(text) == text {
		shown = "'" + text + "'"
	}
	f.found = append(f.found, Candidate{Text: shown, Kind: kind, Doc: doc, Span: f.span})
}

// isWord says whether a text can stand without quotes.
func isWord(text string) bool {
	q, err := lang.Parse(lang.Source{Name: "word", Text: "FIND x WHERE y = " + text})
	if err != nil {
		return false
	}
	c, ok := q.Queries[0].Finds[0].Where.(*lang.Compare)
	if !ok {
		return false
	}
	n, ok := c.Y.(*lang.Name)
	return ok && len(n.Parts) == 1 && n.Parts[0].Name == text
}

// isColumn says whether a word would mean a column and no text.
func (f *finder) isColumn(word string) bool {
	if f.cur.Clause == "TARGET" {
		s, ok := f.Catalogue.Schema("host")
		if !ok {
			return false
		}
		_, ok = s.Column(word)
		return ok
	}
	_, schemas := f.scope()
	return slices.ContainsFunc(schemas, func(s *modules.Schema) bool { _, ok := s.Column(word); return ok })
}

// isPath says whether a column holds paths of files.
func (f *finder) isPath(c modules.Column) bool {
	return c.Link == "file" || c.Name == "path" || c.Name == "dir"
}

// locators adds where the last scan may look.
func (f *finder) locators() {
	_, schemas := f.scope()
	if len(schemas) == 0 {
		return
	}
	s := schemas[len(schemas)-1]
	if i, ok := s.Column(s.Locator.Column); ok && f.isPath(s.Columns[i]) && f.cur.Source == "local" {
		f.paths()
	}
	if s.Locator.Use != modules.NoLocator && s.Locator.Example != "" {
		f.add(Candidate{Text: s.Locator.Example, Kind: Path, Detail: "an example", Doc: s.Locator.Doc})
	}
}

// paths adds the files of this machine that begin with the word.
func (f *finder) paths() {
	dir, front := path.Split(f.word)
	if dir == "" && front == "" {
		dir = "/"
	}
	if !path.IsAbs(dir) {
		return
	}
	for _, name := range list(filepath.Join(f.Root, filepath.FromSlash(dir)), front) {
		text := dir + name
		if f.cur.Quote != 0 || !isBare(text) {
			f.literal(text, Path, "")
			continue
		}
		f.add(Candidate{Text: text, Kind: Path})
	}
}

// isBare says whether a path can stand without quotes and mean itself.
func isBare(text string) bool {
	q, err := lang.Parse(lang.Source{Name: "path", Text: "FIND x " + text})
	if err != nil || strings.ContainsAny(text, "*?[]{}\\") {
		return false
	}
	scan := q.Queries[0].Finds[0].Scans[0]
	if len(scan.Locators) != 1 || len(q.Comments) > 0 {
		return false
	}
	lit, ok := scan.Locators[0].(*lang.Literal)
	return ok && lit.Value.Text() == text
}

// mostNames is how many entries of a folder are read: a keystroke must not
// wait for the others.
const mostNames = 2000

// list gives the names in a folder that begin with front, folders with a
// slash; hidden ones only where front has their dot.
func list(dir, front string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	entries, _ := d.ReadDir(mostNames) // what could be read is offered
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, front) || name[0] == '.' && front == "" {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// lists adds the files behind @, relative to the folder of the query.
func (f *finder) lists() {
	typed, at := strings.CutPrefix(f.word, "@")
	if !at {
		if f.word == "" && f.cur.Quote == 0 && f.cur.Left != nil && f.cur.Setting == "" {
			f.add(Candidate{Text: "@", Kind: List, Detail: "@FILE", Doc: "The lines of a file, as a list."})
		}
		return
	}
	for _, name := range f.Lists {
		if hasPrefixFold(name, typed) {
			f.found = append(f.found, Candidate{Text: f.listed(name), Kind: List, Detail: "list", Span: f.span})
		}
	}
	dir, front := path.Split(typed)
	folder := filepath.FromSlash(dir)
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(f.Dir, folder)
	}
	for _, name := range list(folder, front) {
		f.found = append(f.found, Candidate{Text: f.listed(dir + name), Kind: List, Span: f.span})
	}
}

// listed writes the name of a list, in quotes where it needs them.
func (f *finder) listed(name string) string {
	if f.cur.Quote != 0 || !isList("@"+name) {
		return "@" + value.NewText(name).Literal()
	}
	return "@" + name
}

// isList says whether the name of a list can stand without quotes.
func isList(text string) bool {
	q, err := lang.Parse(lang.Source{Name: "list", Text: "FIND x WHERE y IN " + text})
	if err != nil || len(q.Comments) > 0 {
		return false
	}
	in, ok := q.Queries[0].Finds[0].Where.(*lang.In)
	if !ok {
		return false
	}
	ref, ok := in.Y.(*lang.ListRef)
	return ok && "@"+ref.Path == text
}
