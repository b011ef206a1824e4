package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// forms gives a secret in the forms in which it could be written.
func forms(raw []byte) (out [][]byte) {
	h := hex.EncodeToString(raw)
	out = [][]byte{raw, []byte(h), []byte(strings.ToUpper(h)), []byte(strings.Trim(fmt.Sprint(raw), "[]"))}
	for shift := range 3 { // base64 has three ways to begin
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString(append(make([]byte, shift), raw...))
			out = append(out, []byte(text[(shift*8+5)/6:len(text)-1]))
		}
	}
	return out
}

// holds says in which form a text has a secret, across the ends of lines.
func (s *secret) holds(text []byte) bool {
	joined := bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r"), nil), []byte("\n"), nil)
	return slices.ContainsFunc(forms(s.raw), func(f []byte) bool { return bytes.Contains(text, f) || bytes.Contains(joined, f) })
}

// lookAtProcesses looks at arguments, environments, limits and memory.
func (l *life) lookAtProcesses() {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		l.t.Fatal(err)
	}
	for _, name := range all {
		text, _ := os.ReadFile(name) // who ended meanwhile shows none
		for _, s := range l.secrets {
			if s.holds(text) {
				l.t.Errorf("%s is in %s: %q", s.name, name, text)
			}
		}
	}
	for _, p := range l.running {
		proc := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
		limits, err := os.ReadFile(proc + "limits")
		if err != nil || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
			l.t.Errorf("%s %v may write a core: %v\n%s", p.name, p.args, err, limits)
		}
		if env, err := os.ReadFile(proc + "environ"); err == nil {
			for _, s := range l.secrets {
				if s.holds(env) {
					l.t.Errorf("%s is in the environment of %s", s.name, p.name)
				}
			}
		}
		own, may := mayKnow[p.name]
		if !may {
			continue // the investigator's, who may know all of his
		}
		l.lookAtMemory(p.name, proc, own)
		for _, child := range childrenOf(p.cmd.Process.Pid) {
			l.lookAtMemory("a child of "+p.name, fmt.Sprintf("/proc/%d/", child), []string{"evidence"})
		}
	}
}

// childrenOf gives the processes that one has started.
func childrenOf(pid int) (out []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		text, _ := os.ReadFile(name) // who ended meanwhile has none
		_, rest, _ := strings.Cut(string(text), ") ")
		var state string
		var parent, child int
		if n, _ := fmt.Sscan(rest, &state, &parent); n != 2 || parent != pid {
			continue
		}
		if n, _ := fmt.Sscan(filepath.Base(filepath.Dir(name)), &child); n == 1 {
			out = append(out, child)
		}
	}
	return out
}

// mayKnow are the secrets that a program has in memory by right. What looks at
// a machine for an agent, a process of its own, knows none of its keys.
var mayKnow = map[string][]string{
	"quaestor-relay": {"the key of the relay's CA", "the key of the log"},
	"quaestor-agent": {"the agent's identity", "the agent's key of TLS", "evidence"},
}

func (l *life) lookAtMemory(who, proc string, own []string) {
	memory, err := os.Open(proc + "mem")
	maps, mapsErr := os.ReadFile(proc + "maps")
	if err != nil || mapsErr != nil {
		l.t.Logf("LEFT OUT: it takes root to look into the memory of %s: %v, %v", who, err, mapsErr)
		return
	}
	defer memory.Close()
	read, found := int64(0), map[string]bool{}
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || !strings.HasPrefix(mode, "rw") {
			continue
		}
		const most = 256 << 20
		b := make([]byte, min(to-from, most))
		n, _ := memory.ReadAt(b, from)
		read += int64(n)
		for _, s := range l.secrets {
			for _, f := range forms(s.raw)[:5] { // no longer ones: raw, hexadecimal, decimal, base64
				if bytes.Contains(b[:n], f) {
					found[s.name] = true
				}
			}
		}
	}
	for name := range found {
		if !slices.Contains(own, name) {
			l.t.Errorf("%s is in the memory of %s", name, who)
		}
	}
	_, keeps := mayKnow[who]
	if keeps && !slices.ContainsFunc(own, func(name string) bool { return found[name] }) {
		l.t.Errorf("nothing of its own is in the %d bytes of the memory of %s", read, who)
	}
	l.t.Logf("%s: %d MB of memory looked at", who, read>>20)
}

// letCoresBe lifts the limit of cores for what is started, so that one is
// written where nothing keeps it from that.
func (l *life) letCoresBe() {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &before); err != nil {
		l.t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: before.Max, Max: before.Max}); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &before) })
	unguarded := exec.Command("sh", "-c", "kill -ABRT $$")
	unguarded.Dir = l.t.TempDir()
	_ = unguarded.Run()
	if cores, _ := filepath.Glob(filepath.Join(unguarded.Dir, "core*")); len(cores) == 0 {
		l.t.Log("LEFT OUT: this system writes no cores into folders; limits are looked at all the same")
	}
}

// crash ends each program as a panic does, with all its stacks written out and
// a core where one may be written.
func (l *life) crash() {
	for _, p := range l.running {
		if err := p.cmd.Process.Signal(syscall.SIGABRT); err != nil {
			l.t.Errorf("%s is gone: %v", p.name, err)
			continue
		}
		done := make(chan error, 1)
		go func() { done <- p.cmd.Wait() }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			l.t.Fatalf("%s does not crash", p.name)
		}
		if text := l.read(filepath.Base(p.log.Name())); !bytes.Contains(text, []byte("goroutine ")) {
			l.t.Errorf("%s wrote no stacks: %.300s", p.name, text)
		}
	}
}

// lookAtFiles looks for each secret in each file: stores, journals, cases,
// logs, all that was said, cores.
func (l *life) lookAtFiles() {
	seen := map[string]bool{}
	looked := 0
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, _ := filepath.Rel(l.dir, path)
		if strings.HasPrefix(d.Name(), "core") {
			l.t.Errorf("a core was written: %s", name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		looked++
		for _, s := range l.secrets {
			kept := slices.Contains(s.kept, name)
			switch holds := s.holds(text); {
			case holds && kept:
				seen[s.name+" "+name] = true
			case kept:
				l.t.Errorf("%s is not found in %s, where it is kept", s.name, name)
			case holds && !right(s, name):
				l.t.Errorf("%s is in %s", s.name, name)
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	for _, s := range l.secrets {
		for _, k := range s.kept {
			if !seen[s.name+" "+k] {
				l.t.Errorf("%s was not seen in %s", s.name, k)
			}
		}
	}
	l.t.Logf("%d secrets looked for in %d files", len(l.secrets), looked)
}

// right says whether a secret may be in a file without being looked for there.
// Evidence is where answers go: on the investigator's screen, in his cases, and
// where it was found. The relay has none of it, and neither has the agent's
// folder, nor any log.
func right(s secret, name string) bool {
	first, rest, _ := strings.Cut(name, "/")
	switch {
	case strings.HasPrefix(first, "damaged-"): // the copy of a folder with keys
		return slices.ContainsFunc(s.kept, func(k string) bool { return strings.HasSuffix(k, "/"+rest) })
	case s.name == "the passphrase":
		return name == "wrong"
	case s.name == "evidence":
		return first == "data" || first == "report.html" || strings.HasPrefix(name, "home/cases") || strings.HasSuffix(name, "quaestor.out")
	}
	return false
}
