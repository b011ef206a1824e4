package render

import (
	"slices"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// jsonl writes one JSON object a row, its keys in the order of the columns.
// With several tables a key "table" (or "_table", where a column has that
// name) comes first.
type jsonl struct {
	out
	rows []jsonRow
}

func (j *jsonl) Begin(tables []Table) error {
	j.rows = make([]jsonRow, len(tables))
	for i, t := range tables {
		j.rows[i] = newJSONRow(t, len(tables) > 1)
	}
	return nil
}

func (j *jsonl) Row(table int, values []value.Value) error {
	j.buf = append(j.rows[table].append(j.buf, values), '\n')
	return j.drain()
}

func (j *jsonl) End(answer.Summary) error { return j.Flush() }

// A jsonRow is what stands before each value of a table's rows.
type jsonRow [][]byte

func newJSONRow(t Table, named bool) jsonRow {
	row := make(jsonRow, len(t.Columns))
	lead := []byte{'{'}
	if named {
		key := "table"
		if slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name == key }) {
			key = "_table"
		}
		lead = appendString(append(appendString(lead, key), ':'), t.Name)
		lead = append(lead, ',')
	}
	for i, c := range t.Columns {
		row[i] = append(appendString(slices.Clone(lead), c.Name), ':')
		lead = []byte{','}
	}
	return row
}

func (r jsonRow) append(dst []byte, values []value.Value) []byte {
	if len(r) == 0 {
		return append(dst, "{}"...)
	}
	for i, before := range r {
		dst = appendJSON(append(dst, before...), values[i])
	}
	return append(dst, '}')
}

// appendJSON is value.AppendJSON, with a short way for what most rows are
// made of (BenchmarkRows).
func appendJSON(dst []byte, v value.Value) []byte {
	switch v.Type() {
	case value.Hash:
		return append(appendHex(append(dst, '"'), v.RawText()), '"')
	case value.Text:
		if s := v.RawText(); isSimple(s) {
			return append(append(append(dst, '"'), s...), '"')
		}
	}
	return value.AppendJSON(dst, v)
}

// isSimple says whether a text is printable ASCII that needs no escape, at first
// sight: # may need one.
func isSimple(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '#' {
			return false
		}
	}
	return true
}

func appendHex(dst []byte, raw string) []byte {
	const digits = "0123456789abcdef"
	for i := 0; i < len(raw); i++ {
		dst = append(dst, digits[raw[i]>>4], digits[raw[i]&15])
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return value.AppendJSON(dst, value.NewText(s))
}
