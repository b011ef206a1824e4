package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/render"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// maxBaselineLine bounds one row of a baseline, in bytes.
const maxBaselineLine = 16 << 20

// A baseline is an answer of before, as --format jsonl wrote it: rows that are
// in it are not shown again. A nil one knows no row.
type baseline struct {
	file  string
	rows  map[string]int // how often each row is there
	keys  [][]string     // of its rows: which columns they have
	sink  render.Sink    // writes a row as the file has it
	line  *bytes.Buffer
	known int64 // rows of now that were there
	fresh int64
}

// readBaseline reads the file. Anything that is no answer is an error: an empty
// baseline would make all rows new.
func readBaseline(file string) (*baseline, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	defer f.Close()
	b := &baseline{file: file, rows: map[string]int{}, line: &bytes.Buffer{}}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxBaselineLine)
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		keys, err := keysOf(line)
		if err != nil {
			return nil, fmt.Errorf("--baseline: %s:%d is no row: %w\nhint: it is what --format jsonl --output FILE wrote", file, n, err)
		}
		if !slices.ContainsFunc(b.keys, func(k []string) bool { return slices.Equal(k, keys) }) {
			b.keys = append(b.keys, keys)
		}
		b.rows[string(line)]++
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("--baseline: %s: %w", file, err)
	}
	return b, nil
}

// keysOf gives the keys of a JSON object, in their order.
func keysOf(line []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(errors.New("it is no JSON object"), err)
	}
	var keys []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, err
		}
		keys = append(keys, t.(string))
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	return keys, nil
}

// begin checks that the file can be an answer to the same queries.
func (b *baseline) begin(tables []quaestor.Table) error {
	if b == nil {
		return nil
	}
	var shown []render.Table
	var columns [][]string
	for _, t := range tables {
		tab := render.Table{Name: t.Name}
		var names []string
		if len(tables) > 1 {
			names = append(names, "table")
		}
		for _, c := range t.Columns {
			tab.Columns = append(tab.Columns, render.Column{Name: c.Name, Type: c.Type})
			names = append(names, c.Name)
		}
		shown, columns = append(shown, tab), append(columns, names)
	}
	for _, keys := range b.keys {
		if !slices.ContainsFunc(columns, func(c []string) bool { return slices.Equal(c, keys) }) {
			return fmt.Errorf("--baseline: %s holds rows of %v, and this query gives %v\nhint: it belongs to another query, or to another version of this one", b.file, keys, columns)
		}
	}
	sink, err := render.New("jsonl", b.line, render.Options{})
	if err != nil {
		return err
	}
	b.sink = sink
	return sink.Begin(shown)
}

// knows says whether a row was there before: as often as it was.
func (b *baseline) knows(table int, values []value.Value) (bool, error) {
	if b == nil {
		return false, nil
	}
	b.line.Reset()
	if err := errors.Join(b.sink.Row(table, values), b.sink.Flush()); err != nil {
		return false, err
	}
	line := string(bytes.TrimSuffix(b.line.Bytes(), []byte("\n")))
	if b.rows[line] == 0 {
		b.fresh++
		return false, nil
	}
	b.rows[line]--
	b.known++
	return true, nil
}

// account says what the baseline made of the rows.
func (b *baseline) account(w io.Writer, sum answer.Summary) error {
	if b == nil {
		return nil
	}
	gone := 0
	for _, n := range b.rows {
		gone += n
	}
	text := fmt.Sprintf("against %s: %d new, %d known, %d gone", b.file, b.fresh, b.known, gone)
	if gone > 0 && sum.Outcome != answer.Complete {
		text += ", or only not looked at: the answer is " + sum.Outcome.String()
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
