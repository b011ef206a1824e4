package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"golang.org/x/sys/unix"
)

// frozen stops the process that looks, where it stands.
func frozen(ctx context.Context, _ *modules.Request, _ func(modules.Row) error) error {
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGSTOP); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// A child that hangs is killed and another one tries; two that died are
// followed by no third, in this run or a later one.
func TestNoThird(t *testing.T) {
	s := newStage(t)
	s.silence = 2 * beatEvery
	for _, c := range []struct {
		query          string
		before, deaths int
		why            string
	}{
		{"FIND freeze", 0, 2, "no sign of life"},
		{"FIND freeze", 1, 1, "no sign of life"},
		{"FIND crash_at_once", 1, 1, "panic"},
		{"FIND crash", 0, 1, "a fault on a goroutine"}, // it had told a row
		{"FIND rows", 2, 0, NoThird},
		{"FIND rows", 1, 0, ""},
	} {
		var died []string
		run := s.Start(t.Context(), Job{
			Plan: s.plan(c.query), Policy: s.policy, Facts: plan.Facts{}, Turn: &Turn{},
			Deaths: c.before, Died: func(why string) { died = append(died, why) },
		})
		for range run.Rows() {
		}
		sum := run.Summary()
		if len(died) != c.deaths || !strings.Contains(strings.Join(append(died, sum.Reason), ""), c.why) {
			t.Errorf("%s after %d: %q died, %+v", c.query, c.before, died, sum)
		}
		if third := c.before+c.deaths >= MaxDeaths; third != strings.Contains(sum.Reason, NoThird) || third != (sum.Outcome == answer.Failed) && c.query != "FIND crash" {
			t.Errorf("%s after %d: %+v", c.query, c.before, sum)
		}
	}
}

// A child that the kernel killed for want of memory is no fault of its plan:
// what it had told is kept, and the account says why there is no more.
func TestOutOfMemory(t *testing.T) {
	s := newStage(t)
	kills := int64(0)
	s.kills = func() int64 { return kills }
	rows, sum := s.ask("FIND hang", Limits{}, func(string) { kills++; killChildren(t) })
	if len(rows) != 1 || sum.Outcome != answer.Partial || !strings.Contains(sum.Reason, "no memory left") || !slices.Contains(sum.Limits, "memory") {
		t.Errorf("%q, %+v", rows, sum)
	}
	if got := countOf("pgfault 12\noom_kill 7\noom_kill_x 9\n", "oom_kill"); got != 7 {
		t.Errorf("%d", got)
	}
}

// What a child says that it may not costs it its life, and nothing waits.
func TestNonsense(t *testing.T) {
	s := newStage(t)
	for _, text := range []string{"H\xff\xff\xff\xff", "R\x00\x00\x00\x01x", "garbage that is longer than a head"} {
		s.command = []string{"/bin/sh", "-c", fmt.Sprintf("printf '%s'; sleep 60", strings.ReplaceAll(fmt.Sprintf("%q", text), `"`, ""))}
		began := time.Now()
		if _, err := s.Facts(t.Context()); err == nil || time.Since(began) > 30*time.Second {
			t.Errorf("%q: %v after %s", text, err, time.Since(began))
		}
	}
}

// A child dumps no core, from its first moment on.
func TestNoCore(t *testing.T) {
	s := newStage(t)
	p, err := s.start(t.Context(), Files)
	if err != nil {
		t.Fatal(err)
	}
	defer p.end()
	var l unix.Rlimit
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_CORE, nil, &l); err != nil || l.Max != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if err := unix.Kill(p.cmd.Process.Pid, unix.SIGABRT); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if how := p.how(nil); strings.Contains(how, "core dumped") {
		t.Error(how)
	}
}
