package packages

import (
	"archive/zip"
	"bytes"
	"debug/buildinfo"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestPython(t *testing.T) {
	root := plant(t, map[string]string{
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nann:x:1:1::/home/[ann]:/bin/sh\nbob:x:2:2::/root/:/bin/sh\n",
		"usr/lib/python3/dist-packages/PyYAML-6.0.dist-info/METADATA":                  "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0\nSummary: YAML\nAuthor: Kirill\nLicense: MIT\n more\n\nName: not this\n",
		"usr/lib/python3/dist-packages/PyYAML-6.0.dist-info/INSTALLER":                 "pip\n",
		"usr/lib/python3/dist-packages/six-1.16.0.egg-info":                            "Metadata-Version: 1.2\r\nName: six\r\nVersion: 1.16.0\r\nMaintainer: UNKNOWN\r\n",
		"usr/lib/python3/dist-packages/old.egg-info/PKG-INFO":                          "Name: old\nVersion: 1\nbody without an empty line\nVersion: 2\n",
		"usr/lib/python3/dist-packages/bad-1.dist-info/METADATA":                       "what is this",
		"usr/lib/python3/dist-packages/empty-1.dist-info/x":                            "",
		"usr/local/lib/python3.11/site-packages/x.egg/EGG-INFO/PKG-INFO":               "Name: x\nVersion: 3\nMaintainer: Me\n",
		"home/[ann]/.local/lib/python3.11/site-packages/requests-2.dist-info/METADATA": "Name: requests\nVersion: 2.31.0\n",
		"usr/lib64/python3": "->/usr/lib/python3",
	})
	if err := os.Symlink("dist-packages", filepath.Join(root, "usr/lib/python3/site-packages")); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"id", "version", "maintainer", "license", "summary"}, []string{"python:*"})
	const dir = "/usr/lib/python3/dist-packages/"
	expect(t, got, rec, []string{
		"python:PyYAML:" + dir + "PyYAML-6.0.dist-info | 6.0 | Kirill | MIT | YAML",
		"python:old:" + dir + "old.egg-info | 2 | null | null | null",
		"python:six:" + dir + "six-1.16.0.egg-info | 1.16.0 | null | null | null",
		"python:x:/usr/local/lib/python3.11/site-packages/x.egg | 3 | Me | null | null",
		"python:requests:/home/[ann]/.local/lib/python3.11/site-packages/requests-2.dist-info | 2.31.0 | null | null | null",
	}, []string{"io_error " + dir + "bad-1.dist-info/METADATA"})
	if got, _ := moduletest.Rows(t, packageModule(), root, []string{"installed"}, []string{"PyYAML", "six"}); got[0] == "null" || got[1] != "null" {
		t.Errorf("installed: %q", got)
	}
}

// TestAgainstPython asks Python itself what is in its folder.
func TestAgainstPython(t *testing.T) {
	const site = "/usr/lib/python3/dist-packages"
	out := output(t, "/usr/bin/python3", "-c", `import importlib.metadata as m
for d in m.distributions(path=["`+site+`"]): print(d.metadata["Name"], d.version)`)
	files, rec := live(t)
	var got []string
	for _, name := range files.List(site) {
		if p, ok := readPython(files, site+"/"+name); ok {
			got = append(got, p.name+" "+p.version)
		}
	}
	want := strings.Split(strings.TrimSpace(out), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if out != "" && !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if s := rec.Skips(); len(s) > 0 {
		t.Errorf("%+v", s)
	}
}

func TestNpm(t *testing.T) {
	const lib = "usr/lib/node_modules/"
	root := plant(t, map[string]string{
		lib + "npm/package.json":                                  `{"name":"npm","version":"10.2.3","license":"Artistic-2.0","author":"GitHub Inc.","description":"manager"}`,
		lib + "npm/node_modules/.bin/x":                           "",
		lib + "npm/node_modules/abbrev/package.json":              `{"name":"abbrev","version":"2.0.0-rc.1","license":{"type":"ISC","url":"x"},"author":{"name":"Isaac"}}`,
		lib + "npm/node_modules/@npmcli/fs/package.json":          `{"name":"@npmcli/fs"}`,
		lib + "npm/node_modules/@npmcli/fs/node_modules/loop":     "->../../../..",
		lib + "broken/package.json":                               `{"name":`,
		lib + "nameless/package.json":                             `{"version":"1"}`,
		lib + "corepack":                                          "->../../share/corepack",
		"usr/share/corepack/package.json":                         `{"name":"corepack","version":"0.1.0"}`,
		"usr/share/corepack/node_modules/not-there/package.json":  `{"name":"not-there","version":"0.1.0"}`,
		"usr/local/lib/node_modules/none/no-package-json-in-here": "",
	})
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"id", "version", "maintainer", "license"}, []string{"npm:*"})
	expect(t, got, rec, []string{
		"npm:corepack:/usr/lib/node_modules/corepack | 0.1.0 | null | null",
		"npm:npm:/usr/lib/node_modules/npm | 10.2.3 | GitHub Inc. | Artistic-2.0",
		"npm:@npmcli/fs:/usr/lib/node_modules/npm/node_modules/@npmcli/fs | null | null | null",
		"npm:npm:/usr/lib/node_modules/npm/node_modules/@npmcli/fs/node_modules/loop | 10.2.3 | GitHub Inc. | Artistic-2.0",
		"npm:abbrev:/usr/lib/node_modules/npm/node_modules/abbrev | 2.0.0-rc.1 | Isaac | ISC",
	}, []string{"io_error /usr/lib/node_modules/broken/package.json", "io_error /usr/lib/node_modules/nameless/package.json"})
}

// TestNpmTooDeep plants what no npm makes.
func TestNpmTooDeep(t *testing.T) {
	root := plant(t, map[string]string{
		"usr/lib/node_modules" + strings.Repeat("/a/node_modules", maxModules+1) + "/b/package.json": `{"name":"b"}`,
	})
	_, rec := moduletest.Rows(t, packageModule(), root, []string{"id"}, []string{"npm:*"})
	if s := rec.Skips(); len(s) != 1 || s[0].Kind != "over_limit" {
		t.Errorf("%+v", s)
	}
}

func TestGem(t *testing.T) {
	const spec = "var/lib/gems/3.1.0/specifications/"
	root := plant(t, map[string]string{
		spec + "rake-13.0.6.gemspec":          "# -*- encoding: utf-8 -*-\n# stub: rake 13.0.6 ruby lib\n\nGem::Specification.new do |s|\n  s.name = \"rake\".freeze\n  s.version = \"13.0.6\"\n  s.authors = [\"Hiroshi\".freeze, \"Eric\".freeze]\n  s.summary = \"Rake\".freeze\n  s.licenses = [\"MIT\".freeze]\n  s.homepage = \"https://#{x}\"\nend\n",
		spec + "default/json-2.6.gemspec":     "Gem::Specification.new do |spec|\n  spec.name = 'json'\n  spec.version = Gem::Version.new(\"2.6.1\")\nend\n",
		spec + "computed-1.gemspec":           "s.name = NAME\ns.version = VERSION\n",
		spec + "README":                       "",
		"usr/share/gems/specifications/x.txt": "",
	})
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"id", "version", "architecture", "maintainer", "summary", "license", "homepage"}, []string{"gem:*"})
	expect(t, got, rec, []string{
		"gem:rake:/" + spec + "rake-13.0.6.gemspec | 13.0.6 | ruby | Hiroshi | Rake | MIT | null",
		"gem:json:/" + spec + "default/json-2.6.gemspec | 2.6.1 | null | null | null | null | null",
	}, []string{"io_error /" + spec + "computed-1.gemspec"})
}

// TestGo finds this test's own program, and in it what Go says is in it.
func TestGo(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(program, []byte("\x7fELF")) {
		t.Skip("LEFT OUT: programs here are not of ELF")
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	root := plant(t, map[string]string{
		"usr/local/bin/tool": string(program), "usr/bin/tool": "->../local/bin/tool", "usr/bin/script": "#!/bin/sh\n",
		"usr/bin/short": "\x7f", "usr/bin/broken": "\x7fELF what", "opt/other/tool": string(program),
	})
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"name", "version", "path", "source"}, []string{"go:*"})
	var want []string
	for _, p := range goPackages(info) {
		version := p.version
		if version == "" {
			version = "null"
		}
		want = append(want, p.name+" | "+version+" | /usr/local/bin/tool | "+info.Path)
	}
	expect(t, got, rec, want, []string{"io_error /usr/bin/broken"})
	if len(want) < 2 || !slices.ContainsFunc(want, func(s string) bool { return strings.HasPrefix(s, "stdlib | 1.") }) {
		t.Errorf("%q", want)
	}
	got, rec = moduletest.Rows(t, packageModule(), root, []string{"name"}, []string{"/opt/other/tool", "/opt/none", "/opt", "/usr/bin/script"})
	if len(got) != len(want) {
		t.Errorf("a literal path: %q", got)
	}
	expect(t, nil, rec, nil, []string{"not_found /opt/none", "unsupported /opt"})
}

// jar packs files.
func jar(t testing.TB, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJava(t *testing.T) {
	const pom = "META-INF/maven/org.apache/log4j-core/pom.properties"
	inner := jar(t, map[string]string{pom: "#Created by Maven\ngroupId=org.apache\nartifactId = log4j-core\nversion=2.14.1\r\n"})
	deep := inner
	for range maxJarDepth + 1 {
		deep = jar(t, map[string]string{"x.jar": deep})
	}
	root := plant(t, map[string]string{
		"app.war":  jar(t, map[string]string{"WEB-INF/lib/log4j.jar": inner}),
		"deep.jar": deep, "broken.jar": inner[:len(inner)-10], "bad.jar": jar(t, map[string]string{pom: "version=1"}),
		"inner.war": jar(t, map[string]string{"a.jar": "no jar"}),
	})
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"id", "version", "source"},
		[]string{"/app.war", "/bad.jar", "/broken.jar", "/deep.jar", "/inner.war"})
	expect(t, got, rec, []string{"java:org.apache:log4j-core:/app.war!/WEB-INF/lib/log4j.jar | 2.14.1 | log4j.jar"}, []string{
		"io_error /bad.jar!/" + pom, "unreadable_archive /broken.jar",
		"over_limit /deep.jar" + strings.Repeat("!/x.jar", maxJarDepth+1), "unreadable_archive /inner.war!/a.jar",
	})
	c := choice{}
	c.key("java:org.apache:log4j-core:/app.war!/WEB-INF/lib/log4j.jar")
	if !slices.Equal(c.paths, []string{"/app.war"}) {
		t.Errorf("the key leads to %q", c.paths)
	}
}

func FuzzLanguage(f *testing.F) {
	f.Add("Name: a\nVersion: 1\n\n")
	f.Add(`{"name":"a","author":{"name":1}}`)
	f.Add("# stub: a 1 ruby lib\ns.name = [\"x\"")
	f.Add("groupId=a\nartifactId=b\n")
	f.Fuzz(func(t *testing.T, text string) {
		parsePython(text)
		for _, parse := range []func([]byte) (pkg, bool){parseNpm, parseGem, parsePom, parsePacman} {
			if p, ok := parse([]byte(text)); ok && p.name == "" {
				t.Error("a package without a name")
			}
		}
		if _, err := readGo(strings.NewReader("\x7fELF" + text)); err == nil && len(text) < 12 {
			t.Error("a program of few bytes passes")
		}
	})
}
