package osquery

import (
	"cmp"
	"slices"
)

// A Table says for the docs where a table of osquery is found here.
type Table struct {
	Name    string
	Module  string // empty: nowhere, and Note says why
	Places  []string
	Where   string
	Note    string
	Columns []Column
}

// A Column says where a column of a table is found.
type Column struct {
	Name  string
	Here  string   // empty: nowhere, and Why says why
	Why   string   // or what it means
	Words []string // what its values are called here
}

// Tables lists the tables that are known, by name. Columns that are the same
// for every Linux are left out.
func Tables() []Table {
	var out []Table
	for _, t := range catalogue() {
		d := Table{Name: t.name, Module: t.module, Places: t.in, Where: under(t.where, ""), Note: t.rows}
		if t.module == "" {
			d.Note = t.why
		}
		if t.less != "" {
			d.Note = t.less
		}
		if t.users {
			d.Note = "of root alone, unless a query joins users"
		}
		for _, c := range t.columns {
			if c.hidden {
				continue
			}
			d.Columns = append(d.Columns, c.documented())
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Table) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (c *column) documented() Column {
	d := Column{Name: c.name, Here: under(c.expr, ""), Why: c.why}
	if c.shown != "" {
		d.Here = under(c.shown, "")
	}
	for _, v := range sortedKeys(c.words) {
		if v != c.words[v] {
			d.Words = append(d.Words, v+" is "+c.words[v])
		}
	}
	for _, v := range sortedKeys(c.truths) {
		d.Words = append(d.Words, v+" is `"+under(c.truths[v], "")+"`")
	}
	if c.front != "" {
		d.Why = "before which osquery has " + c.front
	}
	return d
}
