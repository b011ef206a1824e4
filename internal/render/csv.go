package render

import (
	"strconv"
	"strings"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// csv writes a header and rows as RFC 4180 has them, with an empty line
// between tables. Sizes are bytes, durations seconds; null is an empty field,
// empty text a quoted one. What a spreadsheet would run as a formula gets a '
// in front.
type csv struct {
	out
	tables  []Table
	columns []Column
}

func (c *csv) begin(tables []Table) error {
	c.tables = tables
	return nil
}

func (c *csv) table(i int) error {
	if i > 0 {
		c.buf = append(c.buf, "\r\n"...)
	}
	c.columns = c.tables[i].Columns
	for k, col := range c.columns {
		c.buf = comma(c.buf, k)
		c.field(col.Name)
	}
	c.buf = append(c.buf, "\r\n"...)
	return c.drain()
}

func (c *csv) row(values []value.Value) error {
	for k, v := range values {
		c.buf = comma(c.buf, k)
		switch v.Type() {
		case value.Null:
			if len(values) == 1 {
				c.buf = append(c.buf, `""`...) // an empty line would be no row
			}
		case value.Int, value.Size:
			c.buf = strconv.AppendInt(c.buf, v.Int(), 10)
		case value.Duration, value.Float:
			c.buf = value.AppendJSON(c.buf, v)
		case value.Hash:
			c.buf = appendHex(c.buf, v.RawText())
		default:
			c.field(v.String())
		}
	}
	c.buf = append(c.buf, "\r\n"...)
	return c.drain()
}

func (c *csv) end(answer.Summary) error { return nil }

func (c *csv) field(s string) {
	s = inert(s)
	if s != "" && !strings.ContainsAny(s, "\",\r\n") && s[0] != ' ' && s[len(s)-1] != ' ' {
		c.buf = append(c.buf, s...)
		return
	}
	c.buf = append(c.buf, '"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			c.buf = append(c.buf, '"')
		}
		c.buf = append(c.buf, s[i])
	}
	c.buf = append(c.buf, '"')
}

// inert puts a ' before what a spreadsheet would take for a formula: at the
// beginning of a text, and behind a semicolon, where a spreadsheet begins a
// cell in countries that write 1,5 for one and a half.
func inert(s string) string {
	if !strings.Contains(s, ";") {
		if isFormula(s) {
			return "'" + s
		}
		return s
	}
	cells := strings.Split(s, ";")
	for i, c := range cells {
		sign := strings.TrimLeft(c, " \"")
		if i == 0 {
			sign = c
		}
		if isFormula(sign) {
			cells[i] = c[:len(c)-len(sign)] + "'" + sign
		}
	}
	return strings.Join(cells, ";")
}

// isFormula says whether a spreadsheet would take the text for a formula. The
// wide forms of the signs count in East Asian locales.
func isFormula(s string) bool {
	for _, sign := range []string{"=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(s, sign) {
			return true
		}
	}
	return false
}
