package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/bench/internal/planted"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

func TestItems(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for _, c := range []struct {
		name, out string
		form      form
		want      []string
	}{
		{"paths", "/t/a\n/t/b/c\n", formPath, []string{"a", "b/c"}},
		{"sum", hash + "  /t/a\n", formHash, []string{"a " + hash}},
		{"openssl", hash + " */t/a\n", formHash, []string{"a " + hash}},
		{"known", hash + "  /t/a\n" + strings.Repeat("c", 64) + "  /t/b\n", formKnown, []string{"a"}},
		{"lines", "/t/a:12:x:y\r\n", formLine, []string{"a:12"}},
		{"rows", `{"path":"/t/a"}` + "\n" + `{"path":"/t/b","line_number":3,"line":"z"}` + "\n" + `{"rows":2}`, formRows, []string{"a", "b:3"}},
		{"row with hash", `{"path":"/t/a","sha256":"` + hash + `"}`, formRows, []string{"a " + hash}},
		{"not compared", "200\n", formNone, nil},
	} {
		got, err := items([]byte(c.out), c.form, "/t", map[string]bool{hash: true})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	for _, bad := range []struct {
		out  string
		form form
	}{{"x", formHash}, {"x", formLine}, {"x", formRows}} {
		if got, err := items([]byte(bad.out), bad.form, "/t", nil); err == nil {
			t.Errorf("form %d accepts %q as %q", bad.form, bad.out, got)
		}
	}
}

func TestDifference(t *testing.T) {
	want := planted.NewAnswer([]string{"b", "a", "b"})
	if want.Count != 2 {
		t.Fatalf("a set of %d", want.Count)
	}
	if d := difference(planted.NewAnswer([]string{"a", "b"}), want); d != "" {
		t.Errorf("equal sets differ: %s", d)
	}
	if d := difference(planted.NewAnswer([]string{"b", "c"}), want); d != "2 instead of 2, 1 missing (a), 1 too many (c)" {
		t.Errorf("difference: %s", d)
	}
	want.Items = nil
	if d := difference(planted.NewAnswer([]string{"c"}), want); !strings.Contains(d, "1 instead of 2") {
		t.Errorf("difference without items: %s", d)
	}
}

func TestJudgeAndRender(t *testing.T) {
	us := &cost{oursName, 0.5, 1, 33e6}
	peers := []cost{{"rg", 1, 3, 0}, {"grep", 2, 2, 0}, {floorName, 0.1, 0.1, 0}}
	j := job{name: "literal"}
	var lines []line
	for _, g := range []goal{{wall, 0.5, ""}, {cpu, 0.4, ""}, {cpu, 0.4, "rg"}, {cpu, 1.12, floorName}, {rss, maxRSS, ""}, {millis, 600, ""}} {
		lines = append(lines, judge(j, g, us, peers, "same (2)"))
	}
	lines = append(lines, judge(j, goal{wall, 0.5, ""}, nil, peers, "same (2)"))
	want := `| job | measure | ours | best peer | ratio | goal | reached | answers |
|---|---|---|---|---|---|---|---|
| literal | wall | 0.500 s | rg 1.000 s | 0.50 | ≤ 0.50 | yes | same (2) |
| literal | cpu | 1.000 s | grep 2.000 s | 0.50 | ≤ 0.40 | **no** | same (2) |
| literal | cpu | 1.000 s | rg 3.000 s | 0.33 | ≤ 0.40 | yes | same (2) |
| literal | cpu | 1.000 s | read floor 0.100 s | 10.00 | ≤ 1.12 | **no** | same (2) |
| literal | peak memory | 33.0 MB | – | – | ≤ 32 MB | **no** | same (2) |
| literal | wall | 500.0 ms | – | – | ≤ 600 ms | yes | same (2) |
| literal | wall | – | rg 1.000 s | – | ≤ 0.50 | – | same (2) |
`
	if got := render(lines); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestJobsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, j := range jobs() {
		if seen[j.name] || j.query == "" || len(j.goals) == 0 {
			t.Errorf("job %q is repeated or lacks something", j.name)
		}
		seen[j.name] = true
		for _, c := range append(j.peers, ours(j.query)) {
			for _, s := range c.steps {
				line := strings.Join(vars{"/q", "/f", "/c"}.expand(s.argv), " ")
				for _, v := range []string{"$OURS", "$FLOOR", "$LISTS", "$TREE"} {
					if strings.Contains(line, v) {
						t.Errorf("%s: %s is left in %q", j.name, v, line)
					}
				}
			}
		}
		for _, g := range j.goals {
			ratio := g.metric == wall || g.metric == cpu
			var costs []cost
			for _, p := range j.peers {
				costs = append(costs, cost{name: p.name})
			}
			if _, ok := best(costs, g.metric, g.against); ratio && !ok {
				t.Errorf("%s: no peer for %q", j.name, g.against)
			}
		}
	}
}

func TestSplit(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"a/1", "a/2", "b/1", "b/2", "c/1"} {
		p := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("xyz"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	groups, bytes, err := split(dir, 3)
	if err != nil || bytes != 15 {
		t.Fatalf("split: %d bytes, %v", bytes, err)
	}
	want := [][]string{{filepath.Join(dir, "a")}, {filepath.Join(dir, "b"), filepath.Join(dir, "c")}}
	if !slices.EqualFunc(groups, want, slices.Equal) {
		t.Errorf("groups %v, want %v", groups, want)
	}
}
