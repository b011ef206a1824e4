package engine_test

import (
	gocmp "cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// A test of a predicate is written twice: as the language says it, and as Go
// does. A condition is both.
type condition3 struct {
	text  string
	holds func(rows [][]any) value.Truth
}

// The columns of a sample, whose first is its key and its place.
const sample = "s text key, i int, f float, b bool, z size stat, h text scan, m mode, l list"

var (
	someTexts = []any{nil, "", "a", "b", "ab", "ba", "aab", "a.b", "A", "AB"}
	someInts  = []any{nil, 0, 1, 2, 3}
	someModes = []any{nil, value.NewMode(0o100755), value.NewMode(0o40755), value.NewMode(0o100600), value.NewMode(0o120777)}
	someLists = []any{nil, value.NewList(nil), value.NewList(vals("a")), value.NewList(vals("A", "b")), value.NewList(vals("ab", "", "ba"))}
)

func sampleRow(t *rapid.T) []any {
	pick := func(from []any) any { return rapid.SampledFrom(from).Draw(t, "value") }
	return []any{pick(someTexts), pick(someInts), pick([]any{nil, 0.0, 0.5, 1.0, 2.5}), pick([]any{nil, true, false}),
		pick([]any{nil, value.NewSize(0), value.NewSize(1), value.NewSize(2)}), pick(someTexts), pick(someModes), pick(someLists)}
}

// A writer draws conditions over one scan, or over two that are called a and b.
type writer struct {
	t     *rapid.T
	scans []string
}

// column draws one of the columns and gives its name and how it is looked at.
func (w writer) column(indexes ...int) (string, func([][]any) any) {
	scan := rapid.IntRange(0, len(w.scans)-1).Draw(w.t, "scan")
	i := rapid.SampledFrom(indexes).Draw(w.t, "column")
	name := strings.Fields(strings.Split(sample, ",")[i])[0]
	if w.scans[scan] != "" {
		name = w.scans[scan] + "." + name
	}
	return name, func(rows [][]any) any { return rows[scan][i] }
}

func known(b bool) value.Truth { return value.TruthOf(b, true) }

func asNumber(x any) (float64, bool) {
	switch x := x.(type) {
	case int:
		return float64(x), true
	case float64:
		return x, true
	case value.Value:
		return float64(x.Int()), true
	}
	return 0, false
}

func (w writer) number() condition3 {
	name, get := w.column(1, 2, 4)
	op := rapid.SampledFrom([]string{"=", "!=", "<", "<=", ">", ">="}).Draw(w.t, "op")
	n := rapid.IntRange(0, 3).Draw(w.t, "n")
	other, from := fmt.Sprint(n), func([][]any) any { return n }
	if rapid.Bool().Draw(w.t, "columns") {
		other, from = w.column(1, 2, 4)
	}
	return condition3{fmt.Sprintf("%s %s %s", name, op, other), func(rows [][]any) value.Truth {
		x, ok := asNumber(get(rows))
		y, also := asNumber(from(rows))
		if !ok || !also {
			return value.Unknown
		}
		return known(map[string]bool{"=": x == y, "!=": x != y, "<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}[op])
	}}
}

func (w writer) between() condition3 {
	name, get := w.column(1, 2, 4)
	lo, low := w.column(1)
	hi := rapid.IntRange(0, 3).Draw(w.t, "high")
	return condition3{fmt.Sprintf("%s BETWEEN %s AND %d", name, lo, hi), func(rows [][]any) value.Truth {
		x, ok := asNumber(get(rows))
		l, isLow := asNumber(low(rows))
		if !ok {
			return value.Unknown
		}
		return value.TruthOf(x >= l, isLow).And(known(x <= float64(hi)))
	}}
}

// like is LIKE with % and _, over what has no case.
func like(s, p string) bool {
	switch {
	case p == "":
		return s == ""
	case p[0] == '%':
		return like(s, p[1:]) || s != "" && like(s[1:], p)
	}
	return s != "" && (p[0] == '_' || p[0] == s[0]) && like(s[1:], p[1:])
}

func (w writer) textTest() condition3 {
	name, get := w.column(0, 5)
	ops := map[string]func(s, p string) bool{
		"=": func(s, p string) bool { return s == p }, "<": func(s, p string) bool { return s < p },
		"LIKE":        like, // A glob is of paths, and the empty one is none.
		"GLOB":        func(s, p string) bool { return s != "" && like(s, strings.NewReplacer("*", "%", "?", "_").Replace(p)) },
		"STARTS WITH": strings.HasPrefix, "ENDS WITH": strings.HasSuffix, "CONTAINS": strings.Contains,
	}
	op := rapid.SampledFrom([]string{"=", "<", "LIKE", "GLOB", "STARTS WITH", "ENDS WITH", "CONTAINS"}).Draw(w.t, "op")
	patterns := []string{"a", "b", "ab", "A"}
	switch op {
	case "LIKE":
		patterns = []string{"a%", "%b", "_", "%a_", "a.b", "%"}
	case "GLOB":
		patterns = []string{"a*", "*b", "?", "*a?", "a.b", "*"}
	}
	p := rapid.SampledFrom(patterns).Draw(w.t, "pattern")
	return condition3{fmt.Sprintf("%s %s %q", name, op, p), func(rows [][]any) value.Truth {
		s, ok := get(rows).(string)
		return value.TruthOf(ok && ops[op](s, p), ok)
	}}
}

func (w writer) in() condition3 {
	name, get := w.column(0, 5)
	nocase := rapid.Bool().Draw(w.t, "nocase")
	list := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "AB", "ba"}), 1, 3).Draw(w.t, "list")
	text := fmt.Sprintf(`%s IN ("%s")`, name, strings.Join(list, `", "`))
	if nocase {
		text += " NOCASE"
	}
	return condition3{text, func(rows [][]any) value.Truth {
		s, ok := get(rows).(string)
		return value.TruthOf(slices.ContainsFunc(list, func(l string) bool { return s == l || nocase && strings.EqualFold(s, l) }), ok)
	}}
}

func (w writer) tuple() condition3 {
	dear, getDear := w.column(5)
	cheap, getCheap := w.column(1)
	n := rapid.IntRange(0, 3).Draw(w.t, "n")
	return condition3{fmt.Sprintf(`(%s, %s) IN (("a", %d), ("ab", 1))`, dear, cheap, n), func(rows [][]any) value.Truth {
		s, isText := getDear(rows).(string)
		i, isInt := getCheap(rows).(int)
		one := value.TruthOf(s == "a", isText).And(value.TruthOf(i == n, isInt))
		return one.Or(value.TruthOf(s == "ab", isText).And(value.TruthOf(i == 1, isInt)))
	}}
}

// mode compares modes, which are read without their kind of file beside one
// that has none.
func (w writer) mode() condition3 {
	name, get := w.column(6)
	some := []string{"0600", "0755", "0777", "-rw-------", "-rwxr-xr-x", "drwxr-xr-x"}
	lo, hi := rapid.SampledFrom(some).Draw(w.t, "low"), rapid.SampledFrom(some).Draw(w.t, "high")
	order := func(rows [][]any, text string) int {
		want, _ := value.ParseMode(text)
		mode := get(rows).(value.Value).Int()
		if want&0o170000 == 0 {
			mode &= 0o7777
		}
		return gocmp.Compare(mode, int64(want))
	}
	form := rapid.SampledFrom([]struct {
		text  string
		holds func([][]any) bool
	}{
		{fmt.Sprintf("%s = %q", name, lo), func(r [][]any) bool { return order(r, lo) == 0 }},
		{fmt.Sprintf("%s > %q", name, lo), func(r [][]any) bool { return order(r, lo) > 0 }},
		{fmt.Sprintf("%s BETWEEN %q AND %q", name, lo, hi), func(r [][]any) bool { return order(r, lo) >= 0 && order(r, hi) <= 0 }},
		{fmt.Sprintf("%s NOT BETWEEN %q AND %q", name, lo, hi), func(r [][]any) bool { return order(r, lo) < 0 || order(r, hi) > 0 }},
		{fmt.Sprintf("%s IN (%q, %q)", name, lo, hi), func(r [][]any) bool { return order(r, lo) == 0 || order(r, hi) == 0 }},
		{name + " NOT IN @modes.txt", func(r [][]any) bool { return order(r, "0755") != 0 && order(r, "-rw-------") != 0 }},
	}).Draw(w.t, "form")
	return condition3{form.text, func(rows [][]any) value.Truth {
		known := get(rows) != nil
		return value.TruthOf(known && form.holds(rows), known)
	}}
}

// member looks into a list.
func (w writer) member() condition3 {
	name, get := w.column(7)
	x, member := fmt.Sprintf("%q", "a"), func([][]any) any { return "a" }
	if rapid.Bool().Draw(w.t, "column") {
		x, member = w.column(0, 5)
	}
	text, fold := fmt.Sprintf("contains(%s, %s)", name, x), false
	if rapid.Bool().Draw(w.t, "nocase") {
		text, fold = fmt.Sprintf("%s IN $%s NOCASE", x, strings.ReplaceAll(name, ".", "_")), true
	}
	return condition3{text, func(rows [][]any) value.Truth {
		list, ok := get(rows).(value.Value)
		s, also := member(rows).(string)
		return value.TruthOf(slices.ContainsFunc(list.List(), func(v value.Value) bool {
			return v.Text() == s || fold && strings.EqualFold(v.Text(), s)
		}), ok && also)
	}}
}

// lets declares the names that conditions have for lists.
func lets(where condition3) (text string) {
	for _, name := range []string{"l", "a.l", "b.l"} {
		if let := strings.ReplaceAll(name, ".", "_"); strings.Contains(where.text, "$"+let+" ") {
			text += fmt.Sprintf("LET %s = %s ", let, name)
		}
	}
	return text
}

// joined is an equality of columns, of one scan or of two.
func (w writer) joined() condition3 {
	x, getX := w.column(0, 5)
	y, getY := w.column(0, 5)
	return condition3{x + " = " + y, func(rows [][]any) value.Truth {
		s, ok := getX(rows).(string)
		r, also := getY(rows).(string)
		return value.TruthOf(s == r, ok && also)
	}}
}

func (w writer) condition(depth int) condition3 {
	kind := rapid.IntRange(0, 13).Draw(w.t, "kind")
	if depth == 0 {
		kind %= 10
	}
	switch kind {
	case 0:
		return w.number()
	case 1:
		return w.between()
	case 2:
		return w.textTest()
	case 3:
		return w.in()
	case 4:
		return w.tuple()
	case 5:
		return w.joined()
	case 6:
		name, get := w.column(0, 1, 2, 3, 4, 5, 6, 7)
		return condition3{name + " IS NULL", func(rows [][]any) value.Truth { return known(get(rows) == nil) }}
	case 7:
		name, get := w.column(3)
		return condition3{name, func(rows [][]any) value.Truth {
			b, ok := get(rows).(bool)
			return value.TruthOf(b, ok)
		}}
	case 8:
		return w.mode()
	case 9:
		return w.member()
	case 10:
		x := w.condition(depth - 1)
		return condition3{"NOT (" + x.text + ")", func(rows [][]any) value.Truth { return x.holds(rows).Not() }}
	}
	x, y := w.condition(depth-1), w.condition(depth-1)
	if kind == 11 {
		return condition3{"(" + x.text + " OR " + y.text + ")", func(rows [][]any) value.Truth { return x.holds(rows).Or(y.holds(rows)) }}
	}
	return condition3{"(" + x.text + ") AND (" + y.text + ")", func(rows [][]any) value.Truth { return x.holds(rows).And(y.holds(rows)) }}
}

// where joins some conditions by AND, as a planner likes to find them.
func (w writer) where() condition3 {
	all := w.condition(2)
	if strings.HasPrefix(all.text, "(") {
		all.text = "(" + all.text + ")"
	}
	for range rapid.IntRange(0, 2).Draw(w.t, "more") {
		x, y := all, w.condition(2)
		all = condition3{x.text + " AND (" + y.text + ")", func(rows [][]any) value.Truth { return x.holds(rows).And(y.holds(rows)) }}
	}
	return all
}

// TestPlannedAgreesWithNaive: what the planner pushes into scans, turns into
// lookups and reorders changes no row; and the rows are those for which the
// condition holds.
func TestPlannedAgreesWithNaive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Custom(sampleRow), 0, 7).Draw(rt, "rows")
		from, all, scans := "r", "s, i, f, b, z, h", []string{""}
		if rapid.Bool().Draw(rt, "join") {
			from, all, scans = "r a, r b", "a.s, a.i, a.f, a.b, a.z, a.h, b.s, b.i, b.f, b.b, b.z, b.h", []string{"a", "b"}
		}
		where := writer{rt, scans}.where()
		first := scans[0]
		if first != "" {
			first += "."
		}
		shapes := []string{
			"RETURN " + all,
			fmt.Sprintf("RETURN DISTINCT %[1]ss, %[1]si", first),
			fmt.Sprintf("RETURN %[1]ss, count(), sum(%[1]si), min(%[1]sh), count(DISTINCT %[1]sf), list(%[1]sz, 3) GROUP BY %[1]ss", first),
			fmt.Sprintf("RETURN count(), max(%[1]sf), avg(%[1]si)", first),
			fmt.Sprintf("RETURN %[2]s ORDER BY %[1]si DESC, %[1]ss LIMIT 5", first, all),
			fmt.Sprintf("RETURN %[1]si + 1 AS n, upper(%[1]ss) AS u ORDER BY u, n DESC", first),
			fmt.Sprintf("STACK %[1]sb", first),
			fmt.Sprintf("RETURN DISTINCT %[1]sb, count() AS n GROUP BY %[1]sb, %[1]si HAVING n < 3 ORDER BY n", first),
			fmt.Sprintf("RETURN max(replace(%[1]ss, \"  \", \"x\")) AS x, max(replace(%[1]ss, \" \", \"x\")) AS y", first),
			fmt.Sprintf("STACK %[1]sb HAVING rows > 1 AND max(%[1]si) > 0 ORDER BY count() DESC, min(%[1]si)", first),
		}
		shape := rapid.SampledFrom(shapes).Draw(rt, "shape")
		query := lets(where) + fmt.Sprintf("FIND %s WHERE %s %s", from, where.text, shape)
		module := func() modules.Module {
			f := relationOf("r", sample, data...)
			f.schema.Locator = modules.Locator{Use: modules.LocatorOptional, Column: "s"}
			if rapid.Bool().Draw(rt, "shares") {
				return sharer{f}
			}
			return f
		}
		planned, sum, err := answered(t, query, false, module())
		naive, _, errNaive := answered(t, query, true, module())
		if err != nil || errNaive != nil || sum.Outcome != answer.Complete {
			rt.Fatalf("%s: %v, %v, %s", query, err, errNaive, sum.Outcome)
		}
		ordered := strings.Contains(shape, "ORDER BY") || strings.Contains(shape, "STACK")
		if !ordered {
			planned, naive = unordered(planned), unordered(naive)
		}
		if planned != naive {
			rt.Fatalf("%s\nplanned %s\nnaive   %s", query, planned, naive)
		}
		want := planned
		switch shape {
		case shapes[0]:
			want = byHand(where, data, len(scans))
		case shapes[len(shapes)-1]:
			want = stackedByHand(where, data, len(scans))
		}
		if planned != want {
			rt.Fatalf("%s\ngot    %s\nby hand %s", query, planned, want)
		}
	})
}

// holding gives the rows for which the condition holds.
func holding(where condition3, data [][]any, scans int) [][][]any {
	combos := [][][]any{{}}
	for range scans {
		var next [][][]any
		for _, c := range combos {
			for _, row := range data {
				next = append(next, append(slices.Clone(c), row))
			}
		}
		combos = next
	}
	return slices.DeleteFunc(combos, func(rows [][]any) bool { return where.holds(rows) != value.True })
}

// byHand gives those rows as they are returned: what is neither mode nor list.
func byHand(where condition3, data [][]any, scans int) string {
	var out []string
	for _, rows := range holding(where, data, scans) {
		var text []string
		for _, row := range rows {
			for _, v := range vals(row[:6]...) {
				text = append(text, v.Literal())
			}
		}
		out = append(out, strings.Join(text, " "))
	}
	return unordered(strings.Join(out, "|"))
}

// stackedByHand stacks them by b, as the last of the shapes says.
func stackedByHand(where condition3, data [][]any, scans int) string {
	type stack struct{ rows, least, most int }
	stacks := map[any]*stack{}
	for _, rows := range holding(where, data, scans) {
		s := stacks[rows[0][3]]
		if s == nil {
			s = &stack{0, math.MaxInt, -1}
			stacks[rows[0][3]] = s
		}
		s.rows++
		if i, ok := rows[0][1].(int); ok {
			s.least, s.most = min(s.least, i), max(s.most, i)
		}
	}
	maps.DeleteFunc(stacks, func(_ any, s *stack) bool { return s.rows < 2 || s.most < 1 })
	place := map[any]int{false: 0, true: 1, nil: 2}
	var out []string
	for _, b := range slices.SortedFunc(maps.Keys(stacks), func(a, b any) int {
		x, y := stacks[a], stacks[b]
		return gocmp.Or(gocmp.Compare(y.rows, x.rows), gocmp.Compare(x.least, y.least), gocmp.Compare(place[a], place[b]))
	}) {
		out = append(out, fmt.Sprintf("%s 1 %d", vals(b)[0].Literal(), stacks[b].rows))
	}
	return strings.Join(out, "|")
}
