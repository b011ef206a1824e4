package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// newPrivateStage is a stage with the policy of docs/privacy.md, two
// investigators of weight 1, and an agent.
func newPrivateStage(t *testing.T) *stage {
	t.Helper()
	page, err := os.ReadFile("../../docs/privacy.md")
	rules := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(page)
	if err != nil || rules == nil {
		t.Fatal("the page has no policy: ", err)
	}
	s := &stage{t: t, dir: t.TempDir(), port: freePort(t)}
	s.env = append(os.Environ(), "QUAESTOR_HOME="+filepath.Join(s.dir, "home"))
	s.do("quaestor", "keys", "new", "Ada", "--no-passphrase")
	s.do("quaestor", "policy", "new", "--name", "private")
	s.must(s.as("bob", "quaestor", "keys", "new", "Bob", "--no-passphrase"))
	s.must(s.as("bob", "quaestor", "keys", "export", "-o", "bob.asc"))
	s.do("quaestor", "policy", "add", "investigator", "bob.asc")
	file := filepath.Join(s.dir, "policy.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), "[default]")
	_, tail, found := strings.Cut(rest, "[ceilings]")
	if !found {
		t.Fatal("a new policy has another form")
	}
	if err := os.WriteFile(file, []byte(head+string(rules[1])+"\n[ceilings]"+tail), 0o644); err != nil {
		t.Fatal(err)
	}
	s.do("quaestor", "policy", "sign")
	s.do("quaestor-relay", "init", "relay", "--policy", "policy.env", "--listen", "127.0.0.1:"+s.port, "--host", "127.0.0.1")
	s.start("quaestor-relay", "serve", "relay")
	s.until("the relay", s.relayIsUp)
	pin := strings.TrimSpace(s.do("quaestor-relay", "pin", "relay"))
	admin, _, _ := strings.Cut(strings.Split(s.do("quaestor", "keys", "list", "--format", "csv"), "\n")[1], ",")
	s.must(s.as("bob", "quaestor", "setup", "--relay", "127.0.0.1:"+s.port, "--pin", pin, "--administrator", admin))
	s.enrolled(1)
	return s
}

// What the page about privacy says of its policy is so: an agent that obeys it
// tells what it says that it tells, and nothing of the rest.
func TestPrivacyPage(t *testing.T) {
	t.Parallel()
	s := newPrivateStage(t)
	log := filepath.Join(s.dir, "auth.log")
	if err := os.WriteFile(log, []byte("2026-11-23T16:19:21Z web1 sshd[9]: a planted line\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mail := s.mail()
	const refused, left, waits = `refused: 1 .*no rule of policy version 1 lets it leave`, `1 policy \(`, `waits for further signatures`
	for _, c := range []struct {
		query string
		rows  string // what standard output holds; "" is no row at all
		says  string // a pattern of what is said beside it
	}{
		{"FIND host RETURN os, kernel", `"kernel":`, `1 of 1 agent answered: 1 matched`},
		{"FIND log " + log + " RETURN time, program", `"program":"sshd"`, `1 of 1 agent answered: 1 matched`},
		{"FIND log " + log + " RETURN message", "", waits},
		{"FIND file /etc/passwd RETURN content", "", refused},
		{"FIND file /etc/passwd CONTAINS \"root\" RETURN path", `"path":"/etc/passwd"`, `1 matched`},
		{"FIND file /srv/mail/** RETURN path", "", left + `\w+:/srv/mail/\*\*\)`},
		{"FIND file /srv/mail/" + mail + "/letter CONTAINS \"dear\" RETURN path", "", left},
		{"FIND file /srv/mail/nobody RETURN path", "", left},
		{"FIND file " + s.dir + "/link/** RETURN path", "", left},
		{"FIND file " + s.dir + "/link/" + mail + "/letter RETURN path, sha256", "", left},
		{"FIND line " + s.dir + "/link/" + mail + "/letter RETURN path, number", "", `[12] policy`},
		{"FIND file /proc/self/root/srv/mail/" + mail + "/* CONTAINS \"dear\" RETURN path", "", left},
		{"FIND elf /proc/self/root/srv/mail/** RETURN path", "", `policy`},
		{"FIND file /proc/self/root/etc/shadow CONTAINS \"root\" RETURN path", "", left},
		{"FIND line /etc/shadow RETURN number", "", `2 policy \(\w+:/etc/shadow`},
		{"FIND user RETURN name, password_changed", `"name":"root","password_changed":null`, left + `\w+:/etc/shadow\)`},
		{"FIND memory RETURN process", "", waits},
		{"FIND environment RETURN name", "", waits},
		{"FIND shell_history RETURN user", "", waits},
		{"FIND reach tcp://127.0.0.1:1", "", `refused: 1 .*module reach sends packets`},
		{"FIND clock 127.0.0.1", "", `refused: 1 .*module clock sends packets`},
	} {
		cmd := s.command("quaestor", "run", "--format", "jsonl", "FROM fleet "+c.query)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		rows := strings.TrimSpace(out.String())
		if !regexp.MustCompile(c.says).MatchString(errs.String()) || (rows == "") != (c.rows == "") || !strings.Contains(rows, c.rows) || err != nil && c.says != waits {
			t.Errorf("%s: %v\n%.300s\n%s", c.query, err, &out, &errs)
		}
		if strings.Contains(rows+errs.String(), mail) && !strings.Contains(c.query, mail) {
			t.Errorf("%s: it tells a name that is denied:\n%s%s", c.query, rows, &errs)
		}
	}
	s.twoRead(log)
}

// mail puts a letter where the policy lets nobody look, and a link to it, and
// gives the name of its folder.
func (s *stage) mail() string {
	s.t.Helper()
	name := draw()
	folder := filepath.Join("/srv/mail", name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		s.t.Skip("LEFT OUT: it takes root to write into /srv/mail: ", err)
	}
	s.t.Cleanup(func() {
		os.RemoveAll(folder)
		_ = os.Remove("/srv/mail") // where nothing else is in it
	})
	if err := errors.Join(os.WriteFile(filepath.Join(folder, "letter"), []byte("dear"), 0o644), os.Symlink("/srv/mail", filepath.Join(s.dir, "link"))); err != nil {
		s.t.Fatal(err)
	}
	return name
}

// twoRead has a line of a log leave the machine, as two people want it.
func (s *stage) twoRead(log string) {
	s.t.Helper()
	id := strings.TrimSpace(s.do("quaestor", "sign", "FROM fleet FIND log "+log+" RETURN message", "-o", "plan.env"))
	s.must(s.as("bob", "quaestor", "cosign", "plan.env", "--yes"))
	s.must(s.as("bob", "quaestor", "submit", "plan.env"))
	if out := s.do("quaestor", "investigations", "follow", id, "--format", "jsonl"); !strings.Contains(out, "a planted line") {
		s.t.Errorf("two people ask for it: %q", out)
	}
}
