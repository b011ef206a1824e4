package account

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

const (
	keyLine  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDHfapPql8lzeJu1n6rJRbR3YhVJOaJkjfzrzXSXJrTo"
	keyPrint = "SHA256:4n2M30IyDtgwNPy2V5s4Uh2Mvb2pn5jZU8GQ/zBeEo8"
	keyMD5   = "a4:0a:8d:00:1b:38:c5:93:c6:a5:b9:90:7d:f7:ed:b8"
)

func TestAuthorizedKeys(t *testing.T) {
	root := host(t, map[string]string{
		"etc/passwd":                    "root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/bash\n",
		"etc/ssh/sshd_config":           "Port 22\nInclude sshd_config.d/*.conf /etc/[\nMatch User ann\n  AuthorizedKeysFile none \"keys/%u\" # more\n",
		"etc/ssh/sshd_config.d/10.conf": "authorizedkeysfile=.ssh/authorized_keys /etc/keys/%U /etc/all\ninclude /etc/ssh/sshd_config\n",
		"root/.ssh/authorized_keys":     "\n# comment\n" + keyLine + " root@desk two\r\n" + keyLine + "AAAA\nssh-rsa AAAA x\n",
		"home/ann/.ssh/authorized_keys2": `from="10.0.0.1,!x",command="echo \"a b\", c",no-pty ` + keyLine + "\n" +
			`command="open ` + keyLine + "\n",
		"home/ann/keys/ann": keyLine,
		"etc/keys/1000":     keyLine + " by uid",
		"etc/all":           keyLine + " for all",
		"home/bob/keys":     keyLine + " unasked",
	})
	columns := []string{"path", "user", "line", "type", "bits", "fingerprint", "md5", "comment", "options"}
	got, rec := moduletest.Rows(t, authorizedKeys(), root, columns, nil)
	key := " | ssh-ed25519 | 256 | " + keyPrint + " | " + keyMD5 + " | "
	want := []string{
		"/root/.ssh/authorized_keys | root | 3" + key + "root@desk two | []",
		"/home/ann/.ssh/authorized_keys2 | ann | 1" + key + `null | [from="10.0.0.1,!x", command="echo \"a b\", c", no-pty]`,
		"/etc/all | null | 1" + key + "for all | []",
		"/etc/keys/1000 | ann | 1" + key + "by uid | []",
		"/home/ann/keys/ann | ann | 1" + key + "null | []",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	var where []string
	for _, s := range rec.Skips() {
		where = append(where, s.Where+" "+s.Detail)
	}
	if want := []string{
		"/etc/ssh/sshd_config:2 malformed", "/root/.ssh/authorized_keys:4 malformed",
		"/root/.ssh/authorized_keys:5 malformed", "/home/ann/.ssh/authorized_keys2:2 malformed",
	}; !slices.Equal(where, want) {
		t.Errorf("%q", where)
	}
	if got, _ := moduletest.Rows(t, authorizedKeys(), root, []string{"path", "user"}, []string{"/home/*/keys", "/root/.ssh/*"}); !slices.Equal(got, []string{"/home/bob/keys | null", "/root/.ssh/authorized_keys | root"}) {
		t.Errorf("by locators: %q", got)
	}
	if _, rec := moduletest.Rows(t, authorizedKeys(), root, nil, []string{"/none"}); len(rec.Skips()) != 1 {
		t.Errorf("what is not there: %+v", rec.Skips())
	}
}

// A home that is closed is not one without keys.
func TestClosedHome(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("LEFT OUT: nothing is closed to root")
	}
	root := host(t, map[string]string{"etc/passwd": "ann:x:1:1::/home/ann:/bin/sh\n", "home/ann/.ssh/authorized_keys": keyLine})
	home := filepath.Join(root, "home/ann")
	if err := os.Chmod(home, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(home, 0o755)
	for _, m := range []modules.Module{authorizedKeys(), knownHosts(), sshKeys(), shellHistory()} {
		got, rec := moduletest.Rows(t, m, root, []string{"path"}, nil)
		if len(got) > 0 || len(rec.Skips()) == 0 || rec.Skips()[0].Kind != modules.SkipPermission {
			t.Errorf("%s: %q, %+v", m.Schema().Name, got, rec.Skips())
		}
	}
}

// makeKey makes a key by ssh-keygen and gives the name of its file.
func makeKey(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("LEFT OUT: ssh-keygen is not installed")
	}
	name := filepath.Join(t.TempDir(), "key")
	args = append([]string{"-q", "-C", "a comment", "-f", name}, args...)
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Skipf("LEFT OUT: ssh-keygen makes no such key: %s", out)
	}
	return name
}

// listKey asks ssh-keygen for bits, fingerprint and comment.
func listKey(t *testing.T, name, hash string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-E", hash, "-lf", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitN(strings.TrimSpace(string(out)), " ", 3)
}

func TestAgainstKeygen(t *testing.T) {
	for _, args := range [][]string{
		{"-t", "rsa", "-b", "2048"}, {"-t", "rsa", "-b", "1031"}, {"-t", "dsa"}, {"-t", "ed25519"},
		{"-t", "ecdsa", "-b", "256"}, {"-t", "ecdsa", "-b", "384"}, {"-t", "ecdsa", "-b", "521"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			name := makeKey(t, append(args, "-N", "")...)
			text, err := os.ReadFile(name + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			root := host(t, map[string]string{"keys": string(text)})
			got, _ := moduletest.Rows(t, authorizedKeys(), root, []string{"bits", "fingerprint", "md5", "comment"}, []string{"/keys"})
			sha, old := listKey(t, name+".pub", "sha256"), listKey(t, name+".pub", "md5")
			want := strings.Join([]string{sha[0], sha[1], strings.TrimPrefix(old[1], "MD5:"), "a comment"}, " | ")
			if !slices.Equal(got, []string{want}) {
				t.Errorf("%q, not %q", got, want)
			}
		})
	}
}

func FuzzAuthorized(f *testing.F) {
	f.Add(`from="a\"b" ` + keyLine + " x")
	f.Add("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ==")
	f.Fuzz(func(t *testing.T, line string) {
		if k, ok := parseAuthorized(line); ok && (k.key.bits < 0 || !strings.HasPrefix(k.key.fingerprint, "SHA256:") || len(k.options) > len(line)) {
			t.Errorf("%+v", k)
		}
		parseConfigLine(line)
	})
}
