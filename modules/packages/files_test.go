package packages

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const (
	sumA = "0cc175b9c0f1b6a831c399e269772661" // of "a"
	sumB = "92eb5ffee6ae2fec3ad71c777531578f" // of "b"
)

func filesTree(t testing.TB) string {
	return plant(t, map[string]string{
		"etc/apt/sources.list":                                          "# deb http://old.example/ lenny main\ndeb [arch=amd64 trusted=yes signed-by=/k.gpg] http://deb.example/debian bookworm main contrib # note\ndeb-src http://deb.example/debian bookworm main\n# just words\ndeb broken\n",
		"etc/apt/sources.list.d/a.sources":                              "# c\nTypes: deb deb-src\nURIs: https://x.example/u\nSuites: noble noble-updates\nComponents: main\n universe\nSigned-By: /usr/share/k.gpg\n\nEnabled: no\nTypes: deb\nURIs: https://y.example\nSuites: z\n",
		"var/lib/apt/lists/deb.example_debian_dists_bookworm_InRelease": "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Example\nVersion: 12.5\n",
		"etc/yum.repos.d/b.repo":                                        "[base]\nname=The base\nbaseurl=https://r.example/\nenabled=0\ngpgcheck=1\ngpgkey=file:///k1, file:///k2\n; x\n[next]\nmirrorlist=https://m.example/\ngpgcheck=0\n",
		"var/lib/dpkg/status": `Package: bash
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 1
Conffiles:
 /etc/bash.bashrc ` + sumA + `
 /etc/old ` + sumB + ` obsolete
 /etc/new newconffile
 /etc/wrong sum

Package: nano
Status: install ok installed
Architecture: amd64
Version: 1

Package: bare
Status: install ok installed
Architecture: all
Version: 1
`,
		"var/lib/dpkg/info/bash:amd64.list":    "/.\n/bin\n/bin/bash\n/etc\n/etc/bash.bashrc\n/etc/old\n/etc/new\n",
		"var/lib/dpkg/info/bash:amd64.md5sums": sumA + "  bin/bash\nnot a sum\n",
		"var/lib/dpkg/info/nano.list":          "/usr/bin/nano\n",
		"var/lib/dpkg/diversions":              "/usr/bin/nano\n/usr/bin/nano.real\nbash\n",
		"var/lib/dpkg/statoverride":            "root crontab 2755 /bin/bash\nroot root what /x\n",
		"var/lib/dpkg/status.d/tzdata":         "Package: tzdata\nArchitecture: all\nVersion: 1\n",
		"var/lib/dpkg/status.d/tzdata.md5sums": sumB + "  ./usr/share/zoneinfo/UTC\n",
		"lib/apk/db/installed":                 apkText + "\nP:b\nA:x\nF:etc\nM:0:5:1777\nR:f\nZ:Q9abc\nR:g\na:1:2\nR:h\nF:\nR:top\n",
		"var/lib/pacman/local/zlib-1/desc":     pacmanText,
		"var/lib/pacman/local/zlib-1/files":    "%FILES%\nusr/\nusr/lib/libz.so\n",
		"var/lib/pacman/local/nothing-1/desc":  "",
		"var/lib/pacman/local/unlisted-1/desc": "%NAME%\nunlisted\n",
		"var/lib/pacman/local/ALPM_DB_VERSION": "9\n",
		"bin":                                  "->usr/bin",
		"usr/bin/bash":                         "a",
	})
}

func TestPackageFile(t *testing.T) {
	root := filesTree(t)
	got, rec := moduletest.Rows(t, packageFileModule(), root, []string{"path", "package", "algorithm", "digest", "config", "mode"}, nil)
	const none = " | null | null | false | null"
	expect(t, got, rec, []string{
		"/bin | dpkg:bash:amd64" + none,
		"/bin/bash | dpkg:bash:amd64 | md5 | " + sumA + " | false | -rwxr-sr-x",
		"/etc | dpkg:bash:amd64" + none,
		"/etc/bash.bashrc | dpkg:bash:amd64 | md5 | " + sumA + " | true | null",
		"/etc/old | dpkg:bash:amd64 | md5 | " + sumB + " | true | null",
		"/etc/new | dpkg:bash:amd64 | null | null | true | null",
		"/usr/bin/nano.real | dpkg:nano:amd64" + none,
		"/usr/share/zoneinfo/UTC | dpkg:tzdata:all | md5 | " + sumB + " | false | null",
		"/lib | apk:musl:x86_64 | null | null | false | -rwxr-xr-x",
		"/lib/ld-musl-x86_64.so.1 | apk:musl:x86_64 | sha1 | ab17269ef33232446c0974c2a87741a02eacfcca | false | -rwxr-xr-x",
		"/etc | apk:b:x | null | null | false | -rwxrwxrwt",
		"/etc/f | apk:b:x | null | null | false | -rw-r--r--",
		"/etc/g | apk:b:x | null | null | false | -rw-r--r--",
		"/etc/h | apk:b:x | null | null | false | -rw-r--r--",
		"/top | apk:b:x | null | null | false | -rw-r--r--",
		"/usr | pacman:zlib:x86_64" + none,
		"/usr/lib/libz.so | pacman:zlib:x86_64" + none,
	}, []string{
		"io_error /var/lib/dpkg/statoverride:2", "io_error /var/lib/dpkg/info/bash:amd64.md5sums:2",
		"io_error /var/lib/dpkg/status of dpkg:bash:amd64", "vanished /var/lib/dpkg/info/bare.list",
		"io_error /lib/apk/db/installed:23", "io_error /lib/apk/db/installed:30",
		"io_error /var/lib/pacman/local/nothing-1/desc", "vanished /var/lib/pacman/local/unlisted-1/files",
	})
	for locator, want := range map[string]string{"/bin/*": "/bin/bash /usr/bin/nano.real", "/usr/bin/ba*": "/bin/bash", "/etc/{old,new}": "/etc/old /etc/new"} {
		got, _ := moduletest.Rows(t, packageFileModule(), root, []string{"path"}, []string{locator})
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q", locator, got)
		}
	}
}

// TestAgainstDpkgL compares each package's list with dpkg's own.
func TestAgainstDpkgL(t *testing.T) {
	got := map[string][]string{}
	for path, ids := range listed(t) {
		for _, id := range ids {
			got[id] = append(got[id], path)
		}
	}
	var ids []string
	for i, id := range slices.Sorted(maps.Keys(got)) {
		if i%5 == 0 {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		f := strings.Split(id, ":")
		name := f[1]
		if f[2] != "all" {
			name += ":" + f[2]
		}
		var want []string
		for line := range strings.Lines(output(t, "dpkg", "-L", name)) {
			line = strings.TrimSuffix(line, "\n")
			if to, ok := strings.CutPrefix(line, "diverted by "); ok { // the line before tells what was diverted
				_, to, _ = strings.Cut(to, " to: ")
				want[len(want)-1] = to
			} else if strings.HasPrefix(line, "/") && line != "/." {
				want = append(want, line)
			}
		}
		slices.Sort(want)
		slices.Sort(got[id])
		if !slices.Equal(got[id], want) {
			t.Errorf("%s: got %d, want %d\n%q\n%q", id, len(got[id]), len(want), got[id], want)
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add(apkText+"/a\n/b\n:\n", sumA+"  x y")
	f.Add("%FILES%\na/\n\n/set mode=1 uid=1 gid=2\n./a\\040 size=1 type=file", " /etc/x "+sumB+" obsolete")
	f.Add("/a\n/b\nc\n/d", "root root 755 /x")
	f.Fuzz(func(t *testing.T, text, line string) {
		lines := strings.Count(text, "\n") + 1
		bad, _ := eachApkFile(text, func(x *packed) error {
			if !strings.HasPrefix(x.path, "/") {
				t.Errorf("%q", x.path)
			}
			return nil
		})
		if bad > lines || eachDigest(text, func(_, _ string) {}) > lines {
			t.Error("a line that is not there")
		}
		parsePacmanFiles([]byte(text))
		parseDiversions(text)
		if files, bad := parseMtree(text); bad > lines || len(files) > lines {
			t.Errorf("%d files, line %d", len(files), bad)
		}
		if x, ok := parseOverride(line); ok && x.mode > 0o7777 {
			t.Errorf("mode %o", x.mode)
		}
		if path, _, ok := parseConffile(line); ok && !strings.HasPrefix(path, "/") {
			t.Errorf("%q", path)
		}
		_ = eachListed(text, func(path string) error {
			if path[0] != '/' {
				t.Errorf("%q", path)
			}
			return nil
		})
	})
}
