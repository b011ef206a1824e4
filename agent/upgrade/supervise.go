package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// restartAfter is the pause before a program that ended is started again, as
// service managers make it.
const restartAfter = 10 * time.Second

// supervise is how a program gives its place to another where the system cannot
// put one in the place of another: the other is its child, which it starts again
// when it dies, as often as the active program may be. It gives ErrEnded when
// ctx has ended the child, and else why the program does not live.
func (s *Starter) supervise(ctx context.Context, pause time.Duration) error {
	for {
		st := s.store.State()
		if st.Active == nil {
			return errors.New("upgrade: nothing is active any more")
		}
		if err := s.lives(st); err != nil {
			return err
		}
		said := &tail{most: maxSaid}
		c, err := s.child(*st.Active, said, s.Err, "serve")
		if err != nil {
			return fmt.Errorf("%w: it does not start: %w", ErrHealth, err)
		}
		select {
		case err = <-c.ended:
		case <-ctx.Done():
			c.stop()
			return ErrEnded
		}
		// The child kept the state while it ran.
		s.refresh()
		var code *exec.ExitError
		switch {
		case err == nil:
			return ErrEnded
		case errors.As(err, &code) && code.ExitCode() == Again:
			s.Log.Info("another program is active", "release", st.Active.Release)
			continue
		}
		s.Log.Warn("the active program ended, and is started again", "error", err, "after", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ErrEnded
		}
		if err := s.store.change(func(st *State) { st.Starts++ }); err != nil {
			s.Log.Error("upgrades", "error", err)
		}
	}
}
