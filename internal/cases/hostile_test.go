package cases_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/internal/hostile"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// What a host wrote, in rows and in the account, is text in every report of a
// case, and nothing else.
func TestNothingHostileIsReported(t *testing.T) {
	c := openCase(t, t.TempDir(), "evil", cases.Options{Who: "ada"})
	var rows [][]byte
	for _, v := range hostile.Values() {
		rows = append(rows, []byte(v))
		record(t, c, cases.Question{Name: "query", Text: "FIND file /tmp/*", Source: "local", Host: v, Tables: []quaestor.Table{table("file", "path text", "owner text")}},
			answer.Summary{Outcome: answer.Partial, Reason: v, Looked: map[string]int64{"files": 1}, Skipped: []answer.Skipped{
				{Kind: modules.SkipPermission, Count: 1, First: []modules.Skip{{Kind: modules.SkipPermission, Where: v, Detail: v}}},
			}}, texts(v, "x"))
		if err := c.Note(t.Context(), strings.ToValidUTF8(v, "?")); err != nil {
			t.Fatalf("%.40q: %v", v, err)
		}
	}
	r := cases.Report{Rows: len(rows) + 1, Check: check, Name: func(s string) string { return s }}
	var page, text, marks, lines strings.Builder
	for _, err := range []error{c.HTML(t.Context(), &page, r), c.Text(t.Context(), &text, r), c.Markdown(t.Context(), &marks, r), c.JSONL(t.Context(), &lines)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := hostile.Markdown(marks.String()); err != nil {
		t.Errorf("Markdown: %v", err)
	}
	for name, out := range map[string]string{"HTML": page.String(), "text": text.String(), "Markdown": strings.ReplaceAll(marks.String(), "@\u200b", "@")} {
		if err := hostile.Terminal(out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := hostile.Commands(out); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	own := strings.Fields("!doctype html head meta title style body main h1 h2 h3 p table thead tbody tr th td pre code ul ol li dl dt dd div span section article footer header em strong a br hr time details summary blockquote")
	if err := hostile.Markup(page.String(), func(tag string) bool {
		for _, o := range own {
			if tag == o || tag == "/"+o {
				return true
			}
		}
		return false
	}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"onerror=alert(1)>", "href=\"javascript:", "<script"} {
		if strings.Contains(page.String(), bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	for d := json.NewDecoder(strings.NewReader(lines.String())); ; {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
