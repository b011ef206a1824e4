package querytest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/docs"
)

var took = regexp.MustCompile(`  \d+ ms`)

// The page about testing is true: the examples that it shows are those that
// lie in docs/examples, and every test that it shows says what the page says.
//
//	```… file=NAME     is docs/examples/NAME
//	```text report=NAME is what quaestor test says about docs/examples/NAME
//	```qst query and ```txtar try, in any order, are a query and its test;
//	the next ```text report is what is said about them
func TestPage(t *testing.T) {
	page, examples := absolute(t, "../../docs/testing-queries.md"), absolute(t, "../../docs/examples")
	text := read(t, page)
	blocks := docs.Blocks(text)
	texts := map[int]string{}
	temp := t.TempDir()
	for i, b := range blocks {
		want := b.Text
		switch {
		case b.Marked("query"):
			write(t, filepath.Join(temp, "hunt.qst"), b.Text)
		case b.Marked("try"):
			write(t, filepath.Join(temp, "hunt.test.txtar"), b.Text)
		case b.Marked("report"):
			want = said(t, temp, ".")
		}
		for word := range strings.FieldsSeq(b.Info) {
			if name, ok := strings.CutPrefix(word, "file="); ok {
				want = read(t, filepath.Join(examples, filepath.FromSlash(name)))
			}
			if name, ok := strings.CutPrefix(word, "report="); ok {
				want = said(t, examples, name)
			}
		}
		if want == b.Text {
			continue
		}
		if texts[i] = want; !*update {
			t.Errorf("testing-queries.md:%d shows another text than\n%s", b.Line, want)
		}
	}
	if len(texts) > 0 && *update {
		write(t, page, docs.Replace(text, texts))
	}
}

func said(t *testing.T, dir, path string) (text string) {
	t.Helper()
	t.Run(path, func(t *testing.T) {
		t.Chdir(dir)
		_, text = reportOn(t, path, Options{}, false)
	})
	return took.ReplaceAllString(text, "")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The worked examples pass, and none is without a test.
func TestExamples(t *testing.T) {
	r, text := report(t, "../../docs/examples", Options{})
	cases := 0
	for _, s := range r.Suites {
		cases += len(s.Cases)
	}
	if r.Count(Passed) != cases || cases < 10 || len(r.Untested())+r.WrongFiles() > 0 {
		t.Errorf("it says\n%s", text)
	}
}
