package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A stage is a folder with a relay, agents and an investigator, each a process.
type stage struct {
	t    *testing.T
	dir  string
	port string
	env  []string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, dir: t.TempDir(), port: freePort(t)}
	s.env = append(os.Environ(), "QUAESTOR_HOME="+filepath.Join(s.dir, "home"))
	s.do("quaestor", "keys", "new", "Ada", "--no-passphrase")
	s.do("quaestor", "policy", "new", "--name", "e2e")
	s.do("quaestor", "policy", "sign")
	s.do("quaestor-relay", "init", "relay", "--policy", "policy.env", "--listen", "127.0.0.1:"+s.port, "--host", "127.0.0.1")
	return s
}

func (s *stage) command(name string, args ...string) *exec.Cmd {
	if !filepath.IsAbs(name) {
		name = filepath.Join(bin, name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// do runs a program to its end and gives what it wrote to standard output.
func (s *stage) do(name string, args ...string) string {
	s.t.Helper()
	cmd := s.command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s %v: %v\n%s%s", name, args, err, &out, &errs)
	}
	return out.String()
}

// A process is one that is killed and started again.
type process struct {
	stage *stage
	name  string
	args  []string
	cmd   *exec.Cmd
	log   *os.File
}

func (s *stage) start(name string, args ...string) *process {
	s.t.Helper()
	log, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("%s-%d.log", filepath.Base(name), rand.Uint32())))
	if err != nil {
		s.t.Fatal(err)
	}
	p := &process{stage: s, name: name, args: args, log: log}
	p.begin()
	s.t.Cleanup(func() {
		p.kill()
		if s.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.t.Logf("%s %v:\n%s", name, args, text[max(0, len(text)-4000):])
		}
		log.Close()
	})
	return p
}

func (p *process) begin() {
	p.cmd = p.stage.command(p.name, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.stage.t.Fatal(err)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

// until waits for something to be so.
func (s *stage) until(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatal("waited in vain: ", what)
		}
	}
}

func (s *stage) relayIsUp() bool {
	pin := strings.TrimSpace(s.do("quaestor-relay", "pin", "relay"))
	return s.command("quaestor", "setup", "--relay", "127.0.0.1:"+s.port, "--pin", pin).Run() == nil
}

// makeTree makes a machine with many files, so that its answer takes many
// chunks.
func (s *stage) makeTree(name string, files int) string {
	s.t.Helper()
	root := filepath.Join(s.dir, "root-"+name)
	for i := range files {
		dir := filepath.Join(root, "data", fmt.Sprintf("%03d", i/200))
		if i%200 == 0 {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				s.t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%06d-%s", name, i, strings.Repeat("x", 100))), nil, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	return root
}

// TestKilled kills the relay, the agent and the investigator at random moments
// while an answer is on its way. No row is lost, doubled or changed: every
// row that is shown is one of the machine's, once; and the answer says
// complete only if all of them are there.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	relay := s.start("quaestor-relay", "serve", "relay")
	s.until("the relay", s.relayIsUp)
	token := s.do("quaestor", "token", "new", "--uses", "5")
	if err := os.WriteFile(filepath.Join(s.dir, "token"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	const files = 20_000
	root := s.makeTree("a", files)
	s.do("quaestor-agent", "--dir", "agent", "enroll", "--relay", "127.0.0.1:"+s.port, "--token-file", "token")
	agent := s.start("quaestor-agent", "--dir", "agent", "run")
	online := func() bool { return strings.Contains(s.do("quaestor", "fleet", "--format", "jsonl"), `"online"`) }
	s.until("the agent", online)

	query := fmt.Sprintf(`FROM fleet FIND file %s/data/** RETURN path, name, sha256 LIMIT 1000000`, root)
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for round, victim := range []*process{relay, relay, nil, agent, agent, relay} {
		id := s.submit(query)
		wait := time.Duration(rng.IntN(400)) * time.Millisecond
		time.Sleep(wait)
		who := "the investigator"
		if victim != nil {
			who = victim.name
			victim.kill()
			victim.begin()
		} else {
			// Somebody follows and dies of it.
			follow := s.command("quaestor", "investigations", "follow", id, "--format", "jsonl", "-o", filepath.Join(s.dir, "lost"))
			if err := follow.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(wait)
			_ = follow.Process.Kill()
			_ = follow.Wait()
		}
		s.until("the relay", s.relayIsUp)
		s.until("the agent", online)
		s.check(fmt.Sprintf("round %d: %s killed after %s", round, who, wait), id, files, victim == agent)
	}
}

// submit asks and does not wait; it gives the investigation's ID.
func (s *stage) submit(query string) string {
	s.t.Helper()
	s.do("quaestor", "run", "--detach", query)
	for line := range strings.Lines(s.do("quaestor", "investigations", "--format", "jsonl")) {
		var i struct{ Investigation string }
		if err := json.Unmarshal([]byte(line), &i); err != nil {
			s.t.Fatal(err)
		}
		return i.Investigation
	}
	s.t.Fatal("no investigation is listed")
	return ""
}

// check takes the answer and looks at every row.
func (s *stage) check(what, id string, files int, mayFail bool) {
	s.t.Helper()
	cmd := s.command("quaestor", "investigations", "follow", id, "--format", "jsonl", "--agents")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s: %v\n%s", what, err, &errs)
	}
	seen := map[string]bool{}
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct{ Path, Name, Sha256 string }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			s.t.Fatalf("%s: %q: %v", what, lines.Text(), err)
		}
		if row.Name == "" || !strings.HasPrefix(row.Name, "a-") {
			continue // a directory
		}
		const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		if seen[row.Path] || filepath.Base(row.Path) != row.Name || row.Sha256 != empty {
			s.t.Fatalf("%s: doubled or changed: %+v", what, row)
		}
		seen[row.Path] = true
	}
	account := errs.String()
	whole := strings.Contains(account, "1 of 1 agent answered: 1 matched")
	switch {
	case whole && len(seen) != files:
		s.t.Errorf("%s: complete with %d of %d rows\n%s", what, len(seen), files, account)
	case !whole && !mayFail:
		s.t.Errorf("%s: not complete: %d rows\n%s", what, len(seen), account)
	case !whole && !strings.Contains(account, "failed"):
		s.t.Errorf("%s: neither complete nor failed: %d rows\n%s", what, len(seen), account)
	default:
		s.t.Logf("%s: %d rows, complete: %v", what, len(seen), whole)
	}
}
