package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/agent/upgrade"
	"github.com/quaestor-engine/quaestor/signing/journal"
)

type runCommand struct{}

// Run answers plans until the program is stopped.
func (runCommand) Run(s *system) error { return agent.RunService(s.ctx, s.live) }

// live is the life of a service: it gives way to newer programs, and comes back
// where they fail.
func (s *system) live(ctx context.Context) error {
	u, err := s.starter()
	if err != nil {
		return err
	}
	for begin := u.Begin; ; begin = u.Try {
		if err := begin(ctx); errors.Is(err, upgrade.ErrEnded) {
			return nil
		} else if err != nil || ctx.Err() != nil {
			return err
		}
		err := s.withAgent(func(a *agent.Agent) error { return a.Run(ctx) })
		switch {
		case errors.Is(err, agent.ErrUpgrade):
		case errors.Is(err, agent.ErrRetired) && ctx.Err() == nil:
			// A service that ended would be started again and again.
			fmt.Fprintf(s.err, "quaestor-agent: %v: nothing is answered any more, and this program only waits to be stopped\nhint: %s\n", err, agent.ServiceEnd(runtime.GOOS))
			<-ctx.Done()
			return nil
		default:
			if blameless(err) {
				u.Forgive()
			}
			return err
		}
	}
}

// blameless says whether a program could not be the agent of its folder for what
// is no fault of its own, so that an earlier one could not either.
func blameless(err error) bool {
	return errors.Is(err, agent.ErrConfig) || errors.Is(err, agent.ErrNotEnrolled) || errors.Is(err, journal.ErrInUse)
}

type onceCommand struct {
	Timeout time.Duration `help:"The longest that it may take." default:"30m"`
}

// Run answers what waits.
func (c *onceCommand) Run(s *system) error {
	u, err := s.starter()
	if err != nil {
		return err
	}
	if err := u.Become(s.ctx); err != nil {
		if errors.Is(err, upgrade.ErrEnded) {
			err = nil
		}
		return err
	}
	err = s.withAgent(func(a *agent.Agent) error {
		ctx, cancel := context.WithTimeout(s.ctx, c.Timeout)
		defer cancel()
		return a.Once(ctx)
	})
	if blameless(err) {
		u.Forgive()
	}
	return err
}

func (s *system) withAgent(use func(*agent.Agent) error) error {
	o, err := s.options()
	if err != nil {
		return err
	}
	a, err := agent.Open(o)
	if err != nil {
		return err
	}
	return errors.Join(use(a), a.Close())
}
