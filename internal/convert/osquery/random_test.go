//go:build unix

package osquery_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A joinForm is a FROM, with columns that conditions may be made of and those
// that tell its rows.
type joinForm struct {
	from, show string
	texts      []string
	numbers    []string
}

var joinForms = []joinForm{
	{"processes p", "p.pid", []string{"p.name", "p.path", "p.cmdline", "p.cwd"}, []string{"p.uid", "p.parent", "p.threads", "p.on_disk", "p.start_time"}},
	{"processes p JOIN users u USING (uid)", "p.pid, u.username", []string{"p.name", "p.path", "u.username", "u.shell", "u.description"}, []string{"p.uid", "u.gid", "p.euid"}},
	{"processes p LEFT JOIN users u ON p.uid = u.uid", "p.pid, u.username", []string{"p.cwd", "u.username", "u.shell", "u.directory"}, []string{"p.gid", "u.gid"}},
	{"processes p LEFT JOIN processes q ON q.pid = p.parent", "p.pid, q.name", []string{"p.name", "q.name", "q.cwd", "q.cmdline"}, []string{"p.uid", "q.uid", "q.threads"}},
	{"process_open_sockets s", "s.socket", []string{"s.remote_address", "s.path", "s.local_address"}, []string{"s.remote_port", "s.local_port", "s.pid", "s.family"}},
	{"process_open_sockets s JOIN processes p ON p.pid = s.pid", "s.socket, p.pid", []string{"s.remote_address", "p.name", "p.cwd"}, []string{"s.remote_port", "s.local_port", "p.uid", "s.protocol"}},
	{"listening_ports l LEFT JOIN processes p USING (pid)", "l.socket, p.pid", []string{"l.address", "l.path", "p.cmdline"}, []string{"l.port", "p.uid"}},
	{"process_envs e JOIN processes p USING (pid) LEFT JOIN users u ON u.uid = p.uid", "e.key, p.pid", []string{"e.key", "e.value", "u.shell", "p.cwd"}, []string{"p.uid", "u.gid"}},
	{"processes p, process_open_files f", "p.pid, f.fd", []string{"p.name", "f.path", "p.cwd"}, []string{"f.fd", "p.uid"}},
}

// constants are what conditions compare with: values of the world, what it has
// not, and what osquery has in the place of nothing.
var (
	textConstants   = []string{"", "/", "/tmp", "sshd", "SSHD", "root", "alice", "bash", "/usr/bin/bash", "0.0.0.0", "::", "10.0.0.5", "198.51.100.1", "LD_PRELOAD", "nobody"}
	textPatterns    = []string{"%", "%sh%", "/usr/%", "s%", "_ash", "%.so", "10.%", "198.51.%", "ROOT", "", "%a_b%"}
	numberConstants = []string{"0", "1", "-1", "2", "6", "22", "33", "100", "443", "1000", "4444"}
)

func (f joinForm) condition(t *rapid.T, depth int) string {
	if depth > 0 {
		switch rapid.IntRange(0, 5).Draw(t, "logic") {
		case 0:
			return "(" + f.condition(t, depth-1) + " AND " + f.condition(t, depth-1) + ")"
		case 1:
			return "(" + f.condition(t, depth-1) + " OR " + f.condition(t, depth-1) + ")"
		case 2:
			return "NOT (" + f.condition(t, depth-1) + ")"
		}
	}
	not := rapid.SampledFrom([]string{"", "NOT "}).Draw(t, "not")
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	if rapid.Bool().Draw(t, "text") {
		col := rapid.SampledFrom(f.texts).Draw(t, "column")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return col + " " + not + "LIKE " + quote(rapid.SampledFrom(textPatterns).Draw(t, "pattern"))
		case 1:
			list := rapid.SliceOfN(rapid.SampledFrom(textConstants), 1, 4).Draw(t, "list")
			for i := range list {
				list[i] = quote(list[i])
			}
			return col + " " + not + "IN (" + strings.Join(list, ", ") + ")"
		}
		return col + rapid.SampledFrom([]string{" = ", " != ", " <> "}).Draw(t, "op") + quote(rapid.SampledFrom(textConstants).Draw(t, "constant"))
	}
	col := rapid.SampledFrom(f.numbers).Draw(t, "column")
	if strings.HasSuffix(col, "start_time") {
		return fmt.Sprintf("%s %s strftime('%%s', 'now') - %d", col, rapid.SampledFrom([]string{"<", "<=", ">", ">="}).Draw(t, "op"), rapid.SampledFrom([]int{60, 3600, 86400, 864000}).Draw(t, "seconds"))
	}
	words := strings.HasSuffix(col, "family") || strings.HasSuffix(col, "protocol")
	ops := []string{"=", "!=", "<", "<=", ">", ">="}
	if words {
		return col + " = " + rapid.SampledFrom([]string{"2", "10", "6", "17", "1"}).Draw(t, "word")
	}
	if rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
		return col + " " + not + "IN (" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(numberConstants), 1, 4).Draw(t, "list"), ", ") + ")"
	}
	return col + " " + rapid.SampledFrom(ops).Draw(t, "op") + " " + rapid.SampledFrom(numberConstants).Draw(t, "number")
}

// Whatever conditions are put on joins, the rows are those of SQLite.
func TestRandomQueries(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(rt *rapid.T) {
		f := rapid.SampledFrom(joinForms).Draw(rt, "join")
		where := f.condition(rt, 3)
		if strings.Contains(f.from, ", process_open_files") {
			where = "p.pid = f.pid AND (" + where + ")"
		}
		q := "SELECT " + f.show + " FROM " + f.from + " WHERE " + where
		w.sameRandom(rt, t, q)
	})
}

// sameRandom is same for queries that may have what is not carried over
// whole: a word that a column never has is named, and asks the same.
func (w *world) sameRandom(rt *rapid.T, t testing.TB, q string) {
	want := w.oracle(t, q)
	r, err := run(t, "x.sql", q)
	if err != nil {
		rt.Fatalf("%s: %v", q, err)
	}
	rule := r.Rules[0]
	if len(rule.Queries) == 0 {
		rt.Fatalf("%s: %v", q, rule.Notes)
	}
	got := w.asked(t, rule)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		rt.Fatalf("%s\nbecame\n%s\nwhich gives\n  %s\nand osquery\n  %s\n%v", q, strings.Join(rule.Queries, ";\n"), strings.Join(got, "\n  "), strings.Join(want, "\n  "), rule.Notes)
	}
}
