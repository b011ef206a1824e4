package packages

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const apkText = `C:Q1abc=
P:musl
V:1.2.4-r2
A:x86_64
S:383152
I:622592
T:the musl c library
U:https://musl.libc.org/
L:MIT
o:musl
m:Timo <t@alpinelinux.org>
t:1700000000
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1qxcmnvMyMkRsCXTCqHdBoC6s/Mo=

P:busybox-binsh
V:1.36.1-r15
A:x86_64
I:much

V:1
`

func TestApk(t *testing.T) {
	root := plant(t, map[string]string{"usr/lib/apk/db/installed": apkText, "lib": "->usr/lib"})
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"id", "version", "source", "size", "maintainer", "license", "summary", "path"}, []string{"apk:*"})
	expect(t, got, rec, []string{
		"apk:musl:x86_64 | 1.2.4-r2 | musl | 608KiB | Timo <t@alpinelinux.org> | MIT | the musl c library | /lib/apk/db/installed",
		"apk:busybox-binsh:x86_64 | 1.36.1-r15 | null | null | null | null | null | /lib/apk/db/installed",
	}, []string{"io_error /lib/apk/db/installed:18", "io_error /lib/apk/db/installed:23"})
}

const pacmanText = "%NAME%\nzlib\n\n%VERSION%\n1:1.3-1\n\n%BASE%\nzlib\n\n%DESC%\nA library\n\n%ARCH%\nx86_64\n\n%INSTALLDATE%\n1700000000\n\n%SIZE%\n1024\n\n%LICENSE%\nMIT\nZlib\n\n%DEPENDS%\n\n%PACKAGER%\nMe\n"

func TestPacman(t *testing.T) {
	const local = "var/lib/pacman/local/"
	root := plant(t, map[string]string{
		local + "ALPM_DB_VERSION":      "9\n",
		local + "zlib-1:1.3-1/desc":    pacmanText,
		local + "nameless-1/desc":      "%VERSION%\n1\n",
		local + "half-1/desc":          "%NAME%\nhalf\nmore\n\nstray\n%SIZE%\nx\n",
		local + "without-a-desc/files": "",
	})
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"id", "version", "source", "installed", "size", "maintainer", "license", "path"}, []string{"pacman:*"})
	expect(t, got, rec, []string{
		"pacman:half: | null | null | null | null | null | null | /var/lib/pacman/local/half-1",
		"pacman:zlib:x86_64 | 1:1.3-1 | zlib | 2023-11-14T22:13:20Z | 1KiB | Me | MIT, Zlib | /var/lib/pacman/local/zlib-1:1.3-1",
	}, []string{
		"io_error /var/lib/pacman/local/half-1/desc", "io_error /var/lib/pacman/local/nameless-1/desc",
		"vanished /var/lib/pacman/local/without-a-desc/desc",
	})
}

func TestPacmanFiles(t *testing.T) {
	const local = "var/lib/pacman/local/"
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := io.WriteString(w, "#mtree\n/set type=file uid=0 gid=0 mode=644\n./.PKGINFO size=1\n./usr mode=755 type=dir\n"+
		"./usr/a\\040b size=1 md5digest="+sumB+"\n./usr/link mode=777 type=link link=x\n/set mode=4755\n./usr/c size=2 md5digest=12 sha256digest=\nwhat\n")
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	root := plant(t, map[string]string{
		local + "zlib-1/desc":  pacmanText,
		local + "zlib-1/files": "%FILES%\nusr/\nusr/a b\nusr/link\nusr/c\nusr/unsaid\n\n%BACKUP%\nusr/a b\t" + sumB + "\n",
		local + "zlib-1/mtree": z.String(),
		local + "b-1/desc":     "%NAME%\nb\n", local + "b-1/files": "%FILES%\nx\n", local + "b-1/mtree": "no gzip",
		"usr/a b": "a", "usr/link": "->c", "usr/c": "c",
	})
	got, rec := moduletest.Rows(t, packageFileModule(), root, []string{"path", "algorithm", "digest", "config", "mode"}, nil)
	skips := []string{"io_error /" + local + "b-1/mtree", "io_error /" + local + "zlib-1/mtree:9"}
	expect(t, got, rec, []string{
		"/x | null | null | false | null", "/usr | null | null | false | -rwxr-xr-x", "/usr/a b | md5 | " + sumB + " | true | -rw-r--r--",
		"/usr/link | null | null | false | -rwxrwxrwx", "/usr/c | null | null | false | -rwsr-xr-x", "/usr/unsaid | null | null | false | null",
	}, skips)
	got, rec = moduletest.Rows(t, verifyModule(), root, []string{"path", "problem", "expected", "found"}, nil)
	got = slices.DeleteFunc(got, func(row string) bool { return strings.Contains(row, " | owner | ") }) // whoever runs this
	expect(t, got, rec, []string{
		"/x | missing | null | null", "/usr/a b | digest | " + sumB + " | " + sumA,
		"/usr/c | mode | 4755 | 0644", "/usr/c | size | 2 | 1", "/usr/unsaid | missing | null | null",
	}, skips)
}

func FuzzApk(f *testing.F) {
	f.Add(apkText)
	f.Fuzz(func(t *testing.T, text string) {
		_ = eachStanza(text, func(_ int, stanza string) error {
			var p pkg
			parseApk(stanza, &p)
			if !strings.Contains(text, p.name) || p.size < -1 {
				t.Errorf("%+v", p)
			}
			return nil
		})
	})
}
