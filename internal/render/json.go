package render

import (
	"strconv"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// document writes one JSON document:
//
//	{"tables":[{"name":"file","columns":[{"name":"path","type":"text"},…],"rows":[
//	{"path":"/etc/passwd",…},
//	…]}],
//	"summary":{…},"coverage":{…}}
//
// Coverage is of a fleet's answer alone. An answer that was cut off is no valid document.
type document struct {
	out
	tables []Table
	one    jsonRow
	rows   int // of this table

	coverage *quaestor.Coverage // nil: this machine alone was asked
}

// Cover implements Covered.
func (d *document) Cover(c quaestor.Coverage) { d.coverage = &c }

func (d *document) begin(tables []Table) error {
	d.tables = tables
	d.buf = append(d.buf, `{"tables":[`...)
	return nil
}

func (d *document) table(i int) error {
	if i > 0 {
		d.buf = append(d.buf, "]},\n"...)
	}
	t := d.tables[i]
	d.one, d.rows = newJSONRow(t, false), 0
	d.buf = append(appendString(append(d.buf, `{"name":`...), t.Name), `,"columns":[`...)
	for k, c := range t.Columns {
		d.buf = appendString(append(comma(d.buf, k), `{"name":`...), c.Name)
		d.buf = append(appendString(append(d.buf, `,"type":`...), c.Type.String()), '}')
	}
	d.buf = append(d.buf, `],"rows":[`...)
	return nil
}

func (d *document) row(values []value.Value) error {
	if d.rows++; d.rows > 1 {
		d.buf = append(d.buf, ',')
	}
	d.buf = d.one.append(append(d.buf, '\n'), values)
	return d.drain()
}

func (d *document) end(s answer.Summary) error {
	if len(d.tables) > 0 {
		d.buf = append(d.buf, "]}"...)
	}
	d.buf = appendSummary(append(d.buf, "],\n\"summary\":"...), s)
	if d.coverage != nil {
		d.buf = appendCoverage(append(d.buf, ",\n\"coverage\":"...), *d.coverage)
	}
	d.buf = append(d.buf, "}\n"...)
	return nil
}

// appendSummary writes a summary as JSON. It is done by hand, since
// encoding/json would lose the names of files that are not UTF-8.
func appendSummary(dst []byte, s answer.Summary) []byte {
	dst = appendString(append(dst, `{"outcome":`...), s.Outcome.String())
	if s.Reason != "" {
		dst = appendString(append(dst, `,"reason":`...), s.Reason)
	}
	dst = strconv.AppendInt(append(dst, `,"matched":`...), s.Matched, 10)
	dst = append(dst, `,"looked":{`...)
	for i, kind := range s.Kinds() {
		dst = append(appendString(comma(dst, i), kind), ':')
		dst = strconv.AppendInt(dst, s.Looked[kind], 10)
	}
	dst = append(dst, `},"skipped":[`...)
	for i, k := range s.Skipped {
		dst = appendString(append(comma(dst, i), `{"kind":`...), string(k.Kind))
		dst = strconv.AppendInt(append(dst, `,"count":`...), k.Count, 10)
		dst = append(dst, `,"first":[`...)
		for j, f := range k.First {
			dst = appendString(append(comma(dst, j), `{"where":`...), f.Where)
			dst = append(appendString(append(dst, `,"detail":`...), f.Detail), '}')
		}
		dst = append(dst, "]}"...)
	}
	dst = append(dst, `],"limits":[`...)
	for i, l := range s.Limits {
		dst = appendString(comma(dst, i), l)
	}
	return append(dst, "]}"...)
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}
