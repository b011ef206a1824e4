// Package docs makes the parts of the reference that the program knows best:
// the grammar, the modules, the functions, the settings and the messages.
//
// [Products] is all that the generator in gen and the tests need. Nothing is
// written here that stands in a table of the code: a product is printed from
// that table. The package is for the house; no program links it.
package docs

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

// A Product is a file of the docs that is printed and never edited.
type Product struct {
	Path string // from the root of the repository
	Text string
}

// Products prints all of them. The root is the folder of the repository, whose
// source holds the codes of the messages.
func Products(root string) ([]Product, error) {
	messages, err := Messages(root)
	if err != nil {
		return nil, err
	}
	queries, err := Queries(root)
	if err != nil {
		return nil, err
	}
	return []Product{
		{"queries/README.md", queries},
		{"docs/grammar.ebnf", lang.Grammar()},
		{"docs/modules.md", Modules(std.Modules())},
		{"docs/privacy.md", Privacy(std.Modules())},
		{"docs/functions.md", Functions()},
		{"docs/settings.md", Settings()},
		{"docs/osquery.md", Osquery()},
		{"docs/errors.md", messages},
		{"docs/editors/quaestor.tmLanguage.json", TextMate()},
		{"docs/editors/quaestor.vim", Vim()},
	}, nil
}

// printed is the line under the title of each product.
const printed = "<!-- Printed by go run ./internal/docs/gen. Do not edit. -->\n\n"

// Modules prints the reference of modules.
func Modules(mods []modules.Module) string {
	var b strings.Builder
	b.WriteString("# Modules\n\n" + printed +
		"A module is what can be asked about. `quaestor modules NAME` shows the same at the prompt, `--json` for programs.\n\n" +
		"**cost** says what a column takes: *free* is known with the row, *stat* is one system call, *read* the beginning of the content or several calls, *scan* the whole content. " +
		"Conditions are asked in this order, and columns that nothing names are never computed.\n\n" +
		"**notes**: *default* columns are shown by a query without RETURN. *content* columns carry what is inside a thing and must be named to be returned. " +
		"A *line* column gives a row for each line that matched, or for each rule that holds. *→ module* is a link that a dot may follow. Systems are named where a column has no value on others.\n\n| module | what its rows are |\n|---|---|\n")
	for _, m := range mods {
		s := m.Schema()
		fmt.Fprintf(&b, "| [%[1]s](#%[1]s) | %[2]s |\n", s.Name, cell(sentence(s.Doc)))
	}
	for _, m := range mods {
		s := m.Schema()
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n%s\n\n", s.Name, sentence(s.Doc), whereToLook(s))
		if s.Content {
			b.WriteString("CONTAINS, MATCHES, YARA, ANY LINE and EVERY LINE may stand without a left side and speak of the content.\n\n")
		}
		if len(s.Watch) > 0 {
			fmt.Fprintf(&b, "Its changes can be watched on %s: `WATCH %s %s`.\n\n", strings.Join(s.Watch, ", "), s.Name, s.Locator.Example)
		}
		b.WriteString("| column | type | cost | notes | about |\n|---|---|---|---|---|\n")
		for _, c := range s.Columns {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.Name, columnType(c), c.Cost, notes(c, s.Key), cell(aboutColumn(c)))
		}
	}
	return b.String()
}

func whereToLook(s *modules.Schema) string {
	l := s.Locator
	if l.Use == modules.NoLocator {
		return "It takes no locator."
	}
	use := "may be told"
	if l.Use == modules.LocatorRequired {
		use = "must be told"
	}
	text := fmt.Sprintf("It %s where to look: %s. For example `FIND %s %s`.", use, l.Doc, s.Name, l.Example)
	if l.Column == "" {
		return text
	}
	text += fmt.Sprintf(" The place may also follow from the condition: `%[1]s = …`, `%[1]s IN (…)` or `%[1]s GLOB …`", l.Column)
	if l.Dir != "" {
		text += fmt.Sprintf(", or `%s = …`", l.Dir)
	}
	return text + "."
}

func columnType(c modules.Column) string {
	if c.Type == value.List {
		return "list of " + c.Elem.String()
	}
	return c.Type.String()
}

func notes(c modules.Column, key string) string {
	var list []string
	if c.Name == key {
		list = append(list, "key")
	}
	if c.Default {
		list = append(list, "default")
	}
	if c.Content {
		list = append(list, "content")
	}
	if c.Line {
		list = append(list, "line")
	}
	if c.Link != "" {
		list = append(list, "→ "+c.Link)
	}
	return strings.Join(append(list, c.OS...), ", ")
}

func aboutColumn(c modules.Column) string {
	if len(c.Values) == 0 {
		return c.Doc
	}
	return strings.TrimSuffix(c.Doc, ".") + ": " + strings.Join(c.Values, ", ")
}

// Functions prints the reference of functions and aggregates.
func Functions() string {
	var b strings.Builder
	b.WriteString("# Functions\n\n" + printed +
		"A function of NULL is NULL, unless its line says otherwise. What has no value (a division by zero, text that is no base64) is NULL, too.\n\n" +
		"| function | what it gives | example | result |\n|---|---|---|---|\n")
	for _, f := range plan.Funcs() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Signature, cell(f.Doc), code(f.Example), code(f.Result))
	}
	b.WriteString("| `now()`, `now` | the time at which the query runs, the same for all of it | `now - 2d` | |\n" +
		"| `age(time)` | how long ago the time was: `now - time` | `age(mtime) > 90d` | |\n")
	b.WriteString("\nArithmetic is `+ - * / %`, with blanks around `/`. Besides numbers: sizes and durations add, subtract and divide; a time and a duration give a time; two times give a duration; `+` joins texts; `/` of two whole numbers is whole, of two sizes or durations a float. What overflows is NULL.\n")
	b.WriteString("\n## Aggregates\n\nThey stand in RETURN, HAVING and ORDER BY. NULLs do not count, except in `count()`.\n\n" +
		"| aggregate | of each group | type |\n|---|---|---|\n")
	for _, a := range plan.Aggs() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.Signature, a.Doc, a.Result)
	}
	return b.String()
}

// Settings prints the reference of WITH.
func Settings() string {
	var b strings.Builder
	b.WriteString("# Settings\n\n" + printed +
		"`WITH name = value, …` stands at the end of a query and bounds how it is run. A bound that cut the answer is named in the summary, and the answer is then *partial*.\n\n" +
		"| setting | type | may be | without it | about |\n|---|---|---|---|---|\n")
	for _, s := range planner.Settings() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Name, s.Type, s.Range(), s.Default, cell(s.Doc))
	}
	return b.String()
}

// cell makes a text fit for a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func code(text string) string { return "`" + cell(text) + "`" }

func sentence(text string) string {
	text = strings.ToUpper(text[:1]) + text[1:]
	return strings.TrimSuffix(text, ".") + "."
}
