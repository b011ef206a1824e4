package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// as runs a program as somebody who has a home of his own.
func (s *stage) as(home, name string, args ...string) *exec.Cmd {
	cmd := s.command(name, args...)
	cmd.Env = append(cmd.Env, "QUAESTOR_HOME="+filepath.Join(s.dir, home))
	return cmd
}

// must runs a command to its end and gives what it wrote to standard output.
func (s *stage) must(cmd *exec.Cmd) string {
	s.t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%v: %v\n%s%s", cmd.Args, err, &out, &errs)
	}
	return out.String()
}

// enrolled starts agents that enrolled with one token, and waits until they are
// there.
func (s *stage) enrolled(n int) {
	s.t.Helper()
	token := s.do("quaestor", "token", "new", "--uses", fmt.Sprint(n))
	if err := os.WriteFile(filepath.Join(s.dir, "token"), []byte(token), 0o600); err != nil {
		s.t.Fatal(err)
	}
	for i := range n {
		dir := fmt.Sprintf("agent-%d", i)
		s.do("quaestor-agent", "--dir", dir, "enroll", "--relay", "127.0.0.1:"+s.port, "--token-file", "token")
		s.start("quaestor-agent", "--dir", dir, "run")
	}
	s.until("the agents", func() bool {
		return strings.Count(s.do("quaestor", "fleet", "--format", "jsonl"), `"online"`) == n
	})
}

// An entry is one of an agent's history.
type entry struct{ Plan, Verdict, Outcome, Reason, Purpose string }

func (s *stage) history(agent string) (out []entry) {
	s.t.Helper()
	for line := range strings.Lines(s.do("quaestor-agent", "--dir", agent, "history", "--json")) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// What is promised: from the moment in which a policy is published, every agent
// on the line refuses who is in it no more within this time.
const revokedWithin = 5 * time.Second

// newStageWithBob is a stage with a second investigator, where plans stand.
func newStageWithBob(t *testing.T) *stage {
	t.Helper()
	s := newStage(t)
	text, err := os.ReadFile(filepath.Join(s.dir, "policy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	stands := strings.Replace(string(text), "[default]\nweight = 1\n", "[default]\nweight = 1\nstanding = \"1s\"\n", 1)
	if err := os.WriteFile(filepath.Join(s.dir, "policy.toml"), []byte(stands), 0o644); err != nil {
		t.Fatal(err)
	}
	s.must(s.as("bob", "quaestor", "keys", "new", "Bob", "--no-passphrase"))
	s.must(s.as("bob", "quaestor", "keys", "export", "-o", "bob.asc"))
	s.do("quaestor", "policy", "add", "investigator", "bob.asc")
	for _, name := range []string{"policy.env", "relay"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s.do("quaestor", "policy", "sign")
	s.do("quaestor-relay", "init", "relay", "--policy", "policy.env", "--listen", "127.0.0.1:"+s.port, "--host", "127.0.0.1")
	s.start("quaestor-relay", "serve", "relay")
	s.until("the relay", s.relayIsUp)
	pin := strings.TrimSpace(s.do("quaestor-relay", "pin", "relay"))
	admin := strings.Split(s.do("quaestor", "keys", "list", "--format", "csv"), "\n")[1]
	admin, _, _ = strings.Cut(admin, ",")
	s.must(s.as("bob", "quaestor", "setup", "--relay", "127.0.0.1:"+s.port, "--pin", pin, "--administrator", admin))
	return s
}

// An investigator is taken out of the policy of a running fleet: what he asked
// and has not ended ends on every agent, within the time that is promised, and
// neither relay nor agents take anything more from him. Another goes on.
func TestRevokedInvestigator(t *testing.T) {
	const agents = 5
	s := newStageWithBob(t)
	s.enrolled(agents)
	ask := func(purpose string, query string) *exec.Cmd {
		return s.as("bob", "quaestor", "run", "--detach", "--purpose", purpose, query)
	}
	s.must(ask("stands", "FROM fleet FIND host RETURN hostname EVERY 1s"))
	has := func(is func(entry) bool) bool {
		for i := range agents {
			found := false
			for _, e := range s.history(fmt.Sprintf("agent-%d", i)) {
				found = found || is(e)
			}
			if !found {
				return false
			}
		}
		return true
	}
	s.until("it stands everywhere", func() bool {
		return has(func(e entry) bool { return e.Purpose == "stands" && e.Verdict == "accepted" })
	})
	s.do("quaestor", "policy", "remove", "investigator", "Bob")
	s.do("quaestor", "policy", "sign")
	began := time.Now()
	s.do("quaestor", "policy", "publish")
	published := time.Since(began)
	s.until("it ended everywhere", func() bool {
		return has(func(e entry) bool {
			return e.Purpose == "stands" && strings.Contains(e.Reason, "does not go on: signature")
		})
	})
	took := time.Since(began)
	t.Logf("published in %s, refused by %d agents after %s", published.Round(time.Millisecond), agents, took.Round(time.Millisecond))
	if took > revokedWithin {
		t.Errorf("refused after %s, and %s are promised", took, revokedWithin)
	}
	var errs strings.Builder
	late := ask("late", "FROM fleet FIND host RETURN hostname")
	late.Stderr = &errs
	if err := late.Run(); err == nil || !strings.Contains(errs.String(), "nobody's in policy version 2") {
		t.Errorf("he asks again: %v\n%s", err, &errs)
	}
	s.until("all obey it", func() bool {
		return strings.Count(s.do("quaestor", "fleet", "list", "WHERE policy_version = 2", "--format", "jsonl"), "\n") == agents
	})
	if out := s.do("quaestor", "run", "--purpose", "goes on", "FROM fleet FIND host RETURN hostname", "--format", "jsonl", "--require", "complete"); strings.Count(out, "\n") != agents {
		t.Errorf("another asks: %s", out)
	}
}
