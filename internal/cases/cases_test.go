package cases_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// start is when the tests' clock begins; each look takes a second.
func clock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func openCase(t testing.TB, dir, name string, o cases.Options) *cases.Case {
	t.Helper()
	if o.Now == nil {
		o.Now = clock()
	}
	c, err := cases.Open(dir, name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // closed twice where the test did it
	return c
}

// table makes a table of columns "name type".
func table(name string, columns ...string) quaestor.Table {
	tab := quaestor.Table{Name: name}
	for _, c := range columns {
		name, typ, _ := strings.Cut(c, " ")
		t, ok := value.ParseType(typ)
		if !ok {
			panic("no type " + typ)
		}
		tab.Columns = append(tab.Columns, quaestor.Column{Name: name, Type: t})
	}
	return tab
}

// ofFleet puts the columns of the origin before a table's own.
func ofFleet(t quaestor.Table) quaestor.Table {
	t.Columns = append([]quaestor.Column{{Name: "host", Type: value.Text}, {Name: "agent", Type: value.Text}}, t.Columns...)
	t.Origin = true
	return t
}

func complete(rows int64) answer.Summary {
	return answer.Summary{Outcome: answer.Complete, Looked: map[string]int64{"files": rows}, Matched: rows}
}

// record keeps a whole answer of one table.
func record(t testing.TB, c *cases.Case, q cases.Question, sum answer.Summary, rows ...[]value.Value) int64 {
	t.Helper()
	r, err := c.Begin(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := r.Row(0, row); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.End(t.Context(), sum, nil); err != nil {
		t.Fatal(err)
	}
	return r.Entry()
}

func texts(list ...string) []value.Value {
	var out []value.Value
	for _, s := range list {
		out = append(out, value.NewText(s))
	}
	return out
}

// scan gives the rows of a case as texts, and what was reported.
func scan(t testing.TB, c *cases.Case, columns ...string) ([]string, []modules.Skip) {
	t.Helper()
	m, err := c.Module(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{}
	var rows []string
	err = m.Scan(t.Context(), &modules.Request{Report: rec, Workers: 1}, func(r modules.Row) error {
		var cells []string
		for _, name := range columns {
			i, ok := m.Schema().Column(name)
			if !ok {
				return fmt.Errorf("no column %s", name)
			}
			v, err := r.Column(t.Context(), i)
			if err != nil {
				return err
			}
			cells = append(cells, v.Literal())
		}
		rows = append(rows, strings.Join(cells, " "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, rec.skips
}

type recorder struct{ skips []modules.Skip }

func (r *recorder) Looked(string, int64) {}
func (r *recorder) Skip(s modules.Skip)  { r.skips = append(r.skips, s) }

func anyValue(t *rapid.T, typ value.Type, depth int) value.Value {
	switch typ {
	case value.Null:
		return value.Value{}
	case value.Text:
		return value.NewText(rapid.String().Draw(t, "text"))
	case value.Bytes:
		return value.NewBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case value.Int:
		return value.NewInt(rapid.Int64().Draw(t, "int"))
	case value.Float:
		return value.NewFloat(rapid.Float64().Draw(t, "float"))
	case value.Bool:
		return value.NewBool(rapid.Bool().Draw(t, "bool"))
	case value.Size:
		return value.NewSize(rapid.Int64Min(0).Draw(t, "size"))
	case value.Duration:
		return value.NewDuration(time.Duration(rapid.Int64().Draw(t, "duration")))
	case value.Time:
		return value.NewTime(time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nano")))
	case value.IP:
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip")
		if rapid.Bool().Draw(t, "v4") {
			b = b[:4]
		}
		a, _ := netip.AddrFromSlice(b)
		return value.NewIP(a)
	case value.CIDR:
		a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "net"))
		return value.NewCIDR(netip.PrefixFrom(a, rapid.IntRange(0, 32).Draw(t, "bits")))
	case value.Hash:
		return value.NewHash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
	case value.Version:
		return value.NewVersion(rapid.StringMatching(`[0-9.]{1,9}`).Draw(t, "version"), value.Scheme(rapid.IntRange(0, 4).Draw(t, "scheme")))
	case value.Mode:
		return value.NewMode(rapid.Uint32().Draw(t, "mode"))
	case value.List:
		elem := value.Type(rapid.IntRange(int(value.Text), int(value.Mode)).Draw(t, "elem"))
		list := make([]value.Value, rapid.IntRange(0, 4).Draw(t, "length"))
		for i := range list {
			list[i] = anyValue(t, elem, depth+1)
		}
		return value.NewList(list)
	}
	panic("no such type")
}

// What was recorded comes back as it was, whatever it is.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		c, err := cases.Open(dir, fmt.Sprintf("case-%d", n), cases.Options{Now: clock()})
		if err != nil {
			rt.Fatal(err)
		}
		defer c.Close()
		tab := quaestor.Table{Name: "t"}
		for typ := value.Text; typ <= value.List; typ++ {
			tab.Columns = append(tab.Columns, quaestor.Column{Name: typ.String() + "s", Type: typ})
		}
		r, err := c.Begin(t.Context(), cases.Question{Name: "q", Text: "FIND t", Source: "local", Tables: []quaestor.Table{tab}})
		if err != nil {
			rt.Fatal(err)
		}
		var want []string
		for range rapid.IntRange(1, 5).Draw(rt, "rows") {
			var row []value.Value
			var cells []string
			for _, col := range tab.Columns {
				v := anyValue(rt, col.Type, 0)
				if rapid.IntRange(0, 9).Draw(rt, "null") == 0 {
					v = value.Value{}
				}
				row = append(row, v)
				cells = append(cells, string(value.AppendBinary(nil, v)))
			}
			want = append(want, strings.Join(cells, "|"))
			if err := r.Row(0, row); err != nil {
				rt.Fatal(err)
			}
		}
		if err := r.End(t.Context(), complete(int64(len(want))), nil); err != nil {
			rt.Fatal(err)
		}
		var got []string
		err = c.Rows(t.Context(), r.Entry(), func(_ int, values []value.Value) error {
			var cells []string
			for _, v := range values {
				cells = append(cells, string(value.AppendBinary(nil, v)))
			}
			got = append(got, strings.Join(cells, "|"))
			return nil
		})
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			rt.Fatalf("%v\ngot  %q\nwant %q", err, got, want)
		}
		if err := os.Remove(filepath.Join(dir, c.Name()+cases.Ext)); err != nil && runtime.GOOS != "windows" {
			rt.Fatal(err)
		}
	})
}

func TestNames(t *testing.T) {
	for _, good := range []string{"a", "shop-2026", "A_b.c", "_", "9"} {
		if err := cases.CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a/b", `a\b`, "a b", "ä", ".a", "-a", "a.", "a\x00", "a:b", strings.Repeat("a", 101)} {
		if cases.CheckName(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
		if _, err := cases.Open(t.TempDir(), bad, cases.Options{}); err == nil {
			t.Errorf("%q was opened", bad)
		}
	}
}

// One file, for its owner alone.
func TestOneFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cases")
	c := openCase(t, dir, "shop", cases.Options{})
	if !c.Made() {
		t.Error("it was not made")
	}
	record(t, c, cases.Question{Name: "q", Text: "FIND t", Tables: []quaestor.Table{table("t", "a text")}}, complete(1), texts("x"))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || files[0].Name() != "shop.case" {
		t.Fatalf("%v %v", files, err)
	}
	st, err := os.Stat(filepath.Join(dir, "shop.case"))
	if err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	list, err := cases.List(dir)
	if err != nil || len(list) != 1 || list[0].Err != nil || list[0].Questions != 1 || list[0].Name != "shop" {
		t.Errorf("%+v %v", list, err)
	}
	if err := cases.Delete(dir, "shop"); err != nil {
		t.Fatal(err)
	}
	if _, err := cases.Find(dir, "shop", cases.Options{}); !errors.Is(err, cases.ErrNoCase) {
		t.Error(err)
	}
}

func TestMissingCaseNamesTheOthers(t *testing.T) {
	dir := t.TempDir()
	if _, err := cases.Find(dir, "shp", cases.Options{}); !errors.Is(err, cases.ErrNoCase) || !strings.Contains(err.Error(), "none yet") {
		t.Error(err)
	}
	openCase(t, dir, "shop", cases.Options{})
	if _, err := cases.Find(dir, "shp", cases.Options{}); !errors.Is(err, cases.ErrNoCase) || !strings.Contains(err.Error(), "there are shop") {
		t.Error(err)
	}
}

// Files of other programs are refused, and left as they are.
func TestForeignFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.case")
	text := []byte(strings.Repeat("this is no database\n", 100))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cases.Open(dir, "x", cases.Options{}); err == nil {
		t.Error("it was opened")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != string(text) {
		t.Errorf("it was changed: %v", err)
	}
}

// What was begun and not ended is there, and says so.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	c := openCase(t, dir, "shop", cases.Options{})
	r, err := c.Begin(t.Context(), cases.Question{Name: "q", Text: "FIND t", Tables: []quaestor.Table{table("t", "a text")}})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1000)
	for range 1000 {
		if err := r.Row(0, texts(long)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openCase(t, dir, "shop", cases.Options{})
	rows, skips := scan(t, c, "complete")
	if len(rows) == 0 || len(rows) >= 1000 || rows[0] != "false" {
		t.Errorf("%d rows", len(rows))
	}
	if len(skips) != 1 || skips[0].Kind != modules.SkipAnswer || !strings.Contains(skips[0].Detail, "interrupted") {
		t.Errorf("%+v", skips)
	}
}

// An answer whose rows cannot be kept goes on, and says what is missing.
func TestCannotWrite(t *testing.T) {
	c := openCase(t, t.TempDir(), "shop", cases.Options{})
	r, err := c.Begin(t.Context(), cases.Question{Name: "q", Text: "FIND t", Tables: []quaestor.Table{table("t", "a text")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	failures := 0
	long := strings.Repeat("x", 100_000)
	for range 10 {
		if r.Row(0, texts(long)) != nil {
			failures++
		}
	}
	if failures != 1 {
		t.Errorf("it was said %d times", failures)
	}
	if err := r.End(t.Context(), complete(10), nil); err == nil {
		t.Error("the end was kept in a closed case")
	}
}

// Two that write into one case at once do not lose anything, and make one
// chain.
func TestTwoWriters(t *testing.T) {
	dir := t.TempDir()
	var group sync.WaitGroup
	const each = 15
	for w := range 2 {
		group.Go(func() {
			c, err := cases.Open(dir, "shop", cases.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range each {
				if err := c.Note(context.Background(), fmt.Sprintf("note %d of %d", i, w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	c := openCase(t, dir, "shop", cases.Options{})
	v, err := c.Verify(t.Context(), nil)
	if err != nil || !v.Good() || v.Entries != 2*each+1 {
		t.Errorf("%+v %v", v, err)
	}
}
