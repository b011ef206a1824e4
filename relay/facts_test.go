package relay

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/value"
)

// targets are questions of each kind that one can ask about agents.
var targets = []string{
	"os = linux",
	"os = linux AND tags.ring = 'canary'",
	"tags.ring IS NULL",
	"hostname GLOB 'web*'",
	"NOT os = windows",
	`agent_version < "2.0"`,
	"last_seen > now() - 1h",
	`kernel >= "6.1" OR os = windows`,
}

func compiled(t testing.TB, where string) *plan.Plan {
	t.Helper()
	s, err := quaestor.LocalWith(quaestor.Options{Modules: std.Modules()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Compile(lang.Source{Name: "test", Text: "FROM fleet WHERE " + where + " FIND host"})
	if err != nil {
		t.Fatal(err)
	}
	return c.Queries[0].Plan
}

// What is answered from shared values is what the plan says of the facts.
func TestMatcher(t *testing.T) {
	var plans []*plan.Plan
	for _, where := range targets {
		plans = append(plans, compiled(t, where))
	}
	now := time.Unix(1_764_500_000, 0)
	rapid.Check(t, func(t *rapid.T) {
		table := newFactTable()
		type one struct {
			facts    plan.Facts
			set      factSet
			software string
		}
		var all []one
		for range rapid.IntRange(1, 30).Draw(t, "agents") {
			f := plan.Facts{}
			say := func(name string, make func(string) value.Value, among ...string) {
				if text := rapid.SampledFrom(append(among, "")).Draw(t, name); text != "" {
					f[name] = make(text)
				}
			}
			say("os", value.NewText, "linux", "windows", "darwin")
			say("hostname", value.NewText, "web1", "web2", "db1")
			say("tags.ring", value.NewText, "canary", "all")
			say("kernel", value.NewText, "5.10.0", "6.1.0", "6.18.0")
			all = append(all, one{f, table.add(f), rapid.SampledFrom([]string{"1.0.0", "2.1.0"}).Draw(t, "software")})
			if len(all) > 1 && rapid.Bool().Draw(t, "one goes") {
				table.drop(all[0].set)
				all = all[1:]
			}
		}
		for i, p := range plans {
			m := table.matcher(p, now)
			for _, a := range all {
				whole := plan.Facts{factLastSeen: value.NewTime(now), factVersion: value.NewVersion(a.software, value.Semver)}
				for name, v := range a.facts {
					whole[name] = v
				}
				truth, err := p.Meets(whole, now)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := m.meets(a.set, a.software), truth == value.True; got != want {
					t.Fatalf("%s of %v: %v, want %v", targets[i], whole, got, want)
				}
			}
		}
		for _, a := range all {
			table.drop(a.set)
		}
		if len(table.ids) != 0 || len(table.free) != len(table.facts) {
			t.Fatalf("%d facts stay that nobody has", len(table.ids))
		}
	})
}

// BenchmarkMatcher asks ten thousand agents a target of two facts.
func BenchmarkMatcher(b *testing.B) {
	table, p := newFactTable(), compiled(b, targets[1])
	var sets []factSet
	for i := range 10_000 {
		f := plan.Facts{"os": value.NewText([]string{"linux", "windows"}[i%2]), "hostname": value.NewText(fmt.Sprint("host", i))}
		for j := range 30 {
			f[fmt.Sprint("fact", j)] = value.NewInt(int64(i % (j + 1)))
		}
		f["tags.ring"] = value.NewText([]string{"canary", "all"}[i%3%2])
		sets = append(sets, table.add(f))
	}
	for b.Loop() {
		m := table.matcher(p, time.Unix(1, 0))
		n := 0
		for _, s := range sets {
			if m.meets(s, "1.0.0") {
				n++
			}
		}
		if n == 0 {
			b.Fatal("nobody is meant")
		}
	}
}
