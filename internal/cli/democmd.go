package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/demo"
)

type demoCommand struct {
	Web bool `help:"Show it in a browser instead: quaestor web."`
}

// comeTogether is how long the agents of the demo may take to be there.
const comeTogether = 30 * time.Second

// Run starts a fleet, asks it the samples and then what the user wants.
func (c *demoCommand) Run(a *app) (err error) {
	dir, err := os.MkdirTemp("", "quaestor-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	start := time.Now()
	f, err := demo.Start(a.ctx, filepath.Join(dir, "fleet"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Stop()) }()
	d := &demonstration{fleet: f, guest: newApp(a.ctx, a.IO)}
	home := filepath.Join(dir, "home")
	d.guest.Getenv = func(name string) string {
		if name == "QUAESTOR_HOME" {
			return home
		}
		return a.Getenv(name)
	}
	if err := d.connect(); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "a relay and %d agents run in this process, in %s; they were there in %.1f s\n",
		f.Agents(), dir, time.Since(start).Seconds())
	for _, s := range demo.Samples() {
		if err := d.ask(s); err != nil {
			return err
		}
	}
	ask := d.prompt
	if c.Web {
		ask = func() error { return (&webCommand{}).Run(d.guest) }
	}
	if err := ask(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "\n%d of %s answered\n", d.last.Answered(), agents(d.last.Targeted()))
	return err
}

// A demonstration asks a demo's fleet, from a home of its own.
type demonstration struct {
	fleet *demo.Fleet
	guest *app
	last  quaestor.Coverage // of the last sample
}

// connect makes the home, and waits for the agents.
func (d *demonstration) connect() error {
	h, err := d.guest.homeDir()
	if err != nil {
		return err
	}
	text, err := d.fleet.Key().Armor(nil)
	if err != nil {
		return err
	}
	if _, err := h.add(text, keysDir, string(d.fleet.Key().Fingerprint())+keyExt); err != nil {
		return err
	}
	quiet := newApp(d.guest.ctx, d.guest.IO)
	quiet.Err = io.Discard
	if err := (&setupCommand{Relay: []string{d.fleet.Addr()}, Pin: d.fleet.Pin()}).Run(quiet); err != nil {
		return err
	}
	s, err := d.guest.dial(signerFlags{})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(d.guest.ctx, comeTogether)
	defer cancel()
	for {
		all, err := s.Fleet(ctx)
		if err != nil {
			return err
		}
		online := 0
		for _, g := range all {
			if g.Online && g.Problem == nil && len(g.Facts) > 0 {
				online++
			}
		}
		if online == d.fleet.Agents() {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%d of %d agents came: %w", online, d.fleet.Agents(), ctx.Err())
		}
	}
}

// ask shows a sample and its answer.
func (d *demonstration) ask(s demo.Sample) error {
	fmt.Fprintf(d.guest.Out, "\n%s\n\n  quaestor run %s\n\n", s.About, shellQuoted(s.Query))
	coverage, err := d.run(s.Query)
	d.last = coverage
	return err
}

// run asks one query. What is wrong with it, or with its answer, is shown, and
// ends the demo only where nobody is there any more.
func (d *demonstration) run(query string) (quaestor.Coverage, error) {
	c := &runCommand{}
	c.Queries, c.Format, c.Colour = []string{query}, "table", "auto"
	c.Purpose = "a demonstration"
	merged := newApp(d.guest.ctx, d.guest.IO)
	merged.Err = d.guest.Out          // one after the other, wherever they go
	merged.In = strings.NewReader("") // the terminal is the prompt's
	err := c.Run(merged)
	if d.guest.ctx.Err() != nil || isClosedPipe(err) {
		return c.coverage, err
	}
	report(merged.IO, err)
	return c.coverage, nil
}

// shellQuoted puts a text into quotes as a shell wants them.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// prompt lets a person at a terminal ask.
func (d *demonstration) prompt() error {
	if !isPrompt(d.guest.IO) {
		return nil
	}
	fmt.Fprint(d.guest.Out, "\nnow yours, such as  FROM fleet FIND file /etc/** WHERE mtime > 2026-01-01;\nleaving removes everything\n")
	c := &replCommand{NoHistory: true}
	c.Purpose = "a demonstration"
	return c.Run(d.guest)
}
