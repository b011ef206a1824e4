package render

import (
	"bytes"
	stdcsv "encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/quaestor-engine/quaestor"
	judge "github.com/quaestor-engine/quaestor/internal/hostile"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// evil is a table, rows and an account of nothing but what would do harm.
func evil(v string) (Table, []value.Value, answer.Summary) {
	t := Table{Name: "file", Columns: []Column{{"path", value.Text}, {"content", value.Bytes}, {"all", value.List}}}
	row := []value.Value{text(v), value.NewBytes([]byte(v)), value.NewList([]value.Value{text(v), text("x")})}
	sum := answer.Summary{Outcome: answer.Partial, Reason: v, Looked: map[string]int64{"files": 1}, Skipped: []answer.Skipped{
		{Kind: modules.SkipPermission, Count: 1, First: []modules.Skip{{Kind: modules.SkipPermission, Where: v, Detail: v}}},
	}}
	return t, row, sum
}

// What comes out of each format, whatever a host wrote.
func TestNothingHostileComesOut(t *testing.T) {
	for format, fits := range map[string]func(out, v string) error{
		"table": terminal, "record": terminal, "markdown": markdownIsText, "csv": cells,
		"json": documents, "jsonl": documents, "sarif": messages, "junit": xmlDocument, "parquet": exact,
	} {
		for _, v := range judge.Values() {
			for _, o := range []Options{{}, {Width: 60}} {
				table, row, sum := evil(v)
				var b bytes.Buffer
				s, err := New(format, &b, o)
				if err != nil {
					t.Fatal(err)
				}
				cover := func() error {
					if c, ok := s.(Covered); ok {
						c.Cover(quaestor.Coverage{Doubts: []string{v}, Agents: []quaestor.Agent{{Agent: v, Host: v, State: quaestor.Failed, Reason: v}}})
					}
					return nil
				}
				for _, step := range []func() error{func() error { return s.Begin([]Table{about(table)}) }, func() error { return s.Row(0, row) }, cover, func() error { return s.End(sum) }} {
					if err := step(); err != nil {
						t.Fatalf("%s, %.40q: %v", format, v, err)
					}
				}
				if err := fits(b.String(), v); err != nil {
					t.Errorf("%s, %.40q, width %d: %v", format, v, o.Width, err)
				}
				if err := judge.Commands(b.String()); err != nil && format != "parquet" {
					t.Errorf("%s, %.40q, width %d: %v", format, v, o.Width, err)
				}
			}
		}
	}
}

// The account and the line of progress are for terminals alone.
func TestNothingHostileIsSaid(t *testing.T) {
	for _, v := range judge.Values() {
		_, _, sum := evil(v)
		for _, width := range []int{0, 60} {
			var b strings.Builder
			if err := Summary(&b, sum, time.Second, Options{Width: width}); err != nil {
				t.Fatal(err)
			}
			if err := judge.Terminal(b.String()); err != nil {
				t.Errorf("%.40q: %v", v, err)
			}
			if err := judge.Commands(b.String()); err != nil {
				t.Errorf("%.40q: %v", v, err)
			}
			if n := strings.Count(b.String(), "\n"); n > 3 {
				t.Errorf("%.40q makes %d lines", v, n)
			}
		}
	}
}

func terminal(out, _ string) error { return judge.Terminal(out) }

// cells reads CSV back.
func cells(out, _ string) error {
	r := stdcsv.NewReader(strings.NewReader(out))
	records, err := r.ReadAll()
	if err != nil || len(records) != 2 {
		return fmt.Errorf("%d records, %v", len(records), err)
	}
	for _, c := range records[1] {
		if err := judge.Spreadsheet(c); err != nil {
			return err
		}
	}
	return nil
}

// documents are lines of JSON, or one document: valid UTF-8, and nothing in
// them reaches a terminal or ends a line for who does not parse.
func documents(out, _ string) error {
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	return judge.Terminal(strings.ReplaceAll(out, "\ufffd", "?"))
}

// messages is documents, and no text in them is what SARIF takes for a link.
func messages(out, v string) error {
	if sarifLink.MatchString(out) {
		return fmt.Errorf("a viewer makes a link of %q", sarifLink.FindString(out))
	}
	return documents(out, v)
}

var sarifLink = regexp.MustCompile(`"text":"([^"\\]|\\.)*]\(`)

// xmlDocument is XML whose elements are ours.
func xmlDocument(out, _ string) error {
	for d := xml.NewDecoder(strings.NewReader(out)); ; {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if s, ok := tok.(xml.StartElement); ok && !strings.Contains(" testsuites testsuite testcase failure error skipped system-out system-err properties property ", " "+s.Name.Local+" ") {
			return fmt.Errorf("the element %s came through", s.Name.Local)
		}
	}
	return judge.Terminal(strings.ReplaceAll(out, "\t", " "))
}

func markdownIsText(out, _ string) error { return judge.Markdown(out) }

// exact: Parquet holds what was there, bit by bit. Who reads it shows it.
func exact(out, v string) error {
	f, err := parquet.OpenFile(strings.NewReader(out), int64(len(out)))
	if err != nil {
		return err
	}
	rows := f.RowGroups()[0].Rows()
	defer rows.Close()
	buf := make([]parquet.Row, 1)
	if n, err := rows.ReadRows(buf); n != 1 {
		return fmt.Errorf("%d rows, %v", n, err)
	}
	if got := buf[0][0].String(); got != v {
		return fmt.Errorf("%.60q", got)
	}
	return nil
}
