package upgrade

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"time"

	"github.com/quaestor-engine/quaestor/signing"
)

// WellLine is what a program that is tried says on its standard output when a
// relay has heard it.
const WellLine = "well\n"

// endWithin is how long a child may take to end in order: its plans are told,
// and its files closed.
const endWithin = 30 * time.Second

// Try tries what is to be tried. Where it is well it becomes active, and this
// process becomes it; else the release is remembered as one that failed, and
// Try returns, for the program that runs to go on. What ctx ends is tried at the
// next start.
func (s *Starter) Try(ctx context.Context) error {
	s.refresh()
	st := s.store.State()
	p := st.Trial
	if p == nil {
		return nil
	}
	if st.Starts >= maxTrials {
		s.give(*p, fmt.Errorf("%w: it was tried %d times, and whoever tried it went down with it", ErrHealth, st.Starts))
		return s.becomeActive(ctx)
	}
	// What is not counted could be tried for ever.
	if err := s.store.change(func(st *State) { st.Starts++ }); err != nil {
		s.Log.Error("the release is not tried", "release", p.Release, "error", err)
		return s.becomeActive(ctx)
	}
	s.Log.Info("the release is tried", "release", p.Release, "within", p.Health)
	err := s.try(ctx, *p)
	switch {
	case err == nil:
		s.Log.Info("the release is well", "release", p.Release)
	case ctx.Err() != nil:
		if err := s.store.change(func(st *State) { st.Starts-- }); err != nil {
			s.Log.Error("upgrades", "error", err)
		}
		return nil
	default:
		s.give(*p, err)
	}
	return s.becomeActive(ctx)
}

// give gives a release up.
func (s *Starter) give(p Program, why error) {
	s.Log.Error("the release is rolled back", "release", p.Release, "error", why)
	if err := s.store.Fail(p, RolledBack, why); err != nil {
		s.Log.Error("upgrades", "error", err)
	}
}

// try runs a program as a child until it is well, and has ended.
func (s *Starter) try(ctx context.Context, p Program) error {
	if !s.store.holds(p) {
		return fmt.Errorf("%w: its file has changed", ErrHash)
	}
	said := &tail{most: maxSaid}
	w := &watch{well: make(chan struct{})}
	c, err := s.child(p, w, io.MultiWriter(s.Err, said), "try")
	if err != nil {
		return fmt.Errorf("%w: it does not start: %w", ErrHealth, err)
	}
	limit := time.NewTimer(p.Health)
	defer limit.Stop()
	select {
	case <-w.well:
	case err := <-c.ended:
		return fmt.Errorf("%w: it ended before a relay had heard it: %s%s", ErrHealth, statusOf(err), said.last())
	case <-limit.C:
		c.kill()
		return fmt.Errorf("%w: no relay heard it within %s%s", ErrHealth, p.Health, said.last())
	case <-ctx.Done():
		c.stop()
		return ctx.Err()
	}
	// From here on it is active, whoever dies.
	err = s.store.change(func(st *State) {
		st.Previous, st.Active, st.Trial, st.Starts = st.Active, &p, nil, 0
		if !signing.Newer(st.Highest, p.Release) {
			st.Highest = p.Release
		}
		st.Report = Report{Release: p.Release, Stage: p.Stage, State: Installed, At: s.store.now().UTC().Truncate(time.Second)}
		if !s.isInside() {
			st.Starter = s.self
		}
	})
	c.stop()
	if err == nil {
		err = s.store.sweep()
	}
	return err
}

func statusOf(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// A child is another program at work.
type child struct {
	cmd   *exec.Cmd
	in    io.Closer
	ended chan error // of one
}

// child starts a program of the folder with a word. It is told to end by the
// end of its standard input.
func (s *Starter) child(p Program, out, errs io.Writer, word string) (*child, error) {
	c := &child{ended: make(chan error, 1)}
	started := make(chan error, 1)
	// Where the system ends a child with its parent, it means the thread.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := start(func() *exec.Cmd {
			c.cmd = exec.Command(s.store.Path(p.Release), "--dir", s.Dir, word)
			c.cmd.Stdout, c.cmd.Stderr, c.cmd.WaitDelay = out, errs, time.Second
			c.cmd.SysProcAttr = attributes()
			c.in, _ = c.cmd.StdinPipe() // the first of a command is always given
			return c.cmd
		}, (*exec.Cmd).Start)
		started <- err
		if err == nil {
			c.ended <- c.cmd.Wait()
		}
	}()
	return c, <-started
}

// stop has a child end in order, and otherwise.
func (c *child) stop() {
	_ = c.in.Close()
	select {
	case <-c.ended:
	case <-time.After(endWithin):
		c.kill()
	}
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// A watch waits for the line that says that a program is well.
type watch struct {
	well chan struct{}
	seen []byte
	done bool
}

// Write takes what the program says.
func (w *watch) Write(b []byte) (int, error) {
	if w.done {
		return len(b), nil
	}
	w.seen = append(w.seen, b...)
	if w.done = bytes.HasPrefix(w.seen, []byte(WellLine)); w.done {
		close(w.well)
	}
	w.done = w.done || len(w.seen) > maxSaid
	return len(b), nil
}
