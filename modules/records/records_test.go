package records

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func host(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(p), 0o755)
		if to, ok := strings.CutPrefix(text, "->"); ok {
			err = errors.Join(err, os.Symlink(to, p))
		} else {
			err = errors.Join(err, os.WriteFile(p, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func check(t *testing.T, m modules.Module, root, columns string, locators, want []string) []modules.Skip {
	t.Helper()
	got, rec := moduletest.Rows(t, m, root, strings.Fields(columns), locators)
	if !slices.Equal(got, want) {
		t.Errorf("%s %q:\n%s\nnot\n%s", m.Schema().Name, locators, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return rec.Skips()
}

func TestContract(t *testing.T) {
	root := host(t, map[string]string{
		"etc/x.ini": "[a]\nb = c\n", "etc/x.json": `{"a":1}`, "etc/x.yaml": "a: 1\n", "etc/x.csv": "a,b\n1,2\n", "etc/x.xml": "<a b='c'/>", "etc/x.plist": "{a = b;}", "etc/x.sqlite": database(t, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)"),
		"var/log/syslog": "Nov 23 16:19:21 host prog[7]: it happened\n",
	})
	for _, m := range Modules() {
		t.Run(m.Schema().Name, func(t *testing.T) {
			at := map[string]string{"line": "/etc/x.ini", "ini": "/etc/*.ini", "json": "/etc/**/*.json", "yaml": "/etc/x.yaml", "csv": "/etc/*.csv", "xml": "/etc/x.xml", "sqlite": "/etc/x.sqlite", "plist": "/etc/x.plist", "log": "/var/log/syslog"}
			moduletest.Run(t, m, root, at[m.Schema().Name])
		})
	}
}

func TestLines(t *testing.T) {
	root := host(t, map[string]string{
		"a/one": "first\r\n\nthird", "a/two.gz": zipped("packed\n"), "a/b/three": "deep\n", "a/link": "->one", "a/none": "->nowhere", "a/dir/.keep": "",
		"a/long": strings.Repeat("x", maxLine+5) + "\nnext\n",
	})
	check(t, lineModule(), root, "path number text", []string{"/a/o*", "/a/*.gz", "/a/one", "/a/link"}, []string{
		"/a/one | 1 | first", "/a/one | 2 | null", "/a/one | 3 | third", "/a/two.gz | 1 | packed",
	})
	check(t, lineModule(), root, "path", []string{"/a/b"}, []string{"/a/b/three"})
	// A link is followed where it is named, and by a walk where that is said.
	check(t, lineModule(), root, "path number", []string{"/a/link"}, []string{"/a/link | 1", "/a/link | 2", "/a/link | 3"})
	check(t, lineModule(), root, "path", []string{"/a/l*k"}, nil)
	req, rec := moduletest.Request(t, lineModule(), root, []string{"path"})
	req.Locators, req.Settings.FollowLinks = []string{"/a/l*k"}, true
	n := 0
	if err := lineModule().Scan(t.Context(), req, func(modules.Row) error { n++; return nil }); err != nil || n != 3 || len(rec.Skips()) != 0 {
		t.Errorf("%d lines, %v, %+v", n, err, rec.Skips())
	}
	check(t, lineModule(), root, "path", []string{"/**/three"}, []string{"/a/b/three"})
	skips := check(t, lineModule(), root, "number", []string{"/a/long", "/a/missing"}, []string{"1", "2"})
	if len(skips) != 2 || skips[0].Kind != modules.SkipLimit || skips[0].Where != "/a/long:1" || skips[1].Kind != modules.SkipNotFound {
		t.Errorf("%+v", skips)
	}
}

func TestINI(t *testing.T) {
	root := host(t, map[string]string{"x": "# c\nalone = 1\n[one]\n; c\nkey=\"a b\"\nempty =\n [two] \nk: v=w\nskip-networking\nExecStart=/bin/a \\\n  --url=http://x\n= x\nno setting\n[open\n"})
	skips := check(t, iniModule(), root, "line section key value", []string{"/x"}, []string{
		"2 | null | alone | 1", "5 | one | key | a b", "6 | one | empty | null", "8 | two | k | v=w",
		"9 | two | skip-networking | null", "10 | two | ExecStart | /bin/a --url=http://x",
	})
	if len(skips) != 3 || skips[0].Where != "/x:12" {
		t.Errorf("%+v", skips)
	}
}

func TestCSV(t *testing.T) {
	root := host(t, map[string]string{"x": "name,,n\n\"a,\"\"b\"\"\",2\nc,d,e,f\n", "bad": "a,b\n1,2\n\"open\n"})
	check(t, csvModule(), root, "record column value", []string{"/x"}, []string{
		`1 | name | a,"b"`, "1 | 2 | 2", "2 | name | c", "2 | 2 | d", "2 | n | e", "2 | 4 | f",
	})
	skips := check(t, csvModule(), root, "record value", []string{"/bad"}, []string{"1 | 1", "1 | 2"})
	if len(skips) != 1 || skips[0].Where != "/bad: record 2" || skips[0].Detail != "malformed" {
		t.Errorf("%+v", skips)
	}
}

func TestTrees(t *testing.T) {
	root := host(t, map[string]string{
		"x.json":   `{"b":{"a/b":[1,2.50,{}],"~":null},"a":"x","a":"y","t":true,"l":[]} "alone"`,
		"x.yaml":   "b: &x\n  n: 1\nc: *x\nt: yes\n---\n- a\n- ~\n- 007\n",
		"bad.json": `{"a":1} {"b":`,
		"bomb.yaml": "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n" +
			"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
		"self.yaml": "a: &a\n  b: *a\n",
		"wide.json": `{"` + strings.Repeat("k", maxPointer) + `":[0,0]}`,
		"deep.json": strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	})
	check(t, jsonModule(), root, "document pointer key type value", []string{"/x.json"}, []string{
		"1 | /b/a~1b/0 | a/b | number | 1", "1 | /b/a~1b/1 | a/b | number | 2.50", "1 | /b/a~1b/2 | a/b | empty_object | null",
		"1 | /b/~0 | ~ | null | null", "1 | /a | a | text | x", "1 | /a | a | text | y", "1 | /t | t | bool | true", "1 | /l | l | empty_list | null", "2 | null | null | text | alone",
	})
	check(t, yamlModule(), root, "document pointer type value", []string{"/x.yaml"}, []string{
		"1 | /b/n | number | 1", "1 | /c/n | number | 1", "1 | /t | text | yes", "2 | /0 | text | a", "2 | /1 | null | null", "2 | /2 | number | 007",
	})
	// What stands before the fault is there.
	if skips := check(t, jsonModule(), root, "document value", []string{"/bad.json"}, []string{"1 | 1"}); len(skips) != 1 || skips[0].Where != "/bad.json" {
		t.Errorf("%+v", skips)
	}
	for name, m := range map[string]modules.Module{"/deep.json": jsonModule(), "/self.yaml": yamlModule(), "/wide.json": jsonModule()} {
		if skips := check(t, m, root, "value", []string{name}, nil); len(skips) != 1 || skips[0].Kind != modules.SkipLimit {
			t.Errorf("%s: %+v", name, skips)
		}
	}
	got, rec := moduletest.Rows(t, yamlModule(), root, []string{"value"}, []string{"/bomb.yaml"})
	if skips := rec.Skips(); len(got) != maxLeaves || len(skips) != 1 || skips[0].Kind != modules.SkipLimit {
		t.Errorf("%d leaves, %+v", len(got), skips)
	}
}

func TestPlist(t *testing.T) {
	root := host(t, map[string]string{
		"x.plist": "<?xml version='1.0'?><plist><dict><key>Label</key><string>a.b</string><key>Args</key><array><string>/bin/sh</string><integer>7</integer><real>0.5</real></array>" +
			"<key>a/b</key><dict/><key>On</key><true/><key>At</key><date>2026-11-23T10:44:00Z</date><key>Raw</key><data>AP8=</data><key>No</key><array/></dict></plist>",
		"one.plist":   "bplist00\x51x\x08" + strings.Repeat("\x00", 6) + "\x01\x01" + strings.Repeat("\x00", 7) + "\x01" + strings.Repeat("\x00", 15) + "\x0a",
		"old.gz":      zipped("{ a = (b); }"),
		"bad.plist":   "<plist><dict><key>a</key><true/>",
		"other.plist": "#!/bin/sh\nexit;",
		"ebcdic":      "<?xml version='1.0' encoding='EBCDIC'?><true/>",
		"deep":        strings.Repeat("(", 5000),
		"wide":        "{" + strings.Repeat("k", maxPointer) + " = a; }",
	})
	check(t, plistModule(), root, "pointer key type value", []string{"/x.plist"}, []string{
		"/Label | Label | text | a.b", "/Args/0 | Args | text | /bin/sh", "/Args/1 | Args | number | 7", "/Args/2 | Args | number | 0.5",
		"/a~1b | a/b | empty_object | null", "/On | On | bool | true", "/At | At | date | 2026-11-23T10:44:00Z", "/Raw | Raw | data | AP8=", "/No | No | empty_list | null",
	})
	check(t, plistModule(), root, "path pointer type value", []string{"/o*"}, []string{"/old.gz | /a/0 | text | b", "/one.plist | null | text | x"})
	for name, want := range map[string]modules.SkipKind{"/bad.plist": modules.SkipIO, "/other.plist": modules.SkipIO, "/ebcdic": modules.SkipUnsupported, "/deep": modules.SkipLimit, "/wide": modules.SkipLimit} {
		if skips := check(t, plistModule(), root, "value", []string{name}, nil); len(skips) != 1 || skips[0].Kind != want || skips[0].Where != name {
			t.Errorf("%s: %+v", name, skips)
		}
	}
}

func TestLog(t *testing.T) {
	root := host(t, map[string]string{
		"var/log/auth.log": "Jan  2 03:04:05 web1 sshd[812]: Accepted publickey for ann\nDec 31 23:59:59 web1 sudo:   ann : TTY=pts/0\n  a line that goes on\n",
		"var/log/syslog": "2026-11-23T16:19:21.5+01:00 web1 cron[9]: job\n<34>1 2003-10-11T22:14:15.003Z mymachine su 77 ID47 [x@1 a=\"]\"][y] 'su root' failed\n" +
			"<13>Nov 23 16:19:21 web1 kernel: oops\n<999>1 x\n",
		"var/log/syslog.2.gz": zipped("Nov  1 00:00:00 web1 x: old\n"),
		"var/log/other":       "not asked",
	})
	written := time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"auth.log", "syslog.2.gz"} {
		if err := os.Chtimes(filepath.Join(root, "var/log", name), written, written); err != nil {
			t.Fatal(err)
		}
	}
	late := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(root, "var/log/syslog"), late, late); err != nil {
		t.Fatal(err)
	}
	check(t, logModule(), root, "time host program process severity message path line format", nil, []string{
		"2026-11-23T15:19:21.5Z | web1 | cron | 9 | null | job | /var/log/syslog | 1 | iso",
		"2003-10-11T22:14:15.003Z | mymachine | su | 77 | critical | 'su root' failed | /var/log/syslog | 2 | rfc5424",
		"2026-11-23T16:19:21Z | web1 | kernel | null | notice | oops | /var/log/syslog | 3 | rfc3164",
		"null | null | null | null | null | <999>1 x | /var/log/syslog | 4 | text",
		"2025-11-01T00:00:00Z | web1 | x | null | null | old | /var/log/syslog.2.gz | 1 | rfc3164",
		"2026-01-02T03:04:05Z | web1 | sshd | 812 | null | Accepted publickey for ann | /var/log/auth.log | 1 | rfc3164",
		"2025-12-31T23:59:59Z | web1 | sudo | null | null |   ann : TTY=pts/0 | /var/log/auth.log | 2 | rfc3164",
		"null | null | null | null | null |   a line that goes on | /var/log/auth.log | 3 | text",
	})
	if skips := check(t, logModule(), host(t, nil), "line", nil, nil); len(skips) != 0 {
		t.Errorf("a host without such files: %+v", skips)
	}
}

func TestXML(t *testing.T) {
	root := host(t, map[string]string{
		"x":    "<?xml version=\"1.0\"?>\n<server port=\"8080\" x:id=\"\">\n  <name>a &amp; b</name><!-- no -->\n  <![CDATA[ raw ]]>\n</server>\n",
		"bad":  "<a><b>first</b><c></a>",
		"bomb": "<!DOCTYPE a [<!ENTITY x \"yyyy\"><!ENTITY z \"&x;&x;\">]><a>&z;</a>",
		"deep": strings.Repeat("<a>", 1000),
	})
	check(t, xmlModule(), root, "line element attribute value", []string{"/x"}, []string{
		"2 | /server | port | 8080", "2 | /server | id | null", "3 | /server/name | null | a & b", "4 | /server | null | raw",
	})
	for name, want := range map[string][]string{"/bad": {"first"}, "/bomb": nil, "/deep": nil} {
		if skips := check(t, xmlModule(), root, "value", []string{name}, want); len(skips) != 1 || skips[0].Where != name {
			t.Errorf("%s: %+v", name, skips)
		}
	}
}

// A day that a year does not have is of another year.
func TestLeapDay(t *testing.T) {
	for written, want := range map[string]string{"2025-01-10": "2024-02-29", "2025-03-10": "2024-02-29", "2024-03-01": "2024-02-29", "2024-02-01": "2020-02-29", "1900-03-02": "1896-02-29"} {
		at, err := time.Parse(time.DateOnly, written)
		if err != nil {
			t.Fatal(err)
		}
		if e := (clock{at, time.UTC}).parse("Feb 29 12:00:00 h p: m"); e.time.Format(time.DateOnly) != want {
			t.Errorf("in a file of %s: %v", written, e.time)
		}
	}
}

// What is no file is not read, and said.
func TestSpecialFiles(t *testing.T) {
	if got, rec := moduletest.Rows(t, lineModule(), "", []string{"text"}, []string{os.DevNull}); len(got) != 0 || len(rec.Skips()) != 1 || rec.Skips()[0].Kind != modules.SkipSpecial {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
}

// What would lie below a file is not there, and the file is not read for it.
func TestBelowAFile(t *testing.T) {
	root := host(t, map[string]string{"etc/a": "one\n"})
	for _, where := range []string{"/etc/a/*", "/etc/a/**", "/etc/a/b*/c", "/etc/a/b", "/etc/none"} {
		if got, rec := moduletest.Rows(t, lineModule(), root, []string{"text"}, []string{where}); len(got) != 0 || len(rec.Skips()) != 1 || rec.Skips()[0].Kind != modules.SkipNotFound {
			t.Errorf("%s: %q, %+v", where, got, rec.Skips())
		}
	}
}

// What is asked by key is read once and literally.
func TestByKey(t *testing.T) {
	root := host(t, map[string]string{"a*": "star\n", "ab": "b\n"})
	check(t, lineModule(), root, "path text", []string{`/a\*`}, []string{"/a* | star"})
}

func TestAgainstJQ(t *testing.T) {
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("LEFT OUT: jq is not installed")
	}
	doc := `{"z":[{"a":"1"},{"b":[true,"x y"]}],"c":{"d":"e"}}`
	cmd := exec.CommandContext(t.Context(), jq, "-c", `[paths(scalars) | map(tostring) | "/" + join("/")]`)
	cmd.Stdin = strings.NewReader(doc)
	out, err := cmd.Output()
	var want []string
	if err != nil || json.Unmarshal(out, &want) != nil {
		t.Fatal(err)
	}
	got, _ := moduletest.Rows(t, jsonModule(), host(t, map[string]string{"x": doc}), []string{"pointer"}, []string{"/x"})
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q, and jq has %q", got, want)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add("Nov 23 16:19:21 host prog[7]: it happened")
	f.Add("<34>1 2003-10-11T22:14:15.003Z m su 77 ID47 [x a=\"]\"] y")
	f.Add(`{"a":[1,{"b":null}]}`)
	f.Add("a: &x [1]\nb: *x\n")
	f.Add("a,b\n\"c\"\"\",d\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4<<10 {
			return
		}
		c := clock{written: time.Unix(1_700_000_000, 0), zone: time.UTC}
		if e := c.parse(text); e.written == "rfc3164" && e.time.After(c.written.Add(25*time.Hour)) {
			t.Errorf("%q is of the future: %v", text, e.time)
		}
		ini := settings{}
		for i, l := range strings.Split(text, "\n") {
			if x, is, _ := ini.line(int64(i), l); is && x.key == "" {
				t.Error("a setting without a name")
			}
		}
		n := 0
		count := func(leaf) error {
			if n++; n > 10_000 {
				return errors.New("enough")
			}
			return nil
		}
		parseJSON(strings.NewReader(text), count)
		parseYAML(strings.NewReader(text), count)
		nodes(strings.NewReader(text), func(n *node) error {
			if n.element == "" {
				t.Error("a value of no element")
			}
			return nil
		})
		cells(strings.NewReader(text), func(c *cell) error {
			if c.column == "" || c.record < 1 {
				t.Errorf("%+v", c)
			}
			return nil
		}, func(int64, error) {})
	})
}
