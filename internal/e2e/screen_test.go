package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A screen is a real terminal, which tmux draws, with a shell in it.
type screen struct {
	t      *testing.T
	socket string
	home   string
	tree   string
	last   string // what it showed last
}

// newScreen starts a terminal of that size. Without tmux the test is left out.
func newScreen(t *testing.T, columns, rows string) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("LEFT OUT: there is no tmux, and .ci/tools installs it")
	}
	s := &screen{t: t, socket: filepath.Join(t.TempDir(), "tmux"), home: t.TempDir(), tree: t.TempDir()}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows,
		"env", "-u", "TMUX", "QUAESTOR_HOME="+s.home, "PATH="+bin+":"+os.Getenv("PATH"), "PS1=shell$ ", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "sh")
	t.Cleanup(func() {
		_ = exec.Command("tmux", "-S", s.socket, "kill-server").Run()
		if t.Failed() {
			t.Logf("the screen at the end:\n%s", s.last)
		}
	})
	s.until("shell$")
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-u", "-S", s.socket}, args...)...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// text gives what the screen shows, and what has left it at the top.
func (s *screen) text() string {
	s.last = strings.TrimRight(s.tmux("capture-pane", "-p", "-S", "-200"), "\n ")
	return s.last
}

// until waits for a text on the screen.
func (s *screen) until(want string) {
	s.t.Helper()
	s.untilIt("shows "+want, func(text string) bool { return strings.Contains(text, want) })
}

func (s *screen) untilIt(what string, is func(text string) bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if is(s.text()) {
			return
		}
	}
	s.t.Fatalf("the screen never %s:\n%s", what, s.text())
}

// types sends text as somebody types it, and key a key by tmux's name for it.
func (s *screen) types(text string) {
	s.t.Helper()
	for _, r := range text {
		if r == ';' {
			s.tmux("send-keys", "-l", `\;`)
			continue
		}
		s.tmux("send-keys", "-l", "--", string(r))
	}
}

func (s *screen) key(names ...string) {
	s.t.Helper()
	for _, n := range names {
		s.tmux("send-keys", n)
	}
}

// asks types a line and ends it.
func (s *screen) asks(text string) {
	s.t.Helper()
	s.types(text)
	s.key("Enter")
}

// pastes puts a text into the terminal as its clipboard does.
func (s *screen) pastes(text string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "clipboard")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.tmux("load-buffer", file)
	s.tmux("paste-buffer", "-p", "-r")
}

// prompt starts the prompt, over the screen's tree.
func (s *screen) prompt() {
	s.t.Helper()
	s.asks("clear; quaestor repl --root " + s.tree)
	s.untilIt("prompts", func(text string) bool { return strings.HasSuffix(text, "quaestor>") }) // what was there before has one, too
}

// sane checks that the terminal is as a shell wants it.
func (s *screen) sane() {
	s.t.Helper()
	s.asks("clear; stty -a")
	s.until("icanon")
	for _, want := range []string{" icanon", " echo ", " isig", " icrnl", " opost"} {
		if text := strings.ReplaceAll(s.text(), "\n", " ") + " "; !strings.Contains(text, want) || strings.Contains(text, "-"+strings.TrimSpace(want)+" ") {
			s.t.Errorf("the terminal was left without%s:\n%s", want, text)
		}
	}
}

// put makes a file in the tree.
func (s *screen) put(name, content string) {
	s.t.Helper()
	name = filepath.Join(s.tree, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}
