package render

import (
	"bytes"
	stdcsv "encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type placed struct {
	table  int
	values []value.Value
}

func text(s string) value.Value { return value.NewText(s) }

var files = Table{Name: "file", Columns: []Column{{"path", value.Text}, {"size", value.Size}, {"mtime", value.Time}, {"owner", value.Text}}}

var noon = value.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))

// hostile holds what a host could write to harm who looks at it.
var hostile = []placed{
	{0, []value.Value{text("/etc/passwd"), value.NewSize(1234), noon, text("root")}},
	{0, []value.Value{text("/home/żółw/日本語のファイル名.txt"), value.NewSize(10 << 20), noon, {}}},
	{0, []value.Value{text("/tmp/\x1b[31mred\x07\r\n"), value.NewSize(0), {}, text("")}},
	{0, []value.Value{text("/tmp/\u202egpj.exe"), value.NewSize(-1), noon, text("=cmd|'/c calc'!A1")}},
	{0, []value.Value{text("/tmp/\xff\xfe, \"quoted\""), {}, noon, text("＝1+1")}},
	{0, []value.Value{text("/usr/share/a/very/long/path/that/goes/on/and/on/until/it/ends/in/a-file-name.conf"), value.NewSize(7), noon, text("+1")}},
}

var full = answer.Summary{Outcome: answer.Partial, Reason: "3 things could not be looked at", Matched: 6,
	Looked: map[string]int64{"files": 3401, "directories": 212, "opened": 3390, "bytes": 41_200_000, "process": 12},
	Skipped: []answer.Skipped{
		{Kind: modules.SkipPermission, Count: 20, First: []modules.Skip{{Kind: modules.SkipPermission, Where: "/etc/shadow", Detail: "permission denied"}, {Where: "/etc/\x1bgshadow"}}},
		{Kind: modules.SkipVanished, Count: 1, First: []modules.Skip{{Where: "/etc/x"}}},
		{Kind: modules.SkipNotFound, Count: 1, First: []modules.Skip{{Where: "/ect"}}},
	}}

func write(t testing.TB, format string, o Options, tables []Table, rows []placed) string {
	t.Helper()
	var b bytes.Buffer
	s, err := New(format, &b, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(tables); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := s.Row(r.table, r.values); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.End(full); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	hosts := Table{Name: "who", Columns: []Column{{"table", value.Text}, {"n", value.Int}, {"for", value.Duration}}}
	empty := Table{Name: "none", Columns: []Column{{"path", value.Text}}}
	mixed := append([]placed{{1, []value.Value{text("first"), value.NewInt(-5), value.NewDuration(90 * time.Second)}}}, hostile[:2]...)
	mixed = append(mixed, placed{1, []value.Value{{}, value.NewInt(12), {}}})
	for _, c := range []struct {
		name, format string
		opts         Options
		tables       []Table
		rows         []placed
	}{
		{"table", "table", Options{}, []Table{files}, hostile},
		{"table-80", "table", Options{Width: 80}, []Table{files}, hostile},
		{"table-80-colour", "table", Options{Width: 80, Colour: true}, []Table{files}, hostile},
		{"table-narrow", "table", Options{Width: 20}, []Table{files}, hostile},
		{"table-none", "table", Options{}, []Table{files}, nil},
		{"table-several", "table", Options{}, []Table{files, hosts, empty}, mixed},
		{"jsonl", "jsonl", Options{}, []Table{files}, hostile},
		{"jsonl-several", "jsonl", Options{}, []Table{files, hosts, empty}, mixed},
		{"json", "json", Options{}, []Table{files}, hostile},
		{"json-several", "json", Options{}, []Table{files, hosts, empty}, mixed},
		{"json-none", "json", Options{}, nil, nil},
		{"csv", "csv", Options{}, []Table{files}, hostile},
		{"csv-several", "csv", Options{}, []Table{files, hosts, empty}, mixed},
		{"record", "record", Options{}, []Table{files}, hostile},
		{"record-several", "record", Options{Colour: true}, []Table{files, hosts, empty}, mixed},
		{"markdown", "markdown", Options{}, []Table{files}, hostile},
		{"markdown-several", "markdown", Options{}, []Table{about(files), hosts, empty}, mixed},
		{"markdown-none", "markdown", Options{}, []Table{empty}, nil},
		{"sarif", "sarif", Options{}, []Table{about(files)}, hostile},
		{"sarif-several", "sarif", Options{}, []Table{files, hosts, empty}, mixed},
		{"junit", "junit", Options{}, []Table{about(files)}, hostile},
		{"junit-hits", "junit", Options{FailOn: []string{"hits", "misses"}}, []Table{files, hosts, empty}, mixed},
	} {
		t.Run(c.name, func(t *testing.T) {
			golden(t, c.name, write(t, c.format, c.opts, c.tables, c.rows))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSummaryGolden(t *testing.T) {
	var b bytes.Buffer
	for _, s := range []answer.Summary{
		full,
		{Outcome: answer.Complete, Matched: 1, Looked: map[string]int64{"files": 1, "directories": 1, "opened": 1, "bytes": 999}},
		{Outcome: answer.Complete},
		{Outcome: answer.Complete, Matched: 1000, Looked: map[string]int64{"files": 1000000}},
		{Outcome: answer.Failed, Reason: "no \x1b[2J such host"},
		{},
	} {
		for _, o := range []Options{{}, {Colour: true, Width: 30}} {
			if err := Summary(&b, s, 80*time.Millisecond, o); err != nil {
				t.Fatal(err)
			}
		}
		b.WriteString("\n")
	}
	golden(t, "summary", b.String())
}

func TestNewNamesTheFormats(t *testing.T) {
	_, err := New("xml", io.Discard, Options{})
	if err == nil || err.Error() != `no format "xml": there are table, record, jsonl, json, csv, markdown, sarif, junit, parquet` {
		t.Errorf("got %v", err)
	}
}

// A row must not wait for the next one when somebody looks.
func TestFlushShowsWhatHasCome(t *testing.T) {
	for _, format := range Formats() {
		if format == "junit" || format == "parquet" {
			continue // these are whole at their end
		}
		var b bytes.Buffer
		s, err := New(format, &b, Options{Width: 80})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Begin([]Table{files}), s.Row(0, hostile[0].values), s.Flush()); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "/etc/passwd") {
			t.Errorf("%s: after Flush there is only %q", format, b.String())
		}
		if err := errors.Join(s.Row(0, hostile[1].values), s.End(full)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "名.txt") {
			t.Errorf("%s: the later row is missing in %q", format, b.String())
		}
	}
}

// Rows that wait for their turn are the rows that came, in memory or on disk.
func TestHeldRows(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("TMP", dir)
	tables := []Table{{Name: "a", Columns: []Column{{"x", value.Int}}}, {Name: "b", Columns: []Column{{"y", value.Text}, {"z", value.Int}}}}
	const n = 4000
	pad := strings.Repeat("x", 1000)
	var want, got bytes.Buffer
	s := newOrdered(&csv{out: out{w: &got}})
	if err := s.Begin(tables); err != nil {
		t.Fatal(err)
	}
	want.WriteString("x\r\n1\r\n\r\ny,z\r\n")
	for i := range n {
		if err := s.Row(1, []value.Value{text(pad), value.NewInt(int64(i))}); err != nil {
			t.Fatal(err)
		}
		want.WriteString(pad + "," + value.NewInt(int64(i)).String() + "\r\n")
	}
	if s.held[0].file == nil {
		t.Fatal("4 MB were held in memory")
	}
	if err := errors.Join(s.Row(0, []value.Value{value.NewInt(1)}), s.End(full)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes came back, not %d", got.Len(), want.Len())
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%s was left behind", left[0].Name())
	}
}

type fullDisk struct{ left int }

var errFull = errors.New("no space left")

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestAFullDiskIsAnError(t *testing.T) {
	for _, format := range Formats() {
		s, err := New(format, &fullDisk{left: 100}, Options{Another: func(string) (io.WriteCloser, error) { return nopCloser{&fullDisk{left: 100}}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Begin([]Table{files, files})
		for i := range 10_000 {
			if err == nil {
				err = s.Row(i%2, hostile[5].values)
			}
		}
		if err = errors.Join(err, s.End(full)); !errors.Is(err, errFull) {
			t.Errorf("%s: got %v", format, err)
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~/\\=+@"',\x00-\x1f]{0,20}`),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
}

// Every row can be read back by the standard library, whatever the host wrote.
func TestProgramsReadItBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tab := Table{Name: "t", Columns: []Column{{"a", value.Text}, {"b", value.Text}, {"c", value.Int}}}
		var rows []placed
		for range rapid.IntRange(1, 5).Draw(rt, "rows") {
			rows = append(rows, placed{0, []value.Value{text(anyText().Draw(rt, "a")), text(anyText().Draw(rt, "b")), value.NewInt(rapid.Int64().Draw(rt, "c"))}})
		}
		records, err := stdcsv.NewReader(strings.NewReader(write(t, "csv", Options{}, []Table{tab}, rows))).ReadAll()
		if err != nil || len(records) != len(rows)+1 {
			rt.Fatalf("csv: %d records, %v", len(records), err)
		}
		for i, r := range rows {
			want := r.values[0].String()
			if isFormula(want) {
				want = "'" + want
			}
			if got := records[i+1][0]; strings.ReplaceAll(got, "'", "") != strings.ReplaceAll(want, "'", "") || !strings.Contains(want, ";") && got != want || records[i+1][2] != r.values[2].String() {
				rt.Fatalf("csv: %q for %v", records[i+1], r.values)
			}
		}
		var doc struct {
			Tables []struct{ Rows []struct{ A, B any } }
		}
		if err := json.Unmarshal([]byte(write(t, "json", Options{}, []Table{tab}, rows)), &doc); err != nil || len(doc.Tables[0].Rows) != len(rows) {
			rt.Fatalf("json: %v", err)
		}
		lines := strings.Split(strings.TrimSuffix(write(t, "jsonl", Options{}, []Table{tab}, rows), "\n"), "\n")
		if len(lines) != len(rows) {
			rt.Fatalf("jsonl: %d lines", len(lines))
		}
		for _, l := range lines {
			if !json.Valid([]byte(l)) {
				rt.Fatalf("jsonl: %s", l)
			}
		}
	})
}

// No line of a table is wider than the terminal, where only texts are shown
// and there is room for minWidth columns of each.
func TestTableFits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(rt, "columns")
		width := rapid.IntRange(n*(minWidth+gap), 120).Draw(rt, "width")
		tab := Table{Name: "t"}
		for range n {
			tab.Columns = append(tab.Columns, Column{"c", value.Text})
		}
		var rows []placed
		for range rapid.IntRange(1, 250).Draw(rt, "rows") {
			var vs []value.Value
			for range n {
				vs = append(vs, text(anyText().Draw(rt, "cell")))
			}
			rows = append(rows, placed{0, vs})
		}
		got := write(t, "table", Options{Width: width}, []Table{tab}, rows)
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		if len(lines) != len(rows)+1 {
			rt.Fatalf("%d lines for %d rows", len(lines), len(rows))
		}
		for _, l := range lines {
			if w := widthOf(l); w > width {
				rt.Fatalf("%d columns in %d: %q", w, width, l)
			}
		}
	})
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcdef", 4, "abc…"},
		{"/usr/share/doc/readme.txt", 16, "/usr/…readme.txt"},
		{`C:\Users\x\evil.exe`, 10, `C:\…il.exe`},
		{"日本語日本語", 5, "日本…"},
		{"/日本/語日本語", 7, "/…本語"},
		{"/e\u0301/aaaaa\u0301bc", 6, "/e\u0301…a\u0301bc"},
		{"abc", 1, "…"},
	} {
		if got := shorten(c.in, c.width); got != c.want {
			t.Errorf("shorten(%q, %d) = %q, not %q", c.in, c.width, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", 12345678: "12,345,678"} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %q", n, got)
		}
	}
	for n, want := range map[int64]string{1: "1 byte", 999: "999 bytes", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1 << 62: "4.6 EB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, not %q", n, got, want)
		}
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	start := time.Unix(0, 0)
	p := NewProgress(&b, 20, start)
	p.Update(start.Add(900*time.Millisecond), 1, nil)
	p.Clear()
	if b.Len() > 0 {
		t.Errorf("%q within the first second", b.String())
	}
	p.Update(start.Add(1100*time.Millisecond), 1, map[string]int64{"files": 5, "directories": 1})
	p.Update(start.Add(1150*time.Millisecond), 2, nil)
	p.Update(start.Add(1200*time.Millisecond), 3, nil)
	p.Clear()
	p.Clear()
	p = NewProgress(&b, 70, start)
	p.Update(start.Add(2*time.Second), 1, map[string]int64{"files": 10})
	p.Update(start.Add(2500*time.Millisecond), 1, map[string]int64{"files": 20, "bytes": 5e6})
	p.Update(start.Add(3*time.Second), 1, map[string]int64{"files": 20, "bytes": 5e6})
	want := "\r\x1b[K1.1s · 1 row · 4 fi\r\x1b[K1.2s · 3 rows · 4 f\r\x1b[K" +
		"\r\x1b[K2s · 1 row · 5 files/s · 10 files looked at" +
		"\r\x1b[K2.5s · 1 row · 5 files/s · 20 files looked at, 5.0 MB read" +
		"\r\x1b[K3s · 1 row · 5.0 MB/s · 20 files looked at, 5.0 MB read"
	if b.String() != want {
		t.Errorf("got %q, not %q", b.String(), want)
	}
}

func BenchmarkRows(b *testing.B) {
	tab := Table{Name: "file", Columns: []Column{{"path", value.Text}, {"sha256", value.Hash}}}
	vs := []value.Value{text("/usr/share/doc/some-package/examples/file-1234.txt"), value.NewHash(make([]byte, 32))}
	for _, format := range Formats() {
		b.Run(format, func(b *testing.B) {
			s, err := New(format, io.Discard, Options{Width: 100})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			if err := s.Begin([]Table{tab}); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := s.Row(0, vs); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.End(full); err != nil {
				b.Fatal(err)
			}
		})
	}
}
