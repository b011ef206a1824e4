package plan

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

func valueOfType(args []value.Type) (value.Type, error) {
	if args[0] != value.List && args[0] != value.Text && args[0] != value.Null {
		return value.Null, fmt.Errorf("argument 1 must be list or text, not %s", args[0])
	}
	if args[1] != value.Text && args[1] != value.Null {
		return value.Null, fmt.Errorf("argument 2 must be text, not %s", args[1])
	}
	return value.Text, nil
}

// valueOf gives what stands behind NAME= in a list of such members, as events
// and environments are, or in a line of such words, as audit writes them.
func valueOf(a []value.Value) value.Value {
	name := a[1].Text() + "="
	if a[0].Type() == value.List {
		for _, member := range a[0].List() {
			if v, ok := strings.CutPrefix(textOf(member), name); ok {
				return value.NewText(v)
			}
		}
		return value.Value{}
	}
	text := a[0].Text()
	for at := 0; ; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return value.Value{}
		}
		from := at + i
		if at = from + len(name); from == 0 || betweenWords(text[from-1]) {
			return value.NewText(word(text[at:]))
		}
	}
}

// word gives the value that a text begins with: up to its closing quote, or
// up to what parts words.
func word(text string) string {
	if rest, ok := strings.CutPrefix(text, `"`); ok {
		if v, _, closed := strings.Cut(rest, `"`); closed {
			return v
		}
	}
	for i := range len(text) {
		if betweenWords(text[i]) {
			return text[:i]
		}
	}
	return text
}

// betweenWords says whether a byte parts words: blanks, control characters,
// of which audit uses one, and the quote around several words.
func betweenWords(b byte) bool { return b <= ' ' || b == '\'' }
