package sql_test

import (
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/internal/convert/osquery/sql"
)

func TestParse(t *testing.T) {
	list, err := sql.Parse("-- one\nWITH a(x) AS (SELECT 1) SELECT DISTINCT t.*, count(*) FILTER (WHERE b > 1) AS n /* two */\nFROM a t, (b JOIN c USING (i, j)) LEFT OUTER JOIN [d e] \"f\" ON t.x == f.y\nWHERE NOT x LIKE 'it''s' ESCAPE '\\' AND (y, z) IN ((1, x'ff'), (2, NULL)) GROUP BY 1 HAVING n <> 0x10 ORDER BY n DESC NULLS LAST LIMIT 2, 3; ; SELECT CASE a WHEN 1 THEN -2.5e3 ELSE CAST(b AS UNSIGNED BIG INT) END;")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || len(list[0].Comments) != 2 || list[0].Comments[1].Text != "two" {
		t.Fatalf("%+v", list)
	}
	q := list[0].Query
	core := q.Cores[0]
	if q.With[0].Columns[0] != "x" || !core.Distinct || !core.Columns[0].Star || core.Columns[0].Table != "t" || core.Columns[1].Alias != "n" {
		t.Errorf("%+v", core)
	}
	if n := len(core.From); n != 4 || core.From[3].Join != sql.Left || core.From[3].Table != "d e" || core.From[3].Name() != "f" || len(core.From[2].Using) != 2 {
		t.Errorf("%+v", core.From)
	}
	and := core.Where.(*sql.Binary)
	if not := and.X.(*sql.Unary).X.(*sql.Match); not.Y.(*sql.Literal).Text != "it's" || not.Escape == nil {
		t.Errorf("%+v", not)
	}
	if in := and.Y.(*sql.In); len(in.List) != 2 || len(in.X.(*sql.Row).Items) != 2 {
		t.Errorf("%+v", in)
	}
	if !q.Order[0].Desc || q.Limit.(*sql.Literal).Text != "3" || q.Offset.(*sql.Literal).Text != "2" {
		t.Errorf("%+v", q)
	}
}

// The operators bind as SQLite's do.
func TestPrecedence(t *testing.T) {
	for text, want := range map[string]string{
		"a OR b AND NOT c = d":       "(a OR (b AND (NOT (c = d))))",
		"a + b * c || d < e = f":     "(((a + (b * (c || d))) < e) = f)",
		"a = b LIKE c":               "((a = b) LIKE c)",
		"a BETWEEN b AND c AND d":    "((a BETWEEN b, c) AND d)",
		"- a - - b":                  "((- a) - (- b))",
		"a IS NOT NULL AND b ISNULL": "((a NOTNULL) AND (b NULL))",
		"NOT EXISTS (SELECT 1)":      "(NOT EXISTS)",
	} {
		list, err := sql.Parse("SELECT " + text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := show(list[0].Query.Cores[0].Columns[0].Expr); got != want {
			t.Errorf("%s is %s, not %s", text, got, want)
		}
	}
}

func show(e sql.Expr) string {
	switch e := e.(type) {
	case *sql.Name:
		return e.Name
	case *sql.Unary:
		return "(" + e.Op + " " + show(e.X) + ")"
	case *sql.Binary:
		return "(" + show(e.X) + " " + e.Op + " " + show(e.Y) + ")"
	case *sql.Match:
		return "(" + show(e.X) + " " + e.Op + " " + show(e.Y) + ")"
	case *sql.Between:
		return "(" + show(e.X) + " BETWEEN " + show(e.Low) + ", " + show(e.High) + ")"
	case *sql.IsNull:
		if e.Not {
			return "(" + show(e.X) + " NOTNULL)"
		}
		return "(" + show(e.X) + " NULL)"
	case *sql.Exists:
		return "EXISTS"
	}
	return "?"
}

func TestMistakes(t *testing.T) {
	deep := strings.Repeat("(", 5000)
	for text, want := range map[string]string{
		"":                              "there is no query",
		"SELECT":                        "a value is missing before the end",
		"SELECT a FROM":                 "the name of a table is missing before the end",
		"SELECT a FROM b WHERE c = ":    "a value is missing before the end",
		"SELECT 'a":                     "this text has no end",
		"SELECT /* a":                   "this comment has no end",
		"SELECT a ? b":                  "SQL has no sign ?",
		"SELECT \xff":                   "this is not UTF-8",
		"DROP TABLE a":                  `SELECT is missing before "DROP": osquery's packs hold queries alone`,
		"SELECT a b c FROM d":           `this does not belong to the query: "c"`,
		"SELECT a FROM b LEFT c":        `JOIN is missing before "c"`,
		"SELECT sum(a) OVER (b) FROM c": "window functions are not read",
		"SELECT " + deep:                "it is nested more than 100 levels deep",
		"SELECT " + strings.Repeat("-", 1) + strings.Repeat(" -", 5000) + "a": "it is nested more than 100 levels deep",
		"SELECT " + strings.Repeat("NOT ", 5000) + "a":                        "it is nested more than 100 levels deep",
		strings.Repeat("SELECT * FROM (", 5000):                               "it is nested more than 100 levels deep",
	} {
		_, err := sql.Parse(text)
		if err == nil || err.Error() != want {
			t.Errorf("%.40q: %v, not %s", text, err, want)
		}
	}
}

// Whatever a text is, it gives a tree or an error with a place in it.
func FuzzParse(f *testing.F) {
	f.Add("SELECT a, b.* FROM c JOIN d USING (e) WHERE f LIKE '%x' AND g IN (SELECT 1) ORDER BY 1 LIMIT 2")
	f.Add("WITH a AS (VALUES (1), (2)) SELECT CASE WHEN x THEN y END FROM a UNION ALL SELECT cast(z AS int) -- c")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := sql.Parse(text)
		if err != nil {
			if e, ok := err.(*sql.Error); !ok || e.At < 0 || e.At > len(text) || e.Message == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for _, s := range list {
			if s.At > s.End || s.End > len(text) || len(s.Query.Cores) != len(s.Query.Ops)+1 {
				t.Fatalf("%q: %+v", text, s)
			}
		}
	})
}
