package signing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"
)

// encodeJSON gives the one spelling of v: without blanks, and with < and > as
// they are, so that a query can be read in it.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("signing: a value that JSON cannot hold: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// decodeJSON reads v and refuses what encodeJSON would have written otherwise:
// unknown fields, doubled ones, other cases, blanks, and whatever follows.
func decodeJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(encodeJSON(v), b) {
		return fmt.Errorf("%w: not in the one spelling that it has", ErrMalformed)
	}
	return nil
}

// second is how times are written: UTC, whole seconds.
func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// isLine says whether s is at most n bytes of text that a terminal shows on
// one line.
func isLine(s string, n int) bool {
	if len(s) > n || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// isName says whether s can name a module, a column, a tag or a kind.
func isName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
