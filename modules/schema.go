package modules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// A Schema describes a relation: what a query may name.
type Schema struct {
	Name    string // the word after FIND
	Doc     string // one sentence
	Columns []Column
	// Key names the column that identifies a row, which a link from another
	// module holds; "" where nothing can link here.
	Key string
	// Locator says what the words after the module's name mean.
	Locator Locator
	// Content says that rows are Askers: CONTAINS, MATCHES and the line
	// quantifiers may stand without a left side.
	Content bool
	// Sends says that scans send packets to whom the locators name. An agent
	// runs them only where a rule of its policy names the module.
	Sends bool
	// Processes says that scans look into processes of others, which takes a
	// right of its own: the child of an agent that scans has it only for
	// plans that name such a module.
	Processes bool
	// Watch lists the systems (as in runtime.GOOS) on which the module is a
	// Watcher that can watch; empty for none.
	Watch []string
}

// A Locator says how a query tells a module where to look.
type Locator struct {
	Use     LocatorUse
	Column  string // the column that a locator speaks of, whose comparisons may stand for one
	Dir     string // the column that holds that column's parent, likewise; may be ""
	Doc     string // what a locator looks like, in one sentence
	Example string
}

// LocatorUse says whether a module wants to be told where to look.
type LocatorUse uint8

// The uses of a locator.
const (
	NoLocator LocatorUse = iota
	LocatorOptional
	LocatorRequired
)

// A Column is one named, typed property of a row.
type Column struct {
	Name    string
	Type    value.Type
	Elem    value.Type // the type of a list's members
	Cost    Cost
	Default bool // shown by a query without RETURN
	// Content marks a column that carries what is inside, and not about, a
	// thing: it leaves a host only where a RETURN names it.
	Content bool
	// Line marks a column that speaks of one line of the content; a query
	// that returns one gets a row for each line that matched.
	Line bool
	// Link names the module whose key this column holds, so that a dot may
	// follow it; "" for none.
	Link string
	// HashBytes is the length of a hash, so that one of another algorithm is
	// not looked for; 0 where it varies.
	HashBytes int
	// OS lists the systems (as in runtime.GOOS) on which the column can have
	// a value; empty for all.
	OS []string
	// Values lists what the column may be, where that is a short closed set.
	Values []string
	Doc    string
}

// Cost says how dear a column is, in the order in which a plan asks.
type Cost uint8

// The costs, from cheap to dear.
const (
	Free Cost = iota // known as soon as the row is
	Stat             // one system call
	Read             // the beginning of the content, or several system calls
	Scan             // the whole content
)

// String gives the word that EXPLAIN and the docs use.
func (c Cost) String() string {
	return [...]string{"free", "stat", "read", "scan"}[min(c, Scan)]
}

// Column gives the index of the column with that name.
func (s *Schema) Column(name string) (int, bool) {
	i := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == name })
	return i, i >= 0
}

// Check says what is wrong with a schema, so that a module with a slip in it
// never reaches a query.
func (s *Schema) Check() error {
	if !isName(s.Name) {
		return fmt.Errorf("module name %q is not lower case letters, digits and _", s.Name)
	}
	if s.Doc == "" {
		return fmt.Errorf("module %s has no doc", s.Name)
	}
	seen := map[string]bool{}
	for _, c := range s.Columns {
		switch {
		case !isColumn(c.Name):
			return fmt.Errorf("column name %q of %s is not lower case letters, digits and _", c.Name, s.Name)
		case seen[c.Name]:
			return fmt.Errorf("module %s has two columns %q", s.Name, c.Name)
		case c.Doc == "":
			return fmt.Errorf("column %s.%s has no doc", s.Name, c.Name)
		case c.Type == value.Null:
			return fmt.Errorf("column %s.%s has no type", s.Name, c.Name)
		case c.Default && c.Content:
			return fmt.Errorf("column %s.%s carries content and must not be a default", s.Name, c.Name)
		}
		seen[c.Name] = true
	}
	for _, name := range []string{s.Key, s.Locator.Column, s.Locator.Dir} {
		if name != "" && !seen[name] {
			return fmt.Errorf("module %s names a column %q that it does not have", s.Name, name)
		}
	}
	return nil
}

// isName says whether a name is of lower case letters, digits and _, and
// begins with a letter.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != ""
}

// isColumn says whether a name is that of a column: one name, or two with a
// dot between them where columns belong together, such as yara.rule.
func isColumn(s string) bool {
	first, second, dotted := strings.Cut(s, ".")
	return isName(first) && (!dotted || isName(second))
}

// A Catalogue is a set of modules, by name. It is a value that a program
// makes and hands on; there is no global one.
type Catalogue struct {
	modules []Module // in alphabetical order
	schemas []*Schema
}

// NewCatalogue makes a catalogue, or says which schema is wrong, which name
// is there twice, or which link leads nowhere that could be followed.
func NewCatalogue(mods ...Module) (*Catalogue, error) {
	type entry struct {
		module Module
		schema *Schema
	}
	entries := make([]entry, len(mods))
	for i, m := range mods {
		entries[i] = entry{m, m.Schema()}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.schema.Name, b.schema.Name) })
	c := &Catalogue{}
	for i, e := range entries {
		if err := e.schema.Check(); err != nil {
			return nil, fmt.Errorf("modules: %w", err)
		}
		if i > 0 && c.schemas[i-1].Name == e.schema.Name {
			return nil, fmt.Errorf("modules: two modules are called %q", e.schema.Name)
		}
		c.modules, c.schemas = append(c.modules, e.module), append(c.schemas, e.schema)
	}
	for _, s := range c.schemas {
		for _, col := range s.Columns {
			if to, ok := c.Schema(col.Link); ok && to.Key == "" {
				return nil, fmt.Errorf("modules: %s.%s links to %s, which has no key", s.Name, col.Name, col.Link)
			}
		}
	}
	return c, nil
}

func (c *Catalogue) find(name string) (int, bool) {
	return slices.BinarySearchFunc(c.schemas, name, func(s *Schema, name string) int { return strings.Compare(s.Name, name) })
}

// Module gives the module with that name.
func (c *Catalogue) Module(name string) (Module, bool) {
	if i, ok := c.find(name); ok {
		return c.modules[i], true
	}
	return nil, false
}

// Schema gives the schema of the module with that name.
func (c *Catalogue) Schema(name string) (*Schema, bool) {
	if i, ok := c.find(name); ok {
		return c.schemas[i], true
	}
	return nil, false
}

// Names lists the modules in alphabetical order.
func (c *Catalogue) Names() []string {
	names := make([]string, len(c.schemas))
	for i, s := range c.schemas {
		names[i] = s.Name
	}
	return names
}
