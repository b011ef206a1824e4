package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A leafStage is a stage with one agent of release 1.0.0, which knows the leaf
// of its site alone. Every plan must be proved to be in the log.
type leafStage struct {
	*stage
	relay, leaf *process
}

func newLeafStage(t *testing.T) *leafStage {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals here that kill a process tree")
	}
	s := &leafStage{stage: newStage(t)}
	s.change("policy.toml", `upgrade = "never"`, `upgrade = "signed"`)
	s.resign()
	s.relay = s.start("quaestor-relay", "serve", "relay")
	s.until("the relay", s.relayIsUp)
	at := "127.0.0.1:" + freePort(t)
	s.do("quaestor-relay", "leaf", "relay", "site", "--name", "site", "--listen", at, "--host", "127.0.0.1", "--to", "127.0.0.1:"+s.port, "--metrics", "127.0.0.1:"+freePort(t))
	s.leaf = s.start("quaestor-relay", "serve", "site")
	s.until("the line", func() bool { return s.line() == 1 })
	s.keep("token", s.do("quaestor", "token", "new", "--uses", "1"))
	s.do("quaestor-agent", "--dir", "agent", "enroll", "--relay", at, "--token-file", "token")
	s.start(s.program(agentFolder, "1.0.0"), "--dir", "agent", "run")
	s.until("the agent", func() bool { return s.runs("1.0.0") == 1 })
	s.startLog("one", "two")
	return s
}

// line says what top shows of the leaf's line: 1 is that there is one; -1, that
// there is no leaf.
func (s *leafStage) line() int {
	s.t.Helper()
	out, err := s.command("quaestor-relay", "top", "site", "--json").Output()
	if err != nil {
		return -1
	}
	var v struct{ Line struct{ Up int } }
	if err := json.Unmarshal(out, &v); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	return v.Line.Up
}

// answers has the agent answer a question, completely and by a release.
func (s *leafStage) answers(release string) {
	s.t.Helper()
	out := s.do("quaestor", "run", "FROM fleet FIND agent RETURN version", "--format", "jsonl", "--require", "complete")
	if !strings.Contains(out, `"version":"`+release+`"`) {
		s.t.Errorf("it says %s, want %s", out, release)
	}
}

// awaitUpgrade waits until an upgrade has come at least so far.
func (s *leafStage) awaitUpgrade(release, reached string) {
	s.t.Helper()
	s.until(release+" is "+reached, func() bool {
		b, err := os.ReadFile(filepath.Join(s.dir, "agent", "upgrade", "state.json"))
		var st struct {
			Report struct{ Release, State string }
		}
		return err == nil && json.Unmarshal(b, &st) == nil && st.Report.Release == release && order(st.Report.State) >= order(reached)
	})
}

// Over a leaf a plan is proved to be in the log before it runs, and so is a
// release before it is tried; its program comes over the line, and the relay
// hears that it is well. The owner of the machine has all the proofs.
func TestLeafUpgrade(t *testing.T) {
	t.Parallel()
	s := newLeafStage(t)
	s.answers("1.0.0")
	s.release("1.1.0", s.program(agentFolder, "1.1.0"), "FROM fleet")
	s.until("it runs it", func() bool { return s.runs("1.1.0") == 1 })
	s.awaits("1.1.0", "installed", 1)
	s.answers("1.1.0")
	history := s.do("quaestor-agent", "--dir", "agent", "history", "--verify", "--last", "0")
	if n := strings.Count(history, "proved; signed by witness.example/one, witness.example/two"); n != 3 || !strings.Contains(history, "install release 1.1.0, stage 1: FROM fleet") {
		t.Errorf("%d of 2 plans and 1 stage are proved:\n%s", n, history)
	}
}

// Whatever is killed while a release comes over a leaf, it comes through in the
// end. A leaf that starts while there is no relay takes its agent in, which knows
// that there is none, and the agent answers when there is one.
func TestLeafUpgradeKilled(t *testing.T) {
	t.Parallel()
	s := newLeafStage(t)
	s.release("1.1.0", s.program(agentFolder, "1.1.0"), "FROM fleet")
	s.awaitUpgrade("1.1.0", "fetching")
	s.leaf.kill()
	s.leaf.begin()
	s.until("it runs it", func() bool { return s.runs("1.1.0") == 1 })
	s.awaits("1.1.0", "installed", 1)

	s.relay.kill()
	s.leaf.kill()
	s.leaf.begin()
	s.until("the leaf takes the agent in", func() bool {
		var st struct{ Relay string }
		if err := json.Unmarshal([]byte(s.do("quaestor-agent", "--dir", "agent", "status", "--json")), &st); err != nil {
			t.Fatal(err)
		}
		return st.Relay == "site, which has no line to the relays"
	})
	if up := s.line(); up != 0 {
		t.Errorf("the line is %d", up)
	}
	s.relay.begin()
	s.until("the agent is there again", func() bool { return s.command("quaestor", "fleet").Run() == nil && s.runs("1.1.0") == 1 })
	s.answers("1.1.0")
}
