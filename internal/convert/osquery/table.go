package osquery

import (
	"regexp"
	"strings"
)

// A table says where a table of osquery is found here.
type table struct {
	name string
	// module is what holds its rows; empty: nothing does, and why says so.
	module string
	why    string
	// in is where osquery looks, in locators; empty: wherever the module does.
	in []string
	// where is what a row of the module must be to be one of the table's.
	where string
	// keys are the columns each of which tells a row from all others.
	keys []string
	// users says that osquery looks only at the user it runs as, root, unless
	// a query says at whom.
	users bool
	// single says that the table has one row.
	single bool
	// rows says how rows are cut differently here; empty: they are not.
	rows string
	// raw says that a row is a line of text, which is not taken apart.
	raw bool
	// less says what of the table is not there; empty: nothing.
	less    string
	columns []column
}

// A column says which column, or expression, of the module a column of the
// table is. In expressions $ stands before the names of columns.
type column struct {
	name, expr string
	kind       kind
	// shown is what is returned in its place where that reads better; several
	// with commas. Equal ones are returned once.
	shown string
	// empty is what osquery has where the expression is null; nil: it is
	// never null here, or is in osquery, too.
	empty []string
	// words are what the module calls osquery's values.
	words map[string]string
	// truths are the conditions that osquery's values stand for, of a column
	// that is none of the module's.
	truths map[string]string
	// link is the column that leads to the row of another module, whose key
	// this is.
	link, to string
	// why says why there is none.
	why string
	// front says what osquery has before a text, which has no slash; empty:
	// nothing.
	front string
	// hidden columns are not among those of a star, in osquery or here.
	hidden bool
}

// kind is what osquery's values mean.
type kind uint8

const (
	text kind = iota
	number
	seconds  // since 1970: a time here
	duration // in seconds
	flag     // 0 or 1: a condition here
	address
	version
	network
)

// as is a text; where it is null osquery has nothing between its quotes.
func as(name, expr string) column { return column{name: name, expr: expr, empty: []string{""}} }

// num is a number that is never null.
func num(name, expr string) column { return column{name: name, expr: expr, kind: number} }

func when(name, expr string) column {
	return column{name: name, expr: expr, kind: seconds, empty: []string{"0"}}
}

func span(name, expr string) column { return column{name: name, expr: expr, kind: duration} }

// yes is a flag of 0 and 1, of a condition that may be null.
func yes(name, expr string) column {
	return column{name: name, expr: expr, kind: flag, empty: []string{"0"}}
}

func addr(name, expr string) column {
	return column{name: name, expr: expr, kind: address, empty: []string{""}}
}

func ver(name, expr string) column {
	return column{name: name, expr: expr, kind: version, empty: []string{""}}
}

// none is a column that is nowhere here.
func none(name, why string) column { return column{name: name, why: why} }

// instead is a column that is returned as another and cannot be compared.
func instead(name, shown, why string) column { return column{name: name, shown: shown, why: why} }

// fixed is a column that is the same in every row of a system.
func fixed(name, expr string) column {
	return column{name: name, expr: expr, hidden: true}
}

// always says that it is never null.
func (c column) always() column {
	c.empty = nil
	return c
}

// or says what osquery has where it is null.
func (c column) or(empty ...string) column {
	c.empty = empty
	return c
}

// known says what the values of osquery are called here, in pairs.
func (c column) known(pairs ...string) column {
	c.words = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		c.words[pairs[i]] = pairs[i+1]
	}
	return c
}

// meaning says which conditions the values of osquery stand for, in pairs.
func (c column) meaning(pairs ...string) column {
	c.truths = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		c.truths[pairs[i]] = pairs[i+1]
	}
	return c
}

// follows says which column leads to a row of another module.
func (c column) follows(link, module string) column {
	c.link, c.to = link, module
	return c
}

// returns says what is returned in its place.
func (c column) returns(shown string) column {
	c.shown = shown
	return c
}

// hide leaves it out of a star.
func (c column) hide() column {
	c.hidden = true
	return c
}

var dollarName = regexp.MustCompile(`\$([a-z_])`)

// under puts a row's prefix before the names of an expression. A $ that no
// name follows is one of a regular expression.
func under(expr, prefix string) string { return dollarName.ReplaceAllString(expr, prefix+"$1") }

func (t *table) column(name string) *column {
	for i := range t.columns {
		if strings.EqualFold(t.columns[i].name, name) {
			return &t.columns[i]
		}
	}
	return nil
}

// catalogue gives all tables by their names.
func catalogue() map[string]*table {
	all := map[string]*table{}
	for _, list := range [...][]table{processTables(), fileTables(), accountTables(), networkTables(), startTables(), packageTables(), machineTables(), containerTables(), recordTables(), absentTables()} {
		for i := range list {
			all[list[i].name] = &list[i]
		}
	}
	return all
}
