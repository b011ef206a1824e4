package render

import (
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// A Module is a module's schema for programs; its keys are a promise.
type Module struct {
	Name    string         `json:"name"`
	Doc     string         `json:"doc"`
	Key     string         `json:"key,omitempty"`
	Locator *Locator       `json:"locator,omitempty"`
	Content bool           `json:"content"`
	Columns []ModuleColumn `json:"columns"`
}

// A Locator says how a query tells a module where to look.
type Locator struct {
	Required bool   `json:"required"`
	Column   string `json:"column,omitempty"`
	Dir      string `json:"dir,omitempty"`
	Doc      string `json:"doc"`
	Example  string `json:"example"`
}

// A ModuleColumn is one column of a schema.
type ModuleColumn struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Elem    string   `json:"elem,omitempty"`
	Cost    string   `json:"cost"`
	Default bool     `json:"default"`
	Class   string   `json:"class"` // metadata or content
	Line    bool     `json:"line,omitempty"`
	Link    string   `json:"link,omitempty"`
	OS      []string `json:"os,omitempty"`
	Values  []string `json:"values,omitempty"`
	Doc     string   `json:"doc"`
}

// Modules describes the modules with these names for programs.
func Modules(cat *modules.Catalogue, names []string) []Module {
	out := []Module{}
	for _, n := range names {
		if s, ok := cat.Schema(n); ok {
			out = append(out, newModule(s))
		}
	}
	return out
}

func newModule(s *modules.Schema) Module {
	m := Module{Name: s.Name, Doc: s.Doc, Key: s.Key, Content: s.Content}
	if l := s.Locator; l.Use != modules.NoLocator {
		m.Locator = &Locator{Required: l.Use == modules.LocatorRequired, Column: l.Column, Dir: l.Dir, Doc: l.Doc, Example: l.Example}
	}
	for _, c := range s.Columns {
		col := ModuleColumn{
			Name: c.Name, Type: c.Type.String(), Cost: c.Cost.String(), Default: c.Default, Class: "metadata",
			Line: c.Line, Link: c.Link, OS: c.OS, Values: c.Values, Doc: c.Doc,
		}
		if c.Type == value.List {
			col.Elem = c.Elem.String()
		}
		if c.Content {
			col.Class = "content"
		}
		m.Columns = append(m.Columns, col)
	}
	return m
}
