package planner_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/planner"
)

// many writes what next gives for 1 to n, one after the other.
func many(n int, next func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(next(i + 1))
	}
	return b.String()
}

// What takes long to plan, or could not travel, is refused before it is signed.
func TestPlanningIsBounded(t *testing.T) {
	same := func(text string) func(int) string { return func(int) string { return text } }
	lets := func(n int) string {
		return many(n, func(i int) string { return fmt.Sprintf("LET a%d = lower($a%d) ", i, i-1) })
	}
	for name, c := range map[string]struct {
		query string
		code  lang.Code
	}{
		"a sum":     {"FIND file /d WHERE size > 1" + many(10_000, same(" + 1")), planner.CodeNestedTooDeep},
		"LETs":      {`LET a0 = "A" ` + lets(1000) + "FIND file /d WHERE name = concat($a1000, owner)", planner.CodeNestedTooDeep},
		"FINDs":     {"FIND host" + many(15_000, same(" AND FIND host")), planner.CodeTooManyFinds},
		"joins":     {"FIND host a" + many(5_000, func(i int) string { return fmt.Sprintf(", host b%d", i) }), planner.CodeTooManyScans},
		"questions": {"FIND file /d CONTAINS \"x\"" + many(9_000, func(i int) string { return fmt.Sprintf(` OR CONTAINS "%d"`, i) }), planner.CodeTooManyQuestions},
		"mistakes":  {"FIND file /d WHERE size IN (1" + many(9_000, same(`, "x"`)) + ")", planner.CodeTypeMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := compile(t, c.query)
			var e *lang.Error
			if !errors.As(err, &e) || !slices.ContainsFunc(e.Diagnostics, func(d lang.Diagnostic) bool { return d.Code == c.code }) {
				t.Fatalf("%.500v", err)
			}
			if len(e.Diagnostics) > lang.MaxDiagnostics {
				t.Errorf("%d mistakes are told", len(e.Diagnostics))
			}
		})
	}
}

// What lies just within the bounds can travel to every agent.
func TestDeepestPlansTravel(t *testing.T) {
	nested := func(n int, open, inside, end string) string {
		return strings.Repeat(open, n) + inside + strings.Repeat(end, n)
	}
	for _, where := range []string{
		nested(63, "lower(", "name", ")") + ` = "x"`,
		nested(31, "NOT (", `name IN ("x", owner)`, ")"),
		nested(62, "(suid OR ", `sgid`, ")"),
		nested(15, "if(NOT (name NOT IN (owner, ", `"x"`, `)), "a", "b")`) + ` = "a"`,
		"len(name) > 1" + strings.Repeat(" + 1", 240),
		nested(31, "(uid + 1 - ", `gid + 1 + 1`, ")") + " > 5",
	} {
		p, _, err := compile(t, "FROM fleet FIND file /d WHERE "+where)
		if err != nil {
			t.Errorf("%.60s…: %v", where, err)
			continue
		}
		if _, err := plan.Decode(p.Encode()); err != nil {
			t.Errorf("%.60s…: %v", where, err)
		}
	}
}

// Many tables of one name are told apart.
func TestTablesOfOneName(t *testing.T) {
	p, _, err := compile(t, "FIND host AND FIND host AS host_2 AND FIND host AND FIND host")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range p.Tables {
		names = append(names, table.Name)
	}
	if got := strings.Join(names, " "); got != "host host_2 host_3 host_4" {
		t.Error(got)
	}
}

// What is signed has text in quotes, so that who knows other columns, or reads
// it, reads the same.
func TestBareWordsAreSignedAsText(t *testing.T) {
	for query, want := range map[string]string{
		`FROM fleet WHERE os = linux FIND file /etc/* WHERE owner = root AND name NOT IN (passwd, owner)`: `FROM fleet WHERE os = "linux"
			FIND file /etc/* WHERE owner = "root" AND name NOT IN ("passwd", owner)`,
		`LET a = root LET b = owner FIND file /etc/* WHERE owner = $a AND name = $b AND name IN (FIND process WHERE name = $b OR name = sshd RETURN name)`: `LET a = "root" LET b = owner
			FIND file /etc/* WHERE owner = $a AND name = $b AND name IN (FIND process WHERE name = $b OR name = "sshd" RETURN name)`,
		`FIND file /etc/* WHERE type = file AND mtime > now - 1d RETURN name, if(name = hosts, 1, 2) GROUP BY name HAVING name = x ORDER BY name`: `
			FIND file /etc/* WHERE type = "file" AND mtime > now - 1d
			RETURN name, if(name = "hosts", 1, 2) GROUP BY name HAVING name = "x" ORDER BY name`,
	} {
		p, _, err := compile(t, query)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(strings.Fields(p.Query), " ") != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s is signed as\n%s\nnot\n%s", query, p.Query, want)
		}
		again, warnings, err := compile(t, p.Query)
		if err != nil || string(again.Encode()) != string(p.Encode()) {
			t.Errorf("%s: the text that is signed gives another plan: %v", query, err)
		}
		for _, w := range warnings {
			if w.Code == planner.CodeBareWord {
				t.Errorf("%s: a bare word is left: %s", query, w.Message)
			}
		}
	}
}
