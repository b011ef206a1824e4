package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// connect opens a database with the library that this one is held against.
func connect(t testing.TB, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func do(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%.300s: %v", s, err)
		}
	}
}

// open opens a file, or a file with a log, of this machine.
func open(t testing.TB, file string) (*DB, error) {
	t.Helper()
	fs, err := hostfs.Open(modules.Host{}, &moduletest.Recorder{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.Close() })
	d, err := Open(fs, file)
	if err == nil {
		t.Cleanup(func() { d.Close() })
	}
	return d, err
}

func show(v Value) string {
	switch v.Kind {
	case Null:
		return "null"
	case Int:
		return fmt.Sprintf("int %d", v.Int)
	case Real:
		return fmt.Sprintf("real %x", math.Float64bits(v.Real))
	case Text:
		return fmt.Sprintf("text %q", v.Bytes)
	}
	return fmt.Sprintf("blob %x", v.Bytes)
}

func showAny(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case int64:
		return fmt.Sprintf("int %d", v)
	case float64:
		return fmt.Sprintf("real %x", math.Float64bits(v))
	case string:
		return fmt.Sprintf("text %q", v)
	case []byte:
		return fmt.Sprintf("blob %x", v)
	}
	return fmt.Sprintf("%T", v)
}

// ours gives the rows of a table as lines.
func ours(t testing.TB, d *DB, table *Table) (lines []string, err error) {
	t.Helper()
	err = d.Rows(t.Context(), table, func(r *Row) error {
		line := ""
		if table.HasRowid() {
			line = fmt.Sprint(r.ID)
		}
		for _, v := range r.Values {
			line += " | " + show(v)
		}
		lines = append(lines, line)
		return nil
	})
	return lines, err
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// theirs gives what the library says of the same.
func theirs(t testing.TB, db *sql.DB, table *Table) (lines []string) {
	t.Helper()
	var columns []string
	if table.HasRowid() {
		columns = append(columns, "_rowid_")
	}
	for _, c := range table.Columns {
		columns = append(columns, "+"+quote(c))
	}
	rows, err := db.Query("SELECT " + strings.Join(columns, ", ") + " FROM " + quote(table.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		values := make([]any, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		line := ""
		if table.HasRowid() {
			line, values = fmt.Sprint(values[0]), values[1:]
		}
		for _, v := range values {
			line += " | " + showAny(v)
		}
		lines = append(lines, line)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return lines
}

// agree holds every table of a database against the library.
func agree(t testing.TB, file string, db *sql.DB) {
	t.Helper()
	d, err := open(t, file)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var names []string
	for _, table := range d.Tables() {
		names = append(names, table.Name)
		got, err := ours(t, d, table)
		if err != nil {
			t.Fatalf("%s: %v", table.Name, err)
		}
		want := theirs(t, db, table)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					a, b := strings.Split(at(got, i), " | "), strings.Split(at(want, i), " | ")
					for k := range max(len(a), len(b)) {
						if at(a, k) != at(b, k) {
							t.Errorf("column %d is\n%.200s\nnot\n%.200s", k, at(a, k), at(b, k))
						}
					}
					t.Fatalf("%s: %d rows, and there are %d: row %d differs; %q", table.Name, len(got), len(want), i, table.Columns)
				}
			}
		}
	}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	var there []string
	rows, err := db.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		there = append(there, name)
	}
	if !slices.Equal(names[1:], there) {
		t.Fatalf("tables %q, not %q", names[1:], there)
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "nothing"
}

// A maker makes random databases.
type maker struct {
	*rand.Rand
	t      testing.TB
	db     *sql.DB
	tables [][]string // their columns
	names  []string
}

func (m *maker) one(of ...string) string { return of[m.IntN(len(of))] }

func (m *maker) literal() string {
	switch m.IntN(9) {
	case 0:
		return "NULL"
	case 1:
		return fmt.Sprint(m.IntN(3))
	case 2:
		return fmt.Sprint(int64(m.Uint64()) >> m.IntN(64))
	case 3:
		return m.one("1.0", "-2.5", "1e300", "9e999", "-9e999", "123456789012345678.0", "0.1", "3.0")
	case 4:
		return m.one("'12'", "' 1.50 '", "'1e3'", "'abc'", "''", "'it''s'", "'0x10'", "'-0'", "'9223372036854775808'")
	case 5:
		return "'" + strings.Repeat(m.one("a", "é", "€", "😀"), m.IntN(60)) + "'"
	case 6:
		return "x'" + strings.Repeat(m.one("00", "ff", "61"), m.IntN(80)) + "'"
	case 7:
		return fmt.Sprintf("zeroblob(%d)", m.IntN(1<<m.IntN(18)))
	}
	return fmt.Sprintf("hex(randomblob(%d))", m.IntN(1<<m.IntN(14)))
}

func (m *maker) column(i int) string {
	return m.one("c", "Col", "sélect", `a"b`, "x y", "order", "2nd", "[z]", "primary", "it's") + fmt.Sprint(i)
}

func (m *maker) def(name string) string {
	d := m.one(quote(name), "`"+strings.ReplaceAll(name, "`", "``")+"`", quote(name)) + " "
	d += m.one("", "INTEGER", "INT", "TEXT", "REAL", "BLOB", "NUMERIC", "VARCHAR(10)", "DOUBLE PRECISION", "DECIMAL(10, 5)", "BOOLEAN", "DATETIME", "'quoted type'", "FLOATING POINT", "unsigned big int", "ANY")
	for range m.IntN(3) {
		d += m.one("", " /* a comment, ( */", " -- another, )\n", " COLLATE NOCASE", " CHECK (1 = 1 OR 'a,)' = '')", " REFERENCES other (a) ON DELETE SET DEFAULT ON UPDATE SET NULL", " CONSTRAINT named CHECK (2 > 1)")
	}
	if m.IntN(3) == 0 {
		d += " DEFAULT " + m.plain()
	}
	return d
}

// plain is a default that a column may be added with.
func (m *maker) plain() string {
	return m.one("7", "-7", "+7", "1.5", "-2.0", "'text'", "'12'", "' 12'", "'1.0'", "x'00ff'", "NULL", "TRUE", "false", "(3)", "0x1F", `"word"`, "bare", "1e3", "123456789012345", "''")
}

func (m *maker) table() {
	name := fmt.Sprintf("%s%d", m.one("t", "Tab le", `q"t`, "sélection"), len(m.names))
	var columns, defs []string
	n := 1 + m.IntN(6)
	for i := range n {
		c := m.column(i)
		columns, defs = append(columns, c), append(defs, m.def(c))
	}
	tail := ""
	switch m.IntN(6) {
	case 0, 1: // WITHOUT ROWID, with a key in an order of its own
		keys := slices.Clone(columns)
		m.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		keys = keys[:1+m.IntN(len(keys))]
		for i := range keys {
			keys[i] = quote(keys[i]) + m.one("", " DESC", " COLLATE RTRIM", " ASC")
		}
		defs = append(defs, m.one("", "CONSTRAINT pk ")+"PRIMARY KEY ("+strings.Join(keys, ", ")+")"+m.one("", ", CHECK (1)", " UNIQUE ("+quote(columns[0])+")"))
		tail = m.one(" WITHOUT ROWID", " without rowid")
	case 2:
		i := m.IntN(n)
		defs[i] = quote(columns[i]) + m.one(" INTEGER PRIMARY KEY", " integer primary key AUTOINCREMENT", " INTEGER PRIMARY KEY DESC", " INT PRIMARY KEY", " INTEGER CONSTRAINT x PRIMARY KEY ASC NOT NULL", " [INTEGER] PRIMARY KEY", " INTEGER(8) PRIMARY KEY")
	case 3:
		i := m.IntN(n)
		defs[i] = quote(columns[i]) + m.one(" INTEGER", " BIGINT", " \"INTEGER\"", " INTEGER NOT NULL")
		defs = append(defs, "PRIMARY KEY ("+quote(columns[i])+m.one("", " DESC", " AUTOINCREMENT")+")")
		if strings.Contains(defs[n], "AUTOINCREMENT") && !strings.HasSuffix(defs[i], " INTEGER") && !strings.Contains(defs[i], " INTEGER NOT") {
			defs[n] = "PRIMARY KEY (" + quote(columns[i]) + ")"
		}
	case 4:
		defs = append(defs, quote("gen")+" INTEGER "+m.one("GENERATED ALWAYS ", "")+"AS (abs(1, 2) + 1)"+m.one(" VIRTUAL", " STORED", ""))
		defs[n] = strings.Replace(defs[n], "abs(1, 2)", "length('a,)(')", 1)
		m.Shuffle(len(defs), func(i, j int) { defs[i], defs[j] = defs[j], defs[i] })
	}
	do(m.t, m.db, "CREATE TABLE "+quote(name)+" ("+strings.Join(defs, m.one(", ", ",\n\t"))+")"+tail)
	m.tables, m.names = append(m.tables, columns), append(m.names, name)
}

// change does something to a table.
func (m *maker) change() {
	i := m.IntN(len(m.names))
	name := quote(m.names[i])
	switch k := m.IntN(20); {
	case k < 14:
		var columns []string
		for _, c := range m.tables[i] {
			columns = append(columns, quote(c))
		}
		for range m.IntN(40) {
			values := make([]string, len(columns))
			for j := range values {
				values[j] = m.literal()
			}
			// Keys that are there already, or null, are refused: so be it.
			m.db.Exec("INSERT OR REPLACE INTO " + name + " (" + strings.Join(columns, ",") + ") VALUES (" + strings.Join(values, ",") + ")")
		}
	case k < 16:
		m.db.Exec(fmt.Sprintf("DELETE FROM %s WHERE abs(random()) %% %d = 0", name, 1+m.IntN(4)))
	case k < 18:
		c := m.column(100 + m.IntN(1000))
		if _, err := m.db.Exec("ALTER TABLE " + name + " ADD COLUMN " + quote(c) + " " + m.one("", "TEXT", "REAL", "INT", "NUMERIC", "BLOB", "FLOAT") + " " + m.one("", "DEFAULT "+m.plain())); err == nil {
			m.tables[i] = append(m.tables[i], c)
		}
	case k < 19:
		m.db.Exec("VACUUM") // refused in a transaction
	default:
		m.db.Exec("CREATE INDEX i" + fmt.Sprint(m.Uint32()) + " ON " + name + " (" + quote(m.tables[i][0]) + ")")
	}
}

// Random databases of all kinds have the rows that the library sees in them,
// also while it has them open, and none of what it has not committed.
func TestAgainstSQLite(t *testing.T) {
	var pages, frames int
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.db")
			m := &maker{Rand: rand.New(rand.NewPCG(seed, 1)), t: t, db: connect(t, file)}
			do(t, m.db, fmt.Sprintf("PRAGMA page_size = %d", 512<<m.IntN(8)), "PRAGMA encoding = '"+m.one("UTF-8", "UTF-8", "UTF-16le", "UTF-16be")+"'",
				"PRAGMA synchronous = OFF", "PRAGMA auto_vacuum = "+m.one("0", "1", "2"))
			wal := m.IntN(2) == 0
			if wal {
				do(t, m.db, "PRAGMA journal_mode = WAL", "PRAGMA wal_autocheckpoint = "+m.one("0", "3", "1000"))
			} else {
				do(t, m.db, "PRAGMA journal_mode = "+m.one("DELETE", "TRUNCATE", "PERSIST"))
			}
			for range 1 + m.IntN(4) {
				m.table()
			}
			for range 20 {
				m.change()
			}
			agree(t, file, m.db)
			if wal {
				if m.IntN(2) == 0 {
					do(t, m.db, "PRAGMA wal_checkpoint("+m.one("PASSIVE", "FULL", "RESTART", "TRUNCATE")+")")
				}
				m.change()
				agree(t, file, m.db)
			}
			// What a transaction that is open has written is not there.
			before := snapshot(t, file)
			do(t, m.db, "PRAGMA cache_size = 1", "BEGIN")
			for range 5 {
				m.change()
			}
			d, err := open(t, file)
			if err != nil {
				t.Fatal(err)
			}
			if d.journal != nil {
				pages += len(d.journal.at)
			}
			frames += d.log.count()
			if err := d.Check(); err != nil || snapshot(t, file) != before {
				t.Error("rows of a transaction that is open")
			}
			crash(t, file, before)
			do(t, m.db, "ROLLBACK")
			agree(t, file, m.db)
			m.db.Close()
			if m.IntN(4) == 0 {
				m.db = connect(t, file)
				agree(t, file, m.db)
			}
		})
	}
	if pages == 0 || frames == 0 {
		t.Errorf("%d pages of journals and %d of logs were tried", pages, frames)
	}
}

func (l *log) count() int {
	if l == nil {
		return 0
	}
	return len(l.at)
}

// crash copies a database as it would be had the library ended now. What is
// read of it is what the library sees when it has taken back what it must.
func crash(t *testing.T, file, before string) {
	t.Helper()
	crashed := filepath.Join(t.TempDir(), "x.db")
	for _, end := range []string{"", "-wal", "-journal"} {
		if b, err := os.ReadFile(file + end); err == nil && os.WriteFile(crashed+end, b, 0o644) != nil {
			t.Fatal(err)
		}
	}
	if snapshot(t, crashed) != before {
		t.Error("a crash leaves other rows")
	}
	db := connect(t, crashed)
	do(t, db, "PRAGMA synchronous = OFF", "SELECT * FROM sqlite_schema")
	agree(t, crashed, db)
	if snapshot(t, crashed) != before {
		t.Error("after a crash there are other rows")
	}
	db.Close()
}

func snapshot(t testing.TB, file string) string {
	t.Helper()
	d, err := open(t, file)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, table := range d.Tables() {
		lines, err := ours(t, d, table)
		fmt.Fprintln(&b, table.Name, lines, err)
	}
	return b.String()
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	db := connect(t, good)
	do(t, db, "CREATE TABLE t (a)", "INSERT INTO t VALUES ('row')")
	db.Close()
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"foreign":    func([]byte) []byte { return []byte("hello, this is no database, but long enough to be one") },
		"encrypted":  func(b []byte) []byte { copy(b, "0123456789abcdef"); return b },
		"short":      func(b []byte) []byte { return b[:90] },
		"page size":  func(b []byte) []byte { b[16], b[17] = 3, 0; return b },
		"fractions":  func(b []byte) []byte { b[21] = 1; return b },
		"encoding":   func(b []byte) []byte { b[59] = 9; return b },
		"first page": func(b []byte) []byte { b[100] = 0x0a; return b },
		"cut":        func(b []byte) []byte { return b[:4000] },
		"cells":      func(b []byte) []byte { b[103] = 0xff; return b },
	} {
		file := filepath.Join(dir, "bad")
		if err := os.WriteFile(file, change(slices.Clone(data)), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, file); !errors.Is(err, hostfs.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if d, err := open(t, empty); err != nil || len(d.Tables()) != 0 || d.Check() != nil {
		t.Errorf("an empty file: %v", err)
	}
	if _, err := open(t, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
