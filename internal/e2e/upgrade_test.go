package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// builds has by folder and flags a function that builds a program at its first
// call, and gives the file.
var builds sync.Map

// program gives the file of an agent of a release, from a folder of the module.
// The file is the stage's own.
func (s *stage) program(folder, release string, more ...string) string {
	s.t.Helper()
	flags := "-X main.release=" + release
	for _, m := range more {
		flags += " -X main." + m
	}
	build, _ := builds.LoadOrStore(folder+" "+flags, sync.OnceValues(func() (string, error) {
		file := filepath.Join(bin, "of-"+rand.Text())
		build := exec.Command("go", "build", "-ldflags", flags, "-o", file, folder)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		out, err := build.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		return file, err
	}))
	built, err := build.(func() (string, error))()
	if err != nil {
		s.t.Fatal(err)
	}
	// Not by this process: a program that it has open for writing, or that a
	// child of it has which begins just then, cannot be started.
	name := filepath.Join(s.dir, "quaestor-agent_"+release)
	if out, err := exec.Command("cp", built, name).CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	return name
}

const (
	agentFolder  = "../../cmd/quaestor-agent"
	brokenFolder = "./testdata/broken"
)

// newUpgradeStage is a stage with agents of release 1.0.0, the first of them in
// ring canary, whose policy lets them be upgraded.
func newUpgradeStage(t *testing.T, agents int) *stage {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals here that kill a process tree")
	}
	s := newStage(t)
	s.change("policy.toml", `upgrade = "never"`, `upgrade = "signed"`)
	s.resign()
	s.start("quaestor-relay", "serve", "relay")
	s.until("the relay", s.relayIsUp)
	token := s.do("quaestor", "token", "new", "--uses", "20")
	if err := os.WriteFile(filepath.Join(s.dir, "token"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	installed := s.program(agentFolder, "1.0.0")
	for i := range agents {
		dir, tag := fmt.Sprintf("agent-%d", i), "ring=rest"
		if i == 0 {
			tag = "ring=canary"
		}
		s.do("quaestor-agent", "--dir", dir, "enroll", "--relay", "127.0.0.1:"+s.port, "--token-file", "token", "--tag", tag)
		s.start(installed, "--dir", dir, "run")
	}
	s.until("the agents", func() bool { return s.runs("1.0.0") == agents })
	return s
}

// change replaces a word of a file.
func (s *stage) change(name, from, to string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), from) {
		s.t.Fatalf("%s has no %q: %v", name, from, err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), from, to, 1)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// resign signs the first policy anew, and sets the relay up anew with it.
func (s *stage) resign() {
	s.t.Helper()
	for _, name := range []string{"policy.env", "relay"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			s.t.Fatal(err)
		}
	}
	s.do("quaestor", "policy", "sign")
	s.do("quaestor-relay", "init", "relay", "--policy", "policy.env", "--listen", "127.0.0.1:"+s.port, "--host", "127.0.0.1")
}

// fleetRows gives the agents as the relay lists them.
func (s *stage) fleetRows() (out []struct{ Agent, State, Agent_version string }) {
	s.t.Helper()
	for line := range strings.Lines(s.do("quaestor", "fleet", "--format", "jsonl")) {
		var row struct{ Agent, State, Agent_version string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			s.t.Fatal(err)
		}
		out = append(out, row)
	}
	return out
}

// runs counts the agents that are connected and run a release.
func (s *stage) runs(release string) (n int) {
	for _, r := range s.fleetRows() {
		if r.State == "online" && r.Agent_version == release {
			n++
		}
	}
	return n
}

// release signs, publishes and rolls out.
func (s *stage) release(version, program, target string) {
	s.t.Helper()
	s.do("quaestor", "release", "sign", version, program)
	s.do("quaestor", "release", "publish", "release-"+version+".env", program)
	s.rollOut(version, target)
}

func (s *stage) rollOut(version, target string) {
	s.t.Helper()
	s.do("quaestor", "release", "roll-out", version, target, "--health", "20s")
}

// An upgraded is what the status says of an agent.
type upgraded struct{ Release, Stage, Agent, State, Reason string }

func (s *stage) upgraded(version string) (out []upgraded) {
	s.t.Helper()
	for line := range strings.Lines(s.do("quaestor", "release", "status", version, "--format", "jsonl")) {
		var u upgraded
		if err := json.Unmarshal([]byte(line), &u); err != nil {
			s.t.Fatal(err)
		}
		out = append(out, u)
	}
	return out
}

// awaits waits until all agents that a release is for are in a state.
func (s *stage) awaits(version, state string, agents int) (all []upgraded) {
	s.t.Helper()
	s.until(fmt.Sprintf("release %s is %s at %d", version, state, agents), func() bool {
		n := 0
		all = s.upgraded(version)
		for _, u := range all {
			if u.State == state {
				n++
			}
		}
		return n == agents
	})
	return all
}

// A release goes to the canary and to nobody else, and then to all; the process
// stays the one that was started; plans are answered before and after, and
// their journal is one.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	const agents = 3
	s := newUpgradeStage(t, agents)
	before := s.pidOf("agent-0")
	next := s.program(agentFolder, "1.1.0")
	began := time.Now()
	s.release("1.1.0", next, `FROM fleet WHERE tags.ring = "canary"`)
	t.Logf("signed, published and rolled out after %s", time.Since(began).Round(time.Millisecond))
	s.until("the canary runs it", func() bool { return s.runs("1.1.0") == 1 })
	t.Logf("the canary runs it after %s", time.Since(began).Round(time.Millisecond))
	if n := s.runs("1.0.0"); n != agents-1 {
		t.Errorf("%d agents run the old one", n)
	}
	if after := s.pidOf("agent-0"); after != before {
		t.Errorf("the process is %d, and was %d", after, before)
	}
	s.rollOut("1.1.0", "FROM fleet")
	s.until("all run it", func() bool { return s.runs("1.1.0") == agents })
	for _, u := range s.awaits("1.1.0", "installed", agents+1) {
		if u.Reason != "" {
			t.Errorf("%+v", u)
		}
	}
	if out := s.do("quaestor", "run", "FROM fleet FIND agent RETURN version, upgrade", "--format", "jsonl", "--require", "complete"); strings.Count(out, `"version":"1.1.0","upgrade":"installed"`) != agents {
		t.Errorf("they say: %s", out)
	}
}

func (s *stage) pidOf(agent string) int {
	s.t.Helper()
	var st struct{ Process int }
	if err := json.Unmarshal([]byte(s.do("quaestor-agent", "--dir", agent, "status", "--json")), &st); err != nil {
		s.t.Fatal(err)
	}
	return st.Process
}

// A release that does not live is rolled back by itself, each agent says why,
// goes on with what it had, and does not try it again.
func TestBrokenRelease(t *testing.T) {
	t.Parallel()
	s := newUpgradeStage(t, 1)
	for i, c := range []struct{ how, state, reason string }{
		{"dies", "rolled-back", "it ended before a relay had heard it: exit status 3: panic: it dies at once"},
		{"hangs", "rolled-back", "no relay heard it within 20s"},
		{"unchecked", "failed", "it does not run here: exit status 2: panic: no check"},
	} {
		version := fmt.Sprintf("1.1.%d", i)
		s.release(version, s.program(brokenFolder, version, "how="+c.how), "FROM fleet")
		all := s.awaits(version, c.state, 1)
		if !strings.Contains(all[0].Reason, c.reason) {
			t.Errorf("%s: %q, want %q", c.how, all[0].Reason, c.reason)
		}
		s.until("the old one goes on", func() bool { return s.runs("1.0.0") == 1 })
		s.rollOut(version, `FROM fleet WHERE agent_version < "9.0.0"`)
		if out := s.do("quaestor", "run", "FROM fleet FIND agent RETURN version, upgrade", "--format", "jsonl", "--require", "complete"); !strings.Contains(out, `"version":"1.0.0","upgrade":"`+c.state) {
			t.Errorf("%s: it says %s", c.how, out)
		}
	}
	// A good one still comes through.
	s.release("1.2.0", s.program(agentFolder, "1.2.0"), "FROM fleet")
	s.until("it runs the good one", func() bool { return s.runs("1.2.0") == 1 })
	s.until("the failure is in the history", func() bool {
		for _, e := range s.history("agent-0") {
			if e.Verdict == "refused" && strings.Contains(e.Reason, "release 1.1.0 failed here") {
				return true
			}
		}
		return false
	})
}

// The page about upgrades is followed to the letter, but for its builds.
func TestUpgradePage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the page is for a shell of Unix")
	}
	s := &stage{t: t, dir: t.TempDir()}
	programs := fmt.Sprintf("mkdir old new\ncp %s old/quaestor-agent\ncp %s new/quaestor-agent\n", s.program(agentFolder, "1.0.0"), s.program(agentFolder, "1.1.0"))
	page, err := os.ReadFile("../../docs/upgrade.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range shell.FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(m[1], "go build") {
			programs += m[1]
		}
	}
	rest := follow(t, programs)
	out := rest
	for _, want := range []string{
		`release 1.1.0 for `, `signed by 1 administrator`, `the relay has release 1.1.0 for `, `stage 1 of release 1.1.0: FROM fleet WHERE tags.ring = "canary"`, `1 agent connected, 0 not`,
		`1.1.0 +1 +FROM fleet WHERE tags.ring = "canary" +1 +1 installed`, `2 agents, 2 online`, `2 agents connected, 0 not`, `1.1.0 +2 +FROM fleet +2 +2 installed`, `upgrade +release 1.1.0 installed at `,
	} {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("nothing says %q, or not in this order, in\n%s", want, out)
		}
		rest = rest[at[1]:]
	}
}

// Whatever is killed, and at whatever step, the release comes through in the
// end, or the old program goes on; the agent answers in any case.
func TestUpgradeKilled(t *testing.T) {
	t.Parallel()
	s := newUpgradeStage(t, 0)
	installed := filepath.Join(s.dir, "quaestor-agent_1.0.0")
	next := s.program(agentFolder, "1.1.0")
	s.release("1.1.0", next, "FROM fleet")
	for i, reached := range []string{"fetching", "waiting", "trying", "trying", "installed"} {
		dir := fmt.Sprintf("killed-%d", i)
		s.do("quaestor-agent", "--dir", dir, "enroll", "--relay", "127.0.0.1:"+s.port, "--token-file", "token")
		p := s.start(installed, "--dir", dir, "run")
		s.until("it is "+reached, func() bool {
			b, err := os.ReadFile(filepath.Join(s.dir, dir, "upgrade", "state.json"))
			var st struct{ Report struct{ State string } }
			return err == nil && json.Unmarshal(b, &st) == nil && order(st.Report.State) >= order(reached)
		})
		p.kill()
		p.begin()
		s.until("it runs the new one", func() bool { return s.runs("1.1.0") == i+1 })
		s.do("quaestor-agent", "--dir", dir, "history")
	}
	if out := s.do("quaestor", "run", "FROM fleet FIND agent RETURN version", "--format", "jsonl", "--require", "complete"); strings.Count(out, `"version":"1.1.0"`) != 5 {
		t.Error(out)
	}
}

// order is how far a state is on its way.
func order(state string) int {
	return slices.Index([]string{"fetching", "waiting", "trying", "installed"}, state)
}

// In a fleet with a log, a release and its stages are in it before anybody
// installs them; the owner of a machine has the proof, and an audit checks who
// signed.
func TestUpgradeLogged(t *testing.T) {
	t.Parallel()
	s := newUpgradeStage(t, 1)
	log := strings.TrimSpace(s.do("quaestor-relay", "log", "relay"))
	witness := strings.TrimSpace(s.do("quaestor", "log", "witness", "new", "one", "--name", "witness.example/one", "--log", log))
	watching := s.start("quaestor", "log", "witness", "run", "one")
	s.change("policy.toml", "version = 1\n", "version = 2\n")
	s.change("policy.toml", "# [log]", fmt.Sprintf("[log]\nrequired = true\nkey = %q\nwitnesses = [%q]\n# [log]", log, witness))
	s.do("quaestor", "policy", "sign")
	s.do("quaestor", "policy", "publish")
	s.until("it is obeyed", func() bool {
		return strings.Contains(s.do("quaestor", "fleet", "list", "WHERE policy_version = 2", "--format", "jsonl"), "online")
	})
	watching.kill() // nobody signs what is published now
	s.release("1.1.0", s.program(agentFolder, "1.1.0"), "FROM fleet")
	if u := s.upgraded("1.1.0"); len(u) != 1 || u[0].State != "offered" {
		t.Errorf("without a witness: %+v", u)
	}
	watching.begin()
	s.until("it runs it", func() bool { return s.runs("1.1.0") == 1 })
	if out := s.do("quaestor", "log", "audit"); !strings.Contains(out, "2 releases and stages") || !strings.Contains(out, "0 problems, 0 not checked") {
		t.Error(out)
	}
	if out := s.do("quaestor", "log"); !strings.Contains(out, "stage 1 of release 1.1.0: FROM fleet") {
		t.Error(out)
	}
	if out := s.do("quaestor-agent", "--dir", "agent-0", "history", "--verify"); !strings.Contains(out, "install release 1.1.0, stage 1: FROM fleet") || !strings.Contains(out, "proved; signed by witness.example/one") {
		t.Error(out)
	}
}

// A program that dies after it became active comes back a few times, as its
// service manager starts it, and then the one before it does.
func TestReleaseDiesLater(t *testing.T) {
	t.Parallel()
	s := newUpgradeStage(t, 0)
	s.do("quaestor-agent", "--dir", "agent", "enroll", "--relay", "127.0.0.1:"+s.port, "--token-file", "token")
	p := s.start(filepath.Join(s.dir, "quaestor-agent_1.0.0"), "--dir", "agent", "run")
	s.until("it is there", func() bool { return s.runs("1.0.0") == 1 })
	s.release("1.1.0", s.program(brokenFolder, "1.1.0", "how=later"), "FROM fleet")
	s.until("it is gone", func() bool { return s.runs("1.0.0") == 0 })
	const starts = 5 // that the active program has
	for i := range starts {
		if err := p.cmd.Wait(); err == nil || p.cmd.ProcessState.ExitCode() != 4 {
			t.Fatalf("start %d: %v", i, err)
		}
		p.begin()
	}
	all := s.awaits("1.1.0", "rolled-back", 1)
	if !strings.Contains(all[0].Reason, "it was started 5 times, and ended each time before a relay heard it") {
		t.Errorf("%+v", all)
	}
	if n := s.runs("1.0.0"); n != 1 {
		t.Errorf("%d run the one before it", n)
	}
}
