package records

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

// database gives the file of a database in which statements were done.
func database(t *testing.T, statements ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.db")
	execute(t, file, append([]string{"PRAGMA synchronous = OFF", "PRAGMA page_size = 512"}, statements...)...).Close()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func execute(t *testing.T, file string, statements ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return db
}

func TestSqlite(t *testing.T) {
	good := database(t, "CREATE TABLE t (id INTEGER PRIMARY KEY, \"a b\", r REAL)", "CREATE TABLE w (k PRIMARY KEY, v) WITHOUT ROWID",
		"INSERT INTO t VALUES (7, 'x\"y', 2), (9, NULL, 9e999), (10, x'00ff', -0.5)", "ALTER TABLE t ADD COLUMN added DEFAULT 'new'", "INSERT INTO w VALUES ('k', 1)")
	root := host(t, map[string]string{"good.db": good, "bad.db": "SQLite format 3, it says", "cut.db": good[:1024], "empty.db": "", "good.gz": zipped(good)})
	check(t, sqliteModule(), root, "table rowid record", []string{"/good.db"}, []string{
		`sqlite_schema | 1 | {"type":"table","name":"t","tbl_name":"t","rootpage":2,"sql":"CREATE TABLE t (id INTEGER PRIMARY KEY, \"a b\", r REAL, added DEFAULT 'new')"}`,
		`sqlite_schema | 2 | {"type":"table","name":"w","tbl_name":"w","rootpage":3,"sql":"CREATE TABLE w (k PRIMARY KEY, v) WITHOUT ROWID"}`,
		`t | 7 | {"id":7,"a b":"x\"y","r":2.0,"added":"new"}`, `t | 9 | {"id":9,"a b":null,"r":9e999,"added":"new"}`, `t | 10 | {"id":10,"a b":"AP8=","r":-0.5,"added":"new"}`,
		`w | null | {"k":"k","v":1}`,
	})
	for name, skips := range map[string]int{"/bad.db": 1, "/empty.db": 0, "/good.gz": 1} {
		if got := check(t, sqliteModule(), root, "record", []string{name}, nil); len(got) != skips {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// A table whose pages are cut off is named; the others are read.
	got, rec := moduletest.Rows(t, sqliteModule(), root, []string{"table"}, []string{"/cut.db"})
	if skips := rec.Skips(); len(got) != 5 || len(skips) != 1 || skips[0].Where != "/cut.db: table w" || !strings.HasPrefix(skips[0].Detail, "malformed") {
		t.Errorf("%q, %+v", got, skips)
	}
}

// What a query throws away is not read: the table that is cut off is not even
// missed.
func TestSqliteTable(t *testing.T) {
	good := database(t, "CREATE TABLE t (a)", "CREATE TABLE u (a)", "INSERT INTO t VALUES (1)", "INSERT INTO u VALUES (2)")
	m := sqliteModule()
	req, rec := moduletest.Request(t, m, host(t, map[string]string{"cut.db": good[:1024]}), []string{"table"})
	column, _ := m.Schema().Column("table")
	req.Locators, req.Only = []string{"/cut.db"}, []modules.Restriction{{Column: column, Values: []value.Value{value.NewText("t")}}}
	rows := 0
	if err := m.Scan(t.Context(), req, func(modules.Row) error { rows++; return nil }); err != nil || rows != 1 || len(rec.Skips()) != 0 {
		t.Errorf("%d rows, %v, %+v", rows, err, rec.Skips())
	}
}

// A database that somebody has open is read with what he committed, and what
// changes meanwhile is said.
func TestSqliteInUse(t *testing.T) {
	dir := t.TempDir()
	db := execute(t, filepath.Join(dir, "wal.db"), "PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = 0", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "BEGIN", "INSERT INTO t VALUES (2)")
	defer db.Close()
	where := []string{"/wal.db"}
	if skips := check(t, sqliteModule(), dir, "table rowid", where, []string{"sqlite_schema | 1", "t | 1"}); len(skips) != 0 {
		t.Errorf("%+v", skips)
	}
	change := func(statements ...string) []modules.Skip {
		m := sqliteModule()
		req, rec := moduletest.Request(t, m, dir, []string{"table"})
		req.Locators = where
		done := false
		if err := m.Scan(t.Context(), req, func(modules.Row) error {
			for _, s := range statements {
				if _, err := db.Exec(s); err != nil && !done {
					t.Fatal(err)
				}
			}
			done = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return rec.Skips()
	}
	if skips := change("COMMIT"); len(skips) != 0 {
		t.Errorf("what is added to the log: %+v", skips)
	}
	if skips := change("PRAGMA wal_checkpoint(PASSIVE)"); len(skips) != 0 {
		t.Errorf("what goes from the log into the file: %+v", skips)
	}
	if skips := change("INSERT INTO t VALUES (3)", "PRAGMA wal_checkpoint(TRUNCATE)"); len(skips) != 1 || skips[0].Kind != modules.SkipChanged || skips[0].Where != "/wal.db" {
		t.Errorf("a log that began anew: %+v", skips)
	}
	other := execute(t, filepath.Join(dir, "old.db"), "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
	defer other.Close()
	db, where = other, []string{"/old.db"}
	if skips := change("INSERT INTO t VALUES (2)"); len(skips) != 1 || skips[0].Kind != modules.SkipChanged {
		t.Errorf("a database without a log: %+v", skips)
	}
}
