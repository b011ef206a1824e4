package plan

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/quaestor-engine/quaestor/value"
)

// field gives a member of a document of JSON as text: what a text says, and
// how anything else is written. The document is checked as a whole; then what
// lies before the member is passed over and not decoded.
func field(a []value.Value) value.Value {
	at := a[0].Text()
	if !json.Valid([]byte(at)) {
		return value.Value{}
	}
	at = strings.Trim(at, jsonSpace)
	for _, name := range a[1:] {
		if at = member(at, name); at == "" {
			return value.Value{}
		}
	}
	switch {
	case at == "null":
		return value.Value{}
	case at[0] == '"':
		return value.NewText(jsonText(at))
	}
	return value.NewText(at)
}

const jsonSpace = " \t\r\n"

// member gives what a name, or a number from 0, leads to in an object or a
// list; of a name that is there twice the last; empty for none.
func member(doc string, name value.Value) string {
	inList := name.Type() == value.Int
	if doc[0] != '{' && !inList || doc[0] != '[' && inList {
		return ""
	}
	found := ""
	for n, at := int64(0), next(doc, 1); doc[at] != '}' && doc[at] != ']'; n++ {
		is := inList && n == name.Int()
		if !inList {
			end := jsonEnd(doc, at)
			is = jsonText(doc[at:end]) == name.Text()
			at = next(doc, next(doc, end)+1) // behind the colon
		}
		end := jsonEnd(doc, at)
		if is {
			found = doc[at:end]
		}
		if at = next(doc, end); doc[at] == ',' {
			at = next(doc, at+1)
		}
	}
	return found
}

// next passes over white space.
func next(doc string, at int) int {
	for strings.IndexByte(jsonSpace, doc[at]) >= 0 {
		at++
	}
	return at
}

// jsonEnd is where the value ends that begins at a byte of a valid document.
func jsonEnd(doc string, at int) int {
	depth := 0
	for ; at < len(doc); at++ {
		switch doc[at] {
		case '"':
			for at++; doc[at] != '"'; at++ {
				if doc[at] == '\\' {
					at++
				}
			}
			if depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']', ',', ' ', '\t', '\r', '\n', ':':
			if c := doc[at]; depth == 0 {
				return at
			} else if (c == '}' || c == ']') && depth == 1 {
				return at + 1
			} else if c == '}' || c == ']' {
				depth--
			}
		}
	}
	return at
}

// jsonText decodes a text with its quotes.
func jsonText(quoted string) string {
	if plain := quoted[1 : len(quoted)-1]; strings.IndexByte(plain, '\\') < 0 && utf8.ValidString(plain) {
		return plain
	}
	var text string
	_ = json.Unmarshal([]byte(quoted), &text) // it is valid
	return text
}

func fieldType(args []value.Type) (value.Type, error) {
	if args[0] != value.Text && args[0] != value.Null {
		return value.Null, fmt.Errorf("argument 1 must be text, not %s", args[0])
	}
	for i, t := range args[1:] {
		if t != value.Text && t != value.Int && t != value.Null {
			return value.Null, fmt.Errorf("argument %d must be text or int, not %s", i+2, t)
		}
	}
	return value.Text, nil
}

// wholeOf gives the whole number that a value is or says.
func wholeOf(v value.Value) (int64, bool) {
	switch v.Type() {
	case value.Int, value.Size:
		return v.Int(), true
	case value.Float:
		f := v.Float()
		return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<63
	case value.Text:
		n, err := strconv.ParseInt(strings.TrimSpace(v.Text()), 10, 64)
		if err != nil {
			f, err := strconv.ParseFloat(strings.TrimSpace(v.Text()), 64)
			return int64(f), err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<63
		}
		return n, true
	}
	return 0, false
}

func toInt(a []value.Value) value.Value {
	if n, ok := wholeOf(a[0]); ok {
		return value.NewInt(n)
	}
	return value.Value{}
}

func countType(result value.Type) func([]value.Type) (value.Type, error) {
	return func(args []value.Type) (value.Type, error) {
		for _, t := range args[1:] {
			if t != value.Int && t != value.Null {
				return value.Null, fmt.Errorf("argument 2 must be int, not %s", t)
			}
		}
		return oneOf(result, args[0], value.Int, value.Float, value.Text)
	}
}

// Epochs from which others count, in seconds since 1970.
const (
	epochWindows = -11644473600 // 1601, of Windows and of WebKit
	epochCocoa   = 978307200    // 2001, of macOS
)

// since makes the function of an epoch: a count of so many a second is a time.
// Zero is how most that count write that there is none.
func since(epoch, perSecond int64) func([]value.Value) value.Value {
	return func(a []value.Value) value.Value {
		per := perSecond
		if len(a) > 1 {
			per = a[1].Int()
		}
		if per < 1 || per > 1e9 {
			return value.Value{}
		}
		if n, ok := wholeOf(a[0]); ok && n != 0 {
			return value.NewTime(time.Unix(floor(n, per)+epoch, (n-floor(n, per)*per)*(1e9/per)).UTC())
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(textOf(a[0])), 64)
		if f /= float64(per); err != nil || f == 0 || !(math.Abs(f) < 1e12) {
			return value.Value{}
		}
		whole := math.Floor(f)
		return value.NewTime(time.Unix(int64(whole)+epoch, int64((f-whole)*1e9)).UTC())
	}
}

func floor(n, by int64) int64 {
	q := n / by
	if n%by < 0 {
		q--
	}
	return q
}
