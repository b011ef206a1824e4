package querytest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/quaestor-engine/quaestor/modules/std"
)

// What a test file cannot be, and what is said about it.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"what\n", `1: the case "what" expects nothing`},
		{"", `1: the case "it answers" expects nothing`},
		{"-- case: a --\n-- rows --\n-- none --\n", `1: the case "a" expects rows and none`},
		{"-- case: a --\n-- rows x --\n-- none --\n", "expects rows and none"},
		{"-- case: a --\n-- error --\n-- rows --\n", "expects an error"},
		{"-- case: a --\n-- rows --\n-- rows --\n", "3: section \"rows\": the case has two of them"},
		{"-- case: a --\n-- none --\n-- case: a --\n-- none --\n", "3: section \"case: a\": there are two cases"},
		{"-- case:  --\n-- none --\n", "1: section \"case:\": the case has no name"},
		{"-- case --\n-- none --\n", "begun by -- case: NAME --"},
		{"-- none --\n-- case: a --\n-- none --\n", "1: section \"none\": what must come back belongs into a case"},
		{"-- Rows --\n-- none --\n", "no such section: did you mean rows?"},
		{"-- what is this --\n", "no such section"},
		{"-- host --\nos = linux\n-- none --\n", "stand in a section facts"},
		{"-- web1: now --\n2026-11-23\n-- none --\n", "it is no host's own: write -- now --"},
		{"-- web1: rows --\n", "it is no host's own: write -- rows --"},
		{"-- web1: list/x --\n", "it is no host's own"},
		{"-- host/../x --\n", "no clean path"},
		{"-- host//etc/x --\n", "no clean path"},
		{"-- host/a/../../x --\n", "no clean path"},
		{"-- host/.. --\n", "no clean path"},
		{"-- host/ --\n", "no clean path"},
		{"-- hots/etc/x --\n", "files are host/PATH"},
		{strings.Repeat("-- host/a --\n", maxSections+1), "more than 10000 sections"},
	} {
		_, err := parseFile([]byte(c.text))
		if err == nil || !strings.Contains(messageOf(err), c.want) {
			t.Errorf("%.60q gives %v, not %q", c.text, err, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"a.qst", "a.test.txtar", "b/c.qst", "b/d/e.qst", "b/d/e.test.txtar", "b/d/f.test.txtar", "b/d/g.txtar", ".git/h.qst"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ paths, want string }{
		{".", "a.qst+a.test.txtar b/c.qst+ b/d/e.qst+b/d/e.test.txtar +b/d/f.test.txtar"},
		{"./...", "a.qst+a.test.txtar b/c.qst+ b/d/e.qst+b/d/e.test.txtar +b/d/f.test.txtar"},
		{"...", "a.qst+a.test.txtar b/c.qst+ b/d/e.qst+b/d/e.test.txtar +b/d/f.test.txtar"},
		{"b/d", "b/d/e.qst+b/d/e.test.txtar +b/d/f.test.txtar"},
		{"b/d/e.qst b/d/e.test.txtar ./b/d/e.qst", "b/d/e.qst+b/d/e.test.txtar"},
		{"a.test.txtar", "a.qst+a.test.txtar"},
	} {
		suites, err := Find(strings.Fields(c.paths))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range suites {
			got = append(got, filepath.ToSlash(s.Query+"+"+s.Test))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s finds %q, not %q", c.paths, got, c.want)
		}
	}
	for _, p := range []string{"z.qst", "b/d/g.txtar"} {
		if suites, err := Find([]string{p}); err == nil {
			t.Errorf("%s finds %v", p, suites)
		}
	}
}

// A test file that means harm writes nothing outside of its folder, and shows
// nothing of the machine that runs it.
func TestHostileFile(t *testing.T) {
	out := t.TempDir()
	secret := filepath.Join(out, "secret")
	if err := os.WriteFile(secret, []byte("of this machine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := filepath.ToSlash(out)
	for _, c := range []struct{ name, tree string }{
		{"up", "-- host/../../x --\n"},
		{"up in a tree", "-- tree --\n../../x hex=00\n"},
		{"through a link", "-- tree --\na link=" + at + "\na/x hex=00\n"},
		{"over a link", "-- tree --\na link=" + at + "/secret\na hex=00\n"},
		{"mode of a link", "-- tree --\na link=" + at + "/secret mode=777\n"},
		{"time behind a link", "-- tree --\na link=" + at + "\na/secret mtime=2001-01-01\n"},
		{"hard link", "-- tree --\na link=" + at + "\nb hard=a/secret\n"},
		{"a link, followed", "-- tree --\nsrv link=" + at + "\n"},
		{"a link, named", "-- tree --\nsrv/secret link=" + at + "/secret\n"},
		{"a link that climbs", "-- tree --\nsrv link=../../../../../../../.." + at + "\n"},
		{"names of users", "-- tree --\nsrv/x hex=00\netc/passwd link=" + at + "/secret\n"},
		{"huge", "-- tree --\n" + strings.Repeat("srv/x repeat=x*60000000\n", 10)},
		{"huger", "-- tree --\nsrv/x repeat=xx*9223372036854775807\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			dir := t.TempDir()
			query := "FIND file /srv/**, /srv/secret CONTAINS \"machine\" RETURN path, owner, line WITH follow_links = on"
			test := "what\n" + c.tree + "-- rows --\n"
			for name, text := range map[string]string{"q.qst": query, "q.test.txtar": test} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			r, text := report(t, dir, Options{})
			if r.Count(Passed) > 0 || strings.Contains(text, "of this machine") {
				t.Errorf("it says\n%s", text)
			}
			entries, err := os.ReadDir(out)
			info, bad := os.Stat(secret)
			if err != nil || bad != nil || len(entries) != 1 || info.Size() != 16 || info.Mode().Perm() != permissions(0o600) || info.ModTime().Year() < 2020 {
				t.Errorf("outside is %v, %v (%v, %v)", entries, info, err, bad)
			}
			if entries, err := os.ReadDir(temp); err != nil || len(entries) > 0 {
				t.Errorf("it leaves %v (%v)", entries, err)
			}
		})
	}
}

// Reading a test file cuts it where txtar does, and an update without edits
// gives the same bytes again. Nothing panics on the way to the hosts.
func FuzzParse(f *testing.F) {
	err := filepath.WalkDir("testdata", func(name string, d os.DirEntry, err error) error {
		if err != nil || !isTest(name) {
			return err
		}
		data, err := os.ReadFile(name)
		f.Add(data)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("-- web1: tree --\na link=../b mode=9\n-- web1: facts --\nos=linux\n-- none --"))
	f.Add([]byte("x\r\n-- none --\r\n"))
	suite := &Suite{Query: "q.qst", Test: "q.test.txtar"}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseFile(data)
		if err != nil {
			if messageOf(err) == "" {
				t.Fatal("nothing is said")
			}
			return
		}
		_, sections := scan(file.data)
		archive := txtar.Parse(file.data)
		if len(sections) != len(archive.Files) {
			t.Fatalf("%d sections, txtar has %d", len(sections), len(archive.Files))
		}
		for i, s := range sections {
			text := s.text
			if text != "" && !strings.HasSuffix(text, "\n") {
				text += "\n"
			}
			if s.name != archive.Files[i].Name || text != string(archive.Files[i].Data) {
				t.Fatalf("section %d is %q %q, txtar has %v", i, s.name, s.text, archive.Files[i])
			}
		}
		if !bytes.Equal(file.edited(nil), file.data) {
			t.Fatal("without edits it is another one")
		}
		for _, c := range file.cases {
			if !slices.ContainsFunc(c.expect, func(s *section) bool { return isExpectation(s.name) }) {
				t.Fatalf("case %q expects nothing", c.name)
			}
			_, _ = newWorld(suite, c, std.Modules())
		}
	})
}
