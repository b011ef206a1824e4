// Package render writes answers for people and for programs: tables, JSON and
// CSV, and the account that closes them.
//
// A newcomer needs [New], which makes the [Sink] of a format, and [Summary].
// What a host supplied is shown so that it can neither steer a terminal nor
// run as a formula. The package decides nothing about a query and starts no
// goroutine: who wants rows to appear while the next ones are searched calls
// [Sink.Flush] now and then, never at once with another method.
package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A Column is one column of a table.
type Column struct {
	Name string
	Type value.Type // Null where it is not known
}

// A Table is one table of an answer.
type Table struct {
	Name    string
	Columns []Column
	About   About
	// Widths are how many columns of a terminal the widest values take, by
	// column, where that is known before the first row comes; nil: of none.
	Widths []int
}

// About is what the header of a table's query says.
type About struct {
	File                                   string // where it stands; "" for none
	Name, Description, Severity, Reference string
	Tags                                   []string
}

// titles gives each table what reports call it: its query's name where it has
// one, with the table behind it where a query has several.
func titles(tables []Table) []string {
	count := map[string]int{}
	for _, t := range tables {
		count[t.About.Name]++
	}
	out := make([]string, len(tables))
	for i, t := range tables {
		switch {
		case t.About.Name == "":
			out[i] = t.Name
		case count[t.About.Name] == 1:
			out[i] = t.About.Name
		default:
			out[i] = t.About.Name + "/" + t.Name
		}
	}
	return out
}

// A Sink writes one answer: Begin once, Row for each row, End once. An error
// of the writer below is returned as it is, by whichever call met it.
type Sink interface {
	// Begin names every table that can come.
	Begin(tables []Table) error
	// Row takes a row of tables[table]; rows of several tables may come in
	// any order. The values are not kept.
	Row(table int, values []value.Value) error
	// Flush writes what has come so far.
	Flush() error
	// End writes the rest. It must be called after an error, too: it lets go
	// of what the sink holds.
	End(s answer.Summary) error
}

// Options say what the other end can show.
type Options struct {
	Width  int  // columns of the terminal; 0: it is none, nothing is shortened
	Colour bool // escape codes may be written
	// FailOn says what a report of tests counts as a failure: hits, misses.
	FailOn []string
	// Another opens what the tables from the second on are written to, where
	// a form holds one table; nil: there is no such place.
	Another func(table string) (io.WriteCloser, error)
}

func (o Options) fails(on string) bool { return slices.Contains(o.FailOn, on) }

var formats = []struct {
	name string
	make func(io.Writer, Options) Sink
}{
	{"table", func(w io.Writer, o Options) Sink { return newOrdered(newTable(w, o)) }},
	{"record", func(w io.Writer, o Options) Sink { return newOrdered(newRecord(w, o)) }},
	{"jsonl", func(w io.Writer, _ Options) Sink { return &jsonl{out: out{w: w}} }},
	{"json", func(w io.Writer, _ Options) Sink { return newOrdered(&document{out: out{w: w}}) }},
	{"csv", func(w io.Writer, _ Options) Sink { return newOrdered(&csv{out: out{w: w}}) }},
	{"markdown", func(w io.Writer, o Options) Sink { return newOrdered(newMarkdown(w, o)) }},
	{"sarif", newSarif},
	{"junit", newJUnit},
	{"parquet", newParquet},
}

// Formats lists the names that New knows.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// New makes the sink of a format, or says which formats there are.
func New(format string, w io.Writer, o Options) (Sink, error) {
	for _, f := range formats {
		if f.name == format {
			return f.make(w, o), nil
		}
	}
	return nil, fmt.Errorf("no format %q: there are %s", format, strings.Join(Formats(), ", "))
}

// outBuffer is how many bytes are gathered before a write: enough that a
// write costs nothing beside the making of the rows.
const outBuffer = 32 << 10

// out gathers small pieces for a writer. Its buffer is used in place.
type out struct {
	w   io.Writer
	buf []byte
}

func (o *out) Flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

// drain writes when there is enough.
func (o *out) drain() error {
	if len(o.buf) < outBuffer {
		return nil
	}
	return o.Flush()
}
