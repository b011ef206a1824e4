package engine_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// bothWays asks each query as it is planned and as it is written.
func bothWays(t *testing.T, cases []struct{ query, want string }, mods ...modules.Module) {
	t.Helper()
	for _, c := range cases {
		for _, naive := range []bool{false, true} {
			got, sum, err := answered(t, c.query, naive, mods...)
			if !ordered(c.query) {
				got = unordered(got)
			}
			if got != c.want || err != nil || sum.Outcome != answer.Complete {
				t.Errorf("%s (naive %v)\ngot  %s, %v, %s\nwant %s", c.query, naive, got, err, sum.Outcome, c.want)
			}
		}
	}
}

func TestStack(t *testing.T) {
	bothWays(t, []struct{ query, want string }{
		{`FIND r STACK name`, `"b" 1 1|"a" 1 2|"c" 1 3`},
		{`FIND r STACK name ORDER BY count() DESC LIMIT 1`, `"c" 1 3`},
		{`FIND r STACK name ORDER BY rows DESC LIMIT 2`, `"c" 1 3|"a" 1 2`},
		{`FIND r STACK name ORDER BY hosts(), name DESC`, `"c" 1 3|"b" 1 1|"a" 1 2`},
		{`FIND r STACK name ORDER BY max(n) DESC LIMIT 1`, `"a" 1 2`},
		{`FIND r STACK name ORDER BY sum(n)`, `"b" 1 1|"c" 1 3|"a" 1 2`},
		{`FIND r STACK name HAVING rows > 1`, `"a" 1 2|"c" 1 3`},
		{`FIND r STACK name HAVING count() > 1 AND name != "a"`, `"c" 1 3`},
		{`FIND r STACK name HAVING max(n) = 5 ORDER BY min(n)`, `"b" 1 1`},
		{`FIND r STACK name, n % 2 AS odd HAVING rows > 1 ORDER BY odd`, `"c" 0 1 2|"a" 1 1 2`},
	}, relationOf("r", "name text, n int",
		[]any{"a", 9}, []any{"a", 1}, []any{"b", 5}, []any{"c", 2}, []any{"c", 3}, []any{"c", 4}))
}

// Aggregates and keys are told apart by what they say, to the last blank.
func TestAggregatesThatLookAlike(t *testing.T) {
	bothWays(t, []struct{ query, want string }{
		{`FIND r RETURN max(replace(s, "  ", "_")) AS x, max(replace(s, " ", "_")) AS y`, `"a_b" "a__b"`},
		{`FIND r RETURN replace(s, "  ", "_") AS x, replace(s, " ", "_") AS y, count() GROUP BY replace(s, "  ", "_"), replace(s, " ", "_")`, `"a_b" "a__b" 1`},
		{`FIND r RETURN count() AS x, count(s) AS y, count(DISTINCT s) AS z, max(s) AS u, max(r.s) AS v HAVING max(s) = "a  b"`, `1 1 1 "a  b" "a  b"`},
		{`FIND r RETURN list(s, 1) AS x, list(s, 2) AS y HAVING contains(list(s, 1), "a  b")`, `("a  b") ("a  b")`},
	}, relationOf("r", "s text", []any{"a  b"}))
}

// A mode is compared without its kind of file where what it meets has none,
// whatever compares them.
func TestModes(t *testing.T) {
	day := func(d int) value.Value { return value.NewTime(time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC)) }
	bothWays(t, []struct{ query, want string }{
		{`FIND f WHERE mode = "0755" RETURN name`, `"dir"|"run"`},
		{`FIND f WHERE mode BETWEEN "0700" AND "0777" RETURN name`, `"dir"|"run"`},
		{`FIND f WHERE mode NOT BETWEEN "0700" AND "0777" RETURN name`, `"key"`},
		{`FIND f WHERE mode BETWEEN "0600" AND "-rwxr-xr-x" RETURN name`, `"dir"|"key"|"run"`},
		{`FIND f WHERE mode BETWEEN "-rw-------" AND "0777" RETURN name`, `"key"|"run"`},
		{`FIND f WHERE "0700" BETWEEN "0600" AND mode RETURN name`, `"dir"|"run"`},
		{`FIND f WHERE mode IN ("0755") RETURN name`, `"dir"|"run"`},
		{`FIND f WHERE mode IN ("0755", "-rw-------") RETURN name`, `"dir"|"key"|"run"`},
		{`FIND f WHERE mode NOT IN ("0755", "drw-------") RETURN name`, `"key"`},
		{`FIND f WHERE mode IN @modes.txt RETURN name`, `"dir"|"key"|"run"`},
		{`FIND f WHERE mode NOT IN @modes.txt RETURN name`, ``},
		{`FIND f WHERE (name, mode) IN @pairs.csv RETURN name`, `"key"|"run"`},
		{`FIND f WHERE (name, mode) IN (("run", "0755"), ("dir", "-rwxr-xr-x"), ("key", "0600")) RETURN name`, `"key"|"run"`},
		{`FIND f WHERE "2026-11-05" BETWEEN made AND changed RETURN name`, `"key"`},
		{`FIND f WHERE "2026-11-05" NOT BETWEEN made AND changed RETURN name`, `"run"`},
	}, relationOf("f", "name text, mode mode, made time, changed time",
		[]any{"run", value.NewMode(0o100755), day(1), day(2)}, []any{"dir", value.NewMode(0o40755), day(1), nil},
		[]any{"key", value.NewMode(0o100600), day(1), day(9)}, []any{"none", nil, nil, nil}))
}

// What is looked for in a list is of the type of what the list holds.
func TestMembersOfLists(t *testing.T) {
	list := func(vs ...value.Value) value.Value { return value.NewList(vs) }
	ip := func(s string) value.Value { return value.NewIP(netip.MustParseAddr(s)) }
	p := relationOf("p", "pid int, args list, addresses list, word text",
		[]any{1, list(vals("evil", "x")...), list(ip("10.0.0.5"), ip("::1")), "X"}, []any{2, list(vals("EVIL")...), list(ip("10.0.0.6")), "evil"},
		[]any{3, nil, nil, "a"}, []any{4, list(), list(), "a"}, []any{5, list(value.Value{}, vals("b")[0]), list(), "b"})
	p.schema.Columns[2].Elem = value.IP
	bothWays(t, []struct{ query, want string }{
		{`LET l = args FIND p WHERE "EVIL" IN $l RETURN pid`, "2"},
		{`LET l = args FIND p WHERE "EVIL" IN $l NOCASE RETURN pid`, "1|2"},
		{`LET l = args FIND p WHERE "EVIL" NOT IN $l NOCASE RETURN pid`, "4"}, // a member of 5 is not known
		{`LET l = args FIND p WHERE word IN $l NOCASE RETURN pid`, "1|2|5"},
		{`FIND p WHERE contains(addresses, "10.0.0.5") RETURN pid`, "1"},
		{`FIND p WHERE NOT contains(addresses, "10.0.0.5") RETURN pid`, "2|4|5"},
		{`FIND p WHERE contains(addresses, 10.0.0.6) RETURN pid`, "2"},
		{`FIND p WHERE contains(split(word, "v"), "e") RETURN pid`, "2"},
		{`LET l = split("EVIL,b", ",") FIND p WHERE word IN $l NOCASE RETURN pid`, "2|5"},
		{`FIND p WHERE contains(coalesce(args, split("b", ",")), "b") RETURN pid`, "3|5"},
	}, p)
}
