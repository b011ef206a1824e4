package cli

import (
	"fmt"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/render"
)

// Run shows plans.
func (c *explainCommand) Run(a *app) error {
	session, err := quaestor.LocalWith(quaestor.Options{Root: c.Root, Params: c.Set, Case: a.caseModule})
	if err != nil {
		return err
	}
	defer session.Close()
	compiled, err := a.compile(session, c.Queries, false)
	if err != nil {
		return err
	}
	return c.draw(a, session, compiled)
}

// draw draws the plans of what was compiled.
func (c *explainCommand) draw(a *app, session *quaestor.LocalSession, compiled *quaestor.Compiled) error {
	for i, q := range compiled.Queries {
		if len(compiled.Queries) > 1 {
			if i > 0 {
				fmt.Fprintln(a.Out)
			}
			fmt.Fprintln(a.Out, "-- "+q.Name)
		}
		text := session.Explain(q)
		if c.Analyze || q.Analyze {
			var err error
			if text, err = session.Analyze(a.ctx, q); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprint(a.Out, render.Plan(text, a.options(a.Out, c.Colour))); err != nil {
			return err
		}
	}
	return nil
}
