package rounds_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/engine/rounds"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// row makes a row of a path and a number.
func row(path string, n int64) []value.Value {
	return []value.Value{value.NewText(path), value.NewInt(n)}
}

func show(r rounds.Row) string {
	var cells []string
	for _, v := range r.Values {
		cells = append(cells, v.String())
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", r.Change, strings.Join(cells, " ")))
}

// play runs one round and gives what was shown.
func play(s *rounds.State, judge func(rounds.Row) bool, rows ...[]value.Value) ([]string, rounds.Count) {
	var shown []string
	for _, r := range rows {
		if c, now := s.Add(0, r); now {
			shown = append(shown, show(rounds.Row{Change: c, Values: r}))
		}
	}
	count := s.End(judge, func(r rounds.Row) bool {
		shown = append(shown, show(r))
		return true
	})
	return shown, count
}

func always(rounds.Row) bool { return true }

func TestRounds(t *testing.T) {
	byPath := rounds.Shape{Key: []int{0}, Place: 0}
	s := rounds.NewState([]rounds.Shape{byPath}, 0)
	if got, _ := play(s, always, row("/a", 1), row("/b", 1), row("/b", 1)); !slices.Equal(got, []string{"new /a 1", "new /b 1", "new /b 1"}) {
		t.Errorf("first: %q", got)
	}
	if got, count := play(s, always, row("/b", 1), row("/a", 1), row("/b", 1)); got != nil || count.Same != 3 {
		t.Errorf("nothing changed: %q %+v", got, count)
	}
	if got, count := play(s, always, row("/b", 1), row("/a", 2), row("/c", 1)); !slices.Equal(got, []string{"changed /a 2", "new /c 1", "gone /b 1"}) || count.Changed != 1 || count.New != 1 || count.Gone != 1 {
		t.Errorf("changes: %q %+v", got, count)
	}
	sum := answer.Summary{Outcome: answer.Partial, Reason: answer.NotLookedAt, Skipped: []answer.Skipped{{Kind: modules.SkipPermission, Count: 1, First: []modules.Skip{{Where: "/a"}}}}}
	there := func(r rounds.Row) bool { return byPath.Gone(r.Values, sum) }
	if got, count := play(s, there); !slices.Equal(got, []string{"gone /b 1", "gone /c 1"}) || count.Unknown != 1 || !slices.Equal(count.Where, []string{"/a"}) {
		t.Errorf("a place that was not looked at: %q %+v", got, count)
	}
	if got, _ := play(s, always); !slices.Equal(got, []string{"gone /a 2"}) {
		t.Errorf("when it was looked at: %q", got)
	}
}

// What an account must say before a row counts as gone.
func TestGone(t *testing.T) {
	skipped := func(count int64, where ...string) []answer.Skipped {
		k := answer.Skipped{Kind: modules.SkipPermission, Count: count}
		for _, w := range where {
			k.First = append(k.First, modules.Skip{Where: w})
		}
		return []answer.Skipped{k}
	}
	partial := func(k []answer.Skipped) answer.Summary {
		return answer.Summary{Outcome: answer.Partial, Reason: answer.NotLookedAt, Skipped: k}
	}
	for name, c := range map[string]struct {
		sum  answer.Summary
		gone bool
	}{
		"complete":               {answer.Summary{Outcome: answer.Complete}, true},
		"nobody said":            {answer.Summary{}, false},
		"failed":                 {answer.Summary{Outcome: answer.Failed}, false},
		"elsewhere":              {partial(skipped(1, "/srv")), true},
		"its folder":             {partial(skipped(1, "/etc")), false},
		"itself":                 {partial(skipped(1, "/etc/x")), false},
		"below it":               {partial(skipped(1, "/etc/x/y")), true},
		"more than are named":    {partial(skipped(2, "/srv")), false},
		"a place without a name": {partial(skipped(1, "")), false},
		"a bound":                {answer.Summary{Outcome: answer.Partial, Reason: answer.NotLookedAt, Limits: []string{"rows"}}, false},
		"another reason":         {answer.Summary{Outcome: answer.Partial, Reason: "cancelled before its end"}, false},
	} {
		if got := (rounds.Shape{Place: 0}).Gone(row("/etc/x", 1), c.sum); got != c.gone {
			t.Errorf("%s: gone is %v", name, got)
		}
	}
	if rounds.None().Gone(row("/etc/x", 1), partial(skipped(1, "/srv"))) {
		t.Error("a row without a place is gone from a host that left something out")
	}
}

// A state that had no room says of no row that it is new or gone which it may
// have left out.
func TestBound(t *testing.T) {
	s := rounds.NewState([]rounds.Shape{{Place: 0}}, 250)
	got, count := play(s, always, row("/a", 1), row("/b", 1), row("/c", 1))
	if len(got) != 3 || count.Unkept != 1 || count.New != 3 {
		t.Errorf("%q %+v", got, count)
	}
	got, count = play(s, always, row("/a", 1), row("/c", 1))
	if !slices.Equal(got, []string{"/c 1", "gone /b 1"}) || count.MayBeNew != 1 || count.New != 0 {
		t.Errorf("%q %+v", got, count)
	}
	if got, _ := play(s, always, row("/a", 1), row("/d", 1)); !slices.Equal(got, []string{"/d 1"}) {
		t.Errorf("%q", got)
	}
}

// However a host changes, and wherever it can be looked: who adds up what he
// was shown knows what is there, but for what was said to be unknown.
func TestAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keyed := rapid.Bool().Draw(t, "keyed")
		shape := rounds.Shape{Place: 0}
		if keyed {
			shape.Key = []int{0}
		}
		s := rounds.NewState([]rounds.Shape{shape}, 0)
		known := map[string]int{} // what a reader holds to be there
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			there := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []value.Value {
				return row(rapid.SampledFrom([]string{"/a/1", "/a/2", "/b/1", "/b/2"}).Draw(t, "path"), rapid.Int64Range(0, 2).Draw(t, "n"))
			}), 0, 8).Draw(t, "there")
			hidden := rapid.SampledFrom([]string{"-", "/a", "/b/1"}).Draw(t, "hidden")
			want := map[string]int{}
			var seen [][]value.Value
			for _, r := range there {
				if !strings.HasPrefix(r[0].Text(), hidden) {
					seen = append(seen, r)
					want[show(rounds.Row{Values: r})]++
				}
			}
			shown, count := play(s, func(r rounds.Row) bool { return !strings.HasPrefix(r.Values[0].Text(), hidden) }, seen...)
			for _, line := range shown {
				change, text, _ := strings.Cut(line, " ")
				switch change {
				case "gone":
					known[text]--
				case "changed":
					path, _, _ := strings.Cut(text, " ")
					for old := range known { // the one that went
						if strings.HasPrefix(old, path+" ") && known[old] > want[old] {
							known[old]--
						}
					}
					known[text]++
				default:
					known[text]++
				}
			}
			var unknown int64
			for text, n := range known {
				if n < want[text] || n > want[text] && !strings.HasPrefix(text, hidden) {
					t.Fatalf("%s is there %d times, and the reader holds %d; shown %q", text, want[text], n, shown)
				}
				unknown += int64(n - want[text])
			}
			if unknown != count.Unknown {
				t.Fatalf("%d rows are unknown, and %d are said to be", unknown, count.Unknown)
			}
		}
	})
}
