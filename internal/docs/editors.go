package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
)

// A pattern of the grammar for highlighting: the first that matches at a place
// wins. The expressions are those of RE2, which editors read as well, and none
// goes beyond its line.
type pattern struct {
	Name     string             `json:"name,omitempty"`
	Match    string             `json:"match"`
	Captures map[string]capture `json:"captures,omitempty"`
}

type capture struct {
	Name string `json:"name"`
}

// The scopes that keywords and text have.
const (
	scopeKeyword = "keyword.control.quaestor"
	scopeText    = "string.quoted.quaestor"
)

// patterns gives the grammar from the language's own tables.
func patterns() []pattern {
	var functions []string
	for _, f := range plan.Funcs() {
		functions = append(functions, f.Name)
	}
	for _, a := range plan.Aggs() {
		functions = append(functions, a.Name)
	}
	var sources []string
	for _, s := range lang.SourceNames() {
		sources = append(sources, s.Text)
	}
	return []pattern{
		{Name: "comment.line.double-dash.quaestor", Match: `--.*`},
		{Name: "constant.other.bytes.quaestor", Match: `[xX](?:"[^"]*"?|'[^']*'?)`},
		{Name: scopeText, Match: `"(?:\\.|[^"\\])*"?`},
		{Name: scopeText, Match: `'(?:''|[^'])*'?`},
		{Name: "variable.other.list.quaestor", Match: `@(?:"(?:\\.|[^"\\])*"?|[^\s,;()]+)`},
		{Name: "variable.parameter.quaestor", Match: `\$\w+`},
		{Name: "string.unquoted.path.quaestor", Match: `(?:[A-Za-z]:\\|\\\\|~?/)[^\s,;()]+`},
		{Name: "variable.other.member.quaestor", Match: `\.[A-Za-z_]\w*`},
		{Match: `(?i)\b(FROM)\s+(` + strings.Join(sources, "|") + `)\b`,
			Captures: map[string]capture{"1": {scopeKeyword}, "2": {"support.constant.source.quaestor"}}},
		{Match: `(?i)\b(FIND|WATCH)\s+(NOT\s+)?([A-Za-z_]\w*)`,
			Captures: map[string]capture{"1": {scopeKeyword}, "2": {scopeKeyword}, "3": {"entity.name.type.module.quaestor"}}},
		{Name: scopeKeyword, Match: `(?i)\b(?:` + strings.Join(keywordPatterns(), "|") + `)\b`},
		{Match: `(?i)\b(` + strings.Join(unique(functions), "|") + `)\s*\(`, Captures: map[string]capture{"1": {"support.function.quaestor"}}},
		{Name: "constant.numeric.time.quaestor", Match: `\b\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?`},
		{Name: "constant.other.hash.quaestor", Match: `\b[0-9A-Fa-f]{32,128}\b`},
		{Name: "constant.numeric.quaestor", Match: `(?i)\b\d[\d.]*(?:[kmgtp]?i?b|[wdhmsun]+)?(?:\d+[wdhmsun]+)*\b`},
		{Name: "keyword.operator.quaestor", Match: `[=!<>~+*%/-]+`},
	}
}

func keywordPatterns() []string {
	var all []string
	for _, k := range lang.Keywords() {
		all = append(all, strings.ReplaceAll(regexp.QuoteMeta(k.Text), " ", `\s+`))
	}
	// Of two that begin alike the longer one comes first.
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(b, a) })
	return all
}

func unique(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// TextMate prints the grammar as TextMate, VS Code and many others read it.
func TextMate() string {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	w.SetIndent("", "  ")
	err := w.Encode(map[string]any{
		"$schema":   "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
		"name":      "Quaestor",
		"scopeName": "source.quaestor",
		"fileTypes": []string{"qst"},
		"patterns":  patterns(),
	})
	if err != nil {
		panic("docs: a grammar that JSON cannot say: " + err.Error())
	}
	return b.String()
}

// vimColours are the kinds of Vim's colours.
const vimColours = `hi def link quaestorKeyword Statement
hi def link quaestorModule Type
hi def link quaestorFunction Function
hi def link quaestorSetting Identifier
hi def link quaestorText String
hi def link quaestorPath String
hi def link quaestorList Include
hi def link quaestorParam PreProc
hi def link quaestorNumber Number
hi def link quaestorComment Comment
`

// Vim prints a syntax file for Vim and Neovim.
func Vim() string {
	var words, functions, mods, settings []string
	for _, k := range lang.Keywords() {
		words = append(words, strings.ReplaceAll(k.Text, " ", `\s\+`))
	}
	for _, f := range plan.Funcs() {
		functions = append(functions, f.Name)
	}
	for _, a := range plan.Aggs() {
		functions = append(functions, a.Name)
	}
	for _, m := range std.Modules() {
		mods = append(mods, m.Schema().Name)
	}
	for _, s := range planner.Settings() {
		settings = append(settings, s.Name)
	}
	var b strings.Builder
	b.WriteString("\" Query files of Quaestor, *.qst: save as syntax/quaestor.vim.\n\" Printed by go run ./internal/docs/gen. Do not edit.\n" +
		"if exists(\"b:current_syntax\")\n  finish\nendif\nsyn case ignore\n\n")
	// All of them as matches: CONTAINS means something else in a list of words,
	// and HOST alone is a module. What comes later wins.
	fmt.Fprintf(&b, "syn match quaestorKeyword +\\<\\%%(%s\\)\\>+\n", strings.Join(words, `\|`))
	fmt.Fprintf(&b, "syn match quaestorModule +\\%%(\\<\\%%(FIND\\|WATCH\\)\\s\\+\\%%(NOT\\s\\+\\)\\?\\)\\@<=\\%%(%s\\)\\>+\n", strings.Join(mods, `\|`))
	fmt.Fprintf(&b, "syn match quaestorFunction +\\<\\%%(%s\\)\\>\\ze\\s*(+\n", strings.Join(unique(functions), `\|`))
	fmt.Fprintf(&b, "syn match quaestorSetting +\\<\\%%(%s\\)\\>\\ze\\s*=+\n", strings.Join(unique(settings), `\|`))
	b.WriteString(`syn match quaestorNumber +\<\d[0-9.]*\%([kmgtp]\?i\?b\|[wdhmsun]\+\)\?\>+
syn match quaestorNumber +\<\d\{4}-\d\d-\d\d\%(T[0-9:.]\+\%(Z\|[+-]\d\d:\d\d\)\?\)\?+
syn match quaestorMember +\.\h\w*+
syn match quaestorPath +\%(\a:\\\|\\\\\|\~\?/\)[^ \t,;()]\++
syn match quaestorParam +\$\w\++
syn match quaestorList +@\%("\%(\\.\|[^"\\]\)*"\?\|[^ \t,;()]\+\)+
syn region quaestorText start=+"+ skip=+\\.+ end=+"+ end=+$+ oneline
syn region quaestorText start=+'+ skip=+''+ end=+'+ end=+$+ oneline
syn match quaestorComment +--.*+

` + vimColours + "\nlet b:current_syntax = \"quaestor\"\n")
	return b.String()
}
