package repl

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// shown writes keys for people: a pasted line end is [paste].
func shown(keys []key) []string {
	var out []string
	for _, k := range keys {
		switch {
		case k.pasted:
			out = append(out, "[paste]")
		default:
			out = append(out, string(k.bytes))
		}
	}
	return out
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name  string
		reads []string
		want  []string
	}{
		{"text", []string{"abc"}, []string{"abc"}},
		{"enter alone", []string{"a", "\r"}, []string{"a", "\r"}},
		{"text, tab and an arrow in one read", []string{"ab\t\x1b[B"}, []string{"ab", "\t", "\x1b[B"}},
		{"an arrow in two reads", []string{"\x1b[", "B"}, []string{"\x1b[B"}},
		{"an escape alone", []string{"\x1b", ""}, []string{"\x1b"}},
		{"alt", []string{"\x1bb"}, []string{"\x1bb"}},
		{"ss3", []string{"\x1bOP"}, []string{"\x1bOP"}},
		{"a character in two reads", []string{"\xc3", "\xa4b"}, []string{"äb"}},
		{"no character", []string{"\xff", "a"}, []string{"\xff", "a"}},
		{"a paste that is marked", []string{"\x1b[200~FIND a\r\nRETURN\tb\n\x1b[201~;\r"}, []string{"FIND a", "[paste]", "RETURN", " ", "b", "[paste]", ";", "\r"}},
		{"its mark in two reads", []string{"\x1b[20", "0~a\n\x1b[2", "01~"}, []string{"a", "[paste]"}},
		{"a paste with keys in it", []string{"\x1b[200~a\x03\x1b[Bb\x1b[201~"}, []string{"a", "[Bb"}},
		{"a paste that is not marked", []string{"FIND a\nRETURN b\n"}, []string{"FIND a", "[paste]", "RETURN b", "[paste]"}},
		{"typed ahead", []string{"FIND a;\rFIND b;\r"}, []string{"FIND a;", "\r", "FIND b;", "\r"}},
		{"a sequence without an end", []string{"\x1b[" + strings.Repeat("1", 40), "B"}, []string{strings.Repeat("1", 10), "B"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &splitter{unmarked: strings.Contains(c.name, "not marked")}
			var got []key
			for _, r := range c.reads {
				got = append(got, s.feed([]byte(r))...)
			}
			if !slices.Equal(shown(got), c.want) {
				t.Errorf("%q, want %q", shown(got), c.want)
			}
		})
	}
}

// Whatever is pasted, nothing of it is a key, and no character is lost.
func TestNothingPastedIsAKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab ä日\n\r\t;\x03\x04\x1b[~2O1"))).Draw(t, "text")
		if strings.Contains(text, pasteEnd) {
			return // the terminal takes it out
		}
		s := &splitter{}
		stream := []byte(pasteStart + text + pasteEnd)
		var got []key
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "read")
			got = append(got, s.feed(stream[:n])...)
			stream = stream[n:]
		}
		var b strings.Builder
		for _, k := range got {
			if isLineEnd(k.bytes) != k.pasted || len(k.bytes) == 1 && k.bytes[0] < ' ' && !k.pasted {
				t.Fatalf("%q gives the key %q", text, k.bytes)
			}
			if k.pasted {
				b.WriteByte('\n')
				continue
			}
			b.Write(k.bytes)
		}
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", " ", "\x03", "", "\x04", "", "\x1b", "").Replace(text)
		if b.String() != want || s.pasting {
			t.Fatalf("%q came as %q", text, b.String())
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("\x1b[200~a\r\x1b[201~\r"), 3)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		s := &splitter{}
		cut = max(0, min(cut, len(data)))
		n := 0
		for _, k := range append(s.feed(data[:cut]), s.feed(data[cut:])...) {
			n += len(k.bytes)
		}
		if n > len(data) || len(s.rest) > longestSequence+utf8.UTFMax {
			t.Fatalf("%d bytes of %d, %d wait", n, len(data), len(s.rest))
		}
	})
}
