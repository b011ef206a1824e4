package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/planner"
	"github.com/quaestor-engine/quaestor/value"
)

// relationOf makes a fake from a schema as a line of text: the names of its
// columns with their types, "key", "free" to "scan" and "-> module".
func relationOf(name, columns string, rows ...[]any) *fake {
	f := newFake(name).with(rows...)
	for _, text := range strings.Split(columns, ",") {
		words := strings.Fields(text)
		c := modules.Column{Name: words[0], Doc: "a column", Default: true}
		c.Type, _ = value.ParseType(words[1])
		if c.Type == value.List {
			c.Elem = value.Text
		}
		for i, w := range words[2:] {
			switch w {
			case "key":
				f.schema.Key = c.Name
			case "stat":
				c.Cost = modules.Stat
			case "scan":
				c.Cost = modules.Scan
			case "->":
				c.Link = words[i+3]
			}
		}
		f.schema.Columns = append(f.schema.Columns, c)
	}
	return f
}

// compiled makes a plan of a query's text; naive, one that is asked as it is
// written.
func compiled(t testing.TB, cat planner.Catalogue, text string, naive bool) *plan.Plan {
	t.Helper()
	src := lang.Source{Name: "query", Text: text}
	file, err := lang.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := planner.Compile(file.Queries[0], cat, planner.Inputs{Source: src, Dir: "/", Now: time.Now(), Naive: naive, ReadList: func(name string) ([]byte, error) {
		return []byte(listFiles[name]), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answered asks a query's text and gives the rows in the order in which they
// came, fields apart by a blank and rows by a bar.
func answered(t testing.TB, text string, naive bool, mods ...modules.Module) (string, answer.Summary, error) {
	t.Helper()
	cat, err := modules.NewCatalogue(mods...)
	if err != nil {
		t.Fatal(err)
	}
	r := newEngine(t, mods...).Start(t.Context(), compiled(t, cat, text, naive))
	rows, err := read(r)
	return strings.Join(rows, "|"), r.Summary(0), err
}

// listFiles are what queries of tests read by @name.
var listFiles = map[string]string{
	"modes.txt": "0755\n-rw-------\n",
	"pairs.csv": "run, 0755\nkey, -rw-------\nkey, drwx------\n",
}

// unordered sorts the rows of an answer.
func unordered(rows string) string {
	all := strings.Split(rows, "|")
	slices.Sort(all)
	return strings.Join(all, "|")
}

// ordered says whether a query asks for an order of its own rows: one inside a
// subquery orders nothing outside.
func ordered(query string) bool {
	depth, outer := 0, strings.Builder{}
	for _, r := range query {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 {
			outer.WriteRune(r)
		}
	}
	return strings.Contains(outer.String(), "ORDER") || strings.Contains(outer.String(), "STACK")
}

// world is a small host: processes, the files that they run, the packages that
// these belong to, and accounts that nothing links to.
func world() []modules.Module {
	hash := func(b byte) value.Value { return value.NewHash(bytes.Repeat([]byte{b}, 16)) }
	process := relationOf("process", "pid int key, name text, parent int -> process, exe text -> file, age duration, cpu float",
		[]any{1, "init", nil, "/sbin/init", 9 * time.Hour, 0.5},
		[]any{2, "sshd", 1, "/usr/sbin/sshd", 2 * time.Hour, nil},
		[]any{3, "sh", 2, "/bin/sh", time.Minute, 1.5},
		[]any{4, "SH", 3, "/tmp/gone", nil, 2.0},
		[]any{5, "kworker", 1, nil, 9 * time.Hour, 0.0},
		[]any{6, "sh", 99, "/bin/sh", time.Minute, 1.5})
	file := relationOf("file", "path text key, size size, package text -> package, sum hash scan",
		[]any{"/sbin/init", value.NewSize(100), "systemd", hash(1)},
		[]any{"/usr/sbin/sshd", value.NewSize(300), "ssh", hash(2)},
		[]any{"/bin/sh", value.NewSize(50), "dash", hash(3)},
		[]any{"/etc/hosts", value.NewSize(50), nil, hash(4)})
	pack := relationOf("package", "name text key, version version",
		[]any{"systemd", value.NewVersion("252-1", value.Dpkg)},
		[]any{"ssh", value.NewVersion("1:9.2p1-2~deb12", value.Dpkg)})
	account := relationOf("account", "uid int, login text, shell text",
		[]any{0, "root", "/bin/sh"}, []any{1, "daemon", nil}, []any{1, "twin", "/bin/false"})
	return []modules.Module{process, file, pack, account}
}

// TestLanguage is the semantics of queries, each asked as it is planned and
// as it is written.
func TestLanguage(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		// Three-valued logic: what is unknown is not kept, and NOT does not make it known.
		{`FIND process WHERE cpu > 1 RETURN pid`, "3|4|6"},
		{`FIND process WHERE NOT cpu > 1 RETURN pid`, "1|5"},
		{`FIND process WHERE NOT (cpu > 1 AND pid > 5) RETURN pid`, "1|2|3|4|5"},
		{`FIND process WHERE cpu > 1 OR pid = 2 RETURN pid`, "2|3|4|6"},
		{`FIND process WHERE cpu IS NULL OR exe IS NULL RETURN pid`, "2|5"},
		{`FIND process WHERE NOT (cpu IS NULL) AND exe IS NOT NULL RETURN pid`, "1|3|4|6"},
		{`FIND process WHERE cpu NOT IN (0.5, 1.5) RETURN pid`, "4|5"},
		{`FIND process WHERE cpu IN (pid, 2) RETURN pid`, "4"},
		{`FIND process WHERE cpu BETWEEN 0.5 AND 1.5 RETURN pid`, "1|3|6"},
		{`FIND process WHERE NOT cpu BETWEEN 0.5 AND 1.5 RETURN pid`, "4|5"},
		{`FIND process WHERE pid BETWEEN 3 AND parent RETURN pid`, "6"},
		{`FIND process WHERE NOT pid BETWEEN 3 AND parent RETURN pid`, "1|2|3|4|5"}, // of 1: 1 >= 3 is false, and that is enough
		{`FIND process WHERE coalesce(cpu, 9.0) > 1 RETURN pid`, "2|3|4|6"},
		{`FIND process WHERE (parent, cpu) NOT IN ((1, 2), (2, 1.5)) RETURN pid`, "1|4|5|6"}, // of 1: cpu is neither; of 2 it is not known
		{`FIND process WHERE (parent, cpu) NOT IN ((1, 2), (9, 0.5)) RETURN pid`, "3|4|5|6"}, // of 1 and 2 it is not known
		// Text.
		{`FIND process WHERE name LIKE "sh" NOCASE RETURN pid`, "3|4|6"},
		{`FIND process WHERE name IN ("sh", "init") RETURN pid`, "1|3|6"},
		{`FIND process WHERE name NOT IN ("SH", "INIT") NOCASE RETURN pid`, "2|5"},
		{`FIND process WHERE name LIKE 's%' AND name NOT LIKE '__' RETURN pid`, "2"},
		{`FIND process WHERE exe GLOB '/*/sh' RETURN pid`, "3|6"},
		{`FIND process WHERE exe STARTS WITH "/usr" OR name ENDS WITH "er" RETURN pid`, "2|5"},
		{`FIND process WHERE name MATCHES '^s.*d$' RETURN pid`, "2"},
		// Links.
		{`FIND process RETURN pid, exe.size`, "1 100B|2 300B|3 50B|4 null|5 null|6 50B"},
		{`FIND process WHERE exe.package.version < "1:9.2p1-2" RETURN pid`, "1|2"},
		{`FIND process WHERE exe.package.version IN ("252-1", "7") RETURN pid`, "1"},
		{`FIND process WHERE exe IS MISSING RETURN pid`, "4"},
		{`FIND process WHERE exe IS NOT MISSING RETURN pid`, "1|2|3|6"},
		{`FIND process WHERE exe.package IS MISSING RETURN pid`, "3|6"},
		{`FIND process WHERE parent IS MISSING OR exe.sum = "03030303030303030303030303030303" RETURN pid`, "3|6"},
		{`FIND process WHERE parent.parent.name = "init" RETURN pid, parent.name`, `3 "sshd"`},
		{`FIND process WHERE parent.parent.parent.pid = 1 RETURN pid`, "4"},
		// Joins.
		{`FIND account a, account b WHERE a.uid = b.uid AND a.login < b.login RETURN a.login, b.login`, `"daemon" "twin"`},
		{`FIND account a, account b WHERE a.shell = b.shell RETURN a.login`, `"root"|"twin"`}, // null joins nothing, not itself either
		{`FIND account a, account b WHERE a.uid > b.uid RETURN a.login, b.login`, `"daemon" "root"|"twin" "root"`},
		{`FIND account a, file f WHERE f.path = a.shell RETURN a.login, f.size`, `"root" 50B`},
		{`FIND account a, process p, file f WHERE a.uid + 2 = p.pid AND p.exe = f.path AND f.size < 200B RETURN a.login, p.pid`, `"daemon" 3|"twin" 3`},
		{`FIND account a, process p WHERE a.uid = p.pid OR a.login = p.name RETURN a.uid, p.pid`, "1 1|1 1"},
		{`FIND account a, process p WHERE a.shell = p.exe AND p.exe.package = "dash" RETURN a.login, p.pid, p.exe.size`, `"root" 3 50B|"root" 6 50B`},
		// Subqueries.
		{`FIND file WHERE path IN (FIND process RETURN exe) RETURN path`, `"/bin/sh"|"/sbin/init"|"/usr/sbin/sshd"`},
		{`FIND file WHERE path NOT IN (FIND process RETURN exe) RETURN path`, `"/etc/hosts"`},
		{`FIND process WHERE exe NOT IN (FIND file WHERE size > 1GB RETURN path) RETURN pid`, "1|2|3|4|6"},
		{`FIND process WHERE (pid, name) IN (FIND process WHERE parent = 1 RETURN pid, name) RETURN pid`, "2|5"},
		{`FIND process WHERE pid IN (FIND process WHERE pid IN (FIND process WHERE name = "sh" RETURN parent) RETURN parent) RETURN name`, `"init"`},
		{`FIND process WHERE pid IN (FIND process RETURN max(pid)) RETURN pid`, "6"},
		{`FIND process WHERE pid IN (FIND process RETURN pid ORDER BY pid DESC LIMIT 2) RETURN pid`, "5|6"},
		// Groups.
		{`FIND process RETURN name, count() AS n, avg(cpu) GROUP BY name ORDER BY n DESC, name`, `"sh" 2 1.5|"SH" 1 2.0|"init" 1 0.5|"kworker" 1 0.0|"sshd" 1 null`},
		{`FIND process RETURN parent, count(), count(cpu), min(pid), max(pid), sum(age), list(pid, 2) GROUP BY parent`,
			"1 2 1 2 5 11h (2, 5)|2 1 1 3 3 1m (3)|3 1 1 4 4 null (4)|99 1 1 6 6 1m (6)|null 1 1 1 1 9h (1)"},
		{`FIND process RETURN count(), count(DISTINCT name), count(DISTINCT cpu), sum(pid)`, "6 5 4 21"},
		{`FIND process WHERE pid > 100 RETURN count(), sum(pid), min(name), avg(pid), list(pid, 3)`, "0 null null null ()"},
		{`FIND process WHERE pid > 100 RETURN name, count() GROUP BY name`, ""},
		{`FIND process RETURN sum(9223372036854775807)`, "5.5340232221128655e+19"},
		{`FIND process RETURN exe.package AS p, count() AS n GROUP BY p HAVING n > 1`, `"dash" 2|null 2`},
		{`FIND process RETURN pid % 2 AS odd, sum(pid) GROUP BY odd HAVING sum(pid) > 9`, "0 12"},
		{`FIND process RETURN count() HAVING count() > 6`, ""},
		{`FIND process STACK name`, `"SH" 1 1|"init" 1 1|"kworker" 1 1|"sshd" 1 1|"sh" 1 2`},
		// Order, limit, distinct.
		{`FIND process RETURN pid ORDER BY cpu, pid`, "5|1|3|6|4|2"},
		{`FIND process RETURN pid ORDER BY cpu DESC, pid DESC`, "4|6|3|1|5|2"},
		{`FIND process RETURN pid ORDER BY cpu DESC LIMIT 2`, "4|3"},
		{`FIND process RETURN pid, age ORDER BY age DESC, name LIMIT 3`, "1 9h|5 9h|2 2h"},
		{`FIND process RETURN DISTINCT cpu, age ORDER BY cpu, age`, "0.0 9h|0.5 9h|1.5 1m|2.0 null|null 2h"},
		{`FIND process RETURN DISTINCT upper(name) AS n ORDER BY n LIMIT 2`, `"INIT"|"KWORKER"`},
		// The host as a whole.
		{`FIND NOT process WHERE pid > 9`, "0.-1: "}, // a row that is the host, without values
		{`FIND process WHERE pid = 1 RETURN pid AND FIND NOT account WHERE uid = 7`, "1"},
		{`FIND process WHERE pid = 1 RETURN pid AND FIND account WHERE uid = 7`, ""},
		{`FIND process WHERE pid = 1 RETURN pid OR FIND account WHERE uid = 7`, "1"},
	} {
		for _, naive := range []bool{false, true} {
			got, sum, err := answered(t, c.query, naive, world()...)
			if !ordered(c.query) {
				got = unordered(got)
			}
			if got != c.want || err != nil || sum.Outcome != answer.Complete {
				t.Errorf("%s\nnaive %v: %s, %v, %s %s\nwant %s", c.query, naive, got, err, sum.Outcome, sum.Reason, c.want)
			}
		}
	}
}

// TestWorkIsSpared counts what a query looks at: nothing that its answer does
// not need.
func TestWorkIsSpared(t *testing.T) {
	for _, c := range []struct {
		query                       string
		lookups, scans, sums, names int // of file; and process names
	}{
		{`FIND process RETURN pid`, 0, 0, 0, 0},
		{`FIND process RETURN exe.size`, 4, 0, 0, 0},                                   // four paths, of which one comes twice
		{`FIND process WHERE name = "sh" RETURN exe.size`, 1, 0, 0, 6},                 // of the rows that got so far
		{`FIND process WHERE exe.size > 1GB AND name = "init" RETURN pid`, 1, 0, 0, 6}, // the link comes last
		{`FIND process WHERE exe.size > 99B RETURN exe.sum`, 6, 0, 2, 0},               // two were followed again, for what is dear
		{`FIND process, file WHERE path = exe AND pid < 3 RETURN size`, 2, 0, 0, 0},    // looked up by key
		{`FIND process, file WHERE path STARTS WITH exe AND pid < 3 RETURN size`, 0, 1, 0, 0},
		{`FIND NOT process WHERE exe.size = 100B RETURN exe.sum`, 1, 0, 0, 0}, // nobody sees the sum
		{`FIND process WHERE pid = 77 AND exe IN (FIND file RETURN path)`, 0, 0, 0, 0},
		{`FIND process WHERE pid > 2 AND exe IN (FIND file RETURN path) RETURN pid`, 0, 1, 0, 0}, // once
		{`FIND account WHERE uid = 77 AND FIND file`, 0, 0, 0, 0},                                // decided already
		{`FIND file LIMIT 1 OR FIND file LIMIT 1`, 0, 2, 2, 0},
	} {
		mods := world()
		process, file := mods[0].(*fake), mods[1].(*fake)
		query := c.query + " WITH workers = 1"
		if _, _, err := answered(t, query, false, mods...); err != nil {
			t.Fatal(query, err)
		}
		got := []int{int(file.lookups.Load()), int(file.scans.Load()), file.count("sum"), process.count("name")}
		if want := []int{c.lookups, c.scans, c.sums, c.names}; !slices.Equal(got, want) {
			t.Errorf("%s\n%v lookups, scans, sums, names; want %v", c.query, got, want)
		}
	}
}

// TestOnlyWhatMatters: a module is told which rows the filter keeps, as far as
// equality says it, and no more.
func TestOnlyWhatMatters(t *testing.T) {
	for _, c := range []struct {
		query string
		shown int64 // of six rows, from a module that leaves the others out
	}{
		{`FIND process WHERE name = "sh"`, 2},
		{`FIND process WHERE "sh" = name AND pid > 0`, 2},
		{`FIND process WHERE name IN ("sh", "init", "no")`, 3},
		{`FIND process WHERE name = "sh" AND name = "init"`, 0},
		{`FIND process WHERE name = "sh" OR name = "init"`, 6},
		{`FIND process WHERE NOT name = "sh"`, 6},
		{`FIND process WHERE name != "sh"`, 6},
		{`FIND process WHERE name IN ("SH") NOCASE`, 6},
	} {
		for _, naive := range []bool{true, false} {
			mods := world()
			process := mods[0].(*fake)
			process.spares = true
			spared, _, err := answered(t, c.query, naive, mods...)
			if err != nil {
				t.Fatal(c.query, err)
			}
			spared = unordered(spared)
			if got := process.delivered.Load(); !naive && got != c.shown {
				t.Errorf("%s: %d rows were looked at, not %d", c.query, got, c.shown)
			}
			if all, _, _ := answered(t, c.query, naive, world()...); unordered(all) != spared {
				t.Errorf("%s (naive %t)\n%s\nnot %s", c.query, naive, spared, all)
			}
		}
	}
}

// TestRefusedElsewhere: a host that lacks what a plan names does not answer
// about something else.
func TestPlansForAnotherHost(t *testing.T) {
	here := world()
	newer := relationOf("process", "pid int, moon text")
	for _, c := range []struct {
		query string
		mods  []modules.Module
		want  string
	}{
		{`FIND process RETURN moon`, []modules.Module{newer}, `no column "moon"`},
		{`FIND tide`, []modules.Module{relationOf("tide", "x int")}, `no module "tide"`},
	} {
		cat, err := modules.NewCatalogue(c.mods...)
		if err != nil {
			t.Fatal(err)
		}
		r := newEngine(t, here...).Start(t.Context(), compiled(t, cat, c.query, false))
		_, err = read(r)
		if err == nil || !strings.Contains(err.Error(), c.want) || r.Summary(0).Outcome != answer.Refused {
			t.Errorf("%s: %v, %s", c.query, err, r.Summary(0).Outcome)
		}
	}
}

// TestBoundsInWords: WITH, and what the account then says.
func TestBoundsInWords(t *testing.T) {
	many := func() *fake { return relationOf("a", "x int, y text", ints2(2000)...) }
	for _, c := range []struct {
		query, limits string
		most          int
	}{
		{`FIND a WITH rows = 3`, "rows", 3},
		{`FIND a WITH rows = 2000`, "", 2000},
		{`FIND a ORDER BY x WITH rows = 3`, "rows", 3},
		{`FIND a RETURN count() GROUP BY x % 7 WITH rows = 3`, "rows", 3},
		{`FIND a RETURN x, list(y, 900) GROUP BY x WITH memory = 1MiB`, "", 2000},
		{`FIND a RETURN max(wide(y)) GROUP BY x WITH memory = 1MiB`, "memory", 2000},
		{`FIND a RETURN list(wide(y), 2) GROUP BY x WITH memory = 1MiB`, "memory", 2000},
		{`FIND a RETURN wide(y) ORDER BY x DESC LIMIT 1999 WITH memory = 1MiB`, "memory", 1999},
		{`FIND a b, a c WHERE b.x = c.x ORDER BY c.y WITH memory = 1MiB`, "memory", 1999},
	} {
		text := strings.ReplaceAll(c.query, "wide(y)", fmt.Sprintf(`concat(y, "%01000d")`, 0))
		rows, sum, err := answered(t, text, false, many())
		n := len(strings.Split(rows, "|"))
		if got := strings.Join(sum.Limits, " "); err != nil || got != c.limits || n > c.most || int64(n) != sum.Matched {
			t.Errorf("%s: %d rows, %v, %+v", c.query, n, err, sum)
		}
		if want := answer.Complete; (c.limits == "") != (sum.Outcome == want) {
			t.Errorf("%s: %s: %s", c.query, sum.Outcome, sum.Reason)
		}
	}
}

// TestMemoryIsGivenBack: each table alone fits.
func TestMemoryIsGivenBack(t *testing.T) {
	var tables []string
	for i := range 6 {
		shape := []string{"ORDER BY y", "RETURN DISTINCT y", "RETURN y, count() GROUP BY y"}[i%3]
		tables = append(tables, "FIND a "+shape)
	}
	query := strings.Join(tables, " OR ") + " WITH memory = 1MiB"
	rows, sum, err := answered(t, query, false, relationOf("a", "x int, y text", ints2(1500)...))
	if n := len(strings.Split(rows, "|")); n != 9000 || err != nil || sum.Outcome != answer.Complete {
		t.Errorf("%d rows, %v, %+v", n, err, sum)
	}
}

func TestMatchesByFacts(t *testing.T) {
	host := relationOf("host", "os text, cpus int, distro text", []any{"linux", 4, nil})
	mods := append(world(), host)
	cat, err := modules.NewCatalogue(mods...)
	if err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]value.Truth{
		`os = "linux"`: value.True, `os = "windows"`: value.False, `distro = "debian"`: value.Unknown,
		`distro = "debian" OR cpus > 3`: value.True, `NOT distro = "debian"`: value.Unknown,
		`distro = "debian" AND cpus > 4`: value.False, `distro IS NULL`: value.True,
	} {
		p := compiled(t, cat, fmt.Sprintf("FROM fleet WHERE %s FIND process", where), false)
		e := newEngine(t, mods...)
		if got, err := e.Matches(t.Context(), p); got != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", where, got, err, want)
		}
		rows, err := read(e.Start(t.Context(), p))
		if (len(rows) == 6) != (want == value.True) || (err == nil) != (want == value.True) {
			t.Errorf("%s: %d rows, %v", where, len(rows), err)
		}
	}
}

// TestRefusedRowsCostNothing holds the promise that a row which the filter
// refuses allocates nothing in the engine.
func TestRefusedRowsCostNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget at random, which allocates")
	}
	cat, err := modules.NewCatalogue(&bare{})
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`FIND bare WHERE n < 0`, `FIND bare WHERE NOT (n >= 0 OR n IS NULL)`, `FIND bare WHERE n BETWEEN -2 AND -1`,
		`FIND bare WHERE n IN (-1, -2)`, `FIND bare WHERE (n, s) IN ((1, "x"))`, `FIND bare WHERE s LIKE 'x%' NOCASE`,
		`FIND bare WHERE s IN ("x", "y")`, `FIND bare WHERE s GLOB 'x*'`, `FIND bare WHERE s MATCHES '^x+y'`, `FIND bare WHERE s CONTAINS "foo" NOCASE`,
		`FIND bare a, bare b WHERE a.n = b.n AND a.n < 0 AND b.n < 0`, // those of a join, too
	} {
		p := compiled(t, cat, query+" RETURN 1 AS one", false)
		allocs := func(rows int) float64 {
			e := newEngine(t, &bare{rows: rows})
			return testing.AllocsPerRun(3, func() { _, _ = read(e.Start(t.Context(), p)) })
		}
		if few, many := allocs(10), allocs(10_010); many-few > 100 {
			t.Errorf("%s: 10,000 refused rows allocate %.0f times", query, many-few)
		}
	}
}
