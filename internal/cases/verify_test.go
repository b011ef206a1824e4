package cases_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/cases"
	"github.com/quaestor-engine/quaestor/plan/answer"
)

// mark is what the tests' signer puts under a text.
func mark(signer string, msg []byte) []byte {
	h := sha256.Sum256(append([]byte(signer+"'s key\n"), msg...))
	return h[:8]
}

func signedBy(signer string) func(context.Context, []byte) ([]byte, string, error) {
	return func(_ context.Context, msg []byte) ([]byte, string, error) { return mark(signer, msg), signer, nil }
}

func check(signer string, msg, sig []byte, _ time.Time) error {
	if signer != "ada" {
		return fmt.Errorf("%s is not known", signer)
	}
	if !bytes.Equal(sig, mark(signer, msg)) {
		return errors.New("the signature is not of this text")
	}
	return nil
}

func verify(t *testing.T, dir, name string, check cases.Check) *cases.Verification {
	t.Helper()
	c, err := cases.Find(dir, name, cases.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	v, err := c.Verify(t.Context(), check)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tamper opens the file of a case as everybody can.
func tamper(t *testing.T, dir, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, name+cases.Ext))+"?_pragma=synchronous(off)&_pragma=journal_mode(memory)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // nothing was written that counts
	return db
}

func change(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyGood(t *testing.T) {
	dir := t.TempDir()
	shop(t, dir, cases.Options{Sign: signedBy("ada")})
	v := verify(t, dir, "shop-2026", check)
	if !v.Good() || v.Entries != 10 || v.Signed["ada"] != 8 || len(v.Unsigned) != 0 || !strings.HasPrefix(v.Head, "10:") {
		t.Errorf("%+v", v)
	}
	c := openCase(t, dir, "shop-2026", cases.Options{})
	if err := c.Holds(t.Context(), v.Head); err != nil {
		t.Error(err)
	}
	// Another one goes on without a key.
	if err := c.Note(t.Context(), "later"); err != nil {
		t.Fatal(err)
	}
	later := verify(t, dir, "shop-2026", check)
	if !later.Good() || len(later.Unsigned) != 1 || later.Unsigned[0] != 11 {
		t.Errorf("%+v", later)
	}
	if err := c.Holds(t.Context(), v.Head); err != nil {
		t.Error(err)
	}
}

// cell is one value that is stored.
type cell struct {
	seq    int64
	column string
	data   []byte
}

func cellsOf(t *testing.T, db *sql.DB) []cell {
	t.Helper()
	var cells []cell
	for _, column := range []string{"kind", "body", "hash", "signer", "sig"} {
		rows, err := db.Query("SELECT seq, CAST(" + column + " AS BLOB) FROM entry")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			one := cell{column: column}
			if err := rows.Scan(&one.seq, &one.data); err != nil {
				t.Fatal(err)
			}
			cells = append(cells, one)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return cells
}

// Every change of a byte that is stored is found, and its entry named.
func TestEveryByteCounts(t *testing.T) {
	dir := t.TempDir()
	c := openCase(t, dir, "x", cases.Options{Sign: signedBy("ada")})
	if err := c.Note(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	record(t, c, cases.Question{Name: "q", Text: "FIND t"}, answer.Summary{Outcome: answer.Complete})
	db := tamper(t, dir, "x")
	cells := cellsOf(t, db)
	n := 0
	found := func(what string, seq int64) {
		n++
		v, err := c.Verify(t.Context(), check)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range v.Problems {
			if p.Entry == seq {
				return
			}
		}
		t.Errorf("%s of entry %d was changed, and found was %v", what, seq, v.Problems)
	}
	for _, one := range cells {
		for i := range one.data {
			bad := bytes.Clone(one.data)
			bad[i] ^= 1
			change(t, db, "UPDATE entry SET "+one.column+" = ? WHERE seq = ?", bad, one.seq)
			found(fmt.Sprintf("byte %d of the %s", i, one.column), one.seq)
		}
		change(t, db, "UPDATE entry SET "+one.column+" = ? WHERE seq = ?", one.data, one.seq)
	}
	for seq := int64(1); seq <= 4; seq++ {
		for _, column := range []string{"at", "of"} {
			change(t, db, "UPDATE entry SET "+column+" = "+column+" + 1 WHERE seq = ?", seq)
			found(column, seq)
			change(t, db, "UPDATE entry SET "+column+" = "+column+" - 1 WHERE seq = ?", seq)
		}
	}
	if v := verify(t, dir, "x", check); !v.Good() || n < 400 {
		t.Errorf("%d changes; at the end %v", n, v.Problems)
	}
}

func TestAttacks(t *testing.T) {
	for name, tt := range map[string]struct {
		do   []string
		want string // the first problem
	}{
		"entry removed":        {[]string{"DELETE FROM entry WHERE seq = 3"}, "entry 4: removed: entry 3 is missing"},
		"several removed":      {[]string{"DELETE FROM entry WHERE seq BETWEEN 2 AND 5"}, "entry 6: removed: entries 2 to 5 are missing"},
		"opening removed":      {[]string{"DELETE FROM entry WHERE seq = 1"}, "entry 2: removed: entry 1 is missing"},
		"all removed":          {[]string{"DELETE FROM entry"}, "entry 1: removed: there is no entry at all"},
		"closed ranks":         {[]string{"DELETE FROM entry WHERE seq = 3", "UPDATE entry SET seq = seq - 1 WHERE seq > 3"}, "entry 3: changed"},
		"two swapped":          {[]string{"UPDATE entry SET seq = -1 WHERE seq = 2", "UPDATE entry SET seq = 2 WHERE seq = 6", "UPDATE entry SET seq = 6 WHERE seq = -1"}, "entry 2: changed"},
		"a signature stripped": {[]string{"UPDATE entry SET signer = '', sig = x'' WHERE seq = 2"}, "entry 2: not signed"},
		"another's name":       {[]string{"UPDATE entry SET signer = 'eve' WHERE seq = 2"}, "entry 2: bad signature: eve is not known"},
		"another's signature":  {[]string{"UPDATE entry SET sig = (SELECT sig FROM entry WHERE seq = 3) WHERE seq = 2"}, "entry 2: bad signature"},
		"rows changed":         {[]string{"UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'web-1', 'web-9') AS BLOB) WHERE kind = 'rows'"}, "entry 4: changed"},
		"a body too long":      {[]string{"UPDATE entry SET body = zeroblob(70000000) WHERE seq = 4"}, "entry 4: changed: it is too long"},
		"no body":              {[]string{"UPDATE entry SET body = x'' WHERE seq = 5"}, "entry 5: changed"},
		"an entry added":       {[]string{"INSERT INTO entry (seq, kind, at, of, body, hash) VALUES (11, 'note', 0, 0, '{}', x'')"}, "entry 11: changed"},
		"one before the first": {[]string{"INSERT INTO entry (seq, kind, at, of, body, hash) VALUES (-5, 'note', 0, 0, '{}', x'')"}, "entry -5: removed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			shop(t, dir, cases.Options{Sign: signedBy("ada")})
			db := tamper(t, dir, "shop-2026")
			for _, q := range tt.do {
				change(t, db, q)
			}
			v := verify(t, dir, "shop-2026", check)
			if v.Good() || !strings.HasPrefix(v.Problems[0].String(), tt.want) {
				t.Errorf("found is %v, not %s", v.Problems, tt.want)
			}
		})
	}
}

// Who wrote all hashes anew, and has no key, is found by the signatures.
func TestRewrittenWithoutTheKey(t *testing.T) {
	other := t.TempDir()
	shop(t, other, cases.Options{Sign: signedBy("eve")})
	v := verify(t, other, "shop-2026", check)
	if v.Good() || v.Problems[0].Fault != cases.Forged {
		t.Errorf("%+v", v)
	}
}

func TestHead(t *testing.T) {
	dir := t.TempDir()
	c := openCase(t, dir, "x", cases.Options{})
	for _, text := range []string{"a", "b", "c"} {
		if err := c.Note(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	head := verify(t, dir, "x", nil).Head
	db := tamper(t, dir, "x")
	change(t, db, "DELETE FROM entry WHERE seq = 4") // the end, which no chain shows
	if v := verify(t, dir, "x", nil); !v.Good() {
		t.Errorf("%v", v.Problems)
	}
	if err := c.Holds(t.Context(), head); err == nil {
		t.Error("the end was cut off, and the head says nothing")
	}
	for _, bad := range []string{"", "4", "4:", "x:00", "0:" + strings.Repeat("00", 32), head + "0"} {
		if c.Holds(t.Context(), bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// A file with views or triggers runs nothing.
func TestForeignSchema(t *testing.T) {
	dir := t.TempDir()
	for i, q := range []string{
		"CREATE VIEW v AS SELECT 1", "CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry; END", "CREATE TABLE u (a)",
		"ALTER TABLE entry ADD COLUMN more TEXT", "PRAGMA user_version = 2", "PRAGMA application_id = 7",
	} {
		name := fmt.Sprintf("x%d", i)
		if err := openCase(t, dir, name, cases.Options{}).Close(); err != nil {
			t.Fatal(err)
		}
		change(t, tamper(t, dir, name), q)
		if _, err := cases.Open(dir, name, cases.Options{}); !errors.Is(err, cases.ErrFormat) {
			t.Errorf("%s: %v", q, err)
		}
	}
}

// dump is all that a reader sees of a case, or why he sees nothing.
func dump(dir, name string) (text string, good bool) {
	c, err := cases.Find(dir, name, cases.Options{})
	if err != nil {
		return err.Error(), false
	}
	defer c.Close()
	v, err := c.Verify(context.Background(), check)
	if err != nil {
		return err.Error(), false
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%+v", *v)
	return b.String(), v.Good()
}

// Whatever byte of the file is changed, either it is seen or nothing that the
// file says is another.
func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	c := shop(t, dir, cases.Options{Sign: signedBy("ada")})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	want, good := dump(dir, "shop-2026")
	if !good {
		t.Fatal(want)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "shop-2026.case"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "y.case")
	seen := 0
	for at := 0; at < len(whole); at += 61 {
		bad := bytes.Clone(whole)
		bad[at] ^= 0x15
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got, good := dump(dir, "y")
		switch {
		case !good:
			seen++
		case got != want:
			t.Errorf("byte %d: %s", at, got)
		}
	}
	if seen == 0 {
		t.Error("no damage was seen")
	}
}
