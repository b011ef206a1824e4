package account

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestShellHistory(t *testing.T) {
	root := host(t, map[string]string{
		"etc/passwd":                              "ann:x:1000:100::/home/ann:/bin/bash\n",
		"home/ann/.bash_history":                  "ls\n#1700000000\ncurl http://x | sh\n# a comment\n\n#1700000001\n",
		"home/ann/.zsh_history":                   ": 1700000000:5;make all\nplain\n: 1700000002:0;for i in 1; do\\\necho \x83\xa3\\\ndone\n: x:0;odd\n",
		"home/ann/.local/share/fish/fish_history": "- cmd: echo a\\\\b\\nc\n  when: 1700000003\n  paths:\n    - /etc/x\n- cmd: ls\nrubbish\n",
		"home/ann/.psql_history":                  "_HiStOrY_V2_\nselect\\0401;\n",
		"home/ann/.mysql_history":                 "show tables;\n",
		"home/ann/.lesshst":                       ".less-history-file:\n.search\n\"secret\n.shell\n\"id\n",
		"home/ann/.python_history":                "import os\n",
		"home/ann/.bash_history-1":                "saved\n",
	})
	columns := []string{"program", "user", "line", "time", "duration", "command"}
	got, rec := moduletest.Rows(t, shellHistory(), root, columns, nil)
	want := []string{
		"bash | ann | 1 | null | null | ls",
		"bash | ann | 3 | 2023-11-14T22:13:20Z | null | curl http://x | sh",
		"bash | ann | 4 | null | null | # a comment",
		"zsh | ann | 1 | 2023-11-14T22:13:20Z | 5s | make all",
		"zsh | ann | 2 | null | null | plain",
		`zsh | ann | 3 | 2023-11-14T22:13:22Z | 0s | for i in 1; do\necho ` + "\ufffd" + `\ndone`,
		"zsh | ann | 6 | null | null | : x:0;odd",
		`fish | ann | 1 | 2023-11-14T22:13:23Z | null | echo a\b\nc`,
		"fish | ann | 5 | null | null | ls",
		"python | ann | 1 | null | null | import os",
		"mysql | ann | 1 | null | null | show tables;",
		"psql | ann | 2 | null | null | select 1;",
		"less | ann | 3 | null | null | secret",
		"less | ann | 5 | null | null | id",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if s := rec.Skips(); len(s) != 1 || s[0].Where != "/home/ann/.local/share/fish/fish_history:6" {
		t.Errorf("%+v", s)
	}
	if got, _ := moduletest.Rows(t, shellHistory(), root, []string{"command"}, []string{"/home/*/.bash_history-?"}); !slices.Equal(got, []string{"saved"}) {
		t.Errorf("%q", got)
	}
	if i, ok := shellHistory().Schema().Column("command"); !ok || !shellHistory().Schema().Columns[i].Content {
		t.Error("commands leave a host unasked")
	}
}

func FuzzHistory(f *testing.F) {
	f.Add("zsh", []byte(": 1:2;a\\\nb\n\x83"))
	f.Add("fish", []byte("- cmd: a\n  when: 5\n"))
	f.Add("psql", []byte("_HiStOrY_V2_\n\\\\\\040"))
	f.Add("bash", []byte("#99999999999\n"))
	f.Fuzz(func(t *testing.T, program string, text []byte) {
		lines, malformed := parseHistory(program, text)
		if most := strings.Count(string(text), "\n") + 2; len(lines) > most || len(malformed) > maxMalformed {
			t.Errorf("%d lines, %d malformed", len(lines), len(malformed))
		}
		for _, l := range lines {
			if l.command == "" || l.line < 1 {
				t.Errorf("%+v", l)
			}
		}
	})
}
