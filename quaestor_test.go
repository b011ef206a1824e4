package quaestor_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	s, err := quaestor.LocalWith(quaestor.Options{Root: "testdata/example"})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Query(context.Background(), `FIND file /etc/** CONTAINS "root" RETURN path, size`)
	if err != nil {
		log.Fatal(err)
	}
	defer rows.Close()
	for row, err := range rows.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.Text("path"), row.Int("size"))
	}
	fmt.Println(rows.Summary().Outcome)
	// Output:
	// /etc/passwd 12
	// complete
}

// tree makes a host with n files below /d.
func tree(t *testing.T, n int) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(root, "d", fmt.Sprintf("f%05d", i)), []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func open(t *testing.T, o quaestor.Options) *quaestor.LocalSession {
	t.Helper()
	s, err := quaestor.LocalWith(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func source(name, text string) lang.Source { return lang.Source{Name: name, Text: text} }

func TestTableNames(t *testing.T) {
	s := open(t, quaestor.Options{Root: tree(t, 1)})
	for _, c := range []struct {
		sources []lang.Source
		want    string
	}{
		{[]lang.Source{source("query", "FIND file /d")}, "file"},
		{[]lang.Source{source("query", "FIND file /d AS x AND FIND host")}, "x host"},
		{[]lang.Source{source("query", "FIND NOT file /e AND FIND file /d AS f")}, "f"},
		{[]lang.Source{source("query", "FIND NOT file /e")}, "host"},
		{[]lang.Source{source("query", "FIND file /d AND FIND NOT file /e AS e OR FIND NOT file /f AS f")}, "file host"},
		{[]lang.Source{source("query", "FIND NOT file /e OR FIND file /d AS d AND FIND NOT file /f AS f")}, "d host"},
		{[]lang.Source{source("h/one.qst", "FIND file /d"), source("two.qst", "-- name: deux\nFIND host")}, "one deux"},
		{[]lang.Source{source("one.qst", "FIND file /d; FIND host AND FIND file /d")}, "one 1 one 2/host one 2/file"},
		{[]lang.Source{source("a.qst", "FIND host"), source("b/a.qst", "FIND host")}, "a a 2"},
	} {
		q, err := s.Compile(c.sources...)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.Run(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, tab := range rows.Tables() {
			names = append(names, tab.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%v: tables %q, not %q", c.sources, got, c.want)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
}

// All mistakes of all sources come at once, and one can be told from another.
func TestMistakesTogether(t *testing.T) {
	s := open(t, quaestor.Options{Params: map[string]string{"nobody": "1"}})
	_, err := s.Compile(source("a.qst", "FIND fil /d"), source("b.qst", "FIND FIND"), source("c.qst", "FIND host RETURN x; FIND host RETURN y"))
	var wrong *lang.Error
	if !errors.As(err, &wrong) {
		t.Fatalf("%v holds no *lang.Error", err)
	}
	for _, want := range []string{"a.qst:1:6", "b.qst:1:1:", "c.qst:1:18", "c.qst:1:38", `no parameter "nobody"`} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("%q is there %d times in\n%v", want, strings.Count(err.Error(), want), err)
		}
	}
}

func TestOthersAreNotAsked(t *testing.T) {
	s := open(t, quaestor.Options{})
	if _, err := s.Query(t.Context(), "FROM fleet FIND host"); !errors.Is(err, quaestor.ErrNotLocal) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Query(t.Context(), "FIND host; EXPLAIN FIND host"); err == nil {
		t.Error("EXPLAIN and a question were asked together")
	}
}

func TestRowsComeOnce(t *testing.T) {
	s := open(t, quaestor.Options{Root: tree(t, 3)})
	rows, err := s.Query(t.Context(), "FIND file /d/* RETURN path, mtime")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if _, ok := row.Value("size"); ok || row.Text("size") != "" || row.Int("size") != 0 {
			t.Error("a column that was not asked for is there")
		}
		if time.Since(row.Time("mtime")) > time.Hour || row.Text("path") == "" || len(row.Values()) != len(rows.Columns()) {
			t.Errorf("row %v", row.Values())
		}
	}
	if sum := rows.Summary(); n != 3 || sum.Matched != 3 || sum.Outcome != answer.Complete {
		t.Errorf("%d rows, %+v", n, sum)
	}
	for _, err := range rows.All() {
		if err == nil {
			t.Error("a row came twice")
		}
	}
}

// Leaving the loop, closing the rows and closing the session each end a run;
// goleak sees what they leave behind.
func TestEnds(t *testing.T) {
	root := tree(t, 5000)
	for _, end := range []func(*quaestor.Rows, *quaestor.LocalSession) bool{
		func(*quaestor.Rows, *quaestor.LocalSession) bool { return false },
		func(r *quaestor.Rows, _ *quaestor.LocalSession) bool { return r.Close() == nil },
		func(_ *quaestor.Rows, s *quaestor.LocalSession) bool { return s.Close() == nil },
	} {
		s := open(t, quaestor.Options{Root: root})
		rows, err := s.Query(t.Context(), "FIND file /d/* RETURN path")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		var last error
		for _, err := range rows.All() {
			last = err
			if n++; n == 1 && !end(rows, s) {
				break
			}
		}
		if n > 4000 {
			t.Errorf("%d rows after the end, %v", n, last)
		}
		if sum := rows.Summary(); sum.Outcome != answer.Partial {
			t.Errorf("an answer that was cut off is %s", sum.Outcome)
		}
		if err := errors.Join(rows.Close(), rows.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestExplainIsAnAnswer(t *testing.T) {
	s := open(t, quaestor.Options{Root: tree(t, 2)})
	for query, want := range map[string]string{"EXPLAIN FIND file /d/*": "scan file", "EXPLAIN ANALYZE FIND file /d/*": "2 in, 2 out"} {
		rows, err := s.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for row, err := range rows.All() {
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString(row.Text("plan") + "\n")
		}
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: no %q in\n%s", query, want, b.String())
		}
	}
}

// EXPLAIN says that scans share a pass where they do, and no plan is measured
// that has no end.
func TestExplainSaysWhatRuns(t *testing.T) {
	s := open(t, quaestor.Options{Root: tree(t, 2), OS: "linux"})
	for query, want := range map[string]bool{"FIND file /d/* AND FIND file /d/*": true, "FIND process AND FIND process": false} {
		c, err := s.Compile(sourceOf(query))
		if err != nil {
			t.Fatal(err)
		}
		if text := s.Explain(c.Queries[0]); strings.Contains(text, "shared") != want {
			t.Errorf("%s:\n%s", query, text)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.Query(ctx, "EXPLAIN ANALYZE WATCH file /d/**"); err == nil || !strings.Contains(err.Error(), "no end") {
		t.Error(err)
	}
}

// A row beside an error is none, and says so without a panic.
func TestNoRow(t *testing.T) {
	var row quaestor.Row
	var dst struct {
		Path string `quaestor:"path"`
	}
	if _, ok := row.Value("path"); ok || row.Text("path") != "" || row.Int("size") != 0 || !errors.Is(row.Scan(&dst), quaestor.ErrColumn) {
		t.Error("there is a row where none is")
	}
}

// The account of several queries is the worst of them.
func TestSummaryOfSeveral(t *testing.T) {
	s := open(t, quaestor.Options{Root: tree(t, 5)})
	rows, err := s.Query(t.Context(), "FIND file /d/*; FIND file /d/* WITH rows = 2; FIND file /nowhere/x")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := int64(0)
	for _, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	sum := rows.Summary()
	if sum.Outcome != answer.Partial || sum.Matched != n || n != 7 || len(sum.Limits) != 1 || len(sum.Skipped) != 1 {
		t.Errorf("%d rows, %+v", n, sum)
	}
	if all := rows.Summaries(); len(all) != 3 || all[0].Outcome != answer.Complete || all[1].Outcome != answer.Partial {
		t.Errorf("%+v", all)
	}
}
