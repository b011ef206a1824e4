package complete

import (
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

func (f *finder) modules() {
	for _, name := range f.Catalogue.Names() {
		s, _ := f.Catalogue.Schema(name)
		f.add(Candidate{Text: name, Kind: Module, Detail: s.Locator.Example, Doc: s.Doc})
	}
}

func (f *finder) sources() {
	for _, s := range lang.SourceNames() {
		text := s.Text
		if slices.Contains([]string{"hits", "misses", "case"}, text) {
			text += "("
		}
		f.add(Candidate{Text: text, Kind: Source, Detail: s.Example, Doc: s.Doc})
	}
}

func (f *finder) settings() {
	for _, s := range planner.Settings() {
		f.add(Candidate{Text: s.Name, Kind: Setting, Detail: s.Type.String() + ", " + s.Default, Doc: s.Doc})
	}
}

// names adds what an expression may begin with.
func (f *finder) names() {
	switch f.cur.Clause {
	case "PARAM", "LET", "FROM", "LIMIT", "EVERY", "WITH":
		// A constant stands there: functions may make one.
		if f.cur.Clause == "LET" || f.cur.Clause == "PARAM" {
			f.functions(false)
		}
	case "TARGET":
		f.facts()
		f.functions(false)
	default:
		f.columns()
		f.functions(slices.Contains([]string{"RETURN", "HAVING", "ORDER BY"}, f.cur.Clause))
	}
}

// scope gives the schemas of the scans around, with what names them.
func (f *finder) scope() (names []string, schemas []*modules.Schema) {
	for _, s := range f.cur.Scans {
		if schema, ok := f.Catalogue.Schema(strings.ToLower(s.Module)); ok {
			name := s.Alias
			if name == "" {
				name = schema.Name
			}
			if s.Watch {
				schema = modules.Watched(schema)
			}
			names, schemas = append(names, name), append(schemas, schema)
		}
	}
	return names, schemas
}

func (f *finder) columns() {
	for _, name := range f.cur.Columns {
		f.add(Candidate{Text: name, Kind: Column, Detail: "of the answer"})
	}
	names, schemas := f.scope()
	for i, s := range schemas {
		for _, c := range s.Columns {
			if f.here(c) && (f.cur.Left == nil || f.comparable(c)) {
				f.add(column(c, ""))
			}
		}
		if len(schemas) > 1 || names[i] != s.Name {
			f.add(Candidate{Text: names[i] + ".", Kind: Column, Detail: s.Name, Doc: s.Doc})
		}
	}
}

// here says whether the system that is asked has the column.
func (f *finder) here(c modules.Column) bool {
	return f.OS == "" || len(c.OS) == 0 || slices.Contains(c.OS, f.OS)
}

// comparable says whether a column can stand on the right of what is on the
// left: one of the same type.
func (f *finder) comparable(c modules.Column) bool {
	left, ok := f.left()
	return !ok || left.Type == c.Type && left.Name != c.Name
}

func column(c modules.Column, front string) Candidate {
	detail := c.Type.String()
	if c.Type == value.List {
		detail += " of " + c.Elem.String()
	}
	if c.Link != "" {
		detail += " → " + c.Link
	}
	if c.Cost > modules.Free {
		detail += ", " + c.Cost.String()
	}
	return Candidate{Text: front + c.Name, Kind: Column, Detail: detail, Doc: c.Doc}
}

func (f *finder) facts() {
	if f.cur.Left != nil {
		return
	}
	for _, c := range planner.Facts(f.Catalogue) {
		f.add(Candidate{Text: c.Name, Kind: Column, Detail: c.Type.String(), Doc: c.Doc})
	}
	for _, name := range f.tags() {
		f.add(Candidate{Text: name, Kind: Tag, Detail: "text", Doc: "A tag of the fleet's agents: " + some(f.Facts[name]) + "."})
	}
}

// tags lists the names of tags that the fleet has, and of what its clouds say.
// An agent can send what it likes as a name: one that is none would bring more
// into the query than it seems.
func (f *finder) tags() []string {
	var names []string
	for name := range f.Facts {
		front, rest, _ := strings.Cut(name, ".")
		if (front == "tags" || front == "cloud") && rest != "" && strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789_.") == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// some shows a few of many.
func some(values []string) string {
	const few = 5
	if len(values) <= few {
		return value.EscapeText(strings.Join(values, ", "))
	}
	return value.EscapeText(strings.Join(values[:few], ", ")) + ", …"
}

// linked adds what may follow a dot.
func (f *finder) linked() {
	if f.cur.Clause == "TARGET" {
		front := strings.Join(f.cur.Path, ".") + "."
		for _, name := range f.tags() {
			if rest, ok := strings.CutPrefix(name, front); ok {
				f.add(Candidate{Text: rest, Kind: Tag, Detail: "text", Doc: some(f.Facts[name])})
			}
		}
		return
	}
	if s, ok := f.follow(f.cur.Path); ok {
		for _, c := range s.Columns {
			if f.here(c) {
				f.add(column(c, ""))
			}
		}
	}
}

// follow gives the module that a name with dots leads to.
func (f *finder) follow(path []string) (*modules.Schema, bool) {
	names, schemas := f.scope()
	for i, name := range names {
		if len(path) > 0 && name == path[0] {
			if s, ok := f.over(schemas[i], path[1:]); ok {
				return s, true
			}
		}
	}
	for _, s := range schemas {
		if to, ok := f.over(s, path); ok && len(path) > 0 {
			return to, true
		}
	}
	return nil, false
}

// over follows links from a module.
func (f *finder) over(s *modules.Schema, path []string) (*modules.Schema, bool) {
	for _, name := range path {
		i, ok := s.Column(name)
		if !ok {
			return nil, false
		}
		if s, ok = f.Catalogue.Schema(s.Columns[i].Link); !ok {
			return nil, false
		}
	}
	return s, true
}

// left finds the column that the word is compared with.
func (f *finder) left() (modules.Column, bool) {
	path := f.cur.Left
	if len(path) == 0 {
		return modules.Column{}, false
	}
	if f.cur.Clause == "TARGET" {
		facts := planner.Facts(f.Catalogue)
		if i := slices.IndexFunc(facts, func(c modules.Column) bool { return c.Name == strings.Join(path, ".") }); i >= 0 {
			return facts[i], true
		}
		return modules.Column{}, false
	}
	names, schemas := f.scope()
	last := path[len(path)-1]
	if len(path) > 1 && !slices.Contains(names, path[0]) || len(path) > 2 {
		s, ok := f.follow(path[:len(path)-1])
		if !ok {
			return modules.Column{}, false
		}
		schemas = []*modules.Schema{s}
	}
	for _, s := range schemas {
		if i, ok := s.Column(last); ok {
			return s.Columns[i], true
		}
	}
	return modules.Column{}, false
}

func (f *finder) functions(aggregates bool) {
	if f.cur.Quote != 0 {
		return
	}
	for _, fn := range plan.Funcs() {
		f.add(Candidate{Text: fn.Name + "(", Kind: Function, Detail: fn.Signature, Doc: fn.Doc})
	}
	for _, fn := range builtins {
		f.add(fn)
	}
	if !aggregates {
		return
	}
	for _, a := range plan.Aggs() {
		f.add(Candidate{Text: a.Name + "(", Kind: Function, Detail: a.Signature, Doc: a.Doc})
	}
}

// builtins are what the planner makes of other things.
var builtins = []Candidate{
	{Text: "now", Kind: Function, Detail: "now", Doc: "the time at which the query runs, the same for all of it"},
	{Text: "age(", Kind: Function, Detail: "age(time)", Doc: "how long ago the time was: now - time"},
}
