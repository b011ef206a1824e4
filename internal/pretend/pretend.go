// Package pretend makes hosts that stand in a text: a tree of files, tables of
// rows for any module, and facts. Behaviour scripts and the tests of query
// files are run against them.
//
// A newcomer needs [Tree], whose Build writes a host's files, and [Parse],
// which reads a module's rows. Cells stand two blanks or a tab apart; null is
// null, and a text that would be misread is quoted ([ShowCell] writes what
// [ParseCell] reads).
//
// A tree is written below one folder and nowhere else, whatever its text says:
// names that lead out of it, by .. or through a link, are refused. The package
// asks nothing and knows no query.
package pretend

import (
	"fmt"
	"strings"
	"time"
)

// Now is what pretended hosts call now where a text does not say it.
func Now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// Lines gives the lines of a section that are neither empty nor comments.
func Lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

// KeyValues reads lines of the form key=value.
func KeyValues(text string, set func(k, v string) error) error {
	for _, l := range Lines(text) {
		k, v, ok := strings.Cut(l, "=")
		if !ok {
			return fmt.Errorf("%q is not key=value", l)
		}
		if err := set(strings.TrimSpace(k), strings.TrimSpace(v)); err != nil {
			return err
		}
	}
	return nil
}
