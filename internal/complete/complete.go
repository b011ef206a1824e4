// Package complete says how a query that is being written may go on.
//
// [At] lists the candidates at a place, [Hover] explains the word there. Both
// ask lang what the grammar allows and the catalogue what there is; neither
// compiles the query, nor says whether it is right: planner.Compile does.
package complete

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// Kind says what a candidate is.
type Kind uint8

// The kinds, in the order in which candidates are listed.
const (
	Value Kind = iota + 1
	Host
	Path
	Column
	Tag
	Module
	Source
	Setting
	Type
	Param
	List
	Operator
	Keyword
	Function
)

var kinds = [...]string{"", "value", "host", "path", "column", "tag", "module", "source", "setting", "type", "param", "list", "operator", "keyword", "function"}

// String gives the kind's name in lower case.
func (k Kind) String() string { return kinds[min(int(k), len(kinds)-1)] }

// A Candidate is one way to go on.
type Candidate struct {
	Text   string // what stands there then
	Kind   Kind
	Detail string // a few words: the type of a column, the signature of a function
	Doc    string // one sentence, or ""
	Span   lang.Span
}

// A Context is what is known beside the text.
type Context struct {
	Catalogue *modules.Catalogue
	OS        string // the system that is asked, as in runtime.GOOS; "" for any
	Dir       string // where @lists are looked for
	Root      string // a tree that stands for this machine, where paths are looked for

	Hosts   []string            // names of the fleet's hosts
	Facts   map[string][]string // what facts and tags of the fleet are, by their names
	Lists   []string            // names of lists that are no files, without the @
	Answers []string            // investigations that hits and misses may name
	Cases   []string            // cases that FROM case may name
}

// most is how many candidates are listed: more are no help.
const most = 500

// At lists how the text may go on at an offset in bytes: what fits the word
// that is being written there, best first. A candidate replaces its span.
func At(text string, offset int, c Context) []Candidate {
	cur := lang.At(text, offset)
	f := &finder{Context: c, cur: cur, span: cur.Span, word: cur.Word}
	for _, s := range cur.Slots {
		f.slot(s)
	}
	slices.SortStableFunc(f.found, func(a, b Candidate) int { return int(a.Kind) - int(b.Kind) })
	found := compact(append(f.pairs(text), f.found...))
	return found[:min(len(found), most)]
}

// compact drops what is there already.
func compact(list []Candidate) []Candidate {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(c Candidate) bool {
		twice := seen[c.Text]
		seen[c.Text] = true
		return twice
	})
}

// A finder collects the candidates at one place.
type finder struct {
	Context
	cur   lang.Cursor
	span  lang.Span
	word  string
	found []Candidate
}

// add keeps a candidate that begins with the word, in any case.
func (f *finder) add(c Candidate) {
	if !hasPrefixFold(c.Text, f.word) {
		return
	}
	c.Span = f.span
	f.found = append(f.found, c)
}

func hasPrefixFold(text, prefix string) bool {
	for _, p := range prefix {
		r, n := utf8.DecodeRuneInString(text)
		if n == 0 || r != p && unicode.ToLower(r) != unicode.ToLower(p) {
			return false
		}
		text = text[n:]
	}
	return true
}

// slot adds what may fill a slot.
func (f *finder) slot(s lang.Slot) {
	switch s.Term {
	case "<ident>":
		f.ident(s)
	case "<text>", "<value>":
		// Texts are looked for once, and where there are some.
		if s.Term == "<text>" {
			f.values()
		}
	case "<bare>":
		if s.Rule == "Locator" {
			f.locators()
		}
	case "<param>":
		if f.cur.Quote == 0 {
			for _, p := range f.cur.Params {
				f.add(Candidate{Text: "$" + p, Kind: Param})
			}
		}
	case "<list>":
		f.lists()
	default:
		f.term(s)
	}
}

// ident adds names: what kind of name follows from the rule.
func (f *finder) ident(s lang.Slot) {
	if f.cur.Quote != 0 || f.cur.After == "IN" {
		return
	}
	switch {
	case s.Rule == "Scan" && s.Nth == 0:
		f.modules()
	case s.Rule == "From":
		f.sources()
	case s.Rule == "Setting":
		f.settings()
	case s.Rule == "Param" && s.Nth == 1:
		for t := value.Text; t <= value.List; t++ {
			f.add(Candidate{Text: t.String(), Kind: Type})
		}
	case s.Rule == "Link":
		f.linked()
	case s.Rule == "Named":
		f.names()
	}
}

// term adds a keyword or an operator.
func (f *finder) term(s lang.Slot) {
	if f.cur.Quote != 0 || f.cur.Clause == "FROM" && (!isClause(s.Rule) || f.unnamed()) {
		return
	}
	switch letter := s.Term[0] >= 'A' && s.Term[0] <= 'Z'; {
	case letter && f.sensible(s):
		f.add(f.keyword(s.Term))
	case !letter && s.Rule == "Compare" && f.word == "" && f.sensible(s):
		f.add(Candidate{Text: s.Term, Kind: Operator, Doc: operators[s.Term]})
	}
}

// unnamed says whether the source lacks its names yet.
func (f *finder) unnamed() bool {
	return f.cur.After == "<ident>" && f.cur.Source != "fleet" && f.cur.Source != "local"
}

func isClause(rule string) bool { return rule == "Where" || rule == "Scans" }

var operators = map[string]string{
	"=": "is the same as", "!=": "is another than", "<": "is less than", "<=": "is at most", ">": "is greater than", ">=": "is at least",
}

func (f *finder) keyword(text string) Candidate {
	k := AboutKeyword(text)
	return Candidate{Text: text, Kind: Keyword, Detail: k.Example, Doc: k.Doc}
}

// pairs lists the keywords of two words whose first one stands there already.
func (f *finder) pairs(text string) []Candidate {
	var found []Candidate
	span := f.cur.PairSpan
	front, _, _ := strings.Cut(strings.TrimSpace(text[span.Start:f.cur.Span.Start]), " ")
	for _, s := range f.cur.PairSlots {
		first, second, pair := strings.Cut(s.Term, " ")
		if !pair || !strings.EqualFold(front, first) || !hasPrefixFold(second, f.cur.Word) {
			continue
		}
		c := f.keyword(s.Term)
		c.Span = span
		found = append(found, c)
	}
	return found
}
