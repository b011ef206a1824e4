package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// lastName is what the last answer is called: @last.path, hits("last").
const lastName = "last"

// mostKept bounds the values of an answer that are kept, by their number: a
// list of more is no question any more.
const mostKept = 2_000_000

// A lastAnswer is what the prompt keeps of the answer that it showed last. A
// nil one keeps nothing.
type lastAnswer struct {
	tables []quaestor.Table
	rows   [][][]value.Value // by table
	kept   int               // values
	full   bool
	whole  bool // nothing was left out of it
	used   bool // a list was made of it
}

// begin makes room for an answer.
func (l *lastAnswer) begin(rows *quaestor.Rows) {
	if l != nil {
		*l = lastAnswer{tables: rows.Tables(), rows: make([][][]value.Value, len(rows.Tables()))}
	}
}

// end says how it was.
func (l *lastAnswer) end(sum answer.Summary) {
	if l != nil {
		l.whole = sum.Outcome == answer.Complete
	}
}

// add keeps a row.
func (l *lastAnswer) add(row quaestor.Row) {
	if l == nil {
		return
	}
	values := row.Values()
	if l.kept += len(values); l.kept > mostKept {
		l.full = true
		return
	}
	kept := make([]value.Value, len(values))
	for i, v := range values {
		kept[i] = v.Clone()
	}
	l.rows[row.Table()] = append(l.rows[row.Table()], kept)
}

// names lists the lists that the answer makes.
func (l *lastAnswer) names() []string {
	var names []string
	for _, t := range l.tables {
		for _, c := range t.Columns {
			names = append(names, lastName+"."+c.Name)
		}
	}
	return names
}

// list gives a column as the lines of a list. What a line cannot hold is an
// error, and not left out.
func (l *lastAnswer) list(name string) (data []byte, ok bool, err error) {
	column, ok := strings.CutPrefix(name, lastName+".")
	if !ok {
		return nil, false, nil
	}
	l.used = true
	if l.full {
		return nil, true, fmt.Errorf("the last answer has more than %d values, and was not kept\nhint: --output it, and name the file", mostKept)
	}
	for t, table := range l.tables {
		for c, col := range table.Columns {
			if col.Name == column {
				return listOf(l.rows[t], c)
			}
		}
	}
	if l.tables == nil {
		return nil, true, errors.New("nothing was asked yet")
	}
	return nil, true, fmt.Errorf("the last answer has no column %q: there are %s", column, strings.Join(l.names(), ", "))
}

// listOf writes a column as a list, null left out: nothing equals it.
func listOf(rows [][]value.Value, c int) ([]byte, bool, error) {
	var b strings.Builder
	seen := map[string]bool{}
	for _, r := range rows {
		if r[c].IsNull() {
			continue
		}
		text := listText(r[c])
		if strings.ContainsAny(text, "\n\r") || text != strings.TrimSpace(text) || text == "" || text[0] == '#' {
			return nil, true, fmt.Errorf("%s of the last answer cannot stand in a list, which has one value a line", r[c].Literal())
		}
		if !seen[text] {
			seen[text] = true
			b.WriteString(text + "\n")
		}
	}
	if b.Len() == 0 {
		return nil, true, errors.New("the last answer has no value there")
	}
	return []byte(b.String()), true, nil
}

// listText gives a value as a list file has it.
func listText(v value.Value) string {
	if v.Type() == value.Text {
		return v.Text()
	}
	return strings.Trim(v.Literal(), `"`)
}
