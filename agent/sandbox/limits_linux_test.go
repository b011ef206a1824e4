package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/plan"
	"github.com/quaestor-engine/quaestor/plan/answer"
	"golang.org/x/sys/unix"
)

// users are modules that use what limits are about, and tell how much.
func users() []modules.Module {
	return []modules.Module{
		misfit{"io_class", func(_ context.Context, _ *modules.Request, yield func(modules.Row) error) error {
			const whoProcess = 1
			n, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, whoProcess, 0, 0)
			if errno != 0 {
				return errno
			}
			return yield(said(strconv.Itoa(int(n))))
		}},
		misfit{"niceness", func(_ context.Context, _ *modules.Request, yield func(modules.Row) error) error {
			n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
			if err != nil {
				return err
			}
			return yield(said(strconv.Itoa(20 - n))) // as the kernel counts
		}},
		misfit{"holds", func(ctx context.Context, req *modules.Request, yield func(modules.Row) error) error {
			mib, heard, later := strings.Cut(req.Locators[0], ":")
			n, err := strconv.Atoi(mib)
			if err != nil {
				return err
			}
			hold := func() []byte {
				b := make([]byte, n<<20)
				for i := 0; i < len(b); i += 4096 {
					b[i] = 1
				}
				return b
			}
			var b []byte
			if !later {
				b = hold()
			}
			if err := yield(said("holds")); err != nil {
				return err
			}
			if later {
				for _, err := os.Stat(heard); err != nil; _, err = os.Stat(heard) {
					time.Sleep(time.Millisecond)
				}
				b = hold()
			}
			for range 300 {
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			b[0] = 2
			return nil
		}},
	}
}

// A plan may bound the files that are open for it, below what any child may.
func TestOpenFilesOfAPlan(t *testing.T) {
	s := newStage(t)
	for _, n := range []int64{64, 200, 5000} {
		rows, sum := s.ask("FIND hoard", Limits{OpenFiles: n}, nil)
		if len(rows) != 1 || !strings.Contains(sum.Reason, "too many open files") {
			t.Fatalf("%d: %q, %+v", n, rows, sum)
		}
		if got, err := strconv.ParseInt(rows[0], 10, 64); err != nil || got >= min(n, openFiles) || got < min(n, openFiles)-40 {
			t.Errorf("%d of %d files were open", got, n)
		}
	}
}

// A child has the class of I/O that its plan asks for, the idle one else.
func TestIOClass(t *testing.T) {
	s := newStage(t)
	for class, want := range map[plan.IO]int{0: 3 << 13, plan.IOIdle: 3 << 13, plan.IOLow: 2<<13 | 7, plan.IONormal: 2<<13 | 4} {
		rows, sum := s.ask("FIND io_class", Limits{IO: class}, nil)
		if !slices.Equal(rows, []string{strconv.Itoa(want)}) {
			t.Errorf("%s: %q, %+v", class, rows, sum)
		}
	}
}

// A child comes last, unless its plan may use a small part of a processor only:
// that it is to get.
func TestNice(t *testing.T) {
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil || own != 20 {
		t.Skipf("LEFT OUT: this test has no nice of 0 itself, but %d, %v", 20-own, err)
	}
	s := newStage(t)
	for cpu, want := range map[int64]string{0: "19", 10: "0", smallShare: "0", smallShare + 1: "19", 100: "19"} {
		if rows, sum := s.ask("FIND niceness", Limits{CPU: cpu}, nil); !slices.Equal(rows, []string{want}) {
			t.Errorf("%d %%: %q, %+v", cpu, rows, sum)
		}
	}
}

// When all children together hold more than the host lets them, the one that
// holds the most ends, with what it had told.
func TestMemoryTogether(t *testing.T) {
	s := newStage(t)
	s.Within(0, 400<<20)
	small := make(chan answer.Summary)
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan struct{})
	go func() {
		run := s.Start(ctx, Job{Plan: s.plan("FIND holds '100'"), Policy: s.policy, Facts: plan.Facts{}, Turn: &Turn{}})
		for _, err := range run.Rows() {
			if err == nil {
				close(began)
			}
		}
		small <- run.Summary()
	}()
	<-began
	heard := filepath.Join(t.TempDir(), "heard")
	rows, sum := s.ask("FIND holds '350:"+heard+"'", Limits{}, func(string) {
		if err := os.WriteFile(heard, nil, 0o600); err != nil {
			t.Error(err)
		}
	})
	if len(rows) != 1 || sum.Outcome != answer.Partial || !slices.Contains(sum.Limits, "memory") || !strings.Contains(sum.Reason, "together") {
		t.Errorf("%q, %+v", rows, sum)
	}
	select {
	case sum := <-small:
		t.Errorf("the smaller one has ended, too: %+v", sum)
	default:
	}
	cancel()
	<-small
}
