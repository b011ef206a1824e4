package packages

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/hostfs"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// rpmSqlite is a database that rpm 4.18 made, with two packages, in pages so
// small that a header goes on over several; sqlite3 left out its indexes.
func rpmSqlite(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/rpmdb.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// rpmHeaders gives the headers in it.
func rpmHeaders(t testing.TB) [][]byte {
	t.Helper()
	files, _ := open(t, "")
	name, err := filepath.Abs("testdata/rpmdb.sqlite")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	if err := readRpmSqlite(files, name, func(b []byte) error { all = append(all, bytes.Clone(b)); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// ndb makes a database in SUSE's form of headers.
func ndb(blobs ...[]byte) []byte {
	le := binary.LittleEndian
	slots := append([]byte(ndbMagic), make([]byte, 28)...)
	le.PutUint32(slots[12:], 1)
	var data []byte
	for i, b := range blobs {
		at := (ndbPage + len(data)) / ndbBlock
		head := le.AppendUint32([]byte(ndbBlobMagic), uint32(i+1))
		head = le.AppendUint32(le.AppendUint32(head, 1), uint32(len(b)))
		data = append(append(append(data, head...), b...), make([]byte, 2*ndbBlock-len(b)%ndbBlock)...)
		slots = le.AppendUint32(append(slots, ndbSlotMagic...), uint32(i+1))
		slots = le.AppendUint32(le.AppendUint32(slots, uint32(at)), uint32((ndbPage+len(data))/ndbBlock-at))
	}
	for len(slots) < ndbPage {
		slots = append(append(slots, ndbSlotMagic...), make([]byte, 12)...)
	}
	return append(slots, data...)
}

// What rpm -qa itself said of the two packages.
func rpmRows(file string) []string {
	var rows []string
	for _, r := range []string{"foo-libs-2:1.2~rc1-3:x86_64 | 2:1.2~rc1-3 | 0 | Libs", "foo-2:1.2~rc1-3:x86_64 | 2:1.2~rc1-3 | 14 | A foo"} {
		f := strings.Split(r, " | ")
		rows = append(rows, "rpm:"+f[0]+" | "+f[1]+" | foo | 1.2~rc1-3 | 2026-11-23T17:13:36Z | "+f[2]+" | Ann <ann@example.org> | https://example.org/foo | MIT | "+f[3]+" | "+file)
	}
	return rows
}

func TestRpm(t *testing.T) {
	columns := []string{"id", "version", "source", "source_version", "installed", "size", "maintainer", "homepage", "license", "summary", "path"}
	for name, text := range map[string]string{
		"var/lib/rpm/rpmdb.sqlite": rpmSqlite(t), "usr/lib/sysimage/rpm/Packages.db": string(ndb(rpmHeaders(t)...)),
	} {
		root := plant(t, map[string]string{name: text, "var/lib/rpm/Packages": "", "var/lib/x": ""})
		if strings.HasPrefix(name, "usr/") {
			root = plant(t, map[string]string{name: text, "var/lib/rpm": "->../../usr/lib/sysimage/rpm"})
		}
		got, rec := moduletest.Rows(t, packageModule(), root, columns, []string{"rpm:*"})
		expect(t, got, rec, rpmRows("/"+name), nil)
	}
	got, rec := moduletest.Rows(t, packageModule(), plant(t, map[string]string{"var/lib/rpm/Packages": ""}), columns, nil)
	expect(t, got, rec, nil, []string{"io_error /var/lib/rpm/Packages"})
	root := plant(t, map[string]string{"var/lib/rpm/rpmdb.sqlite": rpmSqlite(t)[:3000], "var/lib/rpm/Packages.db": string(ndb([]byte("what")))})
	got, rec = moduletest.Rows(t, packageModule(), root, columns, nil)
	expect(t, got, rec, nil, []string{"io_error /var/lib/rpm/rpmdb.sqlite", "io_error /var/lib/rpm/Packages.db"})
}

func TestRpmFiles(t *testing.T) {
	root := plant(t, map[string]string{
		"var/lib/rpm/rpmdb.sqlite": rpmSqlite(t), "etc/foo.d/foo.conf": "changed\n", "usr/bin/foo": "hello\n", "usr/bin/food": "->foo",
	})
	if err := os.Chmod(filepath.Join(root, "usr/bin/foo"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, packageFileModule(), root, []string{"path", "package", "algorithm", "digest", "config", "mode"}, nil)
	const id = " | rpm:foo-2:1.2~rc1-3:x86_64 | "
	const sum = "8d0d4c8a1e6ab75ae2f81abf1e1e66ce1ab7be53c7b8f245a41907fc45b3a801"
	expect(t, got, rec, []string{
		"/etc/foo.d" + id + "null | null | false | -rwxr-xr-x",
		"/etc/foo.d/foo.conf" + id + "sha256 | " + sum + " | true | -rw-r--r--",
		"/usr/bin/foo" + id + "sha256 | 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 | false | -rwsr-xr-x",
		"/usr/bin/food" + id + "null | null | false | -rwxrwxrwx",
	}, nil)
	got, rec = moduletest.Rows(t, verifyModule(), root, []string{"path", "problem", "expected", "found"}, nil)
	got = slices.DeleteFunc(got, func(row string) bool { return strings.Contains(row, " | owner | ") }) // whoever runs this
	expect(t, got, rec, []string{
		"/etc/foo.d/foo.conf | size | 5 | 8",
		"/etc/foo.d/foo.conf | digest | " + sum + " | 7f8b1dfc466b6249f06cbe55c9174df2578e7754da793fded244ef5cba2a38f1",
	}, nil)
	files, _ := open(t, root)
	o, err := LoadOwners(files)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := o.Package("/usr/bin/food"); got != "rpm:foo-2:1.2~rc1-3:x86_64" {
		t.Errorf("/usr/bin/food is of %q", got)
	}
}

// TestSqlite compares tables of many sizes of rows with what the library
// gives of them, with and without a log.
func TestSqlite(t *testing.T) {
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("LEFT OUT: sqlite3 is not installed")
	}
	for _, setup := range []string{"pragma page_size=512;", "pragma page_size=65536;", ".dbconfig no_ckpt_on_close on\npragma page_size=1024;\npragma journal_mode=wal;"} {
		name := filepath.Join(t.TempDir(), "db")
		run := func(script string) string {
			cmd := exec.Command(program, name)
			cmd.Stdin = strings.NewReader(script)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			return string(out)
		}
		run(setup + `
create table other(x); create table Packages(hnum integer primary key, blob blob not null);
with recursive n(i) as (select 1 union all select i+1 from n where i<400) insert into Packages select i, randomblob((i*i*7)%9000) from n;
begin; delete from Packages where hnum%3=0; update Packages set blob=randomblob(600) where hnum%7=0; commit;
begin; insert into Packages values(100000, 'never'); rollback;`)
		copied := t.TempDir()
		for _, suffix := range []string{"", "-wal"} { // before sqlite3 looks again and takes the log in
			if b, err := os.ReadFile(name + suffix); err == nil {
				if err := os.WriteFile(filepath.Join(copied, "db"+suffix), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if st, err := os.Stat(filepath.Join(copied, "db-wal")); strings.Contains(setup, "wal") && (err != nil || st.Size() == 0) {
			t.Fatal("no log was left to read")
		}
		var got strings.Builder
		files, _ := open(t, copied)
		if err := readRpmSqlite(files, "/db", func(b []byte) error {
			got.WriteString(strings.ToUpper(hex.EncodeToString(b)) + "\n")
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", setup, err)
		}
		if want := run("select hex(blob) from Packages order by hnum;"); got.String() != want {
			t.Errorf("%s: %d bytes, want %d", setup, got.Len(), len(want))
		}
	}
}

// TestAgainstRpm asks rpm itself, where this machine has its packages.
func TestAgainstRpm(t *testing.T) {
	files, _ := live(t)
	if !files.Exists("/var/lib/rpm/rpmdb.sqlite") && !files.Exists("/usr/lib/sysimage/rpm/rpmdb.sqlite") {
		t.Skip("LEFT OUT: this machine has no packages of rpm")
	}
	want := strings.Split(strings.TrimSpace(output(t, "rpm", "-qa", "--qf", "%{NAME} %{EVR} %{SIZE}\n")), "\n")
	var got []string
	if err := eachRpm(files, func(_ string, h rpmHeader) error {
		p, _ := h.pkg()
		got = append(got, p.name+" "+p.version+" "+strconv.FormatInt(p.size, 10))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func FuzzRpmHeader(f *testing.F) {
	for _, h := range rpmHeaders(f) {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		h, ok := parseRpmHeader(blob)
		if !ok {
			return
		}
		h.pkg()
		_, _ = h.files("id", func(x *packed) error {
			if x.algorithm != "" && len(x.digest) == 0 {
				t.Error("a digest of nothing")
			}
			return nil
		})
	})
}

func FuzzNdb(f *testing.F) {
	f.Add(ndb(rpmHeaders(f)...))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows := 0
		if err := ndbBlobs(bytes.NewReader(text), int64(len(text)), func([]byte) error { rows++; return nil }); err != nil && err != hostfs.ErrMalformed {
			t.Error(err)
		}
		if rows > len(text) {
			t.Errorf("%d rows of %d bytes", rows, len(text))
		}
	})
}
