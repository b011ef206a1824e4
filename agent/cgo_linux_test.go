package agent

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
)

// buildChild builds a program that looks, with cgo or without.
func buildChild(t *testing.T, cgo string) string {
	t.Helper()
	if cgo == "1" {
		cc, err := exec.Command("go", "env", "CC").Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := exec.LookPath(strings.TrimSpace(string(cc))); err != nil {
			t.Skipf("cgo needs a C compiler: %v", err)
		}
	}
	program := filepath.Join(t.TempDir(), "child")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./sandbox/testdata/child")
	build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// A program that was built with cgo cannot shut the doors of what looks: it is
// no agent, unless its owner has turned the sandbox off.
func TestCgoIsRefused(t *testing.T) {
	f := newFleet(t)
	dir := f.enroll()
	o := f.options(dir, numbers{})
	o.Scanner = []string{buildChild(t, "1"), sandbox.ChildArgument}
	for name, live := range map[string]func(*Agent) error{
		"it runs":      func(a *Agent) error { return a.Run(t.Context()) },
		"it runs once": func(a *Agent) error { return a.Once(t.Context()) },
	} {
		a, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(live(a), a.Close()); !errors.Is(err, sandbox.ErrCgo) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := SelfCheck(o); !errors.Is(err, sandbox.ErrCgo) {
		t.Errorf("as a release, it is taken: %v", err)
	}
	if _, err := Examine(t.Context(), o); !errors.Is(err, sandbox.ErrCgo) {
		t.Errorf("it is examined: %v", err)
	}
	if _, err := ReadFacts(t.Context(), o); !errors.Is(err, sandbox.ErrCgo) {
		t.Errorf("it looks up facts: %v", err)
	}
	config, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(config), `sandbox = "on"`, `sandbox = "off"`, 1)
	if err := os.WriteFile(filepath.Join(dir, configFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(o)
	if err != nil {
		t.Fatalf("with the sandbox off: %v", err)
	}
	defer a.Close()
	if s := a.Status().Sandbox; s != "off" {
		t.Errorf("its status is %q", s)
	}
}

// The same program without cgo looks.
func TestWithoutCgo(t *testing.T) {
	f := newFleet(t)
	o := f.options(f.enroll(), numbers{})
	o.Scanner = []string{buildChild(t, "0"), sandbox.ChildArgument}
	if err := SelfCheck(o); err != nil {
		t.Error(err)
	}
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if facts, err := a.Facts(t.Context()); err != nil || facts["os"].Text() != "linux" {
		t.Errorf("%v, %v", facts, err)
	}
}

// A sandbox with an open door is not told as one that is shut.
func TestPartialSandbox(t *testing.T) {
	f := newFleet(t)
	o := f.options(f.enroll(), numbers{})
	o.Scanner = []string{buildChild(t, "0"), "open"}
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.check.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, fact := a.Status().Sandbox, a.ownFacts()["sandbox"].Text(); status != "partial" || fact != "partial" {
		t.Errorf("the status says %q, the fact %q", status, fact)
	}
}

// A machine that takes long to start a process does not hold up the agent. Until
// there was one nobody says what keeps it in.
func TestStartWaitsForNoChild(t *testing.T) {
	f := newFleet(t)
	o := f.options(f.enroll(), numbers{})
	o.Scanner = []string{"sleep", "600"}
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	stop := f.run(a)
	eventually(t, "it is connected", func() bool { return a.current() != nil })
	if status, fact := a.Status().Sandbox, a.ownFacts()["sandbox"]; status != "unknown" || !fact.IsNull() {
		t.Errorf("the status says %q, the fact %q", status, fact)
	}
	select {
	case <-a.check.over:
		t.Error("a child came up that does not")
	default:
	}
	stop()
	if st, err := ReadStatus(o); err != nil || st.Sandbox != "unknown" {
		t.Errorf("when it is stopped: %q, %v", st.Sandbox, err)
	}
}
