package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestRelayKilledWithLog kills the relay at random moments while plans are
// handed in and witnesses sign, with the transparency log on. What the relay
// said that it has is in the log, which goes on from every checkpoint that a
// witness, an agent or an investigator saw, and the fleet answers afterwards.
func TestRelayKilledWithLog(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	relay := s.start("quaestor-relay", "serve", "relay")
	s.until("the relay", s.relayIsUp)
	s.keep("token", s.do("quaestor", "token", "new", "--uses", "5"))
	s.do("quaestor-agent", "--dir", "agent", "enroll", "--relay", "127.0.0.1:"+s.port, "--token-file", "token")
	s.start("quaestor-agent", "--dir", "agent", "run")
	s.startLog("one", "two")

	const query = "FROM fleet FIND host RETURN hostname"
	var said []string // purposes of plans that the relay took
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for round := range 8 {
		var handing sync.WaitGroup
		var killed atomic.Bool
		handing.Go(func() {
			for n := 0; !killed.Load(); n++ {
				purpose := fmt.Sprintf("round %d, plan %03d", round, n)
				if s.command("quaestor", "run", "--detach", "--purpose", purpose, query).Run() == nil {
					said = append(said, purpose)
				}
			}
		})
		wait := time.Duration(rng.IntN(1500)) * time.Millisecond
		time.Sleep(wait)
		relay.kill()
		killed.Store(true)
		relay.begin()
		handing.Wait()
		s.until("the relay", s.relayIsUp)
		t.Logf("killed after %s; %d plans were taken so far", wait, len(said))
		s.audited(said)
	}
	s.until("the agent", func() bool {
		return strings.Contains(s.do("quaestor", "fleet", "--format", "jsonl"), `"online"`)
	})
	out := s.do("quaestor", "run", "--purpose", "afterwards", "--require", "complete", "--format", "jsonl", query)
	if strings.Count(out, "\n") != 1 {
		t.Errorf("afterwards: %q", out)
	}
	s.audited(append(said, "afterwards"))
	if out := s.do("quaestor-agent", "--dir", "agent", "history", "--verify", "--last", "0"); !strings.Contains(out, "signed by witness.example/one, witness.example/two") {
		t.Errorf("the agent's proofs:\n%s", out)
	}
}

// keep writes a file of the stage.
func (s *stage) keep(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// startLog publishes a policy with a log and witnesses, all of whom must sign.
func (s *stage) startLog(names ...string) {
	s.t.Helper()
	key := strings.TrimSpace(s.do("quaestor-relay", "log", "relay"))
	var public []string
	for _, name := range names {
		out := s.do("quaestor", "log", "witness", "new", name, "--name", "witness.example/"+name, "--log", key)
		public = append(public, fmt.Sprintf("%q", strings.TrimSpace(out)))
		s.start("quaestor", "log", "witness", "run", name)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "policy.toml"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.keep("next.toml", strings.Replace(string(text), "version = 1", "version = 2", 1)+
		fmt.Sprintf("\n[log]\nrequired = true\nkey = %q\nwitnesses = [%s]\nthreshold = %d\n", key, strings.Join(public, ", "), len(names)))
	s.do("quaestor", "policy", "sign", "next.toml")
	s.do("quaestor", "policy", "publish", "next.env")
	s.until("the agent obeys the policy with the log", func() bool {
		return strings.Count(s.do("quaestor", "fleet", "list", "WHERE policy_version = 2", "--format", "jsonl"), "\n") == 1
	})
}

// audited replays the log, which must have every plan that the relay took, and
// be signed by both witnesses: a relay that was killed needs them again.
func (s *stage) audited(said []string) {
	s.t.Helper()
	good := regexp.MustCompile(`signed by witness.example/one, witness.example/two(; \d+ were seen before)?\): \d+ signed here, 0 problems, 0 not checked`)
	var out []byte
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the last audit: %s", out)
		}
	}()
	s.until("the log is whole, and signed by both witnesses", func() bool {
		out, _ = s.command("quaestor", "log", "audit").CombinedOutput()
		return good.Match(out)
	})
	list := s.do("quaestor", "log", "list", "--last", "0")
	for _, purpose := range said {
		if strings.Count(list, purpose) != 1 {
			s.t.Fatalf("%q was taken, and stands %d times in the log:\n%s", purpose, strings.Count(list, purpose), list)
		}
	}
}
