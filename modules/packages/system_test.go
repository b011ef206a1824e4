package packages

import (
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
