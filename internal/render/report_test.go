package render

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor"
	judge "github.com/quaestor-engine/quaestor/internal/hostile"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// about gives a table the header of a query.
func about(t Table) Table {
	t.About = About{File: "hunts/a|b.qst", Name: "set-id <programs>", Description: "Which programs run as their owner?",
		Severity: "high", Reference: "https://attack.example/T1548", Tags: []string{"privilege"}}
	return t
}

// A SARIF file is JSON with what its schema requires, one result a row, and
// says that the answer was not complete.
func TestSARIF(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tab := about(Table{Name: "t", Columns: []Column{{"path", value.Text}, {"line_number", value.Int}, {"b", value.Text}}})
		var rows []placed
		for range rapid.IntRange(0, 5).Draw(rt, "rows") {
			rows = append(rows, placed{0, []value.Value{text(anyText().Draw(rt, "path")), value.NewInt(rapid.Int64Range(-1, 3).Draw(rt, "line")), text(anyText().Draw(rt, "b"))}})
		}
		var log struct {
			Version string
			Runs    []struct {
				Tool struct {
					Driver struct {
						Name  string
						Rules []struct{ ID string }
					}
				}
				Results []struct {
					RuleID    string
					RuleIndex int
					Level     string
					Message   struct{ Text string }
					Locations []struct {
						PhysicalLocation struct {
							ArtifactLocation struct{ URI string }
							Region           *struct{ StartLine int }
						}
					}
				}
				Invocations []struct{ ExecutionSuccessful *bool }
			}
		}
		if err := json.Unmarshal([]byte(write(t, "sarif", Options{}, []Table{tab}, rows)), &log); err != nil {
			rt.Fatal(err)
		}
		if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" || len(log.Runs[0].Results) != len(rows) ||
			len(log.Runs[0].Invocations) != 1 || *log.Runs[0].Invocations[0].ExecutionSuccessful {
			rt.Fatalf("%+v", log)
		}
		for _, r := range log.Runs[0].Results {
			if r.RuleID != log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID || r.Level != "error" || r.Message.Text == "" {
				rt.Fatalf("%+v", r)
			}
			for _, l := range r.Locations {
				if u, err := url.Parse(l.PhysicalLocation.ArtifactLocation.URI); err != nil || u.Scheme != "file" {
					rt.Fatalf("%+v, %v", l, err)
				}
				if reg := l.PhysicalLocation.Region; reg != nil && reg.StartLine < 1 {
					rt.Fatalf("%+v", reg)
				}
			}
		}
	})
}

// A report of tests is XML whatever the host wrote, and is not green where the
// answer is not whole.
func TestJUnit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 150).Draw(rt, "rows")
		cell := text(anyText().Draw(rt, "cell"))
		rows := slices.Repeat([]placed{{0, []value.Value{cell}}}, n)
		var got junitSuites
		text := write(t, "junit", Options{FailOn: []string{"hits"}}, []Table{{Name: "t", Columns: []Column{{"a", value.Text}}}}, rows)
		if err := xml.Unmarshal([]byte(text), &got); err != nil {
			rt.Fatalf("%v\n%s", err, text)
		}
		failures := 0
		if n > 0 {
			failures = 1
		}
		if got.Failures != failures || got.Errors != 1 || got.Tests != 2 || got.Suite.Cases[1].Error == nil || (got.Suite.Cases[0].Failure != nil) != (n > 0) {
			rt.Fatalf("%+v", got)
		}
	})
}

// A table without rows says so, also where somebody looked before its end.
func TestMarkdownWithoutRowsSaysSo(t *testing.T) {
	var b bytes.Buffer
	s, err := New("markdown", &b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Begin([]Table{files, files}), s.Row(1, hostile[0].values), s.Flush(), s.End(full)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), "### file\n\nNo rows.\n\n### file\n\n| path |") {
		t.Errorf("%q", b.String())
	}
}

// Who of a fleet did not answer stands in what programs and tickets keep, too.
func TestCoverageIsKept(t *testing.T) {
	coverage := quaestor.Coverage{Doubts: []string{"the relay hid db-9"}, Agents: []quaestor.Agent{
		{Agent: "01", Host: "web-1", State: quaestor.Matched, Rows: 2}, {Agent: "02", Host: "db-1", State: quaestor.Offline, Reason: "not there"},
	}}
	for format, want := range map[string]string{
		"json": `,
"coverage":{"targeted":2,"answered":1,"agents":[{"agent":"01","host":"web-1","state":"matched","rows":2},{"agent":"02","host":"db-1","state":"offline","reason":"not there","rows":0}],"doubts":["the relay hid db-9"]}}
`,
		"markdown": "1 of 2 agents answered: 1 matched  \noffline: 1 (db-1): not there  \ndoubt: the relay hid db-9  \n",
	} {
		var b bytes.Buffer
		s, err := New(format, &b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Begin([]Table{files}); err != nil {
			t.Fatal(err)
		}
		s.(Covered).Cover(coverage)
		if err := s.End(answer.Summary{Outcome: answer.Partial}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(b.String(), want) || format == "json" && !json.Valid(b.Bytes()) {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}

// A table of Markdown has a line a row, with as many cells as columns.
func TestMarkdownCells(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var rows []placed
		for range rapid.IntRange(1, 5).Draw(rt, "rows") {
			rows = append(rows, placed{0, []value.Value{text(anyText().Draw(rt, "a")), text(anyText().Draw(rt, "b"))}})
		}
		got := write(t, "markdown", Options{}, []Table{{Name: "t", Columns: []Column{{"a", value.Text}, {"b", value.Text}}}}, rows)
		lines := 0
		for l := range strings.Lines(got) {
			if !strings.HasPrefix(l, "|") {
				continue
			}
			lines++
			if bars := strings.Count(strings.ReplaceAll(strings.ReplaceAll(l, `\\`, ""), `\|`, ""), "|"); bars != 3 {
				rt.Fatalf("%d bars in %q", bars, l)
			}
		}
		if lines != len(rows)+2 {
			rt.Fatalf("%d lines for %d rows\n%s", lines, len(rows), got)
		}
		if err := judge.Markdown(got); err != nil {
			rt.Fatal(err)
		}
	})
}

type file struct {
	*bytes.Buffer
	closed bool
}

func (f *file) Close() error { f.closed = true; return nil }

// A Parquet file read back has the rows that were written, with their types.
func TestParquet(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC)
	tables := []Table{
		{Name: "a", Columns: []Column{{"text", value.Text}, {"int", value.Int}, {"size", value.Size}, {"float", value.Float}, {"bool", value.Bool},
			{"time", value.Time}, {"duration", value.Duration}, {"bytes", value.Bytes}, {"list", value.List}, {"hash", value.Hash}, {"text", value.Text}}},
		{Name: "b", Columns: []Column{{"host", value.Text}}},
	}
	list := value.NewList([]value.Value{text("x"), text("y")})
	rows := [][]value.Value{
		{text("ä\x00"), value.NewInt(-1), value.NewSize(5), value.NewFloat(1.5), value.NewBool(true), value.NewTime(at), value.NewDuration(time.Hour), value.NewBytes([]byte{0, 0xff}), list, value.NewHash(bytes.Repeat([]byte{0xab}, 16)), text("twice")},
		make([]value.Value, 11),
		{text(""), value.NewInt(0), value.NewSize(0), value.NewFloat(0), value.NewBool(false), value.NewTime(time.Unix(0, 0)), value.NewDuration(0), value.NewBytes(nil), value.NewList(nil), {}, text("")},
	}
	var first bytes.Buffer
	others := map[string]*file{}
	s, err := New("parquet", &first, Options{Another: func(name string) (io.WriteCloser, error) {
		others[name] = &file{Buffer: &bytes.Buffer{}}
		return others[name], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Begin(tables)
	for i := range 1000 {
		err = errors.Join(err, s.Row(0, rows[i%3]), s.Row(1, []value.Value{text("web-1")}))
	}
	if err = errors.Join(err, s.End(full)); err != nil {
		t.Fatal(err)
	}
	type row struct {
		Text     *string  `parquet:"text"`
		Int      *int64   `parquet:"int"`
		Size     *int64   `parquet:"size"`
		Float    *float64 `parquet:"float"`
		Bool     *bool    `parquet:"bool"`
		Time     *int64   `parquet:"time"`
		Duration *int64   `parquet:"duration"`
		Bytes    []byte   `parquet:"bytes,optional"`
		List     []string `parquet:"list,optional,list"`
		Hash     *string  `parquet:"hash"`
		Twice    *string  `parquet:"text_2"`
	}
	got, err := parquet.Read[row](bytes.NewReader(first.Bytes()), int64(first.Len()))
	if err != nil || len(got) != 1000 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	r := got[999]
	if *r.Text != "ä\x00" || *r.Int != -1 || *r.Size != 5 || *r.Float != 1.5 || !*r.Bool || *r.Time != at.UnixMicro() || *r.Duration != int64(time.Hour) ||
		string(r.Bytes) != "\x00\xff" || !slices.Equal(r.List, []string{"x", "y"}) || *r.Hash != strings.Repeat("ab", 16) || *r.Twice != "twice" {
		t.Errorf("%+v", r)
	}
	if r := got[1]; r.Text != nil || r.Int != nil || r.Time != nil || r.Bytes != nil || len(r.List) > 0 || r.Twice != nil {
		t.Errorf("%+v", r)
	}
	if r := got[2]; *r.Text != "" || *r.Int != 0 || len(r.List) != 0 || r.Hash != nil {
		t.Errorf("%+v", r)
	}
	b := others["b"]
	if b == nil || !b.closed {
		t.Fatal("the second table's file was not closed")
	}
	hosts, err := parquet.Read[struct {
		Host *string `parquet:"host"`
	}](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(hosts) != 1000 || *hosts[7].Host != "web-1" {
		t.Errorf("%d rows, %v", len(hosts), err)
	}
}
