package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"golang.org/x/sys/unix"
)

// cgroup2 gives the folder of a group of the test's own, and its name: in the
// tree that is mounted, or in one that is mounted for it.
func cgroup2(t *testing.T) (dir, name string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	at, err := folderOf(string(mounts), "/")
	if err != nil {
		at = t.TempDir()
		if err := unix.Mount("none", at, "cgroup2", 0, ""); err != nil {
			t.Skip("there is no control group of the second kind here, and none can be mounted: ", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	}
	name = fmt.Sprintf("/quaestor-test-%d", os.Getpid())
	dir = filepath.Join(at, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skip("no control group can be made here: ", err)
	}
	t.Cleanup(func() {
		for _, d := range []string{filepath.Join(dir, agentLeaf), filepath.Join(dir, scanLeaf), dir} {
			if err := os.Remove(d); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
		}
	})
	return dir, name
}

// placed starts a process in a group, which stands for the agent.
func placed(t *testing.T, dir string) (pid string) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	pid = fmt.Sprint(cmd.Process.Pid)
	if err := set(filepath.Join(dir, "cgroup.procs"), pid); err != nil {
		t.Skip("no process can be moved into a control group here: ", err)
	}
	return pid
}

// groupOfProcess gives the name of the group of a process.
func groupOfProcess(t *testing.T, pid string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	return groupOf(string(b))
}

// Whoever else is in a group keeps the agent from dividing it.
func TestDescends(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for pid, want := range map[int]bool{os.Getpid(): true, cmd.Process.Pid: true, os.Getppid(): false, 1: false, 1 << 30: true} {
		if got := descends(strconv.Itoa(pid)); got != want {
			t.Errorf("%d: %v", pid, got)
		}
	}
	dir := t.TempDir()
	for text, want := range map[string]string{
		"": "", fmt.Sprintf("%d\n%d\n", os.Getpid(), cmd.Process.Pid): "",
		fmt.Sprintf("%d\n1\n", os.Getpid()): "others are in it, too: process 1",
	} {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := alone(dir); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A group that was delegated is divided: the agent is in one leaf and its
// children in the other, with the bounds whose controllers there are.
func TestGroup(t *testing.T) {
	dir, name := cgroup2(t)
	if _, err := ownGroup(name); !errors.Is(err, errNotDelegated) {
		t.Errorf("a group that nobody has given: %v", err)
	}
	if err := unix.Setxattr(dir, "user.delegate", []byte("1"), 0); err != nil {
		t.Skip("groups bear no marks here: ", err)
	}
	if top, err := ownGroup(name); err != nil || top != dir {
		t.Fatalf("%q, %v", top, err)
	}
	agent := placed(t, dir)
	g, err := makeGroup(dir, GroupBounds{Memory: 256 << 20, Plans: 1, IO: plan.IOLow})
	if err != nil {
		t.Fatal(err)
	}
	if top, err := ownGroup(name + "/" + agentLeaf); err != nil || top != dir {
		t.Errorf("a later life finds %q, %v", top, err)
	}
	if got := groupOfProcess(t, agent); got != name+"/"+agentLeaf {
		t.Errorf("the agent is in %s", got)
	}
	there, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range (GroupBounds{Memory: 256 << 20, Plans: 1, IO: plan.IOLow}).settings() {
		controller, _, _ := strings.Cut(s.file, ".")
		held, told, _ := strings.Cut(g.note, "not to be had here")
		if want := slices.Contains(strings.Fields(string(there)), controller); want != strings.Contains(held, s.file+" "+s.value) || want == strings.Contains(told, s.file) {
			t.Errorf("%s: %s", s.file, g.note)
		}
	}
	s := newStage(t)
	s.In(g)
	p, err := s.start(t.Context(), Files)
	if err != nil {
		t.Fatal(err)
	}
	if got := groupOfProcess(t, fmt.Sprint(p.cmd.Process.Pid)); got != name+"/"+scanLeaf {
		t.Errorf("a child is in %s", got)
	}
	p.end()
	if rows, sum := s.ask("FIND rows", Limits{}, nil); len(rows) != 5 || sum.Outcome != answer.Complete {
		t.Errorf("%q, %+v", rows, sum)
	}
}

// Children that hold more together than their group lets them lose one, whose
// answer says so and keeps what it had.
func TestGroupOutOfMemory(t *testing.T) {
	dir, _ := cgroup2(t)
	g, err := makeGroup(dir, GroupBounds{Memory: 64 << 20, Plans: 1, IO: plan.IONormal})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, scanLeaf, "memory.max")); err != nil {
		t.Skip("groups have no bound of memory here: ", g.note, g.Close())
	}
	// From memory.high on a child is slowed, and its agent would end it first.
	if err := set(filepath.Join(dir, scanLeaf, "memory.high"), "max"); err != nil {
		t.Fatal(err)
	}
	s := newStage(t)
	s.In(g)
	rows, sum := s.ask("FIND bomb", Limits{}, nil)
	if len(rows) != 1 || sum.Outcome != answer.Partial || !strings.Contains(sum.Reason, "than their control group") || !slices.Contains(sum.Limits, "memory") {
		t.Errorf("%q, %+v", rows, sum)
	}
	if rows, sum := s.ask("FIND rows", Limits{}, nil); len(rows) != 5 || sum.Outcome != answer.Complete {
		t.Errorf("after it: %q, %+v", rows, sum)
	}
}

// Whose memory was used up is told by who counted it. A group that has gone
// keeps no child from its work.
func TestWhoseMemory(t *testing.T) {
	for _, c := range []struct{ service, scan, want string }{
		{"low 0\noom 1\noom_kill 1\n", "oom 1\noom_kill 1\n", "than their control group"},
		{"oom 1\noom_kill 1\n", "oom 0\noom_kill 1\n", "the agent's service"},
		{"oom 0\noom_kill 1\n", "oom 0\noom_kill 1\n", "this machine had no memory left"},
		{"", "", "this machine had no memory left"},
	} {
		top := t.TempDir()
		scan := filepath.Join(top, scanLeaf)
		if err := os.Mkdir(scan, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(scan)
		if err != nil {
			t.Fatal(err)
		}
		s := newStage(t)
		s.In(&Group{top: top, scan: f})
		kills := int64(0)
		s.kills = func() int64 { return kills }
		rows, sum := s.ask("FIND hang", Limits{}, func(string) {
			kills++
			if c.scan != "" {
				if err := errors.Join(os.WriteFile(top+"/memory.events", []byte(c.service), 0o600), os.WriteFile(scan+"/memory.events", []byte(c.scan), 0o600)); err != nil {
					t.Error(err)
				}
			}
			killChildren(t)
		})
		if len(rows) != 1 || sum.Outcome != answer.Partial || !strings.Contains(sum.Reason, c.want) || !slices.Contains(sum.Limits, "memory") {
			t.Errorf("%+v: %q, %+v", c, rows, sum)
		}
	}
}
