package sigma

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/internal/pretend"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// A world is a host that stands in tables, and the events that made it so.
type world struct {
	module string
	key    string // the column by which rows are told apart
	tables map[string]string
	events map[string]oracleEvent // by the key
}

// failer is what rapid.T and testing.T share.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
	Fatal(args ...any)
	Context() context.Context
}

// ask converts a rule, asks its first query of the world, and gives the keys
// of the rows that came back.
func (w world) ask(t failer, rule string) (keys []string, r *convert.Result) {
	t.Helper()
	mods := std.Modules()
	for i, m := range mods {
		table, ok := w.tables[m.Schema().Name]
		if !ok {
			continue
		}
		p := pretend.New(m.Schema())
		if err := p.Add(table, pretend.Now()); err != nil {
			t.Fatalf("%v in\n%s", err, table)
		}
		mods[i] = p
	}
	cat, err := modules.NewCatalogue(mods...)
	if err != nil {
		t.Fatal(err)
	}
	r, err = convert.Run(t.Context(), []convert.Format{Format()}, "", convert.Input{Name: "x.yml", Data: []byte(rule), Catalogue: cat, Now: time.Unix(0, 0)})
	if err != nil {
		t.Fatalf("%v in\n%s", err, rule)
	}
	if r.Rules[0].Outcome != convert.Whole {
		t.Fatalf("it is not carried over: %v in\n%s", r.Rules[0].Notes, rule)
	}
	s, err := quaestor.LocalWith(quaestor.Options{
		Modules: mods, OS: "linux", Now: pretend.Now, Workers: 1,
		List: func(name string) ([]byte, bool, error) {
			i := slices.IndexFunc(r.Lists, func(l convert.List) bool { return l.Name == name })
			return r.Lists[max(i, 0)].Text, i >= 0, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, query, _ := strings.Cut(r.Rules[0].Queries[0], "\n") // the fleet is this host
	query, _, _ = strings.Cut(query, "\n  RETURN ")
	rows, err := s.Query(t.Context(), query+"\nRETURN "+w.key)
	if err != nil {
		t.Fatalf("%v in\n%s", err, query)
	}
	defer rows.Close()
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, row.Values()[0].String())
	}
	slices.Sort(keys)
	return keys, r
}

// agree says whether a converted rule finds what the oracle says.
func (w world) agree(t failer, rule string) {
	t.Helper()
	var want []string
	for key, e := range w.events {
		if oracleMatches(rule, e) {
			want = append(want, key)
		}
	}
	slices.Sort(want)
	got, r := w.ask(t, rule)
	if !slices.Equal(got, want) {
		t.Fatalf("%s\n%s\nfound %v, and the events are of %v\n%s", rule, r.Rules[0].Queries[0], got, want, w.tables[w.module])
	}
}

// processes draws what runs on a host. A text that is empty here is one that
// the process does not have.
func processes(t *rapid.T) world {
	w := world{module: "process", key: "pid", tables: map[string]string{}, events: map[string]oracleEvent{}}
	exes := rapid.SampledFrom([]string{"", "/bin/sh", "/usr/bin/nc", "/USR/BIN/NC", "/tmp/a_b", "/tmp/aXb", "/opt/x%y", `/srv/a\b`, "/tmp/a*b", "/tmp/nc"})
	words := rapid.SampledFrom([]string{"nc", "-c", "/c", "–c", "curl", "CURL", "a*b", "a?b", "axb", `a\b`, `\\host`, "Y3VybA==", "IGN1cmw", "100%", "a_b", "''", "10.0.0.1"})
	users := rapid.SampledFrom([]string{"", "root", "Root", "www-data"})
	n := rapid.IntRange(1, 5).Draw(t, "processes")
	lines := []string{"pid  parent  exe  path  cmdline  user  cwd"}
	all := make([]oracleEvent, n+1)
	parents := make([]int, n+1)
	for i := 1; i <= n; i++ {
		e := oracleEvent{"ProcessId": strconv.Itoa(i)}
		exe := exes.Draw(t, "exe")
		cells := map[string]string{"Image": exe, "User": users.Draw(t, "user"), "CurrentDirectory": exes.Draw(t, "cwd"),
			"CommandLine": strings.Join(rapid.SliceOfN(words, 0, 3).Draw(t, "words"), " ")}
		for field, text := range cells {
			if text != "" {
				e[field] = text
			}
		}
		all[i], parents[i] = e, rapid.IntRange(0, n).Draw(t, "parent")
		cell := func(field string) string {
			if cells[field] == "" {
				return "null"
			}
			return strconv.Quote(cells[field])
		}
		lines = append(lines, fmt.Sprintf("%d  %d  %s  %s  %s  %s  %s", i, parents[i], cell("Image"), cell("Image"), cell("CommandLine"), cell("User"), cell("CurrentDirectory")))
	}
	for i := 1; i <= n; i++ {
		if p := parents[i]; p > 0 {
			for _, f := range [...]string{"Image", "CommandLine", "User"} {
				if v, ok := all[p][f]; ok {
					all[i]["Parent"+f] = v
				}
			}
		}
		w.events[strconv.Itoa(i)] = all[i]
	}
	w.tables["process"] = strings.Join(lines, "\n")
	return w
}

// itemOf draws FIELD|MODIFIERS: VALUES, as YAML in braces has it.
func itemOf(t *rapid.T) string {
	field := rapid.SampledFrom([]string{"Image", "CommandLine", "ParentImage", "ParentCommandLine", "User", "CurrentDirectory", "ParentUser"}).Draw(t, "field")
	values := rapid.SampledFrom([]string{"/bin/sh", "nc", "/nc", "NC", "*nc", "/tmp/a?b", `/tmp/a\*b`, `a\\b`, `a\b`, "a_b", "%", "*", "", "-c", " -c", "curl", " curl", "root", "a*b", `a\?b`, "/tmp/*", `\\\\host`, "axb", "**", "x*y*", "?", "–c"})
	switch rapid.IntRange(0, 12).Draw(t, "kind") {
	case 0:
		return field + ": null"
	case 1:
		return field + "|exists: " + rapid.SampledFrom([]string{"true", "false"}).Draw(t, "exists")
	case 2:
		flags := rapid.SampledFrom([]string{"", "|i", "|i|m", "|s"}).Draw(t, "flags")
		return field + "|re" + flags + ": " + quoteYAML(rapid.SampledFrom([]string{"^/bin", "nc$", "a.b", `cu?rl\b`, "[rR]oot", `\\`}).Draw(t, "re"))
	case 3:
		return "ProcessId|" + rapid.SampledFrom([]string{"lt", "lte", "gt", "gte"}).Draw(t, "op") + ": " + strconv.Itoa(rapid.IntRange(0, 6).Draw(t, "n"))
	case 4:
		return "ProcessId: [" + strconv.Itoa(rapid.IntRange(0, 6).Draw(t, "n")) + ", 3]"
	case 5:
		return field + "|fieldref: " + rapid.SampledFrom([]string{"Image", "CommandLine", "ParentImage", "User"}).Draw(t, "other")
	case 6:
		return "CommandLine|" + rapid.SampledFrom([]string{"base64|contains", "base64offset|contains", "wide|base64offset|contains", "windash|contains", "windash|contains|all", "windash|startswith"}).Draw(t, "encoding") +
			": [" + rapid.SampledFrom([]string{"curl", " curl", "-c", "/c", " -c"}).Draw(t, "value") + "]"
	}
	mods := rapid.SampledFrom([]string{"", "|contains", "|contains|all", "|startswith", "|endswith", "|endswith|cased", "|cased", "|contains|cased", "|neq", "|all"}).Draw(t, "modifiers")
	var list []string
	for _, v := range rapid.SliceOfN(values, 1, 4).Draw(t, "values") {
		list = append(list, quoteYAML(v))
	}
	if rapid.IntRange(0, 9).Draw(t, "null") == 0 && mods == "" {
		list = append(list, "null")
	}
	return field + mods + ": [" + strings.Join(list, ", ") + "]"
}

func quoteYAML(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// selectionOf draws a map, or a list of maps.
func selectionOf(t *rapid.T) string {
	var maps []string
	for range rapid.IntRange(1, 2).Draw(t, "maps") {
		items := map[string]string{}
		for range rapid.IntRange(1, 3).Draw(t, "items") {
			it := itemOf(t)
			key, _, _ := strings.Cut(it, ":")
			items[key] = it
		}
		var list []string
		for _, it := range items {
			list = append(list, it)
		}
		slices.Sort(list)
		maps = append(maps, "{"+strings.Join(list, ", ")+"}")
	}
	if len(maps) == 1 {
		return maps[0]
	}
	return "[" + strings.Join(maps, ", ") + "]"
}

// conditionOf draws a condition over s_1, s_2 and f_1.
func conditionOf(t *rapid.T, depth int) string {
	if depth == 0 || rapid.Bool().Draw(t, "leaf") {
		return rapid.SampledFrom([]string{"s_1", "s_2", "f_1", "1 of s_*", "all of s_*", "any of them", "all of them", "1 of f_*"}).Draw(t, "name")
	}
	switch rapid.IntRange(0, 3).Draw(t, "op") {
	case 0:
		return "not " + conditionOf(t, 0)
	case 1:
		return "not (" + conditionOf(t, depth-1) + ")"
	case 2:
		return "(" + conditionOf(t, depth-1) + ") or " + conditionOf(t, depth-1)
	}
	return conditionOf(t, depth-1) + " and (" + conditionOf(t, depth-1) + ")"
}

// Whatever a rule says of processes, its query finds those whose events it is
// about, and no others.
func TestVerdicts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := processes(t)
		rule := fmt.Sprintf("logsource: {category: process_creation, product: linux}\ndetection:\n  s_1: %s\n  s_2: %s\n  f_1: %s\n  condition: %s\n",
			selectionOf(t), selectionOf(t), selectionOf(t), conditionOf(t, 3))
		w.agree(t, rule)
	})
}
