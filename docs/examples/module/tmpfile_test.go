package tmpfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const host = "testdata/host"

// The contract of package modules, which every module keeps.
func TestContract(t *testing.T) {
	moduletest.Run(t, New(), host)
	moduletest.Run(t, New(), host, "/etc/**")
}

func TestRows(t *testing.T) {
	got, rec := moduletest.Rows(t, New(), host, []string{"action", "path", "target", "mode", "boot", "masked", "argument"}, nil)
	want := []string{
		"link | /etc/motd | /var/lib/motd | null | false | false | ../var/lib/motd",
		`file | /etc/cron.d/.update | null | 0644 | true | false | * * * * * root /dev/shm/.u\n`,
		`write | /etc/environment | null | null | false | false | LD_PRELOAD=/tmp/x.so\n`,
		"copy | /usr/local/bin/my shell | /bin/bash | 4755 | false | false | /bin/bash",
		"directory | /run/lock | null | 0755 | false | false | null",
		"remove | /forcefsck | null | null | true | true | null",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// What is no line of tmpfiles.d is named, and is no row.
	bad := []modules.Skip{
		{Kind: modules.SkipIO, Where: "/etc/tmpfiles.d/rescue.conf:2", Detail: "malformed"},
		{Kind: modules.SkipIO, Where: "/etc/tmpfiles.d/rescue.conf:3", Detail: "malformed"},
	}
	if skips := rec.Skips(); !slices.Equal(skips, bad) {
		t.Errorf("%+v", skips)
	}
}

func TestLocators(t *testing.T) {
	got, _ := moduletest.Rows(t, New(), host, []string{"path", "file", "line"}, []string{"/etc/cron*/**", "/run/*"})
	want := []string{
		"/etc/cron.d/.update | /etc/tmpfiles.d/motd.conf | 3",
		"/run/lock | /usr/lib/tmpfiles.d/lock.conf | 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A link to /dev/null takes another file away, and is nothing itself.
func TestMasked(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("LEFT OUT: links need a privilege here")
	}
	root := t.TempDir()
	for _, dir := range []string{"etc/tmpfiles.d", "usr/lib/tmpfiles.d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/null", filepath.Join(root, "etc/tmpfiles.d/x.conf")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "usr/lib/tmpfiles.d/x.conf"), []byte("d /x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, New(), root, []string{"path", "masked"}, nil)
	if !slices.Equal(got, []string{"/x | true"}) || len(rec.Skips()) != 0 {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
}

func TestParse(t *testing.T) {
	for line, want := range map[string]rule{
		`d /a`:                        {typ: "d", action: "directory", path: "/a"},
		"d\t/a - - - 1h":              {typ: "d", action: "directory", path: "/a", age: "1h"},
		`"f" '/a b' "0600" "-"`:       {typ: "f", action: "file", path: "/a b", mode: "0600", user: "-"},
		`f /a\x2fb\040c`:              {typ: "f", action: "file", path: "/a/b c"},
		`Z %t/x :~2750`:               {typ: "Z", action: "mode", path: "%t/x", mode: ":~2750"},
		`f /a - - - - \sb "c" \u00e9`: {typ: "f", action: "file", path: "/a", argument: ` b "c" é`},
		`f^~ /a - - - - cred`:         {typ: "f^~", action: "file", path: "/a", argument: "cred"},
	} {
		if got, ok := parse(line); got != want || !ok {
			t.Errorf("%s: %+v, %t", line, got, ok)
		}
	}
	for _, line := range []string{"d", "d a", "y /a", "dd /a", `d "/a`, `d /a\`, `d /a\q`, `d /a\x00`, "d /a 8", "d /a 17777", "f~ /a - - - - !", "#"} {
		if got, ok := parse(line); ok {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// What strangers write neither ends the program nor makes it make things up.
func FuzzParse(f *testing.F) {
	f.Add(`L+ "/etc/motd" ~0644 root root 10d \x2fvar`)
	f.Add(`f~ /a - - - - YQ==`)
	f.Fuzz(func(t *testing.T, line string) {
		r, ok := parse(line)
		if !ok {
			return
		}
		if r.path == "" || r.action == "" || len(r.path)+len(r.argument) > 2*len(line) {
			t.Errorf("%q: %+v", line, r)
		}
		r.target()
	})
}

// On a live machine there are as many lines as systemd-tmpfiles itself sees.
func TestAgainstSystemd(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "systemd-tmpfiles", "--cat-config").Output()
	if err != nil {
		t.Skipf("LEFT OUT: systemd-tmpfiles is not installed: %v", err)
	}
	want := 0
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			want++
		}
	}
	rows, rec := moduletest.Rows(t, New(), "", []string{"masked"}, nil)
	got := len(rec.Skips())
	for _, masked := range rows {
		if masked == "false" {
			got++
		}
	}
	if got != want {
		t.Errorf("%d lines count, systemd sees %d", got, want)
	}
}
