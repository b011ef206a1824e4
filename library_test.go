package quaestor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/value"
)

// one asks for one value.
func one(t testing.TB, s quaestor.Session, query string, args ...quaestor.Argument) (value.Value, error) {
	t.Helper()
	rows, err := s.Query(context.Background(), query, args...)
	if err != nil {
		return value.Value{}, err
	}
	defer rows.Close()
	var got value.Value
	for row, err := range rows.All() {
		if err != nil {
			return value.Value{}, err
		}
		got = row.Values()[0].Clone()
	}
	return got, nil
}

func TestArguments(t *testing.T) {
	s := open(t, quaestor.Options{Root: "testdata/example"})
	at := time.Date(2026, 11, 23, 10, 0, 0, 5, time.FixedZone("x", 3600))
	type name string
	for _, c := range []struct {
		typ  string
		give any
		want string // a literal, or what the error says
	}{
		{"text", "it's; FIND host", `"it's; FIND host"`},
		{"text", name("web"), `"web"`},
		{"text", "$x @y", `"$x @y"`},
		{"text", 3, "declared as text, and a int was given"},
		{"int", 3, "3"}, {"int", uint8(3), "3"}, {"int", "4", "4"}, {"int", "four", "declared as int"}, {"int", ^uint64(0), "greater than any int"}, {"int", 1.5, "declared as int, and a float was given"},
		{"float", 1.5, "1.5"}, {"float", 2, "2.0"}, {"float", 1<<60 + 1, "cannot be written as a float"},
		{"bool", true, "true"},
		{"size", 1500, "1500B"}, {"size", "10MB", "10MB"}, {"size", "10", "no unit"},
		{"duration", 90 * time.Minute, "1h30m"}, {"duration", "7d", "7d"},
		{"time", at, "2026-11-23T09:00:00.000000005Z"},
		{"ip", netip.MustParseAddr("::1"), "::1"}, {"cidr", netip.MustParsePrefix("10.0.0.0/8"), "10.0.0.0/8"},
		{"hash", bytes.Repeat([]byte{0xab}, 16), `"abababababababababababababababab"`}, {"hash", "xyz", "not a hash"},
		{"version", "1.2.3-4", `"1.2.3-4"`}, {"mode", "0755", `"0755"`},
		{"bytes", []byte{0, 0xff}, `x"00ff"`},
		{"text", nil, "no value of the language"}, {"text", struct{}{}, "no value of the language"}, {"text", value.Value{}, "null is no value"},
		{"int", []int{1}, "no query names a list @x: there are none"},
	} {
		got, err := one(t, s, "PARAM x "+c.typ+" FIND host RETURN $x", quaestor.Arg("x", c.give))
		switch {
		case err != nil && (!errors.Is(err, quaestor.ErrArgument) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"x"`)):
			t.Errorf("%s %v: %v", c.typ, c.give, err)
		case err == nil && got.Literal() != c.want:
			t.Errorf("%s %v: %s, want %s", c.typ, c.give, got.Literal(), c.want)
		}
	}
	if _, err := one(t, s, "FIND host RETURN 1", quaestor.Arg("y", 1)); !errors.Is(err, quaestor.ErrArgument) || !strings.Contains(err.Error(), "declares a parameter $y") {
		t.Error(err)
	}
	if _, err := one(t, s, "PARAM x int FIND host RETURN $x"); err == nil {
		t.Error("a parameter without a value")
	}
}

func TestListArguments(t *testing.T) {
	s := open(t, quaestor.Options{Root: "testdata/example"})
	const query = "FIND file /etc/* WHERE name IN @names RETURN count()"
	for _, c := range []struct {
		give any
		want string
	}{
		{[]string{"passwd", "group"}, "1"},
		{[]string{"passwd", "hostname"}, "2"},
		{[]any{"passwd", 3}, "1"},
		{[]string{}, "nothing is in it"},
		{[]string{"a\nb"}, "cannot stand in a list"},
		{[]string{"#a"}, "cannot stand in a list"},
		{[]string{" a"}, "cannot stand in a list"},
		{"passwd", "declares a parameter $names"},
	} {
		got, err := one(t, s, query, quaestor.Arg("names", c.give))
		switch {
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%v: %v", c.give, err)
		case err == nil && got.Literal() != c.want:
			t.Errorf("%v: %s, want %s", c.give, got.Literal(), c.want)
		}
	}
	if got, err := one(t, s, "FIND file /etc/* WHERE size IN @sizes RETURN count()", quaestor.Arg("@sizes", []value.Value{value.NewSize(12)})); err != nil || got.Int() != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// Whatever text is given as an argument comes back as it was, and is never
// part of the query.
func TestArgumentsAreNoText(t *testing.T) {
	s := open(t, quaestor.Options{Root: "testdata/example"})
	p, err := s.Prepare("PARAM x text FIND host RETURN $x AS x")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.String().Draw(rt, "text")
		rows, err := p.Query(t.Context(), quaestor.Arg("x", want))
		if err != nil {
			rt.Fatal(err)
		}
		defer rows.Close()
		for row, err := range rows.All() {
			if err != nil || row.String("x") != want {
				rt.Fatalf("%q came back as %q, %v", want, row.String("x"), err)
			}
		}
	})
}

// A plan that was made with arguments can be made again from what it says it
// was made from.
func TestArgumentsTravel(t *testing.T) {
	s := open(t, quaestor.Options{})
	p, err := s.Prepare("PARAM since duration PARAM big size FROM fleet FIND file /etc/* WHERE mtime > now - $since AND size > $big AND name IN @names")
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Compile(quaestor.Arg("since", 36*time.Hour), quaestor.Arg("big", 1<<20), quaestor.Arg("names", []string{"a", "b"}))
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Recompile(c.Queries[0].Plan.Query, c.Queries[0].Inputs)
	if err != nil || !bytes.Equal(again.Encode(), c.Queries[0].Plan.Encode()) {
		t.Errorf("%v", err)
	}
}

func TestScan(t *testing.T) {
	type file struct {
		Path  string         `quaestor:"path"`
		Size  int64          `quaestor:"size"`
		Small uint16         `quaestor:"size"`
		MTime time.Time      `quaestor:"mtime"`
		Owner *string        `quaestor:"owner"`
		Mode  value.Value    `quaestor:"mode"`
		Parts []string       `quaestor:"parts"`
		Any   any            `quaestor:"suid"`
		Age   time.Duration  `quaestor:"since"`
		Sum   []byte         `quaestor:"md5"`
		Other map[string]int // left alone
	}
	s := open(t, quaestor.Options{Root: "testdata/example"})
	const query = `FIND file /etc/passwd RETURN path, size, mtime, null AS owner, mode, split(name, "s") AS parts, suid, 3h AS since, md5`
	rows, err := s.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	got, sum, err := quaestor.Collect[file](rows)
	if err != nil || sum.Outcome != answer.Complete || len(got) != 1 {
		t.Fatalf("%v, %v, %v", got, sum, err)
	}
	f := got[0]
	if f.Path != "/etc/passwd" || f.Size != 12 || f.Small != 12 || f.MTime.IsZero() || f.Owner != nil || !slices.Equal(f.Parts, []string{"pa", "", "wd"}) || f.Any != false || f.Age != 3*time.Hour || len(f.Sum) != 16 {
		t.Errorf("%+v", f)
	}
	for _, c := range []struct {
		dst  any
		want string
	}{
		{&struct {
			Path int `quaestor:"path"`
		}{}, `column path: the text "/etc/passwd" does not fit a int`},
		{&struct {
			Nope string `quaestor:"nope"`
		}{}, "column nope: the table file has none of that name"},
		{&struct {
			Owner string `quaestor:"owner"`
		}{}, "column owner: it is null, and a string cannot be: use *string"},
		{&struct {
			Size time.Duration `quaestor:"size"`
		}{}, "column size: the size 12B does not fit a time.Duration"},
		{&struct {
			path string `quaestor:"path"`
		}{}, "column path: the field path is not exported"},
		{file{}, "is no pointer to a struct"}, {nil, "is no pointer to a struct"}, {(*file)(nil), "is no pointer to a struct"},
	} {
		rows, err := s.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for row := range rows.All() {
			if err := row.Scan(c.dst); !errors.Is(err, quaestor.ErrColumn) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%T: %v", c.dst, err)
			}
		}
		rows.Close()
	}
}

func TestOwnFunction(t *testing.T) {
	calls := func(name string) quaestor.Function {
		return quaestor.Function{Name: name, Doc: "the text twice", Args: []value.Type{value.Text}, Type: value.Text,
			Call: func(args []value.Value) value.Value { return value.NewText(args[0].Text() + args[0].Text()) }}
	}
	s := open(t, quaestor.Options{Root: "testdata/example", Functions: []quaestor.Function{calls("twice")}})
	if got, err := one(t, s, `FIND file /etc/hostname WHERE twice(name) = "hostnamehostname" RETURN twice(name)`); err != nil || got.Text() != "hostnamehostname" {
		t.Errorf("%v, %v", got, err)
	}
	for query, want := range map[string]string{
		`FIND file /etc/* RETURN twice(size)`:            "twice(text)",
		`FIND file /etc/* RETURN twice(name, name)`:      "twice(text)",
		`FIND file /etc/* RETURN twic(name)`:             "did you mean twice?",
		`FROM fleet FIND file /etc/* RETURN twice(name)`: "agents do not have it",
	} {
		if _, err := one(t, s, query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", query, err)
		}
	}
	if _, err := quaestor.LocalWith(quaestor.Options{Functions: []quaestor.Function{calls("twice"), calls("twice")}}); err == nil {
		t.Error("two functions of one name")
	}
	for _, name := range []string{"", "lower", "count", "now", "Twice", "2x", "a b", "é"} {
		if _, err := quaestor.LocalWith(quaestor.Options{Functions: []quaestor.Function{calls(name)}}); err == nil {
			t.Errorf("a function %q", name)
		}
	}
}

func TestLimitsAndLog(t *testing.T) {
	var log bytes.Buffer
	s := open(t, quaestor.Options{Root: tree(t, 9), Limits: quaestor.Limits{Rows: 3, Timeout: time.Minute, Bytes: 1 << 20},
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	for _, c := range []struct {
		query string
		rows  int
	}{{"FIND file /d/* RETURN name", 3}, {"FIND file /d/* RETURN name WITH rows = 2", 2}, {"FIND file /d/* RETURN name WITH rows = 8", 3}} {
		rows, err := s.Query(t.Context(), c.query)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range rows.All() {
			n++
		}
		if sum := rows.Summary(); n != c.rows || sum.Outcome != answer.Partial {
			t.Errorf("%s: %d rows, %s", c.query, n, sum.Outcome)
		}
		rows.Close()
	}
	if text := log.String(); strings.Count(text, `msg="query begins"`) != 3 || strings.Count(text, "outcome=partial") != 3 {
		t.Error(text)
	}
}

// Who leaves an answer in any way leaves no goroutine behind: TestMain looks.
func TestNothingIsLeft(t *testing.T) {
	s := open(t, quaestor.Options{Root: tree(t, 2000)})
	for _, leave := range []func(rows *quaestor.Rows, cancel func()){
		func(rows *quaestor.Rows, _ func()) { rows.Close() },
		func(rows *quaestor.Rows, cancel func()) { cancel(); rows.Close() },
		func(rows *quaestor.Rows, _ func()) {
			for range rows.All() {
				break
			}
			rows.Close()
		},
		func(rows *quaestor.Rows, _ func()) {
			for range rows.All() {
				rows.Close()
			}
		},
		func(rows *quaestor.Rows, cancel func()) {
			for range rows.All() {
				cancel()
			}
			rows.Close()
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := s.Query(ctx, "FIND file /d/* RETURN name")
		if err != nil {
			t.Fatal(err)
		}
		leave(rows, cancel)
		cancel()
	}
	s.Close()
	if rows, err := s.Query(t.Context(), "FIND file /d/*"); err == nil {
		for range rows.All() {
		}
		if o := rows.Summary().Outcome; o == answer.Complete {
			t.Error("a session that is closed answered in full")
		}
		rows.Close()
	}
}

func ExampleLocalSession_Query() {
	s, err := quaestor.LocalWith(quaestor.Options{Root: "testdata/example"})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	rows, err := s.Query(context.Background(), `PARAM name text FIND file /etc/* WHERE name = $name RETURN path`, quaestor.Arg("name", "passwd"))
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	for row, err := range rows.All() {
		if err != nil {
			panic(err)
		}
		fmt.Println(row.String("path"))
	}
	fmt.Println(rows.Summary().Outcome)
	// Output:
	// /etc/passwd
	// complete
}

func ExampleCollect() {
	type File struct {
		Path string `quaestor:"path"`
		Size int64  `quaestor:"size"`
	}
	s, err := quaestor.LocalWith(quaestor.Options{Root: "testdata/example"})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	rows, err := s.Query(context.Background(), `FIND file /etc/* RETURN path, size ORDER BY path`)
	if err != nil {
		panic(err)
	}
	files, sum, err := quaestor.Collect[File](rows)
	fmt.Println(files, sum.Outcome, err)
	// Output: [{/etc/hostname 5} {/etc/passwd 12}] complete <nil>
}

func ExamplePrepared() {
	s, err := quaestor.LocalWith(quaestor.Options{Root: "testdata/example"})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	p, err := s.Prepare(`FIND file /etc/* WHERE name IN @names RETURN name ORDER BY name`)
	if err != nil {
		panic(err)
	}
	for _, names := range [][]string{{"passwd"}, {"passwd", "hostname"}} {
		rows, err := p.Query(context.Background(), quaestor.Arg("names", names))
		if err != nil {
			panic(err)
		}
		for row := range rows.All() {
			fmt.Print(row.String("name"), " ")
		}
		fmt.Println(rows.Summary().Outcome)
		rows.Close()
	}
	// Output:
	// passwd complete
	// hostname passwd complete
}

// A module of one's own is a value that is handed in.
func ExampleLocal_module() {
	s, err := quaestor.Local(ports{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	rows, err := s.Query(context.Background(), `FIND port WHERE number < 100 RETURN number, name`)
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	for row := range rows.All() {
		fmt.Println(row.Int("number"), row.String("name"))
	}
	// Output: 22 ssh
}

// ports is a module of two rows.
type ports struct{}

func (ports) Schema() *modules.Schema {
	return &modules.Schema{Name: "port", Doc: "Ports that are known by name.", Columns: []modules.Column{
		{Name: "number", Type: value.Int, Default: true, Doc: "The number."},
		{Name: "name", Type: value.Text, Default: true, Doc: "The name."},
	}}
}

func (ports) Scan(_ context.Context, req *modules.Request, yield func(modules.Row) error) error {
	for number, name := range map[int64]string{22: "ssh", 443: "https"} {
		req.Report.Looked("ports", 1)
		if err := yield(port{value.NewInt(number), value.NewText(name)}); err != nil {
			return err
		}
	}
	return nil
}

type port []value.Value

func (p port) Column(_ context.Context, i int) (value.Value, error) { return p[i], nil }

func ExampleRows_Events() {
	s, err := quaestor.LocalWith(quaestor.Options{Root: "testdata/example"})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	rows, err := s.Query(context.Background(), `FIND file /etc/passwd RETURN path`)
	if err != nil {
		panic(err)
	}
	defer rows.Close()
	for e, err := range rows.Events(time.Second) {
		if err != nil {
			panic(err)
		}
		switch e := e.(type) {
		case quaestor.RowEvent:
			fmt.Println("row", e.Row.String("path"))
		case quaestor.ProgressEvent:
			fmt.Println("so far", e.Rows)
		case quaestor.SummaryEvent:
			fmt.Println(e.Summary.Outcome)
		}
	}
	// Output:
	// row /etc/passwd
	// complete
}
