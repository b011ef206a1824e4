package packages

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// bdbOf is a database of Berkeley DB 5.3 with the headers of rpmSqlite, in
// pages so small that each goes on over several.
func bdbOf(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/Packages")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bdbValues gives the values of a database in order.
func bdbValues(file []byte) ([]string, error) {
	db, err := openBdb(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	var all []string
	err = db.values(func(b []byte) error { all = append(all, string(b)); return nil })
	slices.Sort(all)
	return all, err
}

func TestBdb(t *testing.T) {
	got, err := bdbValues(bdbOf(t))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, h := range rpmHeaders(t) {
		want = append(want, string(h))
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("%d values, want %d", len(got), len(want))
	}
	columns := []string{"id", "version", "source", "source_version", "installed", "size", "maintainer", "homepage", "license", "summary", "path"}
	rows, rec := moduletest.Rows(t, packageModule(), plant(t, map[string]string{"var/lib/rpm/Packages": string(bdbOf(t))}), columns, nil)
	wanted := rpmRows("/var/lib/rpm/Packages")
	slices.Sort(rows) // they lie in the order of a hash
	slices.Sort(wanted)
	expect(t, rows, rec, wanted, nil)
}

// A database that was tampered with is malformed, and none makes up a package
// or keeps a scan busy.
func TestBdbMalformed(t *testing.T) {
	good := bdbOf(t)
	size := int(binary.LittleEndian.Uint32(good[20:]))
	// The first page of a long value, to make a ring of.
	long := 0
	for at := size; at < len(good); at += size {
		if good[at+25] == bdbPageLong {
			long = at
			break
		}
	}
	for name, change := range map[string]func([]byte) []byte{
		"empty":              func([]byte) []byte { return nil },
		"cut":                func(b []byte) []byte { return b[:len(b)-size] },
		"another magic":      func(b []byte) []byte { b[12]++; return b },
		"another version":    func(b []byte) []byte { b[16] = 11; return b },
		"encrypted":          func(b []byte) []byte { b[24] = 1; return b },
		"pages of no size":   func(b []byte) []byte { clear(b[20:24]); return b },
		"pages of odd size":  func(b []byte) []byte { b[20]++; return b },
		"a ring":             func(b []byte) []byte { copy(b[long+16:], b[long+8:long+12]); return b },
		"a value that leads": func(b []byte) []byte { binary.LittleEndian.PutUint32(b[long+16:], 1<<30); return b },
		"a long length":      func(b []byte) []byte { binary.LittleEndian.PutUint16(b[long+22:], 0xffff); return b },
	} {
		if _, err := bdbValues(change(bytes.Clone(good))); err != hostfs.ErrMalformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := bytes.Clone(good)
	binary.LittleEndian.PutUint32(many[32:], maxBdbPages)
	if _, err := bdbValues(many); err != hostfs.ErrTooLarge {
		t.Errorf("too many pages: %v", err)
	}
}

// loadBdb makes a database with the library's own program. Its options are
// those of db_load -c and of the head of its input.
func loadBdb(t testing.TB, name string, values [][]byte, options ...string) {
	t.Helper()
	program, err := exec.LookPath("db5.3_load")
	if err != nil {
		t.Skip("LEFT OUT: db5.3_load is not installed")
	}
	var text strings.Builder
	fmt.Fprintf(&text, "VERSION=3\nformat=bytevalue\ntype=hash\n%s\nHEADER=END\n", strings.Join(options, "\n"))
	for i, v := range append([][]byte{{byte(len(values)), 0, 0, 0}}, values...) {
		fmt.Fprintf(&text, " %s\n %s\n", hex.EncodeToString(binary.LittleEndian.AppendUint32(nil, uint32(i))), hex.EncodeToString(v))
	}
	text.WriteString("DATA=END\n")
	cmd := exec.Command(program, name)
	cmd.Stdin = strings.NewReader(text.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("db5.3_load: %v: %s", err, out)
	}
}

// TestBdbAgainstLibrary reads tables of many sizes of values that the library
// made, in both orders of bytes.
func TestBdbAgainstLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var values [][]byte
	for i := range 300 {
		v := make([]byte, 1+(i*i*7)%9000)
		for k := range v {
			v[k] = byte(random.Uint32())
		}
		values = append(values, v)
	}
	var want []string
	for _, v := range values {
		want = append(want, string(v))
	}
	slices.Sort(want)
	for _, options := range [][]string{
		{"db_pagesize=512"}, {"db_pagesize=4096"}, {"db_pagesize=65536"}, {"db_pagesize=4096", "chksum=1"}, {"db_pagesize=1024", "db_lorder=4321"},
	} {
		name := filepath.Join(t.TempDir(), "Packages")
		loadBdb(t, name, values, options...)
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := bdbValues(file)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %d values, want %d: %v", options, len(got), len(want), err)
		}
	}
}

// TestBdbAgainstRpm lets rpm read the same database, which it still can.
func TestBdbAgainstRpm(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("LEFT OUT: rpm is not installed")
	}
	root := plant(t, map[string]string{"var/lib/rpm/x": ""})
	loadBdb(t, filepath.Join(root, "var/lib/rpm/Packages"), rpmHeaders(t), "db_pagesize=4096")
	rows, rec := moduletest.Rows(t, packageModule(), root, []string{"name", "version", "size"}, nil)
	want := strings.Split(strings.TrimSpace(output(t, "rpm", "-qa", "--define", "_db_backend bdb_ro", "--dbpath", filepath.Join(root, "var/lib/rpm"),
		"--qf", "%{NAME} | %{EVR} | %{SIZE}\n")), "\n")
	for i := range rows {
		rows[i] = strings.TrimSuffix(rows[i], "B") // a size is written with its unit
	}
	slices.Sort(rows)
	slices.Sort(want)
	expect(t, rows, rec, want, nil)
}

func FuzzBdb(f *testing.F) {
	f.Add(bdbOf(f))
	f.Fuzz(func(t *testing.T, file []byte) {
		db, err := openBdb(bytes.NewReader(file))
		if err != nil {
			return
		}
		bytes := 0
		_ = db.values(func(b []byte) error { bytes += len(b); return nil })
		if bytes > 2*len(file)+db.size {
			t.Errorf("%d bytes out of %d", bytes, len(file))
		}
	})
}
