package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// pacmanFiles are what the package of TestPacmanTree brings, in order: folders
// end with a slash, links have a target.
func pacmanFiles() [][3]string {
	return [][3]string{
		{"etc/", "", ""}, {"etc/foo.conf", "set\n", ""}, {"usr/", "", ""}, {"usr/share/", "", ""}, {"usr/share/foo/", "", ""},
		{"usr/share/foo/link", "", "one"}, {"usr/share/foo/one", "one\n", ""}, {"usr/share/foo/three", "three\n", ""}, {"usr/share/foo/two", "two\n", ""},
	}
}

const pacmanInfo = `pkgname = foo
pkgbase = foo
pkgver = 1:2.0-3
pkgdesc = A foo
url = https://example.org
builddate = 1700000000
packager = Me <me@example.org>
size = 4096
arch = any
license = MIT
backup = etc/foo.conf
`

// pacmanPackage packs a package as makepkg does, which need not be compressed.
func pacmanPackage(t *testing.T) []byte {
	t.Helper()
	var list, out bytes.Buffer
	z, w := gzip.NewWriter(&list), tar.NewWriter(&out)
	add := func(name, text, target string) {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), ModTime: time.Unix(1700000000, 0), Typeflag: tar.TypeReg, Linkname: target}
		line := fmt.Sprintf("./%s time=1700000000.0", strings.TrimSuffix(name, "/"))
		switch {
		case target != "":
			h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
			line += " mode=777 type=link link=" + target
		case strings.HasSuffix(name, "/"):
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
			line += " mode=755 type=dir"
		default:
			line += fmt.Sprintf(" size=%d sha256digest=%x", len(text), sha256.Sum256([]byte(text)))
		}
		if name != ".MTREE" { // the list does not list itself
			_, _ = fmt.Fprintln(z, line) // a buffer takes everything
		}
		err := w.WriteHeader(h)
		_, err2 := w.Write([]byte(text))
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = fmt.Fprint(z, "#mtree\n/set type=file uid=0 gid=0 mode=644\n")
	add(".PKGINFO", pacmanInfo, "")
	for _, f := range pacmanFiles() {
		add(f[0], f[1], f[2])
	}
	_ = z.Close()
	add(".MTREE", list.String(), "")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestPacmanTree lets pacman install a package into a tree, changes some of
// what it brought, and compares what pacman and we say of it.
func TestPacmanTree(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("LEFT OUT: pacman installs only as root")
	}
	work, root := t.TempDir(), plant(t, map[string]string{"var/lib/pacman/sync/x": "", "etc/passwd": "root:x:0:0::/:\n", "etc/group": "root:x:0:\n"})
	file := filepath.Join(work, "foo-1:2.0-3-any.pkg.tar")
	if err := os.WriteFile(file, pacmanPackage(t), 0o644); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("pacman")
	if err != nil {
		t.Skip("LEFT OUT: pacman is not installed")
	}
	pacman := func(args ...string) []string {
		cmd := exec.Command(program, append([]string{"--config", "/dev/null", "--root", root, "--dbpath", filepath.Join(root, "var/lib/pacman"),
			"--cachedir", work, "--gpgdir", work, "--logfile", filepath.Join(work, "log"), "--noconfirm"}, args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.CombinedOutput() // what it finds wrong it says as errors
		if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || args[0] == "-U") {
			t.Fatalf("pacman: %v: %s", err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		slices.Sort(lines)
		return lines
	}
	pacman("-U", file)

	rows, rec := moduletest.Rows(t, packageModule(), root, []string{"name", "version"}, nil)
	for i := range rows {
		rows[i] = strings.Replace(rows[i], " | ", " ", 1)
	}
	expect(t, rows, rec, pacman("-Q"), nil)
	rows, rec = moduletest.Rows(t, packageFileModule(), root, []string{"path"}, nil)
	var want []string
	for _, line := range pacman("-Ql") {
		_, path, _ := strings.Cut(line, " ")
		want = append(want, strings.TrimSuffix(strings.TrimPrefix(path, root), "/"))
	}
	slices.Sort(rows)
	expect(t, rows, rec, want, nil)
	if got, _ := moduletest.Rows(t, verifyModule(), root, []string{"path", "problem"}, nil); len(got) > 0 {
		t.Errorf("nothing was changed: %q", got)
	}

	in := func(name string) string { return filepath.Join(root, "usr/share/foo", name) }
	if err := errors.Join(os.WriteFile(in("one"), []byte("ONE\n"), 0o644), os.Remove(in("two")), os.Chmod(in("three"), 0o4755),
		os.Chown(filepath.Join(root, "etc/foo.conf"), 1, 1)); err != nil {
		t.Fatal(err)
	}
	rows, _ = moduletest.Rows(t, verifyModule(), root, []string{"path", "problem"}, nil)
	slices.Sort(rows)
	if want := pacmanFindings(pacman("-Qkk"), root); len(want) < 4 || !slices.Equal(rows, want) {
		t.Errorf("got  %q\nwant %q", rows, want)
	}
}

// pacmanFindings reads what pacman -Qkk warns of, in our words. What it says
// of times is its own.
func pacmanFindings(lines []string, root string) []string {
	var all []string
	for _, line := range lines {
		_, rest, ok := strings.Cut(line, ": foo: ")
		path, why, ok2 := strings.Cut(rest, " (")
		for word, problem := range map[string]string{
			"SHA256 checksum": "digest", "Size": "size", "Permissions": "mode", "UID": "owner", "No such file": "missing",
		} {
			if ok && ok2 && strings.HasPrefix(why, word) {
				all = append(all, strings.TrimPrefix(path, root)+" | "+problem)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
