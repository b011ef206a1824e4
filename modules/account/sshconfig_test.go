package account

import (
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

func TestSSHConfig(t *testing.T) {
	root := host(t, map[string]string{
		"etc/passwd":                   "root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/bash\n",
		"etc/ssh/ssh_config":           "Include ssh_config.d/*.conf\nHost *\n  SendEnv LANG LC_*\n",
		"etc/ssh/ssh_config.d/10.conf": "HashKnownHosts=yes\n",
		"etc/ssh/unasked":              "Port 1\n",
		"home/ann/.ssh/config":         "# mine\nUser  bob\n\nhost jump 10.* # both\n\tProxyCommand \"nc -X 5\" %h\r\n\tInclude ~/more [\nMatch all\nForwardAgent\nInclude config\n",
		"home/ann/more":                "Port 2222\nHost x\nPort 3\n",
	})
	columns := []string{"path", "user", "line", "block", "name", "value", "text"}
	got, rec := moduletest.Rows(t, sshConfigs(), root, columns, nil)
	want := []string{
		"/home/ann/.ssh/config | ann | 2 | null | user | bob | User  bob",
		"/home/ann/.ssh/config | ann | 4 | host jump 10.* # both | host | jump 10.* | host jump 10.* # both",
		`/home/ann/.ssh/config | ann | 5 | host jump 10.* # both | proxycommand | nc -X 5 %h | ProxyCommand "nc -X 5" %h`,
		"/home/ann/.ssh/config | ann | 6 | host jump 10.* # both | include | ~/more [ | Include ~/more [",
		"/home/ann/more | ann | 1 | host jump 10.* # both | port | 2222 | Port 2222",
		"/home/ann/more | ann | 2 | Host x | host | x | Host x",
		"/home/ann/more | ann | 3 | Host x | port | 3 | Port 3",
		"/home/ann/.ssh/config | ann | 7 | Match all | match | all | Match all",
		"/home/ann/.ssh/config | ann | 8 | Match all | forwardagent | null | ForwardAgent",
		"/home/ann/.ssh/config | ann | 9 | Match all | include | config | Include config",
		"/etc/ssh/ssh_config | root | 1 | null | include | ssh_config.d/*.conf | Include ssh_config.d/*.conf",
		"/etc/ssh/ssh_config.d/10.conf | root | 1 | null | hashknownhosts | yes | HashKnownHosts=yes",
		"/etc/ssh/ssh_config | root | 2 | Host * | host | * | Host *",
		"/etc/ssh/ssh_config | root | 3 | Host * | sendenv | LANG LC_* | SendEnv LANG LC_*",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if s := rec.Skips(); len(s) != 1 || s[0].Where != "/home/ann/.ssh/config" {
		t.Errorf("%v", s)
	}
	if got, _ := moduletest.Rows(t, sshConfigs(), root, []string{"name", "user"}, []string{"/etc/ssh/unasked"}); !slices.Equal(got, []string{"port | root"}) {
		t.Errorf("by locator: %q", got)
	}
	moduletest.Run(t, sshConfigs(), root)
}

func FuzzSSHConfig(f *testing.F) {
	f.Add("Host a\n Port 2\nMatch exec \"x\"\n=\nInclude x y\n", "Host b")
	f.Fuzz(func(t *testing.T, text, block string) {
		for _, s := range parseSSHConfig([]byte(text), block) {
			if s.line < 1 || s.text == "" {
				t.Errorf("%q: %+v", text, s)
			}
		}
	})
}
