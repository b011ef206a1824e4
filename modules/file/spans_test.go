package file

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/search"
	"github.com/quaestor-engine/quaestor/modules"
)

// The line in which a match begins is shown wherever the match ends, as if the
// content were looked at as a whole.
func TestLinesOfMatchesOverLines(t *testing.T) {
	fill := strings.Repeat("nothing to see here\n", 5*bufBytes/80)
	at := func(n int, what string) string { return fill[:n-n%20] + what + fill }
	// What stands around the end of the first buffer.
	files := map[string]string{"first": "first\n" + fill + "first\n" + fill, "last": fill + "last\n" + fill + "last"}
	for k, n := range []int{bufBytes - 20, bufBytes} {
		files[fmt.Sprint("short", k)] = at(n, "needle\n\n  thread\nBEGIN\n")
		files[fmt.Sprint("long", k)] = at(n, "BEGIN\n"+fill+"END\n")
		files[fmt.Sprint("end", k)] = at(n, "needle\n") + "needle\n\n"
	}
	root := tree(t, files)
	for _, p := range []search.Pattern{
		{Regexp: `needle\s+thread`}, {Literal: []byte("needle\n\n  thread")}, {Literal: []byte("NEEDLE\n\n"), Fold: true},
		{List: [][]byte{[]byte("\n  thread\nB"), []byte("none")}}, {Regexp: `(?s)BEGIN.*END`}, {Regexp: `needle\n$`}, {Regexp: `\Afirst`},
		{Regexp: `last\z`}, {Regexp: `BEGIN[^E]*END`}, {Regexp: `\n\s*thread`}, {Regexp: `first|last`},
	} {
		set, err := search.Compile([]search.Pattern{p})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for name, text := range files {
			line := -1
			set.NewScanner().Matches(0, []byte(text), func(start, _ int) bool {
				if n := strings.Count(text[:start], "\n") + 1; n != line {
					line = n
					want = append(want, fmt.Sprint(name, " ", n))
				}
				return true
			})
		}
		q := ask(root + "/*")
		q.Questions = []modules.Question{{Pattern: p, Show: true}}
		q.Workers = 1
		var got []string
		collect(t, systems["own"], q, func(r modules.Row) string {
			err := r.(modules.Liner).Lines(context.Background(), func(l modules.Row) error {
				got = append(got, fmt.Sprint(get(l, "name").Text(), " ", get(l, "line_number").Int()))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return ""
		})
		slices.Sort(got)
		t.Logf("%s%s%s: %d lines", p.Regexp, p.Literal, p.List, len(want))
		same(t, got, want)
		if len(q.ledger.skips) > 0 {
			t.Errorf("left out %v", q.ledger.skips)
		}
	}
}

// Where too much would have to be held for that, it is told.
func TestLinesOfHugeMatches(t *testing.T) {
	fill := strings.Repeat("nothing to see here\n", bufBytes/20)
	huge := "BEGIN\n" + strings.Repeat(fill, maxSpan/len(fill)+1) + "END\n"
	for _, expr := range []string{`(?s)BEGIN.*END`, `END\s*\z`} {
		q := ask(tree(t, map[string]string{"huge": huge}) + "/*")
		q.Questions = []modules.Question{{Pattern: search.Pattern{Regexp: expr}, Show: true}}
		same(t, collect(t, systems["own"], q, func(r modules.Row) string {
			if err := r.(modules.Liner).Lines(context.Background(), func(modules.Row) error { return nil }); err != nil {
				t.Error(err)
			}
			return matching(0)(r)
		}), []string{q.Locators[0][:len(q.Locators[0])-1] + "huge true"})
		if q.ledger.kinds()[modules.SkipLimit] != 1 {
			t.Errorf("%s: left out %v", expr, q.ledger.skips)
		}
	}
}

// A line that is longer than what is held is passed over, and told; the others
// have their numbers and places.
func TestLinesBehindALongOne(t *testing.T) {
	long := strings.Repeat("x", maxSpan+3*bufBytes)
	q := ask(tree(t, map[string]string{"f": "a b\n" + long + "a b\na b\n\n" + long}) + "/*")
	q.Questions = []modules.Question{{Pattern: search.Pattern{Regexp: `a\s+b`}, Show: true}}
	var got []string
	collect(t, systems["own"], q, func(r modules.Row) string {
		err := r.(modules.Liner).Lines(context.Background(), func(l modules.Row) error {
			got = append(got, fmt.Sprint(get(l, "line_number").Int(), " ", get(l, "line_offset").Int(), " ", get(l, "line").Text()))
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return ""
	})
	same(t, got, []string{"1 0 a b", fmt.Sprint("3 ", len(long)+8, " a b")})
	if q.ledger.kinds()[modules.SkipLimit] != 1 {
		t.Errorf("left out %v", q.ledger.skips)
	}
}

// What changes while its lines are shown is told.
func TestChangedWhileShown(t *testing.T) {
	root := tree(t, map[string]string{"log": strings.Repeat("a needle\n", bufBytes/4)})
	for _, p := range []search.Pattern{{Literal: []byte("needle")}, {Regexp: `needle\s+x`}} {
		q := ask(root + "/log")
		q.Questions = []modules.Question{{Pattern: literal("needle").Pattern, Show: true}, {Pattern: p, Show: true}}
		collect(t, systems["own"], q, func(r modules.Row) string {
			n := 0
			err := r.(modules.Liner).Lines(context.Background(), func(modules.Row) error {
				if n++; n > 1 {
					return nil
				}
				f, err := os.OpenFile(root+"/log", os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					_, err = f.WriteString("more\n")
					f.Close()
				}
				return err
			})
			if err != nil || n < bufBytes/4 {
				t.Errorf("%d lines, %v", n, err)
			}
			return ""
		})
		if q.ledger.kinds()[modules.SkipChanged] != 1 {
			t.Errorf("left out %v", q.ledger.skips)
		}
	}
}
