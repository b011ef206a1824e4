package lang

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/quaestor-engine/quaestor/value"
)

// dump writes a tree without what Format may change: spans, Bare, and
// parentheses around one expression.
func dump(n Node) string {
	var b strings.Builder
	dumpValue(&b, reflect.ValueOf(n))
	return b.String()
}

func dumpValue(b *strings.Builder, v reflect.Value) {
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case value.Value:
			fmt.Fprintf(b, "%s:%s", x.Type(), x.Literal())
			return
		case *Paren:
			dumpValue(b, reflect.ValueOf(x.X))
			return
		case Source, []Comment, Span, at, exprAt:
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			b.WriteString("nil")
			return
		}
		dumpValue(b, v.Elem())
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			dumpValue(b, v.Index(i))
			b.WriteByte(' ')
		}
		b.WriteByte(']')
	case reflect.Struct:
		b.WriteString(v.Type().Name() + "{")
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Anonymous || f.Name == "Bare" || f.Type == reflect.TypeFor[Span]() || f.Name == "Source" && f.Type == reflect.TypeFor[Source]() || f.Name == "Comments" {
				continue
			}
			b.WriteString(f.Name + "=")
			dumpValue(b, v.Field(i))
			b.WriteByte(' ')
		}
		b.WriteByte('}')
	default:
		fmt.Fprintf(b, "%v", v.Interface())
	}
}

// checkRoundTrip holds a file that was parsed to the laws of Format.
func checkRoundTrip(f *File) error {
	once := Format(f)
	again, err := Parse(Source{"formatted", once})
	if err != nil {
		return fmt.Errorf("what Format wrote does not parse:\n%s\n%w", once, err)
	}
	if a, b := dump(f), dump(again); a != b {
		return fmt.Errorf("Format changed the tree:\n%s\n%s\n%s", once, a, b)
	}
	if twice := Format(again); twice != once {
		return fmt.Errorf("Format is not idempotent:\n%s\n---\n%s", once, twice)
	}
	if len(f.Comments) > 0 {
		return checkComments(f, again)
	}
	return nil
}

// checkComments finds every comment of f in again, and nothing else. Several
// may have become one.
func checkComments(f, again *File) error {
	words := func(f *File) map[string]int {
		count := map[string]int{}
		for _, c := range f.Comments {
			for w := range strings.FieldsSeq(strings.NewReplacer("-", " ", ":", " ", ",", " ").Replace(c.Text)) {
				count[strings.ToLower(w)]++
			}
		}
		delete(count, "")
		return count
	}
	if a, b := words(f), words(again); !reflect.DeepEqual(a, b) {
		return fmt.Errorf("comments were lost: %v, %v", a, b)
	}
	return nil
}

// checkSpans reports a node whose span is not in the source, or not in the span
// of its parent.
func checkSpans(f *File) error {
	var bad error
	Walk(f, func(n Node) bool {
		s := n.Span()
		if s.Start < 0 || s.End > len(f.Source.Text) || s.Start >= s.End {
			bad = fmt.Errorf("%T has the span %v in a source of %d bytes", n, s, len(f.Source.Text))
		}
		Walk(n, func(in Node) bool {
			if c := in.Span(); c.Start < s.Start || c.End > s.End {
				bad = fmt.Errorf("%T at %v sticks out of %T at %v", in, c, n, s)
			}
			return in == n
		})
		return bad == nil
	})
	return bad
}
