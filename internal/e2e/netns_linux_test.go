package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNamespaces has agents on hosts of their own: network namespaces that are
// joined to this one by a line each. One line is cut and mended.
func TestNamespaces(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		t.Skip("it takes root and the command ip (iproute2) to make network namespaces")
	}
	s := newStage(t)
	const hosts = 3
	for i := range hosts {
		s.makeHost(i)
	}
	// The relay is reached by another address from each of them.
	config := filepath.Join(s.dir, "relay", "relay.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer(`"127.0.0.1:`+s.port+`"`, `"0.0.0.0:`+s.port+`"`,
		`hosts = ["127.0.0.1"]`, `hosts = ["127.0.0.1", "10.231.0.1", "10.231.1.1", "10.231.2.1"]`).Replace(string(text)))
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start("quaestor-relay", "serve", "relay")
	s.until("the relay", s.relayIsUp)
	token := s.do("quaestor", "token", "new", "--uses", fmt.Sprint(hosts))
	if err := os.WriteFile(filepath.Join(s.dir, "token"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range hosts {
		agent := filepath.Join(bin, "quaestor-agent")
		dir := fmt.Sprint("agent", i)
		s.ip("netns", "exec", nsName(i), agent, "--dir", dir, "enroll", "--relay", fmt.Sprintf("10.231.%d.1:%s", i, s.port), "--token-file", "token")
		s.startIn(i, "--dir", dir, "run")
	}
	online := func(want int) func() bool {
		return func() bool {
			return strings.Count(s.do("quaestor", "fleet", "--format", "jsonl"), `"online"`) == want
		}
	}
	s.until("all agents", online(hosts))
	rows := s.do("quaestor", "run", "--format", "jsonl", "--require", "100%", `FROM fleet FIND host RETURN addresses`)
	for i := range hosts {
		if address := fmt.Sprintf("10.231.%d.2", i); strings.Count(rows, address) != 1 {
			t.Errorf("%s is in %d rows of\n%s", address, strings.Count(rows, address), rows)
		}
	}

	// A host that is cut off is named as one that did not answer, and answers
	// when it is back.
	s.ip("link", "set", "vq1", "down")
	cmd := s.command("quaestor", "run", "--require", "100%", "--wait", "3s", `FROM fleet FIND host RETURN os`)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), "2 of 3 agents answered") {
		t.Errorf("exit %d, %v with a host cut off:\n%s", code, err, out)
	}
	s.ip("link", "set", "vq1", "up")
	rows = s.do("quaestor", "run", "--format", "jsonl", "--require", "100%", "--wait", "2m", `FROM fleet FIND host RETURN addresses`)
	if !strings.Contains(rows, "10.231.1.2") {
		t.Errorf("the host that was cut off is not among\n%s", rows)
	}
}

func nsName(i int) string { return fmt.Sprint("quaestor-e2e-", i) }

// ip runs the command of iproute2.
func (s *stage) ip(args ...string) {
	s.t.Helper()
	cmd := exec.Command("ip", args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// makeHost makes a namespace and the line to it.
func (s *stage) makeHost(i int) {
	s.t.Helper()
	ns, line := nsName(i), fmt.Sprint("vq", i)
	_ = exec.Command("ip", "netns", "del", ns).Run() // of a run that was killed
	s.ip("netns", "add", ns)
	s.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	s.ip("link", "add", line, "type", "veth", "peer", "name", "eth0", "netns", ns)
	s.ip("addr", "add", fmt.Sprintf("10.231.%d.1/24", i), "dev", line)
	s.ip("link", "set", line, "up")
	s.ip("-n", ns, "addr", "add", fmt.Sprintf("10.231.%d.2/24", i), "dev", "eth0")
	s.ip("-n", ns, "link", "set", "eth0", "up")
	s.ip("-n", ns, "link", "set", "lo", "up")
}

// startIn starts an agent in a namespace.
func (s *stage) startIn(i int, args ...string) {
	s.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", nsName(i), filepath.Join(bin, "quaestor-agent")}, args...)...)
	cmd.Dir, cmd.Env = s.dir, s.env
	log, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("agent-%d.log", i)))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
		if s.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			s.t.Logf("agent %d:\n%s", i, text)
		}
	})
}
