package complete

import (
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
)

// About gives what is known of a word, in any case and without its quotes:
// as a keyword, a source, a function, a setting, a module, or a column, which
// may have its module and a dot in front. Nothing is known of other words.
func About(word string, cat *modules.Catalogue) []Entry {
	word = strings.Trim(strings.TrimSpace(word), `"'`)
	var out []Entry
	for _, e := range []Entry{AboutKeyword(word), aboutSource(word), aboutModule(word, cat), AboutFunction(strings.TrimRight(word, "()")), AboutSetting(word)} {
		if e.Name != "" {
			out = append(out, e)
		}
	}
	module, column, dotted := strings.Cut(strings.ToLower(word), ".")
	for _, name := range cat.Names() {
		s, _ := cat.Schema(name)
		if !dotted {
			column = strings.ToLower(word)
		}
		if i, ok := s.Column(column); ok && (!dotted || module == name) {
			e := columnDoc("column", s.Columns[i])
			e.Name = name + "." + e.Name
			out = append(out, e)
		}
	}
	return out
}

// Words lists the words that About knows, columns left out.
func Words(cat *modules.Catalogue) []string {
	var words []string
	for _, k := range lang.Keywords() {
		words = append(words, k.Text)
	}
	for _, c := range append((&finder{Context: Context{Catalogue: cat}}).everything(), builtins...) {
		words = append(words, strings.TrimSuffix(c.Text, "("))
	}
	return words
}

// everything lists modules, sources, functions and settings.
func (f *finder) everything() []Candidate {
	f.modules()
	f.sources()
	f.functions(true)
	f.settings()
	return f.found
}

func aboutSource(word string) Entry {
	for _, n := range lang.SourceNames() {
		if strings.EqualFold(n.Text, word) {
			return Entry{Name: n.Text, Head: "source", Doc: n.Doc, Example: n.Example}
		}
	}
	return Entry{}
}

func aboutModule(word string, cat *modules.Catalogue) Entry {
	m, ok := cat.Schema(strings.ToLower(word))
	if !ok {
		return Entry{}
	}
	e := Entry{Name: m.Name, Head: "module", Doc: m.Doc}
	if m.Locator.Doc != "" {
		e.Doc += "\nWhere to look: " + m.Locator.Doc + "."
	}
	if m.Locator.Example != "" {
		e.Example = "FIND " + m.Name + " " + m.Locator.Example
	}
	return e
}
