package complete

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
)

// Hover explains the word at an offset in bytes, in Markdown, and says where
// the word stands. Nothing is said of a word that means nothing here.
func Hover(text string, offset int, c Context) (doc string, span lang.Span, ok bool) {
	offset = max(0, min(offset, len(text)))
	end := wordEnd(text, offset)
	cur := lang.At(text, end)
	f := &finder{Context: c, cur: cur, span: cur.Span, word: cur.Word}
	if cur.Quote != 0 || cur.Word == "" || cur.Span.Start > offset {
		return "", lang.Span{}, false
	}
	for _, s := range cur.Slots {
		if s.Term == "<ident>" {
			doc = f.explain(s)
		} else if strings.EqualFold(s.Term, cur.Word) {
			doc = AboutKeyword(s.Term).text()
		}
		if doc != "" {
			return doc, cur.Span, true
		}
	}
	if doc, span = pairAt(text, cur.Span); doc != "" {
		return doc, span, true
	}
	return "", lang.Span{}, false
}

func wordEnd(text string, offset int) int {
	for offset < len(text) {
		r, n := utf8.DecodeRuneInString(text[offset:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		offset += n
	}
	return offset
}

// pairAt explains a keyword of two words, of which one stands at the span.
func pairAt(text string, span lang.Span) (string, lang.Span) {
	for _, k := range lang.Keywords() {
		first, second, pair := strings.Cut(k.Text, " ")
		if !pair {
			continue
		}
		word := text[span.Start:span.End]
		after := strings.TrimLeft(text[span.End:], " \t\n")
		before := strings.TrimRight(text[:span.Start], " \t\n")
		switch {
		case strings.EqualFold(word, first) && hasPrefixFold(after, second):
			return keywordDoc(k).text(), lang.Span{Start: span.Start, End: len(text) - len(after) + len(second)}
		case strings.EqualFold(word, second) && len(before) >= len(first) && strings.EqualFold(before[len(before)-len(first):], first):
			return keywordDoc(k).text(), lang.Span{Start: len(before) - len(first), End: span.End}
		}
	}
	return "", lang.Span{}
}

// An Entry is what is known of one name: of a module, a function, a keyword.
type Entry struct {
	Name, Head, Doc, Example string
}

// text shows the entry as Markdown.
func (e Entry) text() string {
	if e.Name == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString("**" + e.Name + "**")
	if e.Head != "" {
		b.WriteString(" " + e.Head)
	}
	if e.Doc != "" {
		b.WriteString("\n\n" + e.Doc)
	}
	if e.Example != "" {
		b.WriteString("\n\n    " + e.Example)
	}
	return b.String()
}

func keywordDoc(k lang.Keyword) Entry {
	return Entry{Name: k.Text, Head: "keyword", Doc: k.Doc, Example: k.Example}
}

// AboutKeyword gives what is known of a keyword, in any case; the zero Entry where
// it is none.
func AboutKeyword(word string) Entry {
	for _, k := range lang.Keywords() {
		if strings.EqualFold(k.Text, word) {
			return keywordDoc(k)
		}
	}
	return Entry{}
}

// AboutFunction gives what is known of a function or an aggregate.
func AboutFunction(name string) Entry {
	for _, f := range plan.Funcs() {
		if strings.EqualFold(f.Name, name) {
			e := Entry{Name: f.Signature, Head: "function", Doc: f.Doc}
			if f.Example != "" {
				e.Example = f.Example + " is " + f.Result
			}
			return e
		}
	}
	for _, f := range builtins {
		if strings.EqualFold(strings.TrimSuffix(f.Text, "("), name) {
			return Entry{Name: f.Detail, Head: "function", Doc: f.Doc}
		}
	}
	for _, a := range plan.Aggs() {
		if strings.EqualFold(a.Name, name) {
			return Entry{Name: a.Signature, Head: "aggregate: " + a.Result, Doc: a.Doc}
		}
	}
	return Entry{}
}

// AboutSetting gives what is known of a setting of WITH.
func AboutSetting(name string) Entry {
	for _, s := range planner.Settings() {
		if strings.EqualFold(s.Name, name) {
			return Entry{Name: s.Name, Head: "setting: " + s.Type.String() + ", default " + s.Default, Doc: s.Doc}
		}
	}
	return Entry{}
}

// explain says what the word means in a slot.
func (f *finder) explain(s lang.Slot) string {
	word := strings.ToLower(f.word)
	switch {
	case s.Rule == "Scan" && s.Nth == 0:
		if m, ok := f.Catalogue.Schema(word); ok {
			return aboutModule(m.Name, f.Catalogue).text()
		}
	case s.Rule == "From":
		return aboutSource(word).text()
	case s.Rule == "Setting":
		return AboutSetting(word).text()
	case s.Rule == "Link", s.Rule == "Named":
		return f.explainName()
	}
	return ""
}

func (f *finder) explainName() string {
	if f.cur.Clause == "TARGET" {
		name := strings.Join(append(slices.Clone(f.cur.Path), f.word), ".")
		facts := planner.Facts(f.Catalogue)
		if i := slices.IndexFunc(facts, func(c modules.Column) bool { return c.Name == name }); i >= 0 {
			return columnDoc("fact", facts[i]).text()
		}
		if values := f.Facts[name]; len(values) > 0 {
			return Entry{Name: name, Head: "tag", Doc: "It is " + some(values) + "."}.text()
		}
	}
	g := *f
	g.cur.Left = append(slices.Clone(f.cur.Path), f.word)
	if c, ok := g.left(); ok {
		return columnDoc("column", c).text()
	}
	if len(f.cur.Path) == 0 {
		return AboutFunction(f.word).text()
	}
	return ""
}

func columnDoc(what string, c modules.Column) Entry {
	e := Entry{Name: c.Name, Head: what + ": " + column(c, "").Detail, Doc: c.Doc}
	if len(c.OS) > 0 {
		e.Doc += " On " + strings.Join(c.OS, ", ") + "."
	}
	if len(c.Values) > 0 {
		e.Doc += " One of " + strings.Join(c.Values, ", ") + "."
	}
	return e
}
