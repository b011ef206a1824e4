package document

import (
	"errors"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/convert"
)

func TestPlaces(t *testing.T) {
	for name, read := range map[string]func(string, []byte) ([]*Node, error){"json": JSON, "yaml": YAML} {
		text := "{\n \"a\": [1,\n  true],\n \"b\": {\"c\": null,\n  \"d\": \"x\"}\n}"
		docs, err := read("f", []byte(text))
		if err != nil || len(docs) != 1 {
			t.Fatal(name, docs, err)
		}
		n := docs[0]
		if a := n.Get("a"); a.Kind() != List || a.Line() != 2 || a.Items()[1].Line() != 3 || strings.Join(a.Texts(), " ") != "1 true" {
			t.Errorf("%s: %+v", name, a)
		}
		if d := n.Get("b").Get("d"); d.Text() != "x" || d.Line() != 5 || d.Kind() != Text {
			t.Errorf("%s: %+v", name, d)
		}
		if c := n.Get("b").Get("c"); c.Kind() != Null || c.Items() != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestSeveral(t *testing.T) {
	if docs, err := JSON("f", []byte("\xef\xbb\xbf{}\n[1] ")); err != nil || len(docs) != 2 || docs[1].Line() != 2 {
		t.Error(docs, err)
	}
	if docs, err := YAML("f", []byte("a: 1\n---\nb: x\n")); err != nil || len(docs) != 2 || docs[1].Get("b").Line() != 3 {
		t.Error(docs, err)
	}
}

func TestErrors(t *testing.T) {
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for _, c := range []struct {
		text string
		read func(string, []byte) ([]*Node, error)
		want string
	}{
		{"", JSON, "f:1: this is not JSON: it ends in the middle"},
		{"{\n\"a\": [1,", JSON, "f:2: this is not JSON: it ends in the middle"},
		{"{\n\"a\": nul}", JSON, "f:2: this is not JSON: "},
		{"{\"a\": 1,\n\"a\": 2}", JSON, `f:2: "a" stands twice in the same map`},
		{"\xff", JSON, "f: it is not UTF-8"},
		{deep, JSON, "levels"},
		{"a: 1\nb: [", YAML, "this is not YAML: "},
		{"a: 1\na: 2\n", YAML, `f:2: "a" stands twice`},
		{"a: &x [1]\nb: *x\n", YAML, "f:2: an alias stands here"},
		{"\xff", YAML, "f: it is not UTF-8"},
		{deep, YAML, "levels"},
	} {
		_, err := c.read("f", []byte(c.text))
		var e *convert.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %v, want %s", c.text, err, c.want)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte("{\"a\": [1, null]}"))
	f.Add([]byte("a: 1\n---\nb: [x, {y: z}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func(string, []byte) ([]*Node, error){JSON, YAML} {
			docs, err := read("f", data)
			var e *convert.Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			for _, d := range docs {
				if d == nil || d.Line() < 1 {
					t.Fatalf("a document without a place: %+v", d)
				}
			}
		}
	})
}
