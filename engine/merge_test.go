package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/engine"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// asked runs a query on every host alone and merges what they found. Rows are
// shown without the host that they come from, but where origin is set.
func asked(t testing.TB, query string, origin bool, hosts ...modules.Module) (string, error) {
	t.Helper()
	var rows []string
	var merge *engine.Merge
	var emit func(engine.Row) error
	for i, host := range hosts {
		cat, err := modules.NewCatalogue(host)
		if err != nil {
			t.Fatal(err)
		}
		p := compiled(t, cat, query, false)
		if merge == nil {
			merge = engine.NewMerge(p, engine.MergeOptions{Now: time.Now()})
			emit = func(row engine.Row) error {
				values := row.Values
				if engine.WithOrigin(p.Tables[row.Table]) && !origin {
					values = values[2:]
				}
				rows = append(rows, literals(values))
				return nil
			}
		}
		travelled, err := plan.Decode(p.Encode())
		if err != nil {
			t.Fatal(err)
		}
		run := engine.New(cat, engine.Options{Workers: 2, Partial: true}).Start(t.Context(), travelled)
		for row, err := range run.Rows() {
			if err != nil {
				return "", err
			}
			if row.Table < 0 {
				rows = append(rows, fmt.Sprint("host", i))
				continue
			}
			host, agent := fmt.Sprint("h", i), fmt.Sprint("a", i)
			now, err := merge.Add(host, agent, row.Table, row.Values)
			if now {
				if engine.WithOrigin(p.Tables[row.Table]) {
					row.Values = append([]value.Value{value.NewText(host), value.NewText(agent)}, row.Values...)
				}
				err = errors.Join(err, emit(row))
			}
			if err != nil {
				return "", err
			}
		}
		if o := run.Summary(0).Outcome; o != answer.Complete {
			t.Errorf("%s: host %d: %s", query, i, o)
		}
	}
	err := merge.Finish(emit)
	return strings.Join(rows, "|"), err
}

func literals(values []value.Value) string {
	var text []string
	for _, v := range values {
		text = append(text, v.Literal())
	}
	return strings.Join(text, " ")
}

// Rows that lie on three hosts are answered about as if they were on one.
func TestMergeAgreesWithOneHost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Custom(sampleRow), 0, 9).Draw(rt, "rows")
		where := writer{rt, []string{""}}.where()
		shape := rapid.SampledFrom([]string{
			"RETURN s, i, f, b, z, h",
			"RETURN DISTINCT s, i",
			"RETURN DISTINCT s, i ORDER BY i DESC, s LIMIT 2",
			"RETURN s, count() AS n, sum(i), min(h), count(DISTINCT f), list(z, 3) GROUP BY s",
			"RETURN s, count() AS n, sum(f), max(i) GROUP BY s HAVING n > 1 ORDER BY n DESC, s LIMIT 2",
			"RETURN count(), max(f), avg(i), avg(f), sum(f), any(b), sum(z), count(i), count(DISTINCT s)",
			"RETURN s, i, h ORDER BY i DESC, s, h LIMIT 3", // all of it: ties go by host
			"RETURN s ORDER BY f, h, s, i LIMIT 4",
			"RETURN i + 1 AS n, upper(s) AS u ORDER BY u, n DESC",
			"RETURN s LIKE 'a%' AS a, s, i IN (1, 2) AS few ORDER BY a, few DESC, s",
			"RETURN DISTINCT s LIKE 'a%' AS a, i ORDER BY a DESC, i",
			"RETURN contains(split('a b', ' '), s) AS x, s ORDER BY contains(split('a c', ' '), s), s LIMIT 3",
			"RETURN max(if(contains(split('a b', ' '), s), 1, 0)) AS x, max(if(contains(split('a c', ' '), s), 1, 0)) AS y",
		}).Draw(rt, "shape")
		query := lets(where) + fmt.Sprintf("FIND r WHERE %s %s", where.text, shape)
		hosts := make([][][]any, 3)
		for _, row := range data {
			k := rapid.IntRange(0, 2).Draw(rt, "host")
			hosts[k] = append(hosts[k], row)
		}
		one := relationOf("r", sample, data...)
		whole, _, err := answered(t, query, false, one)
		merged, errMerged := asked(t, query, false,
			relationOf("r", sample, hosts[0]...), relationOf("r", sample, hosts[1]...), relationOf("r", sample, hosts[2]...))
		if err != nil || errMerged != nil {
			rt.Fatalf("%s: %v, %v", query, err, errMerged)
		}
		if !ordered(query) {
			whole, merged = unordered(whole), unordered(merged)
		}
		if whole != merged {
			rt.Fatalf("%s\none host %s\nmerged   %s", query, whole, merged)
		}
	})
}

// A sent is a row that a host sends.
type sent struct {
	host   string
	values []value.Value
}

// sentBy is what a host with some rows sends.
func sentBy(t *testing.T, host, query string, rows [][]any) (p *plan.Plan, all []sent) {
	t.Helper()
	cat, err := modules.NewCatalogue(relationOf("r", sample, rows...))
	if err != nil {
		t.Fatal(err)
	}
	p = compiled(t, cat, query, false)
	for row, err := range engine.New(cat, engine.Options{Workers: 1, Partial: true}).Start(t.Context(), p).Rows() {
		if err != nil {
			t.Fatal(err)
		}
		f := sent{host: host}
		for _, v := range row.Values {
			f.values = append(f.values, v.Clone())
		}
		all = append(all, f)
	}
	return p, all
}

// merged is the answer that so many adders together make of rows, those that
// need no order first.
func merged(p *plan.Plan, all []sent, adders int) string {
	merge := engine.NewMerge(p, engine.MergeOptions{Now: time.Unix(0, 0)})
	var mu sync.Mutex
	var rows []string
	lanes := make([]chan sent, adders) // what is one host's is one adder's
	var adding sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan sent)
		adding.Go(func() {
			for f := range lanes[i] {
				now, err := merge.Add(f.host, f.host, 0, f.values)
				mu.Lock()
				switch {
				case err != nil:
					rows = append(rows, err.Error())
				case now && engine.WithOrigin(p.Tables[0]):
					rows = append(rows, f.host+" "+literals(f.values))
				case now:
					rows = append(rows, literals(f.values))
				}
				mu.Unlock()
			}
		})
	}
	for _, f := range all {
		lanes[int(f.host[1])%adders] <- f
	}
	for _, l := range lanes {
		close(l)
	}
	adding.Wait()
	slices.Sort(rows)
	err := merge.Finish(func(row engine.Row) error {
		rows = append(rows, literals(row.Values))
		return nil
	})
	return fmt.Sprint(rows, err)
}

// interleaved puts rows into any order in which those of a host keep theirs.
func interleaved(t *rapid.T, all []sent) []sent {
	next := map[string][]sent{}
	for _, f := range all {
		next[f.host] = append(next[f.host], f)
	}
	out := rapid.Permutation(all).Draw(t, "order")
	for i, f := range out {
		out[i], next[f.host] = next[f.host][0], next[f.host][1:]
	}
	return out
}

// TestMergeInAnyOrder: what hosts found is the same answer whoever adds it, and
// in whatever order: one after the other, or many at once.
func TestMergeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		query := "FIND r " + rapid.SampledFrom([]string{
			"RETURN s, i", "RETURN DISTINCT s, i", "STACK s, i",
			"RETURN s, i, h ORDER BY i DESC, s, h LIMIT 3",
			"RETURN s, count() AS n, sum(f), avg(i), max(f), min(h), any(b), list(z, 2), count(DISTINCT i) GROUP BY s HAVING n > 1",
		}).Draw(rt, "query")
		var all []sent
		var p *plan.Plan
		for h := range rapid.IntRange(1, 6).Draw(rt, "hosts") {
			var more []sent
			p, more = sentBy(t, fmt.Sprint("h", h), query, rapid.SliceOfN(rapid.Custom(sampleRow), 0, 6).Draw(rt, "rows"))
			all = append(all, more...)
		}
		want := merged(p, all, 1)
		if got := merged(p, interleaved(rt, all), rapid.IntRange(1, 8).Draw(rt, "adders")); got != want {
			rt.Fatalf("%s\none after the other %s\ntogether            %s", query, want, got)
		}
	})
}

func TestMerge(t *testing.T) {
	host := func(rows ...[]any) modules.Module { return relationOf("r", "name text, n int", rows...) }
	hosts := []modules.Module{
		host([]any{"a", 1}, []any{"a", 2}, []any{"b", 3}),
		host([]any{"a", 1}),
		host(),
	}
	for _, c := range []struct{ query, want string }{
		{`FIND r RETURN name`, `"h0" "a0" "a"|"h0" "a0" "a"|"h0" "a0" "b"|"h1" "a1" "a"`},
		{`FIND r RETURN name ORDER BY n DESC`, `"h0" "a0" "b"|"h0" "a0" "a"|"h0" "a0" "a"|"h1" "a1" "a"`},
		{`FIND r RETURN name ORDER BY n DESC LIMIT 1`, `"h0" "a0" "b"`},
		{`FIND r RETURN name ORDER BY n DESC LIMIT 1 PER HOST`, `"h0" "a0" "b"|"h1" "a1" "a"`},
		{`FIND r RETURN DISTINCT name`, `"a"|"b"`},
		{`FIND r STACK name`, `"b" 1 1|"a" 2 3`},
		{`FIND r RETURN count(), hosts(), sum(n)`, `4 2 7`},
		{`FIND r WHERE n > 9 RETURN count(), hosts(), sum(n)`, `0 0 null`},
		{`FIND r RETURN name, count() AS c GROUP BY name HAVING c > 2`, `"a" 3`},
		{`FIND NOT r WHERE n > 1`, `host1|host2`},
		{`FIND r WHERE n = 1 RETURN name, count() GROUP BY name AND FIND r WHERE n = 3`, `"a" 1|"h0" "a0" "b" 3`},
	} {
		got, err := asked(t, c.query, true, hosts...)
		if !ordered(c.query) {
			got = unordered(got)
		}
		if got != c.want || err != nil {
			t.Errorf("%s\ngot  %s, %v\nwant %s", c.query, got, err, c.want)
		}
	}
}

// TestMergeRefuses: what an agent made up is found out.
func TestMergeRefuses(t *testing.T) {
	list := value.NewList
	sum := func(parts ...any) value.Value { return list(vals(parts...)) }
	for _, c := range []struct {
		query  string
		table  int
		values []value.Value
	}{
		{`FIND r`, 1, vals("a", 1)},
		{`FIND r`, 0, vals("a")},
		{`FIND r`, 0, vals("a", "1")},
		{`FIND r RETURN name ORDER BY n`, 0, vals("a")},
		{`FIND r RETURN count()`, 0, vals(-1)},
		{`FIND r RETURN count()`, 0, vals("many")},
		{`FIND r RETURN count()`, 0, vals(1, 1)},
		{`FIND r RETURN hosts()`, 0, vals(2)},
		{`FIND r RETURN count(DISTINCT n)`, 0, vals(7)},
		{`FIND r RETURN list(n, 3)`, 0, vals(7)},
		{`FIND r RETURN sum(n)`, 0, vals(7)},
		{`FIND r RETURN sum(n)`, 0, []value.Value{list(nil)}},
		{`FIND r RETURN sum(n)`, 0, []value.Value{sum(1, 9, 0, 0, 0.0, nil)}},
		{`FIND r RETURN sum(n)`, 0, []value.Value{sum(-1, 1, 0, 0, 0.0, nil)}},
		{`FIND r RETURN sum(n)`, 0, []value.Value{sum(1, 2, 0, 0, 0.0, "1e999999999")}},
		{`FIND r RETURN sum(n)`, 0, []value.Value{sum(1, 2, 0, 0, 0.0, "0x1p999999999")}},
		{`FIND r RETURN sum(n)`, 0, []value.Value{sum(1, 2, 0, 0, 0.0, strings.Repeat("0x1p1", 9999))}},
		{`FIND r RETURN sum(n)`, 0, []value.Value{sum(1, 2, 0, 0, 1e300, nil)}},
	} {
		cat, err := modules.NewCatalogue(relationOf("r", "name text, n int"))
		if err != nil {
			t.Fatal(err)
		}
		m := engine.NewMerge(compiled(t, cat, c.query, false), engine.MergeOptions{})
		if _, err := m.Add("h", "a", c.table, c.values); !errors.Is(err, engine.ErrMalformed) {
			t.Errorf("%s with %v: %v", c.query, c.values, err)
		}
	}
}

// TestMergeCountsHostsOnce: an agent that sends a group again would be as many
// hosts as it likes. It sends each once, in their order.
func TestMergeCountsHostsOnce(t *testing.T) {
	cat, err := modules.NewCatalogue(relationOf("r", "name text, n int"))
	if err != nil {
		t.Fatal(err)
	}
	counted := func(name any) []value.Value { return vals(name, 1, 7) } // hosts and rows
	for _, c := range []struct {
		query string
		rows  [][]value.Value
	}{
		{`FIND r STACK name`, [][]value.Value{counted("a"), counted("a")}},
		{`FIND r STACK name`, [][]value.Value{counted("b"), counted("a")}},
		{`FIND r STACK name`, [][]value.Value{counted("a"), counted("b"), counted("a")}},
		{`FIND r STACK name`, [][]value.Value{counted(nil), counted("a")}},
		{`FIND r RETURN hosts()`, [][]value.Value{vals(1), vals(1)}},
	} {
		m := engine.NewMerge(compiled(t, cat, c.query, false), engine.MergeOptions{})
		for i, row := range c.rows {
			if _, err := m.Add("other", "b", 0, c.rows[0]); i == 0 && err != nil {
				t.Fatal(err) // another agent's are its own affair
			}
			if _, err := m.Add("h", "a", 0, row); errors.Is(err, engine.ErrMalformed) != (i == len(c.rows)-1) {
				t.Errorf("%s, group %d: %v", c.query, i, err)
			}
		}
		err := m.Finish(func(row engine.Row) error {
			if n := row.Values[max(0, len(row.Values)-2)]; n.Int() > 2 {
				t.Errorf("%s: %s", c.query, literals(row.Values))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// A merge that runs out of memory says so.
func TestMergeBounded(t *testing.T) {
	cat, err := modules.NewCatalogue(relationOf("r", "name text, n int"))
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{`FIND r RETURN name ORDER BY n`, `FIND r RETURN DISTINCT name`, `FIND r RETURN name, count() GROUP BY name`} {
		m := engine.NewMerge(compiled(t, cat, query, false), engine.MergeOptions{Memory: 10_000})
		for i := range 1000 {
			row := vals(fmt.Sprintf("name%04d", i), i)
			if strings.Contains(query, "DISTINCT") {
				row = row[:1]
			}
			if _, err := m.Add("h", "a", 0, row); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Finish(func(engine.Row) error { return nil }); err != nil || !m.Full() {
			t.Errorf("%s: %v, full %v", query, err, m.Full())
		}
	}
}

// Facts beside those of the module host decide, and places that the policy
// keeps are left out and counted.
func TestFactsAndPermit(t *testing.T) {
	files := relationOf("file", "path text key, size int", []any{"/etc/a", 1}, []any{"/home/b", 2}, []any{"/home/c", 3})
	files.schema.Locator = modules.Locator{Use: modules.LocatorOptional, Column: "path"}
	cat, err := modules.NewCatalogue(files, relationOf("host", "os text", []any{"linux"}))
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	e := engine.New(cat, engine.Options{
		Workers: 1, Facts: plan.Facts{"agent_version": value.NewVersion("1.2", value.Semver), "tags.team": value.NewText("web")},
		Permit: func(module, place string) modules.SkipKind {
			places = append(places, module+place)
			if strings.HasPrefix(place, "/home") {
				return modules.SkipPolicy
			}
			return ""
		},
	})
	run := e.Start(t.Context(), compiled(t, cat, `FROM fleet WHERE os = "linux" AND tags.team = "web" AND tags.x IS NULL FIND file RETURN path`, false))
	rows, err := read(run)
	sum := run.Summary(0)
	if err != nil || !slices.Equal(rows, []string{`"/etc/a"`}) || sum.Outcome != answer.Partial {
		t.Errorf("%v, %v, %s %s", rows, err, sum.Outcome, sum.Reason)
	}
	if len(sum.Skipped) != 1 || sum.Skipped[0].Kind != modules.SkipPolicy || sum.Skipped[0].Count != 2 || len(places) != 3 {
		t.Errorf("%+v, asked about %v", sum.Skipped, places)
	}
	for _, target := range []string{`os = "windows"`, `tags.team = "db"`, `cloud.provider = "aws"`} {
		run := e.Start(t.Context(), compiled(t, cat, `FROM fleet WHERE `+target+` FIND file`, false))
		if _, err := read(run); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("%s: %v", target, err)
		}
	}
}

func TestNeeds(t *testing.T) {
	file := relationOf("file", "path text key, size int, content bytes, line text")
	for _, i := range []int{2, 3} {
		file.schema.Columns[i].Content, file.schema.Columns[i].Default = true, false
	}
	cat, err := modules.NewCatalogue(file, relationOf("process", "pid int key, exe text -> file"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ query, modules, content string }{
		{`FIND process RETURN pid`, "process", ""},
		{`FIND process RETURN exe.size`, "file process", ""},
		{`FIND file RETURN path, line, content`, "file", "file.content file.line"},
		{`FIND process WHERE exe IN (FIND file WHERE content != x"00" RETURN path) RETURN pid`, "file process", "file.content"},
		{`FIND NOT process WHERE exe.line = "x"`, "file process", "file.line"},
	} {
		n, err := engine.NeedsOf(cat, compiled(t, cat, c.query, false))
		if got := strings.Join(n.Modules, " "); got != c.modules || err != nil || strings.Join(n.Content, " ") != c.content {
			t.Errorf("%s: %+v, %v", c.query, n, err)
		}
	}
}
