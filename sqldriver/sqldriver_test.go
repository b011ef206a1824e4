package sqldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"github.com/quaestor-engine/quaestor/sqldriver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func opened(t *testing.T, opts ...sqldriver.Option) *sql.DB {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{"etc/passwd": "root\n", "etc/shadow": "secret\n", "srv/x": ""} {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := quaestor.LocalWith(quaestor.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(sqldriver.New(s, opts...))
	t.Cleanup(func() {
		if err := errors.Join(db.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestQuery(t *testing.T) {
	db := opened(t)
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	const query = `PARAM least size FIND file /etc/* WHERE size >= $least AND name IN @names RETURN path, size, mtime, suid, null AS nothing, split(name, "s") AS parts, mode, md5, 2h AS long ORDER BY path`
	rows, err := db.QueryContext(t.Context(), query, sql.Named("least", 6), sql.Named("names", []string{"passwd", "shadow"}))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil || types[1].DatabaseTypeName() != "size" || types[2].ScanType().String() != "time.Time" {
		t.Errorf("%v, %v", types, err)
	}
	n := 0
	for rows.Next() {
		var path, parts, mode, md5 string
		var size int64
		var mtime time.Time
		var suid bool
		var nothing sql.NullString
		var long time.Duration
		if err := rows.Scan(&path, &size, &mtime, &suid, &nothing, &parts, &mode, &md5, &long); err != nil {
			t.Fatal(err)
		}
		n++
		if path != "/etc/shadow" || size != 7 || mtime.IsZero() || suid || nothing.Valid || parts != `["","hadow"]` || mode != "-rw-------" || len(md5) != 32 || long != 2*time.Hour {
			t.Error(path, size, mtime, suid, nothing, parts, mode, md5, long)
		}
	}
	if err := rows.Err(); err != nil || n != 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// Every table is a result set, whichever rows come first.
func TestResultSets(t *testing.T) {
	db := opened(t)
	for _, skip := range []bool{false, true} {
		rows, err := db.QueryContext(t.Context(), `FIND file /etc/* RETURN name AND FIND file /srv/* AS served RETURN path, size`)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			if got = append(got, name); skip {
				break
			}
		}
		if !rows.NextResultSet() {
			t.Fatal("there is one table", rows.Err())
		}
		for rows.Next() {
			var path string
			var size int
			if err := rows.Scan(&path, &size); err != nil {
				t.Fatal(err)
			}
			got = append(got, path)
		}
		slices.Sort(got)
		if rows.NextResultSet() || rows.Err() != nil || !skip && !slices.Equal(got, []string{"/srv/x", "passwd", "shadow"}) || !slices.Contains(got, "/srv/x") {
			t.Errorf("%q, %v", got, rows.Err())
		}
		rows.Close()
	}
}

// What was left out ends in an error, unless less will do.
func TestIncomplete(t *testing.T) {
	const query = `FIND file /etc/* RETURN name WITH rows = 1`
	count := func(db *sql.DB) (n int, err error) {
		rows, err := db.QueryContext(t.Context(), query)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() {
			n++
		}
		return n, rows.Err()
	}
	n, err := count(opened(t))
	var partial *sqldriver.Incomplete
	if n != 1 || !errors.As(err, &partial) || partial.Summary.Outcome != answer.Partial || !strings.Contains(err.Error(), "partial") {
		t.Errorf("%d rows, %v", n, err)
	}
	if n, err := count(opened(t, sqldriver.AllowPartial())); n != 1 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestRefused(t *testing.T) {
	db := opened(t)
	if _, err := db.ExecContext(t.Context(), "FIND host"); !errors.Is(err, sqldriver.ErrReadOnly) {
		t.Error(err)
	}
	if _, err := db.BeginTx(t.Context(), nil); !errors.Is(err, sqldriver.ErrReadOnly) {
		t.Error(err)
	}
	stmt, err := db.PrepareContext(t.Context(), "PARAM x int FIND host RETURN $x")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	if _, err := stmt.ExecContext(t.Context()); !errors.Is(err, sqldriver.ErrReadOnly) {
		t.Error(err)
	}
	for want, args := range map[string][]any{
		"has no name": {3}, `argument "y"`: {sql.Named("y", 3)}, "declared as int": {sql.Named("x", "three")},
	} {
		if _, err := stmt.QueryContext(t.Context(), args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := db.PrepareContext(t.Context(), "SELECT 1"); err == nil || !strings.Contains(err.Error(), "FIND") {
		t.Error(err)
	}
	if _, err := db.QueryContext(t.Context(), "FIND fiel /etc"); err == nil || !strings.Contains(err.Error(), "did you mean file?") {
		t.Error(err)
	}
}

func TestCancelled(t *testing.T) {
	db := opened(t)
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := db.QueryContext(ctx, "FIND file /etc/* RETURN name")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for rows.Next() {
	}
	if rows.Err() == nil {
		t.Error("a cancelled answer ended like any other")
	}
	rows.Close()
}

func Example() {
	s, err := quaestor.LocalWith(quaestor.Options{Root: "../testdata/example"})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	sqldriver.Register("example", s)
	db, err := sql.Open("example", "")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	var size int64
	err = db.QueryRow(`PARAM n text FIND file /etc/* WHERE name = $n RETURN size`, sql.Named("n", "passwd")).Scan(&size)
	fmt.Println(size, err)
	// Output: 12 <nil>
}
