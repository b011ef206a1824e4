package account

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestSudoRules(t *testing.T) {
	root := host(t, map[string]string{
		"etc/hostname": "web.example.org\n",
		"etc/sudoers": "# a comment\nDefaults env_reset\nroot ALL=(ALL:ALL) ALL # all\n%sudo\tALL=(ALL) NOPASSWD: ALL\n" +
			"User_Alias ADMINS = ann, \\\n  #1001 : OPS = ADMINS, !bob\nCmnd_Alias SHELLS=/bin/sh, /bin/bash -c x\\,y : EDIT = sudoedit /etc/hosts\n" +
			"OPS , carl web1, web2 = /bin/ls, (www) NOEXEC: NOPASSWD:/bin/cat /x\\:y, PASSWD: EDIT, !SHELLS : db = (:adm) CWD=/tmp ALL\n" +
			"nonsense\nann ALL\nann ALL = ,\nLOOP ALL = ALL\nUser_Alias LOOP = LOOP\n" +
			"#include /etc/more\n@include \"own %h\"\n@includedir sudoers.d\n",
		"etc/more":             "@include /etc/sudoers\n\"a b\" ALL = sha256:abc= /bin/su -\n",
		"etc/own web":          "+net ALL = ALL\n",
		"etc/sudoers.d/10-x":   "dan ALL=(root) NOPASSWD: /usr/bin/apt",
		"etc/sudoers.d/x.bak":  "no ALL = ALL\n",
		"etc/sudoers.d/sub/fx": "no ALL = ALL\n",
	})
	got, rec := moduletest.Rows(t, sudoRules(), root, []string{"path", "line", "users", "hosts", "runas", "runas_groups", "tags", "commands"}, nil)
	want := []string{
		"/etc/sudoers | 3 | [root] | [ALL] | [ALL] | [ALL] | [] | [ALL]",
		"/etc/sudoers | 4 | [%sudo] | [ALL] | [ALL] | [] | [NOPASSWD] | [ALL]",
		"/etc/sudoers | 8 | [ann, #1001, !bob, carl] | [web1, web2] | [root] | [] | [] | [/bin/ls]",
		`/etc/sudoers | 8 | [ann, #1001, !bob, carl] | [web1, web2] | [www] | [] | [NOEXEC, NOPASSWD] | [/bin/cat /x\:y]`,
		`/etc/sudoers | 8 | [ann, #1001, !bob, carl] | [web1, web2] | [www] | [] | [NOEXEC, PASSWD] | [sudoedit /etc/hosts, !/bin/sh, !/bin/bash -c x\,y]`,
		"/etc/sudoers | 8 | [ann, #1001, !bob, carl] | [db] | [] | [adm] | [CWD=/tmp] | [ALL]",
		"/etc/sudoers | 12 | [LOOP] | [ALL] | [root] | [] | [] | [ALL]",
		"/etc/more | 2 | [a b] | [ALL] | [root] | [] | [] | [sha256:abc= /bin/su -]",
		"/etc/own web | 1 | [+net] | [ALL] | [root] | [] | [] | [ALL]",
		"/etc/sudoers.d/10-x | 1 | [dan] | [ALL] | [root] | [] | [NOPASSWD] | [/usr/bin/apt]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	var where []string
	for _, s := range rec.Skips() {
		where = append(where, s.Where+" "+string(s.Kind))
	}
	if want := []string{"/etc/sudoers:9 io_error", "/etc/sudoers:10 io_error", "/etc/sudoers:11 io_error", "/etc/sudoers:12 over_limit"}; !slices.Equal(where, want) {
		t.Errorf("%q", where)
	}
}

func FuzzSudoers(f *testing.F) {
	f.Add("OPS , carl web1, web2 = /bin/ls, (www) NOEXEC: NOPASSWD:/bin/cat /x\\:y, PASSWD: EDIT : db = (:adm) CWD=/tmp ALL")
	f.Add("A = b, c : D = !e")
	f.Fuzz(func(t *testing.T, line string) {
		line = sudoLine(line)
		rules, _ := parseRule(line)
		for _, r := range rules {
			if len(r.users) == 0 || len(r.hosts) == 0 || len(r.commands) == 0 {
				t.Errorf("%+v", r)
			}
		}
		parseAlias(commandAlias, line)
		parseAlias(userAlias, line)
	})
}
