package lang

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds are the sources of the golden files and some queries without mistakes.
func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/diagnostics/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for c := range strings.SplitSeq(string(text), "\n=== ") {
			_, rest, _ := strings.Cut(c, "\n")
			source, _, _ := strings.Cut(rest, "\n---")
			f.Add(source)
		}
	}
	for _, q := range goodQueries {
		f.Add(q)
	}
}

// FuzzLex: every byte of a source is in a token, in a comment, in a diagnostic,
// or blank; tokens are in order and do not overlap.
func FuzzLex(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > MaxSource {
			return
		}
		s := scan(text)
		covered := make([]bool, len(text))
		mark := func(from, to int) {
			if from < 0 || to > len(text) || from > to {
				t.Fatalf("span %d-%d in %q", from, to, text)
			}
			for i := from; i < to; i++ {
				covered[i] = true
			}
		}
		last := 0
		for i, tok := range s.toks {
			sameOperator := i > 0 && tok.span == s.toks[i-1].span // !~ is two tokens
			if tok.span.Start < last && !sameOperator {
				t.Fatalf("token %d overlaps in %q", i, text)
			}
			last = tok.span.End
			mark(tok.span.Start, tok.span.End)
		}
		for _, c := range s.comments {
			mark(c.Span.Start, c.Span.End)
		}
		for _, d := range s.diags {
			mark(d.Span.Start, d.Span.End)
		}
		if len(s.toks) > MaxTokens {
			return
		}
		for i, ok := range covered {
			if !ok && !strings.ContainsRune(" \t\r\n", rune(text[i])) && !strings.HasPrefix(text, "\ufeff") {
				t.Fatalf("byte %d of %q was lost", i, text)
			}
		}
	})
}

// FuzzParse: never a panic; a mistake has a place in the source and can be
// shown; what parses obeys the laws.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse(Source{"fuzz", text})
		if err != nil {
			checkError(t, text, err)
			return
		}
		if err := checkSpans(file); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if err := checkRoundTrip(file); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func checkError(t *testing.T, text string, err error) {
	var e *Error
	if !errors.As(err, &e) || len(e.Diagnostics) == 0 {
		t.Fatalf("%q gives %v", text, err)
	}
	for _, d := range e.Diagnostics {
		if d.Span.Start < 0 || d.Span.End > len(text) || d.Span.Start > d.Span.End {
			t.Fatalf("%q: %s at %v", text, d.Code, d.Span)
		}
		if d.Code == "" || d.Message == "" || d.Hint == "" {
			t.Fatalf("%q: %+v says too little", text, d)
		}
	}
	shown := e.Error()
	if !utf8.ValidString(shown) || strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }) {
		t.Fatalf("%q is shown as %q", text, shown)
	}
}

// FuzzFormat: any text or list name in a tree survives being written.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{"", "a b", `C:\x`, "it's", "/etc/*", "*.so", "a;b", "\xff", "“", "--", "{a,b", "x)"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, bare bool) {
		file := fileWith(text, bare)
		if columns(Format(file)) > MaxSource/4 {
			return
		}
		if err := checkRoundTrip(file); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
