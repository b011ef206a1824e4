package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// A Table is one of a database.
type Table struct {
	Name    string
	Columns []string // their names, in the order in which they were declared

	root    uint32
	rowid   bool  // its rows have one
	alias   int   // the column that is the rowid; -1 for none
	stored  []int // the columns in the order in which rows have them
	key     int   // how many of those every row has
	columns []column
	err     error // why it cannot be read
}

// HasRowid says whether its rows have a rowid, which those of a table WITHOUT
// ROWID do not.
func (t *Table) HasRowid() bool { return t.rowid }

// A Row is one of a table. It is valid until the next. Values has one for each
// column, and may go on where a row has fields of which nothing says what they
// are called.
type Row struct {
	ID     int64
	Values []Value
}

// SchemaTable is the name of the table that lists the others.
const SchemaTable = "sqlite_schema"

// Tables gives the tables, that of their list first. Columns that are computed
// when they are asked for are in no row, and left out.
func (d *DB) Tables() []*Table { return d.tables }

// Table gives the table of that name, in letters of any case.
func (d *DB) Table(name string) (*Table, bool) {
	for _, t := range d.tables {
		if strings.EqualFold(t.Name, name) {
			return t, true
		}
	}
	return nil, false
}

// readTables reads the list of tables.
func (d *DB) readTables() error {
	list := &Table{Name: SchemaTable, root: 1, rowid: true, alias: -1, columns: make([]column, 5),
		Columns: []string{"type", "name", "tbl_name", "rootpage", "sql"}, stored: []int{0, 1, 2, 3, 4}}
	d.tables = []*Table{list}
	columns := 0
	return d.Rows(context.Background(), list, func(r *Row) error {
		kind, name, root, sql := r.Values[0], r.Values[1], r.Values[3], r.Values[4]
		if string(kind.Bytes) != "table" || root.Kind == Int && root.Int == 0 {
			return nil // an index, a view, a trigger; or what a module of SQLite's makes up
		}
		if len(d.tables) >= maxTables {
			return hostfs.ErrTooLarge
		}
		t, err := parseTable(string(sql.Bytes))
		if err == nil && (root.Kind != Int || root.Int < 2 || root.Int > int64(d.pages)) {
			err = malformed("a table at page %d of %d", root.Int, d.pages)
		}
		if err != nil {
			t = &Table{err: fmt.Errorf("table %s: %w", name.Bytes, err)}
		}
		if columns += len(t.Columns); columns > maxAllColumns {
			return hostfs.ErrTooLarge
		}
		t.Name, t.root = string(name.Bytes), uint32(root.Int)
		d.tables = append(d.tables, t)
		return nil
	})
}

// values brings the fields of a row into the order of the columns, and adds
// what it does not say itself.
func (t *Table) values(values, fields []Value, id int64) ([]Value, error) {
	if len(fields) < t.key || !t.rowid && len(fields) > len(t.stored) {
		return nil, malformed("a row of %s with %d fields of %d", t.Name, len(fields), len(t.stored))
	}
	values = slices.Grow(values, len(t.columns))[:len(t.columns)]
	for i, at := range t.stored {
		c := &t.columns[at]
		switch {
		case i < len(fields):
			values[at] = c.as(fields[i])
		case c.unknown:
			return nil, malformed("a row of %s without %s, whose default has to be computed", t.Name, t.Columns[at])
		default:
			values[at] = c.standard
		}
		if at == t.alias {
			values[at] = Value{Kind: Int, Int: id}
		}
	}
	if len(fields) > len(t.stored) {
		values = append(values, fields[len(t.stored):]...)
	}
	return values, nil
}

// A column is what is known of one beside its name.
type column struct {
	affinity affinity
	standard Value // what it is where a row does not say
	unknown  bool  // that has to be computed
}

// An affinity is what SQLite makes of values of a column.
type affinity uint8

const (
	asBlob affinity = iota
	asText
	asNumber
	asInteger
	asReal
)

// affinityOf is how SQLite takes a declared type, which may be any words.
func affinityOf(declared string) affinity {
	declared = strings.ToUpper(declared)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(declared, w) })
	}
	switch {
	case has("INT"):
		return asInteger
	case has("CHAR", "CLOB", "TEXT"):
		return asText
	case declared == "" || has("BLOB"):
		return asBlob
	case has("REAL", "FLOA", "DOUB"):
		return asReal
	}
	return asNumber
}

// as makes of a field what it stands for: a whole number in a column of reals
// is kept as an integer, which is shorter.
func (c *column) as(v Value) Value {
	if c.affinity == asReal && v.Kind == Int {
		return Value{Kind: Real, Real: float64(v.Int)}
	}
	return v
}

// convert makes of a default what SQLite would.
func (c *column) convert(v Value) Value {
	switch {
	case c.affinity == asText && (v.Kind == Int || v.Kind == Real):
		return Value{Kind: Text, Bytes: []byte(v.String())}
	case c.affinity >= asNumber && v.Kind == Text:
		text := strings.Trim(string(v.Bytes), " \t\n\v\f\r")
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			v = Value{Kind: Int, Int: n}
		} else if r, err := strconv.ParseFloat(text, 64); err == nil && isNumber(text) {
			v = Value{Kind: Real, Real: r}
		}
	}
	if whole := int64(v.Real); c.affinity >= asNumber && c.affinity != asReal && v.Kind == Real && float64(whole) == v.Real && whole > -1<<51 && whole < 1<<51 {
		v = Value{Kind: Int, Int: whole}
	}
	return c.as(v)
}

// isNumber says whether a text has the signs of a number in decimal alone.
func isNumber(s string) bool { return strings.Trim(s, "+-.0123456789eE") == "" }

// String gives a value as text: a number in decimal, a blob as it is.
func (v Value) String() string {
	switch v.Kind {
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Real:
		s := strconv.FormatFloat(v.Real, 'g', 15, 64)
		if back, err := strconv.ParseFloat(s, 64); err != nil || back != v.Real {
			s = strconv.FormatFloat(v.Real, 'g', 17, 64)
		}
		if strings.Trim(s, "-0123456789") == "" {
			s += ".0" // so that a real is told from a whole number
		}
		return s
	case Text, Blob:
		return string(v.Bytes)
	}
	return ""
}
