package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// A doubter draws conditions that hang on rows of b, which links, subqueries
// and joins lead to.
type doubter struct{ t *rapid.T }

func (d doubter) of(texts ...string) string { return rapid.SampledFrom(texts).Draw(d.t, "text") }

func (d doubter) number() int { return rapid.IntRange(0, 3).Draw(d.t, "number") }

// condition is over a row of a, or of b, that has a link and a number.
func (d doubter) condition(link, number string, depth int) string {
	kind := rapid.IntRange(0, 8).Draw(d.t, "kind")
	if depth == 0 {
		kind %= 5
	}
	switch kind {
	case 0:
		return fmt.Sprintf("%s > %d", number, d.number())
	case 1:
		return fmt.Sprintf("%s.z %s %d", link, d.of("=", "!=", "<", ">="), d.number())
	case 2:
		return link + d.of("", ".w", ".w.w") + " IS MISSING"
	case 3:
		return fmt.Sprintf("%s.z BETWEEN %d AND %s", link, d.number(), number)
	case 4:
		return fmt.Sprintf("%s %s (FIND b RETURN %s)", link, d.of("IN", "NOT IN"), d.of("y", "w"))
	case 5:
		return fmt.Sprintf("%s %s (%s)", link, d.of("IN", "NOT IN"), d.subquery(depth-1))
	case 6:
		return "NOT (" + d.condition(link, number, depth-1) + ")"
	}
	return fmt.Sprintf("(%s) %s (%s)", d.condition(link, number, depth-1), d.of("AND", "OR"), d.condition(link, number, depth-1))
}

func (d doubter) subquery(depth int) string {
	if rapid.Bool().Draw(d.t, "of b") {
		return fmt.Sprintf("FIND b WHERE %s RETURN %s", d.condition("w", "z", depth), d.of("y", "w"))
	}
	return fmt.Sprintf("FIND a WHERE %s RETURN x", d.condition("x", "n", depth))
}

func (d doubter) query() string {
	switch rapid.IntRange(0, 4).Draw(d.t, "form") {
	case 0:
		return fmt.Sprintf("FIND a, b WHERE y = x AND (%s) RETURN x, n, z", d.condition("x", "n", 2))
	case 1:
		return fmt.Sprintf("FIND a, b WHERE n = z AND (%s) RETURN x, n, y", d.condition("x", "n", 2))
	case 2:
		return "FIND NOT a WHERE " + d.condition("x", "n", 2)
	case 3:
		return fmt.Sprintf("FIND a WHERE %s RETURN x AND FIND NOT b WHERE %s", d.condition("x", "n", 1), d.condition("w", "z", 1))
	}
	return fmt.Sprintf("FIND a WHERE %s RETURN x, n", d.condition("x", "n", 3))
}

// TestWhatIsHiddenIsNotClaimed: where rows are kept from being looked at, what
// is answered is answered with them, too; and that something was kept is said.
func TestWhatIsHiddenIsNotClaimed(t *testing.T) {
	names := []any{nil, "p", "q", "r", "s", "gone"}
	some := func(t *rapid.T) any { return rapid.SampledFrom(names).Draw(t, "name") }
	rapid.Check(t, func(rt *rapid.T) {
		var rowsA, rowsB [][]any
		for range rapid.IntRange(1, 4).Draw(rt, "rows of a") {
			rowsA = append(rowsA, []any{some(rt), rapid.IntRange(0, 3).Draw(rt, "n")})
		}
		hidden := map[string]bool{}
		for _, name := range names[1:5] {
			if rapid.Bool().Draw(rt, "there") {
				rowsB = append(rowsB, []any{name, rapid.IntRange(0, 3).Draw(rt, "z"), some(rt)})
				hidden[name.(string)] = rapid.Bool().Draw(rt, "hidden")
			}
		}
		a := relationOf("a", "x text -> b, n int", rowsA...)
		b := relationOf("b", "y text key, z int, w text -> b", rowsB...)
		b.schema.Locator = modules.Locator{Use: modules.LocatorOptional, Column: "y"}
		cat, err := modules.NewCatalogue(a, b)
		if err != nil {
			t.Fatal(err)
		}
		query, kind := doubter{rt}.query(), modules.SkipKind("")
		asked := func(naive bool) ([]string, answer.Summary) {
			e := engine.New(cat, engine.Options{Workers: 2, Permit: func(_, place string) modules.SkipKind {
				if hidden[place] {
					return kind
				}
				return ""
			}})
			run := e.Start(t.Context(), compiled(t, cat, query, naive))
			rows, err := read(run)
			if err != nil {
				rt.Fatalf("%s: %v", query, err)
			}
			slices.Sort(rows)
			return rows, run.Summary(0)
		}
		all, whole := asked(false)
		if naive, _ := asked(true); !slices.Equal(all, naive) || whole.Outcome != answer.Complete {
			rt.Fatalf("%s, %s\nplanned %v\nnaive   %v", query, whole.Outcome, all, naive)
		}
		kind = modules.SkipPolicy
		for _, naive := range []bool{false, true} {
			rows, sum := asked(naive)
			left := slices.Clone(all)
			for _, row := range rows {
				i := slices.Index(left, row)
				if i < 0 {
					rt.Fatalf("%s (naive %v)\nclaims %s\nof     %s", query, naive, row, strings.Join(all, ", "))
				}
				left = slices.Delete(left, i, i+1)
			}
			if len(left) > 0 && (sum.Outcome != answer.Partial || len(sum.Skipped) == 0) {
				rt.Fatalf("%s (naive %v) is %s, without %v", query, naive, sum.Outcome, left)
			}
		}
	})
}
