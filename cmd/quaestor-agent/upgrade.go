package main

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/agent/upgrade"
)

// starter gives what starts newer programs in the place of this one.
func (s *system) starter() (*upgrade.Starter, error) {
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	return upgrade.NewStarter(upgrade.Starter{
		Dir: s.dir, Release: version(), Args: os.Args[1:], Log: o.Logger, Err: s.err, Watched: s.watched,
	})
}

type selfCheckCommand struct{}

// Run says what this program is, and whether it could be the folder's agent.
func (selfCheckCommand) Run(s *system) error {
	c := upgrade.Checkup{Release: version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	o, err := s.options()
	if err == nil {
		err = agent.SelfCheck(o)
	}
	if err != nil {
		c.Problem = err.Error()
	}
	return writeJSON(s.out, c)
}

type tryCommand struct{}

// Run is an agent that is tried.
func (tryCommand) Run(s *system) error {
	s.well = func() { _, _ = io.WriteString(s.out, upgrade.WellLine) }
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	go endWithInput(cancel)
	return s.withAgent(func(a *agent.Agent) error { return a.Run(ctx) })
}

type serveCommand struct{}

// Run is an agent whose starter waits for it.
func (serveCommand) Run(s *system) error {
	s.watched = true
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	go endWithInput(cancel)
	err := s.live(ctx)
	if errors.Is(err, upgrade.ErrAgain) {
		os.Exit(upgrade.Again)
	}
	return err
}

// endWithInput waits for the end of the standard input, which is that of who
// started this program, or his word. The process ends no later.
func endWithInput(cancel context.CancelFunc) {
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
}
