package packages

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const fooSpec = `Name: foo
Version: 1.2~rc1
Release: 3
Epoch: 2
Summary: A foo
License: MIT
BuildArch: noarch
%description
Nothing more.
%install
mkdir -p %{buildroot}/usr/share/foo %{buildroot}/etc
echo one > %{buildroot}/usr/share/foo/one
echo two > %{buildroot}/usr/share/foo/two
echo three > %{buildroot}/usr/share/foo/three
echo set > %{buildroot}/etc/foo.conf
ln -s one %{buildroot}/usr/share/foo/link
%files
/usr/share/foo
%config(noreplace) /etc/foo.conf
%ghost /usr/share/foo/later
%package extra
Summary: More of it
%description extra
More.
%files extra
`

// TestRpmTree lets rpm build packages and install them into a tree, changes
// some of what it brought, and compares what rpm and we say of it.
func TestRpmTree(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("LEFT OUT: rpm installs into a tree only as root")
	}
	work, root := t.TempDir(), t.TempDir()
	spec := filepath.Join(work, "foo.spec")
	if err := os.WriteFile(spec, []byte(strings.Replace(fooSpec, "echo set", "touch %{buildroot}/usr/share/foo/later\necho set", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	output(t, "rpmbuild", "--quiet", "-bb", "--define", "_topdir "+work, spec)
	built, _ := filepath.Glob(filepath.Join(work, "RPMS/noarch/*.rpm"))
	if len(built) != 2 {
		t.Fatalf("rpmbuild made %q", built)
	}
	output(t, "rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "-i", "--nodeps"}, built...)...)
	rpm := func(args ...string) []string {
		text := output(t, "rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm"}, args...)...)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		slices.Sort(lines)
		return lines
	}

	rows, rec := moduletest.Rows(t, packageModule(), root, []string{"id", "version", "source", "license", "summary"}, []string{"rpm:*"})
	slices.Sort(rows)
	expect(t, rows, rec, rpm("-qa", "--qf", "rpm:%{NAME}-%{EVR}:%{ARCH} | %{EVR} | foo | %{LICENSE} | %{SUMMARY}\n"), nil)

	rows, rec = moduletest.Rows(t, packageFileModule(), root, []string{"path", "digest"}, nil)
	slices.Sort(rows)
	want := rpm("-qa", "--qf", `[%{FILENAMES} | %{FILEDIGESTS}\n]`)
	for i, line := range want {
		if strings.HasSuffix(line, " | ") { // a folder, a link, or what comes later
			want[i] += "null"
		}
	}
	expect(t, rows, rec, want, nil)

	if got, rec := moduletest.Rows(t, verifyModule(), root, []string{"path", "problem"}, nil); len(got) > 0 {
		t.Errorf("nothing was changed: %q, %v", got, rec.Skips())
	}
	in := func(name string) string { return filepath.Join(root, "usr/share/foo", name) }
	if err := os.WriteFile(in("one"), []byte("ONE\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(in("two")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(in("three"), 0o4755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(root, "etc/foo.conf"), 1, 1); err != nil {
		t.Fatal(err)
	}
	rows, _ = moduletest.Rows(t, verifyModule(), root, []string{"path", "problem"}, nil)
	slices.Sort(rows)
	if want := rpmFindings(rpm("-Va", "--nodeps")); len(want) < 4 || !slices.Equal(rows, want) {
		t.Errorf("got  %q\nwant %q", rows, want)
	}
}

// rpmFindings reads what rpm -V prints: nine letters or dots and the path, of
// which those for size, mode, digest, user and group are ours too.
func rpmFindings(lines []string) []string {
	var all []string
	for _, line := range lines {
		f := strings.Fields(line)
		if len(f) < 2 || len(f[0]) < 7 {
			continue
		}
		path := f[len(f)-1]
		for letter, problem := range map[string]string{"5": "digest", "S": "size", "M": "mode", "U": "owner"} {
			if f[0] != "missing" && strings.Contains(f[0], letter) {
				all = append(all, path+" | "+problem)
			}
		}
		if f[0] == "missing" {
			all = append(all, path+" | missing")
		}
	}
	slices.Sort(all)
	return all
}
