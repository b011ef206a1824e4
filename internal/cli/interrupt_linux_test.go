package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/internal/demo"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// A terminal is the other end of a program's terminal.
type terminal struct {
	t    *testing.T
	ptm  *os.File
	cmd  *exec.Cmd
	done chan struct{} // closed when nothing more will be written

	mu   sync.Mutex
	text bytes.Buffer
	from int // what was expected stands before this
}

// onTerminal starts quaestor with a terminal of its own.
func onTerminal(t *testing.T, env []string, args ...string) *terminal {
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(ptm.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ptm.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	pts, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pts.Close()
	if err := unix.IoctlSetWinsize(int(pts.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 160}); err != nil {
		t.Fatal(err)
	}
	c := &terminal{t: t, ptm: ptm, done: make(chan struct{})}
	c.cmd = exec.CommandContext(t.Context(), "quaestor", args...)
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = pts, pts, pts
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ptm.Close() })
	go func() {
		defer close(c.done)
		b := make([]byte, 4096)
		for {
			n, err := ptm.Read(b)
			c.mu.Lock()
			c.text.Write(b[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// expect waits until the program has written something like a regexp.
func (c *terminal) expect(pattern string) {
	c.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		c.mu.Lock()
		at := re.FindIndex(c.text.Bytes()[c.from:])
		if at != nil {
			c.from += at[1]
		}
		c.mu.Unlock()
		if at != nil {
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t.Fatalf("nothing like %s in\n%s", pattern, c.text.String())
}

func (c *terminal) send(keys string) {
	c.t.Helper()
	if _, err := c.ptm.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// ends waits for the program's end.
func (c *terminal) ends(code int) {
	c.t.Helper()
	err := c.cmd.Wait()
	got := 0
	var e *exec.ExitError
	if errors.As(err, &e) {
		got = e.ExitCode()
	} else if err != nil {
		c.t.Fatal(err)
	}
	<-c.done
	if got != code {
		c.t.Errorf("exit code %d, not %d:\n%s", got, code, c.text.String())
	}
}

const ctrlC = "\x03"

// A fleet with an agent that was there once: who waits for it waits for long.
func waitingFleet(t *testing.T) (env []string) {
	dir := t.TempDir()
	f, err := demo.Start(t.Context(), filepath.Join(dir, "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Stop(); err != nil {
			t.Error(err)
		}
	})
	home := homeDir{filepath.Join(dir, "home")}
	text, err := f.Key().Armor(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := home.add(text, keysDir, string(f.Key().Fingerprint())+keyExt); err != nil {
		t.Fatal(err)
	}
	quaestor := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "quaestor", args...)
		cmd.Env = append(os.Environ(), "QUAESTOR_HOME="+home.dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	quaestor("setup", "--relay", f.Addr(), "--pin", f.Pin())
	token := quaestor("token", "new")
	late := filepath.Join(dir, "late")
	if _, err := agent.Enroll(t.Context(), agent.EnrollOptions{Dir: late, Relays: []string{f.Addr()}, Token: token}); err != nil {
		t.Fatal(err)
	}
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.Open(agent.Options{Dir: late, Catalogue: cat, Host: modules.Host{Now: time.Now}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Once(t.Context()), a.Close()); err != nil {
		t.Fatal(err)
	}
	return []string{"QUAESTOR_HOME=" + home.dir, "NO_COLOR=1"}
}

// Ctrl-C decides nothing by itself.
func TestCtrlCAsks(t *testing.T) {
	env := waitingFleet(t)
	ask := func(t *testing.T) *terminal {
		c := onTerminal(t, env, "run", "FROM fleet FIND host RETURN distro", "--wait", "10m")
		c.expect("5 of 6 agents reached, 5 answered, 5 matched, 1 offline")
		return c
	}
	t.Run("go on, then leave", func(t *testing.T) {
		c := ask(t)
		c.send(ctrlC)
		c.expect(`[0-9a-f]{32}: 5 of 6 agents reached`)
		c.expect(`cancel on the agents, leave it running, go on\? \[c/l/g\] $`)
		c.send("what?\n")
		c.expect(`\[c/l/g\] $`)
		c.send("g\n")
		time.Sleep(2 * sameKey) // the key's other way must not count as another key
		c.send(ctrlC)
		c.expect(`\[c/l/g\] $`)
		c.send("l\n")
		c.expect(`investigation [0-9a-f]{32} goes on; come back with`)
		c.expect(`quaestor investigations follow [0-9a-f]{32}`)
		c.expect(`5 of 6 agents answered: 5 matched`)
		c.ends(ExitInterrupted)
	})
	t.Run("twice is leaving", func(t *testing.T) {
		c := ask(t)
		c.send(ctrlC)
		c.expect(`\[c/l/g\] $`)
		c.send(ctrlC)
		c.expect(`goes on; come back with`)
		c.ends(ExitInterrupted)
	})
	t.Run("cancel", func(t *testing.T) {
		c := ask(t)
		c.send(ctrlC)
		c.expect(`\[c/l/g\] $`)
		c.send("c\n")
		c.expect(`[0-9a-f]{32} is cancelled`)
		c.ends(ExitInterrupted)
		out, err := exec.Command("env", append(env, "quaestor", "investigations")...).Output()
		if n := strings.Count(string(out), " cancelled "); err != nil || n != 1 {
			t.Errorf("%d of the investigations are cancelled: %v\n%s", n, err, out)
		}
	})
}

// The demo ends in the prompt, which leaves nothing behind.
func TestDemoOnATerminal(t *testing.T) {
	tmp := t.TempDir()
	c := onTerminal(t, []string{"TMPDIR=" + tmp, "NO_COLOR=1", "TERM=xterm"}, "demo")
	c.expect(`leaving removes everything`)
	c.expect(`quaestor> `)
	c.send("FROM fleet FIND file /etc/hosts RETURN size;\r")
	c.expect(`web-2 +20`)
	c.expect(`5 of 5 agents answered: 5 matched`)
	c.send("FIND fiel /etc;\r")
	c.expect(`did you mean file`)
	c.send("\\q\r")
	c.expect(`5 of 5 agents answered`)
	c.ends(ExitDone)
	nothingIn(t, tmp)
}

func nothingIn(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", fmt.Sprint(left), err)
	}
}
