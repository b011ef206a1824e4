package packages

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// q1 is how apk writes the digest of a text.
func q1(text string) string {
	sum := sha1.Sum([]byte(text))
	return "Z:Q1" + base64.StdEncoding.EncodeToString(sum[:]) + "\n"
}

func verifyTree(t testing.TB) string {
	owner := fmt.Sprintf("a:%d:%d:", os.Getuid(), os.Getgid())
	root := plant(t, map[string]string{
		"etc/passwd": "me:x:" + strconv.Itoa(os.Getuid()) + ":0::/:/bin/sh\n",
		"etc/group":  "us:x:" + strconv.Itoa(os.Getgid()) + ":\nbroken\n",
		"var/lib/dpkg/status": "Package: p\nStatus: a b installed\nArchitecture: all\nConffiles:\n /etc/p.conf " + sumA + "\n /etc/q.conf " + sumA + "\n" +
			"\nPackage: removed\nStatus: a b config-files\nArchitecture: all\nConffiles:\n /etc/r " + sumA + "\n",
		"var/lib/dpkg/info/p.list":       "/.\n/usr\n/usr/good\n/usr/bad\n/usr/link\n/usr/gone\n/usr/gone.link\n/usr/dir\n/usr/strange\n/etc/p.conf\n/etc/q.conf\n/usr/loop\n",
		"var/lib/dpkg/info/p.md5sums":    sumA + "  usr/good\n" + sumA + "  usr/bad\n" + sumA + "  usr/link\n" + sumA + "  usr/gone\n" + sumA + "  usr/dir\n" + sumA + "  usr/loop\n",
		"var/lib/dpkg/info/removed.list": "/etc/r\n/etc/s\n",
		"var/lib/dpkg/statoverride":      "me us 644 /usr/good\nme us 4755 /usr/bad\nroot #4294967294 0640 /usr/strange\n",
		"lib/apk/db/installed": "P:m\nV:1\nA:x\nF:lib\nM" + strings.TrimPrefix(owner, "a") + "755\nR:a\n" + owner + "644\n" + q1("a") +
			"R:b\n" + owner + "755\n" + q1("b") + "R:l\n" + owner + "777\n" + q1("a") + "R:k\n" + owner + "777\n" + q1("b"),
		"usr/good": "a", "usr/bad": "b", "usr/link": "->good", "usr/dir/x": "", "usr/strange": "", "usr/loop": "->loop", "etc/p.conf": "b", "etc/s": "",
		"lib/a": "a", "lib/b": "a", "lib/l": "->a", "lib/k": "->a",
	})
	if err := os.Chmod(filepath.Join(root, "usr/strange"), 0o640); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestVerify(t *testing.T) {
	root := verifyTree(t)
	got, rec := moduletest.Rows(t, verifyModule(), root, []string{"path", "package", "problem", "expected", "found", "config"}, nil)
	const p, m = " | dpkg:p:all | ", " | apk:m:x | "
	sum := func(text string) string { s := sha1.Sum([]byte(text)); return fmt.Sprintf("%x", s) }
	expect(t, got, rec, []string{
		"/usr/bad" + p + "mode | 4755 | 0644 | false",
		"/usr/bad" + p + "digest | " + sumA + " | " + sumB + " | false",
		"/usr/gone" + p + "missing | " + sumA + " | null | false",
		"/usr/gone.link" + p + "missing | null | null | false",
		"/usr/dir" + p + "digest | " + sumA + " | not a regular file | false",
		"/usr/strange" + p + "owner | root:#4294967294 | me:#" + strconv.Itoa(os.Getgid()) + " | false",
		"/etc/p.conf" + p + "digest | " + sumA + " | " + sumB + " | true",
		"/etc/q.conf" + p + "missing | " + sumA + " | null | true",
		"/usr/loop" + p + "unreadable | " + sumA + " | too many symbolic links | false",
		"/lib/b" + m + "mode | 0755 | 0644 | false",
		"/lib/b" + m + "digest | " + sum("b") + " | " + sum("a") + " | false",
		"/lib/k" + m + "digest | " + sum("b") + " | " + sum("a") + " | false",
	}, []string{"loop /usr/loop"})
	if got, _ := moduletest.Rows(t, verifyModule(), root, []string{"path"}, []string{"/usr/*", "/lib/a"}); len(got) != 7 {
		t.Errorf("%q", got)
	}
}

func TestVerifyContract(t *testing.T) { moduletest.Run(t, verifyModule(), verifyTree(t)) }

// TestVerifyUnreadable tells a file that may not be read from one that is as
// it was.
func TestVerifyUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("LEFT OUT: root may read everything")
	}
	root := verifyTree(t)
	if err := os.Chmod(filepath.Join(root, "etc/p.conf"), 0); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, verifyModule(), root, []string{"path", "problem"}, []string{"/etc/p.conf"})
	expect(t, got, rec, []string{"/etc/p.conf | unreadable"}, []string{"permission /etc/p.conf"})
}

// TestAgainstDpkgVerify compares what both say of the same packages: of
// content, since dpkg checks nothing else.
func TestAgainstDpkgVerify(t *testing.T) {
	files, _ := live(t)
	chosen := map[string]bool{}
	all := map[string]bool{}
	for _, ids := range listed(t) {
		for _, id := range ids {
			all[id] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(all))
	for i := 0; i < len(sorted); i += 1 + len(sorted)/25 {
		chosen[sorted[i]] = true
	}
	args := []string{"--verify"}
	for _, id := range slices.Sorted(maps.Keys(chosen)) {
		args = append(args, strings.TrimSuffix(strings.TrimPrefix(id, "dpkg:"), ":all"))
	}
	var want, got []string
	for line := range strings.Lines(output(t, "dpkg", args...)) {
		word, path := line[:9], strings.TrimSuffix(line[12:], "\n")
		problem := map[string]string{"missing  ": "missing", "??5??????": "digest"}[word]
		if problem != "" { // what it could not read, it says in other words
			want = append(want, path+" "+problem)
		}
	}
	v := newVerifier(files, func(x *finding) error {
		if x.problem == "digest" || x.problem == "missing" {
			got = append(got, x.path+" "+x.problem)
		}
		return nil
	})
	if err := v.spread(t.Context(), 2, func(ctx context.Context, check func(*packed) error) error {
		return dpkgPacked(&crate{FS: files, ctx: ctx, details: true, yield: func(x *packed) error {
			if !chosen[x.pkg] {
				return nil
			}
			return check(x)
		}})
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// So many workers find the same, end when a row is not wanted any more or the
// scan is told to stop, and leave nobody behind.
func TestVerifyWorkers(t *testing.T) {
	files := map[string]string{}
	var list, sums strings.Builder
	for i := range 500 {
		name := fmt.Sprintf("usr/f%03d", i)
		if i%5 > 0 {
			files[name] = strings.Repeat("b", i%2*300_000+1)
		}
		fmt.Fprintf(&list, "/%s\n", name)
		fmt.Fprintf(&sums, "%s  %s\n", sumA, name)
	}
	files["var/lib/dpkg/status"] = "Package: x\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
	files["var/lib/dpkg/info/x.list"], files["var/lib/dpkg/info/x.md5sums"] = list.String(), sums.String()
	root := plant(t, files)
	scan := func(ctx context.Context, workers int, yield func(string) error) error {
		req, _ := moduletest.Request(t, verifyModule(), root, []string{"path", "problem", "found"})
		req.Workers = workers
		return verifyModule().Scan(ctx, req, func(r modules.Row) error {
			line, err := moduletest.Line(ctx, r, req.Columns)
			return errors.Join(err, yield(line))
		})
	}
	var want []string
	for _, workers := range []int{1, 2, 7} {
		var got []string
		if err := scan(t.Context(), workers, func(line string) error { got = append(got, line); return nil }); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if want == nil {
			want = got
		}
		if len(got) != 500 || !slices.Equal(got, want) {
			t.Errorf("%d workers: %d rows, not %d", workers, len(got), len(want))
		}
		n := 0
		if err := scan(t.Context(), workers, func(string) error {
			if n++; n == 3 {
				return modules.ErrEnough
			}
			return nil
		}); !errors.Is(err, modules.ErrEnough) || n > 3+workers {
			t.Errorf("%d workers: enough: %v after %d rows", workers, err, n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := scan(ctx, workers, func(string) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("%d workers: told to stop: %v", workers, err)
		}
		cancel()
	}
}
