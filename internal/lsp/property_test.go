package lsp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/complete"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

var texts = rapid.Custom(func(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "é", "€", "🦊", "\n", "\r\n", "\r", "FIND ", "file ", "WHERE "}), 0, 30).Draw(t, "parts"), "")
})

// units gives a text as an editor counts it: in units of UTF-16, or in bytes.
func units(text string, wide bool) (lines []int) {
	lines = []int{0}
	for i, r := range text {
		n := len(utf16.Encode([]rune{r}))
		if wide {
			n = len(string(r))
		}
		switch {
		case r == '\r' && strings.HasPrefix(text[i:], "\r\n"):
		case r == '\r' || r == '\n':
			lines = append(lines, 0)
		default:
			lines[len(lines)-1] += n
		}
	}
	return lines
}

// Every place has one position, and every position one place.
func TestPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &document{wide: rapid.Bool().Draw(t, "wide")}
		d.set(texts.Draw(t, "text"))
		want := units(d.text, d.wide)
		if len(d.lines) != len(want) {
			t.Fatalf("%q has %d lines, not %d", d.text, len(want), len(d.lines))
		}
		for n, length := range want {
			_, end := d.line(n)
			if p := d.position(end); p != (position{n, length}) {
				t.Fatalf("line %d of %q ends at %+v, want %d", n, d.text, p, length)
			}
			if got := d.offset(position{n, length + 5}); got != end {
				t.Fatalf("behind the end of line %d of %q is byte %d, want %d", n, d.text, got, end)
			}
		}
		for i := range d.text {
			if d.text[i] == '\n' && i > 0 && d.text[i-1] == '\r' {
				continue // within what ends a line
			}
			if back := d.offset(d.position(i)); back != i {
				t.Fatalf("byte %d of %q is %+v, which is byte %d", i, d.text, d.position(i), back)
			}
		}
	})
}

// Edits in parts leave the same document as the whole text does.
func TestEdits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &document{wide: rapid.Bool().Draw(t, "wide")}
		d.set(texts.Draw(t, "text"))
		want := []rune(d.text)
		for range rapid.IntRange(1, 5).Draw(t, "edits") {
			a := rapid.IntRange(0, len(want)).Draw(t, "from")
			b := rapid.IntRange(a, len(want)).Draw(t, "to")
			if inLineEnd(want, a) || inLineEnd(want, b) {
				continue
			}
			with := texts.Draw(t, "with")
			before := &document{wide: d.wide}
			before.set(string(want))
			r := textRange{before.position(len(string(want[:a]))), before.position(len(string(want[:b])))}
			want = []rune(string(want[:a]) + with + string(want[b:]))
			d.apply(change{&r, with})
			if d.text != string(want) {
				t.Fatalf("%q, want %q", d.text, string(want))
			}
		}
	})
}

func inLineEnd(text []rune, i int) bool {
	return i > 0 && i < len(text) && text[i-1] == '\r' && text[i] == '\n'
}

// What formatting edits is the formatted text.
func TestFormattingIsFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "line end")
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"find   file /etc/*", "-- a note", "where size>1 and mtime>now-2d", ";", "FIND host", "", "return   path,size"}), 1, 8).Draw(t, "parts")
		d := &document{}
		d.set(strings.Join(parts, end))
		f, err := lang.Parse(lang.Source{Text: d.text})
		if err != nil {
			t.Skip("no query")
		}
		got, err := (&server{}).formatting(d, placed{})
		if err != nil {
			t.Fatal(err)
		}
		want := lang.Format(f)
		for _, one := range got.([]edit) {
			d.apply(change{&one.Range, one.Text})
		}
		if d.text != want {
			t.Fatalf("%q, want %q", d.text, want)
		}
	})
}

// What is offered as a mend takes the mistake away.
func TestMends(t *testing.T) {
	session := func(dir string) (*quaestor.LocalSession, error) {
		return quaestor.LocalWith(quaestor.Options{Dir: dir, OS: "linux"})
	}
	s := &server{opts: Options{Session: session}}
	for _, text := range []string{
		"FIND file /etc WHERE mtme > now", "FIND fil /etc", "FIND file /etc WHERE basenam(path) IS MISSING", "FIND file /etc WITH timout = 1s",
		"FROM flet FIND host", "PARAM since duration FIND file /etc WHERE mtime > now - $sinc", "PARAM a txt FIND host", "FIND file /etc WHER size > 1",
		"FIND file /etc WHERE size > 1 GROP BY path", "FIND file /etc AS f WHERE g.size > 1 AND f.sise > 1",
	} {
		d := &document{}
		d.set(text)
		found := s.check(d)
		if len(found) == 0 {
			t.Fatalf("%s: nothing is found", text)
		}
		mended := 0
		for _, one := range found {
			mend := one.lang.Mend()
			if mend == "" {
				continue
			}
			mended++
			after := &document{}
			after.set(text)
			after.apply(change{&one.Range, mend})
			left := s.check(after)
			again := slices.ContainsFunc(left, func(d diagnostic) bool { return d.Code == one.Code && d.Range.Start == one.Range.Start })
			if again {
				t.Errorf("%s: with %q in its place: %s: %+v", text, mend, after.text, left)
			}
		}
		if mended == 0 {
			t.Errorf("%s: nothing mends %+v", text, found)
		}
	}
}

// Whatever an editor sends, the server answers or says why it ends.
func FuzzServe(f *testing.F) {
	frame := func(bodies ...string) []byte {
		var b bytes.Buffer
		for _, body := range bodies {
			fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
		}
		return b.Bytes()
	}
	const open = `{"method":"initialize","id":1,"params":{}}`
	f.Add(frame(open, `{"method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///a","text":"FIND file /etc WHERE mt"}}}`,
		`{"method":"textDocument/completion","id":2,"params":{"textDocument":{"uri":"file:///a"},"position":{"line":0,"character":23}}}`))
	f.Add(frame(open, `{"method":"textDocument/didOpen","params":{"textDocument":{"uri":"x","text":"FIND\r🦊"}}}`,
		`{"method":"textDocument/didChange","params":{"textDocument":{"uri":"x"},"contentChanges":[{"range":{"start":{"line":9,"character":-1},"end":{"line":-3,"character":7}},"text":"a"}]}}`,
		`{"method":"textDocument/hover","id":"h","params":{"textDocument":{"uri":"x"},"position":{"line":-1,"character":99}}}`,
		`{"method":"textDocument/codeAction","id":3,"params":{"textDocument":{"uri":"x"},"range":{"start":{"line":5},"end":{"line":1}}}}`))
	f.Add(frame(open, `{"method":"shutdown","id":2}`, `{"method":"exit"}`))
	f.Add([]byte("Content-Length: 99999999999\r\n\r\n"))
	f.Add([]byte("content-length:2\n\n[]"))
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, sent []byte) {
		var out bytes.Buffer
		_ = Serve(context.Background(), bytes.NewReader(sent), &out, Options{
			Context: complete.Context{Catalogue: cat, OS: "linux", Root: dir},
			Session: func(string) (*quaestor.LocalSession, error) {
				return quaestor.LocalWith(quaestor.Options{Dir: dir, Root: dir, OS: "linux"})
			},
			Page: func(string) (string, error) { return "", io.ErrUnexpectedEOF },
		})
		for r := bufio.NewReader(&out); ; {
			if _, err := readMessage(r); err == io.EOF {
				return
			} else if err != nil {
				t.Fatalf("the server wrote what is no message: %v", err)
			}
		}
	})
}
