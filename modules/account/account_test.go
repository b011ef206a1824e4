package account

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func host(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func system(t *testing.T) string {
	return host(t, map[string]string{
		"root/.ssh/config":          "Host jump\n  User ann\n",
		"etc/passwd":                "root:x:0:0:the root:/root:/bin/sh\n# a comment\n\nann:x:1000:100::/home/ann:/bin/bash\n+nis\nold:ab0123456789.:5:5::/:\nbroken:x:y:0::/:/bin/sh\nshort:x:1\nfree::6:6::/:/bin/sh\n",
		"etc/shadow":                "root:$6$salt$hash:19000:0:99999:7:::\nann:!$y$j9T$salt$hash:0:::::20000:\nbad line\n",
		"var/log/btmp":              utmp(6, 900, [3]string{"ssh:notty", "admin", "1.2.3.4"}, "1.2.3.4", day1),
		"etc/sudoers":               "root ALL=(ALL) ALL\n",
		"root/.bash_history":        "ls\n",
		"run/systemd/sessions/1":    "USER=root\n",
		"root/.ssh/known_hosts":     "web " + keyLine,
		"root/.ssh/id.pub":          keyLine,
		"root/.ssh/authorized_keys": "# mine\n" + keyLine + " ann@desk\nnot a key\n",
		"etc/group":                 "root:x:0:\nadm:x:4:ann,bob\nusers:x:100:ann\nbad:x:z:\n",
	})
}

func TestContract(t *testing.T) {
	for _, m := range Modules() {
		t.Run(m.Schema().Name, func(t *testing.T) { moduletest.Run(t, m, system(t)) })
	}
}

func TestUsers(t *testing.T) {
	columns := []string{"name", "uid", "gid", "comment", "home", "shell", "groups", "password", "hash_method", "password_changed", "expires"}
	got, rec := moduletest.Rows(t, users(), system(t), columns, nil)
	want := []string{
		"root | 0 | 0 | the root | /root | /bin/sh | [root] | set | sha512 | 2022-01-08T00:00:00Z | null",
		"ann | 1000 | 100 | null | /home/ann | /bin/bash | [users, adm] | locked | yescrypt | null | 2024-10-04T00:00:00Z",
		"old | 5 | 5 | null | / | null | [] | set | des | null | null",
		"free | 6 | 6 | null | / | /bin/sh | [] | none | null | null | null",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	where := map[string]bool{}
	for _, s := range rec.Skips() {
		where[s.Where] = s.Detail == "malformed"
	}
	if want := map[string]bool{"/etc/passwd:7": true, "/etc/passwd:8": true, "/etc/shadow:3": true, "/etc/group:4": true}; !maps.Equal(where, want) {
		t.Errorf("%+v", rec.Skips())
	}
	if strings.Contains(strings.Join(got, ""), "salt") {
		t.Error("a hash is shown")
	}
}

func TestGroups(t *testing.T) {
	got, _ := moduletest.Rows(t, groups(), system(t), []string{"name", "gid", "members"}, []string{"a*", "u*"})
	if want := []string{"adm | 4 | [ann, bob]", "users | 100 | [ann]"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestGroupMembers(t *testing.T) {
	got, _ := moduletest.Rows(t, groupMembers(), system(t), []string{"user", "group", "uid", "gid", "own"}, nil)
	want := []string{"root | root | 0 | 0 | true", "ann | users | 1000 | 100 | true", "ann | adm | 1000 | 4 | false", "old | null | 5 | 5 | true", "free | null | 6 | 6 | true"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestPasswordDays(t *testing.T) {
	got, _ := moduletest.Rows(t, users(), system(t), []string{"name", "password_min_days", "password_max_days", "password_warn_days", "password_inactive_days"}, []string{"root", "ann"})
	if want := []string{"root | 0 | 99999 | 7 | null", "ann | null | null | null | null"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Without the right to read /etc/shadow it is not known whether a password is
// set, and said so once.
func TestNoShadow(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("LEFT OUT: nothing is closed to root")
	}
	root := system(t)
	if err := os.Chmod(filepath.Join(root, "etc/shadow"), 0); err != nil {
		t.Fatal(err)
	}
	got, rec := moduletest.Rows(t, users(), root, []string{"name", "password"}, []string{"root"})
	if !slices.Equal(got, []string{"root | null"}) || !slices.ContainsFunc(rec.Skips(), func(s modules.Skip) bool {
		return s.Kind == modules.SkipPermission && s.Where == "/etc/shadow"
	}) {
		t.Errorf("%q, %+v", got, rec.Skips())
	}
}

func TestAgainstGetent(t *testing.T) {
	getent, err := exec.LookPath("getent")
	if err != nil {
		t.Skip("LEFT OUT: getent is not installed")
	}
	for _, c := range []struct {
		database string
		module   modules.Module
		columns  []string
		fields   []int
	}{
		{"passwd", users(), []string{"name", "uid", "gid", "comment", "home", "shell"}, []int{0, 2, 3, 4, 5, 6}},
		{"group", groups(), []string{"name", "gid"}, []int{0, 2}},
	} {
		out, err := exec.CommandContext(t.Context(), getent, "-s", "files", c.database).Output()
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for line := range strings.Lines(string(out)) {
			fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
			var parts []string
			for _, i := range c.fields {
				if fields[i] == "" {
					fields[i] = "null"
				}
				parts = append(parts, fields[i])
			}
			want = append(want, strings.Join(parts, " | "))
		}
		if got, _ := moduletest.Rows(t, c.module, "", c.columns, nil); !slices.Equal(got, want) {
			t.Errorf("%s: %q\nnot %q", c.database, got, want)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("root:x:0:0::/:/bin/sh\nbad"), 7)
	f.Fuzz(func(t *testing.T, text []byte, fields int) {
		lines := 0
		list := parseRecords(text, "/x", fields, func(string) { lines++ })
		for _, r := range list {
			if len(r.fields) != fields || r.fields[0] == "" {
				t.Errorf("%+v", r)
			}
			passwordMethod(r.fields[0])
			day(r.fields[0])
		}
		if lines+len(list) > strings.Count(string(text), "\n")+1 {
			t.Error("there are more records than lines: " + strconv.Itoa(len(list)))
		}
	})
}
