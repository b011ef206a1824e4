package convert_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quaestor-engine/quaestor/internal/convert"
	"github.com/quaestor-engine/quaestor/lang"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// toy is a format whose file is a query a line, behind its name.
var toy = convert.Format{
	Name: "toy",
	Is:   func(name string, _ []byte) bool { return strings.HasSuffix(name, ".toy") },
	Convert: func(_ context.Context, in convert.Input) (*convert.Result, error) {
		r := &convert.Result{Lists: []convert.List{{Name: "bad.txt", Text: []byte("a\nb\n")}}}
		for i, line := range strings.Split(strings.TrimSpace(string(in.Data)), "\n") {
			name, query, ok := strings.Cut(line, ": ")
			if !ok {
				return nil, &convert.Error{File: in.Name, Line: i + 1, Message: "this is no rule", Hint: "write NAME: QUERY"}
			}
			x := convert.Rule{Name: name, Line: i + 1, Outcome: convert.Whole, Queries: []string{query}, Severity: "high"}
			if strings.HasPrefix(name, "half") {
				x.Lose(i+1, "the other half is not there")
			}
			r.Rules = append(r.Rules, x)
		}
		return r, nil
	},
}

func run(t *testing.T, name, data string) (*convert.Result, error) {
	t.Helper()
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	in := convert.Input{Name: name, Data: []byte(data), Catalogue: cat, Now: time.Unix(0, 0)}
	return convert.Run(context.Background(), []convert.Format{toy}, "", in)
}

func TestQueryFile(t *testing.T) {
	r, err := run(t, "x.toy", "one: find file /etc/* where name in @bad.txt\nhalf a rule: FIND user\ntypo: FIND file /etc/* WHERE nmae = 'x'\nno\u2028name: FIND user\n")
	if err != nil {
		t.Fatal(err)
	}
	const want = `-- made from x.toy (toy)

-- name: one
-- severity: high
FIND file /etc/* WHERE name IN @bad.txt;

-- carried over in part:
--   line 2: the other half is not there
-- name: half a rule
-- severity: high
FIND user;

-- not carried over: typo
--   line 3: its query is refused: file has no column "nmae"

-- name: no name
-- severity: high
FIND user;
`
	if got := r.Query("x.toy"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := lang.Parse(lang.Source{Name: "x.qst", Text: r.Query("x.toy")}); err != nil {
		t.Error(err)
	}
	var c convert.Counter
	c.Add("x.toy", r)
	c.Fail("y.toy", errors.New("it is \x1b[31mred"))
	c.Pass("z")
	var b bytes.Buffer
	c.Tally().Table(&b)
	for _, line := range []string{"toy               1      4      2      1      1  50.0 %", "y.toy: it is \ufffd[31mred", "1 files are of no format"} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("%q is not in\n%s", line, b.String())
		}
	}
	if c.Tally().AllWhole() {
		t.Error("all whole")
	}
}

func TestErrors(t *testing.T) {
	if _, err := run(t, "x.toy", "what is this"); err == nil || err.Error() != "x.toy:1: this is no rule\nhint: write NAME: QUERY" {
		t.Error(err)
	}
	if _, err := run(t, "x.txt", ""); !errors.Is(err, convert.ErrUnknownFormat) {
		t.Error(err)
	}
}

// What is quoted is one literal with that text, whatever it holds.
func TestQuote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z\\'"\n;-]{0,12}`)).Draw(t, "text")
		f, err := lang.Parse(lang.Source{Name: "q", Text: "FIND user WHERE name = " + convert.Quote(text)})
		if err != nil {
			t.Fatalf("%s: %v", convert.Quote(text), err)
		}
		got := f.Queries[0].Finds[0].Where.(*lang.Compare).Y.(*lang.Literal).Value.Text()
		if got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
