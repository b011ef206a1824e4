package sqlite

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
)

// What is in the three files of a database, each as a fuzzer would have it.
func FuzzDatabase(f *testing.F) {
	for _, mode := range []string{"WAL", "DELETE"} {
		file := filepath.Join(f.TempDir(), "x.db")
		db := connect(f, file)
		do(f, db, "PRAGMA page_size = 512", "PRAGMA journal_mode = "+mode, "PRAGMA wal_autocheckpoint = 0", "PRAGMA cache_size = 1",
			"CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT DEFAULT 'x', c REAL)", "CREATE TABLE w (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID",
			"INSERT INTO t VALUES (1, 'one', 1), (2, hex(zeroblob(900)), 2.5), (9, NULL, NULL)", "INSERT INTO w VALUES (1, 'x'), (x'00', hex(zeroblob(700)))",
			"ALTER TABLE t ADD COLUMN d DEFAULT 7", "BEGIN", "INSERT INTO t SELECT NULL, hex(zeroblob(300)), 1, 1 FROM t, t AS u, t AS v")
		var files [3][]byte
		for i, end := range []string{"", "-wal", "-journal"} {
			files[i], _ = os.ReadFile(file + end)
		}
		f.Add(files[0], files[1], files[2])
	}
	f.Fuzz(func(t *testing.T, db, log, journal []byte) {
		d := &DB{}
		err := d.begin(source{bytes.NewReader(db), int64(len(db)), bytes.NewReader(log), int64(len(log)), bytes.NewReader(journal), int64(len(journal))})
		known(t, err)
		rows := 0
		for _, table := range d.tables {
			known(t, d.Rows(t.Context(), table, func(r *Row) error {
				if rows++; len(r.Values) < len(table.Columns) {
					t.Error("a row with less than its columns")
				}
				return nil
			}))
		}
		if bound := (len(db) + len(log) + len(journal)) * len(d.tables); rows > bound {
			t.Errorf("%d rows of %d bytes", rows, bound)
		}
	})
}

// A database in which bytes were changed gives errors, and never more rows than
// it had.
func TestCorrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	db := connect(t, file)
	do(t, db, "PRAGMA synchronous = OFF", "PRAGMA page_size = 512", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)", "CREATE TABLE w (a PRIMARY KEY, b) WITHOUT ROWID",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 200) INSERT INTO t SELECT i, hex(zeroblob(i * 7 % 600)) FROM n",
		"INSERT INTO w SELECT a, b FROM t WHERE a % 5 = 0")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	wrong := 0
	for range 3000 {
		b := bytes.Clone(good)
		for range 1 + rnd.IntN(4) {
			at := rnd.IntN(len(b))
			if rnd.IntN(2) == 0 { // heads of pages
				at = at/512*512 + rnd.IntN(16)
			}
			b[at] = byte(rnd.Uint32())
		}
		d := &DB{}
		err := d.begin(source{file: bytes.NewReader(b), size: int64(len(b))})
		known(t, err)
		for _, table := range d.tables {
			rows := 0
			e := d.Rows(t.Context(), table, func(*Row) error { rows++; return nil })
			if known(t, e); rows > 220 {
				t.Errorf("%d rows", rows)
			}
			err = errors.Join(err, e)
		}
		if err != nil {
			wrong++
		}
	}
	if wrong < 300 {
		t.Errorf("%d of 3000 were seen to be wrong", wrong)
	}
}

func known(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, hostfs.ErrMalformed) && !errors.Is(err, hostfs.ErrTooLarge) && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, ErrUnfinished) {
		t.Errorf("an error of no kind: %v", err)
	}
}

func FuzzStatement(f *testing.F) {
	f.Add(`CREATE TABLE "a b" (x INTEGER PRIMARY KEY, [y] TEXT DEFAULT 'it''s' /* , */, z AS (x + 1) STORED, UNIQUE (x)) STRICT`)
	f.Add("CREATE TABLE t(a, b DECIMAL(10, 5) DEFAULT -1.5 REFERENCES o ON DELETE SET DEFAULT, CONSTRAINT c PRIMARY KEY (b COLLATE NOCASE DESC, a)) WITHOUT ROWID")
	f.Fuzz(func(t *testing.T, sql string) {
		table, err := parseTable(sql)
		if err != nil {
			known(t, err)
			return
		}
		if len(table.Columns) != len(table.columns) || len(table.stored) != len(table.columns) || table.alias >= len(table.columns) || table.key > len(table.stored) || !table.rowid && table.alias >= 0 {
			t.Errorf("%+v", table)
		}
		for fields := range len(table.stored) + 2 {
			values, err := table.values(nil, make([]Value, fields), 7)
			if err == nil && len(values) < len(table.Columns) {
				t.Errorf("%d values of %d fields", len(values), fields)
			}
		}
	})
}
