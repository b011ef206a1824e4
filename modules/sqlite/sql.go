package sqlite

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a statement that made a table.
const (
	maxStatement = 1 << 20 // bytes
	maxColumns   = 1 << 15 // as in SQLite
)

// parseTable reads a statement as SQLite keeps it:
//
//	CREATE TABLE name ( column type constraints, …, constraints ) options
//
// It was accepted by SQLite once, so that what is of no concern here is passed
// over. What it says of columns must be understood.
func parseTable(sql string) (*Table, error) {
	if len(sql) > maxStatement {
		return nil, malformed("a statement of %d bytes", len(sql))
	}
	p := statement{text: sql}
	if err := p.begin(); err != nil {
		return nil, err
	}
	d := declared{table: &Table{rowid: true, alias: -1}}
	for {
		part, end, err := p.part()
		if err != nil {
			return nil, err
		}
		if err := d.add(part); err != nil {
			return nil, err
		}
		if end {
			break
		}
	}
	for {
		switch t, err := p.token(); {
		case err != nil:
			return nil, err
		case t.kind == 0:
			return d.finish()
		case t.is("WITHOUT"):
			if t, err = p.token(); err != nil || !t.is("ROWID") {
				return nil, malformed("WITHOUT %.20q", t.text)
			}
			d.table.rowid = false
		case !t.is("STRICT") && !t.is(","):
			return nil, malformed("%.20q behind the columns", t.text)
		}
	}
}

// declared is what is known of a table so far.
type declared struct {
	table       *Table
	key         []string // the columns of the primary key
	constraints bool     // the columns are over
	integerKey  bool     // the key is a column that says INTEGER PRIMARY KEY
	virtual     []bool   // of each column, whether it is computed when it is asked for
	types       []string // of each column
}

// add takes a column, or constraints.
func (d *declared) add(part []token) error {
	if len(part) == 0 {
		return malformed("a column without a name")
	}
	first := part[0]
	if d.constraints || first.is("CONSTRAINT") || first.is("PRIMARY") || first.is("UNIQUE") || first.is("CHECK") || first.is("FOREIGN") {
		if d.constraints = true; len(d.types) == 0 {
			return malformed("a table without columns")
		}
		return d.constraint(part)
	}
	if !first.names() || len(d.types) >= maxColumns {
		return malformed("a column %.20q", first.text)
	}
	n := 1
	for n < len(part) && part[n].names() && !part[n].ends() {
		n++
	}
	var words []string
	for _, t := range part[1:n] {
		words = append(words, t.text)
	}
	if n < len(part) && part[n].is("(") {
		words = append(words, "(")
		n = after(part, n)
	}
	d.table.Columns = append(d.table.Columns, first.text)
	d.table.columns = append(d.table.columns, column{affinity: affinityOf(strings.Join(words, " "))})
	d.types, d.virtual = append(d.types, strings.Join(words, " ")), append(d.virtual, false)
	return d.clauses(part, n)
}

// clauses reads what stands behind the type of a column.
func (d *declared) clauses(part []token, n int) error {
	at := len(d.types) - 1
	for n < len(part) {
		t := part[n]
		switch {
		case t.is("PRIMARY"):
			if d.key != nil {
				return malformed("two primary keys")
			}
			d.key = []string{d.table.Columns[at]}
			d.integerKey = n+2 >= len(part) || !part[n+2].is("DESC") // an old mistake that SQLite keeps
		case t.is("DEFAULT") && !part[n-1].is("SET"):
			if n++; n >= len(part) {
				return malformed("a default of nothing")
			}
			end := n + 1
			if t := part[n]; t.is("(") {
				end = after(part, n)
			} else if (t.is("+") || t.is("-")) && n+1 < len(part) {
				end++
			}
			c := &d.table.columns[at]
			v, ok := literal(part[n:end], c.affinity)
			c.standard, c.unknown = c.convert(v), !ok
			n = end
			continue
		case t.is("AS"):
			if n++; n >= len(part) || !part[n].is("(") {
				return malformed("AS without ()")
			}
			n = after(part, n)
			d.virtual[at] = n >= len(part) || !part[n].is("STORED")
			continue
		case t.is("CONSTRAINT"), t.is("COLLATE"), t.is("REFERENCES"):
			n++ // a name
		}
		n = after(part, n)
	}
	return nil
}

// constraint looks for the primary key among constraints.
func (d *declared) constraint(part []token) error {
	for n := 0; n < len(part); n = after(part, n) {
		if !part[n].is("PRIMARY") || n > 0 && part[n-1].is("CONSTRAINT") {
			continue
		}
		if n += 2; d.key != nil || n >= len(part) || !part[n].is("(") {
			return malformed("a primary key of nothing, or a second")
		}
		begins := true
		for _, t := range part[n+1 : after(part, n)-1] {
			if begins {
				d.key = append(d.key, t.text)
			}
			begins = t.is(",")
		}
		d.integerKey = len(d.key) == 1
	}
	return nil
}

// finish says how the rows are kept.
func (d *declared) finish() (*Table, error) {
	t := d.table
	var key []int
	for _, name := range d.key {
		i := slices.IndexFunc(t.Columns, func(c string) bool { return strings.EqualFold(c, name) })
		if i < 0 || d.virtual[i] {
			return nil, malformed("a primary key of %.40q, which is no column", name)
		}
		if !slices.Contains(key, i) {
			key = append(key, i)
		}
	}
	switch {
	case !t.rowid && len(key) == 0:
		return nil, malformed("a table without rowid and without a primary key")
	case !t.rowid:
		t.stored, t.key = append(t.stored, key...), len(key)
	case d.integerKey && len(key) == 1 && strings.EqualFold(d.types[key[0]], "INTEGER"):
		t.alias = key[0]
	}
	for i := range t.columns {
		if !d.virtual[i] && !slices.Contains(t.stored, i) {
			t.stored = append(t.stored, i)
		}
	}
	return t.without(d.virtual), nil
}

// without leaves the columns out that are computed when they are asked for.
func (t *Table) without(virtual []bool) *Table {
	to, names, columns := make([]int, len(virtual)), t.Columns[:0:0], t.columns[:0:0]
	for i, is := range virtual {
		to[i] = len(names)
		if !is {
			names, columns = append(names, t.Columns[i]), append(columns, t.columns[i])
		}
	}
	for i, at := range t.stored {
		t.stored[i] = to[at]
	}
	if t.alias >= 0 {
		t.alias = to[t.alias]
	}
	t.Columns, t.columns = names, columns
	return t
}

// literal is the value of a default that is written out, for a column of such
// an affinity. It gives false for one that has to be computed.
func literal(tokens []token, a affinity) (Value, bool) {
	for len(tokens) > 2 && tokens[0].is("(") {
		tokens = tokens[1 : len(tokens)-1]
	}
	sign := ""
	if len(tokens) == 2 && (tokens[0].is("-") || tokens[0].is("+")) && tokens[1].kind == '0' {
		sign, tokens = strings.TrimPrefix(tokens[0].text, "+"), tokens[1:]
	}
	if len(tokens) != 1 {
		return Value{}, false
	}
	t := tokens[0]
	switch t.kind {
	case '\'', '"':
		return Value{Kind: Text, Bytes: []byte(t.text)}, true
	case 'x':
		b, err := hex.DecodeString(t.text)
		return Value{Kind: Blob, Bytes: b}, err == nil
	case '0':
		digits := strings.ReplaceAll(t.text, "_", "")
		if hexa := strings.TrimPrefix(strings.ToLower(digits), "0x"); len(hexa) < len(digits) {
			n, err := strconv.ParseUint(hexa, 16, 64)
			if sign == "-" {
				n = -n
			}
			return Value{Kind: Int, Int: int64(n)}, err == nil
		}
		if n, err := strconv.ParseInt(sign+digits, 10, 64); err == nil {
			return Value{Kind: Int, Int: n}, true
		}
		r, err := strconv.ParseFloat(sign+digits, 64)
		if a == asText {
			return Value{Kind: Text, Bytes: []byte(sign + digits)}, true // as it stands there
		}
		return Value{Kind: Real, Real: r}, err == nil
	case 'a':
		switch strings.ToUpper(t.text) {
		case "NULL":
			return Value{}, true
		case "TRUE":
			return Value{Kind: Int, Int: 1}, true
		case "FALSE":
			return Value{Kind: Int}, true
		case "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP":
			return Value{}, false
		}
		return Value{Kind: Text, Bytes: []byte(t.text)}, true
	}
	return Value{}, false
}

// after is where the tokens go on behind the one at n, and behind all that is
// in its parentheses.
func after(part []token, n int) int {
	depth := 0
	for ; n < len(part); n++ {
		if part[n].is("(") {
			depth++
		} else if part[n].is(")") {
			depth--
		}
		if depth <= 0 {
			return n + 1
		}
	}
	return n
}
