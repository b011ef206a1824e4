package packages

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
	"github.com/quaestor-engine/quaestor/value"
)

// plant makes a tree of files; a text that begins with -> is a symbolic link.
func plant(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "->"); ok {
			err = os.Symlink(to, p)
		} else {
			err = os.WriteFile(p, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// expect compares rows and the skips, which are given as "kind where".
func expect(t *testing.T, got []string, rec *moduletest.Recorder, want, skips []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("rows:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var skipped []string
	for _, s := range rec.Skips() {
		skipped = append(skipped, string(s.Kind)+" "+s.Where)
	}
	if !slices.Equal(skipped, skips) {
		t.Errorf("skips:\n%s\nwant:\n%s", strings.Join(skipped, "\n"), strings.Join(skips, "\n"))
	}
}

const dpkgStatusText = `Package: libc6
Status: install ok installed
Priority: optional
Installed-Size: 12986
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+deb12u10
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
Description: GNU C Library: Shared libraries
 Contains the standard libraries
 .
 and more.
Homepage: https://www.gnu.org/software/libc/libc.html

Package: bash
Status: install ok half-configured
Architecture: amd64
Version: 5.2.15-2

Package: gone
Status: purge ok not-installed
Architecture: amd64

Package: nano
Status: deinstall ok config-files
Architecture: amd64
Version: 7.2-1
Installed-Size: many

Status: install ok installed
Version: 1

this is not a field
Package: odd
Status: install ok installed
Architecture: all
Version: 1.0
`

func dpkgTree(t testing.TB) string {
	return plant(t, map[string]string{
		"var/lib/dpkg/status":                     dpkgStatusText,
		"var/lib/dpkg/updates/0001":               "Package: bash\nStatus: install ok unpacked\nArchitecture: amd64\nVersion: 5.2.15-3\n",
		"var/lib/dpkg/updates/0002":               "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2.15-4\n",
		"var/lib/dpkg/updates/tmp.i":              "half",
		"var/lib/dpkg/info/libc6:amd64.list":      "/.\n",
		"var/lib/dpkg/info/bash.list":             "/.\n",
		"var/lib/dpkg/status.d/tzdata":            "Package: tzdata\nArchitecture: all\nVersion: 2024a-0\nSource: tz\n",
		"var/lib/dpkg/status.d/tzdata.md5sums":    "d41d8cd98f00b204e9800998ecf8427e  etc/zone\n",
		"var/lib/dpkg/status.d/broken-no-package": "Version: 1\n",
	})
}

func TestDpkg(t *testing.T) {
	root := dpkgTree(t)
	got, rec := moduletest.Rows(t, packageModule(), root,
		[]string{"id", "version", "status", "source", "source_version", "size", "maintainer", "path", "summary", "homepage"}, []string{"dpkg:*"})
	expect(t, got, rec, []string{
		"dpkg:libc6:amd64 | 2.36-9+deb12u10 | installed | glibc | 2.36-9 | 12986KiB | GNU Libc Maintainers <debian-glibc@lists.debian.org> | /var/lib/dpkg/status | GNU C Library: Shared libraries | https://www.gnu.org/software/libc/libc.html",
		"dpkg:bash:amd64 | 5.2.15-4 | installed | bash | 5.2.15-4 | null | null | /var/lib/dpkg/status | null | null",
		"dpkg:nano:amd64 | 7.2-1 | config-files | nano | 7.2-1 | null | null | /var/lib/dpkg/status | null | null",
		"dpkg:odd:all | 1.0 | installed | odd | 1.0 | null | null | /var/lib/dpkg/status | null | null",
		"dpkg:tzdata:all | 2024a-0 | installed | tz | 2024a-0 | null | null | /var/lib/dpkg/status.d/tzdata | null | null",
	}, []string{
		"io_error /var/lib/dpkg/status:27", "io_error /var/lib/dpkg/status:33", "io_error /var/lib/dpkg/status:36",
		"io_error /var/lib/dpkg/status.d/broken-no-package:1",
	})
}

func TestInstalledTime(t *testing.T) {
	root := dpkgTree(t)
	got, rec := moduletest.Rows(t, packageModule(), root, []string{"name", "installed"}, []string{"libc6", "bash", "nano"})
	if len(got) != 3 || strings.Contains(got[0], "null") || strings.Contains(got[1], "null") || got[2] != "nano | null" {
		t.Errorf("%q", got)
	}
	if len(rec.Skips()) != 5 { // the four of TestDpkg, and the time of nano
		t.Errorf("%+v", rec.Skips())
	}
}

func TestContract(t *testing.T) {
	root := filesTree(t)
	for _, m := range Modules() {
		t.Run(m.Schema().Name, func(t *testing.T) { moduletest.Run(t, m, root) })
	}
}

func TestChoice(t *testing.T) {
	root := dpkgTree(t)
	for _, tt := range []struct {
		locators []string
		want     int
	}{
		{nil, 5}, {[]string{"lib*"}, 1}, {[]string{"apk:*"}, 0}, {[]string{"dpkg:*a*"}, 3},
		{[]string{"dpkg:bash", "tz*"}, 2}, {[]string{"nothing"}, 0},
	} {
		if got, _ := moduletest.Rows(t, packageModule(), root, []string{"id"}, tt.locators); len(got) != tt.want {
			t.Errorf("%q: %q", tt.locators, got)
		}
	}
	req, _ := moduletest.Request(t, packageModule(), root, []string{"id"})
	req.Keys = []value.Value{value.NewText("dpkg:bash:amd64"), value.NewText("apk:x:y"), value.NewText("who")}
	n := 0
	if err := packageModule().Scan(t.Context(), req, func(modules.Row) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("keys: %d rows, %v", n, err)
	}
	req.Keys, req.Locators = nil, []string{"[z-a"}
	if err := packageModule().Scan(t.Context(), req, func(modules.Row) error { return nil }); err == nil {
		t.Error("a locator that is no glob passes")
	}
}

// TestUnreadable tells a database that may not be read from none.
func TestUnreadable(t *testing.T) {
	root := plant(t, map[string]string{"var/lib/dpkg/status/dir": ""})
	_, rec := moduletest.Rows(t, packageModule(), root, []string{"id"}, []string{"dpkg:*"})
	expect(t, nil, rec, nil, []string{"special_file /var/lib/dpkg/status"})
	_, rec = moduletest.Rows(t, packageModule(), t.TempDir(), []string{"id"}, nil)
	expect(t, nil, rec, nil, nil)
}

// output runs one of dpkg's programs.
func output(t testing.TB, program string, args ...string) string {
	t.Helper()
	p, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("LEFT OUT: %s is not installed", program)
	}
	cmd := exec.Command(p, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out)
}

// TestAgainstDpkgQuery compares what dpkg itself says of this machine.
func TestAgainstDpkgQuery(t *testing.T) {
	out := output(t, "dpkg-query", "-W", "-f",
		"${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\t${source:Package}\t${source:Version}\t${Installed-Size}\t${Maintainer}\t${binary:Synopsis}\t${Homepage}\n")
	want := strings.Split(strings.ReplaceAll(strings.TrimSuffix(out, "\n"), " \t", "\t"), "\n") // it keeps spaces at a field's end
	var got []string
	files, rec := live(t)
	if err := eachDpkg(files, func(p *pkg) error {
		size := ""
		if p.size >= 0 {
			size = value.NewInt(p.size >> 10).String()
		}
		got = append(got, strings.Join([]string{p.name, p.version, p.arch, p.status, p.source, p.sourceVersion, size, p.maintainer, p.summary, p.url}, "\t"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d packages, dpkg-query has %d", len(got), len(want))
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("got  %q\nwant %q", got[i], want[i])
			}
		}
	}
	if s := rec.Skips(); len(s) > 0 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkDpkg(b *testing.B) {
	for b.Loop() {
		moduletest.Rows(b, packageModule(), "", []string{"name", "version"}, []string{"dpkg:*"})
	}
}

func FuzzDpkg(f *testing.F) {
	f.Add(dpkgStatusText)
	f.Add("\n\n\nPackage: a\n b\n\tc\n:\n\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Count(text, "\n") + 1
		err := eachStanza(text, func(line int, stanza string) error {
			var p pkg
			if bad := parseDpkg(stanza, &p); bad < 0 || line+bad-1 > lines || line < 1 {
				t.Errorf("line %d of stanza at %d of %d", bad, line, lines)
			}
			if !strings.Contains(text, p.name) {
				t.Error("a name invented")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}
