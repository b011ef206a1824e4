package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/quaestor-engine/quaestor/internal/querytest"
	"github.com/quaestor-engine/quaestor/modules/std"
)

type testCommand struct {
	Paths        []string `arg:"" optional:"" name:"path" help:"Query files, test files, or folders with all below them (default: here)."`
	Only         string   `name:"run" placeholder:"REGEXP" help:"Only the cases whose \"FILE: CASE\" it matches."`
	Update       bool     `help:"Rewrite what is expected and did not come back, and show what changed."`
	RequireTests bool     `help:"Exit with 1 where a query file has no test."`
	Format       string   `enum:"text,json" default:"text" help:"text or json (default: ${default})."`
	JUnit        string   `name:"junit" placeholder:"FILE" help:"Write the report for build servers, too."`
	Verbose      bool     `short:"v" help:"Name every case, with what is doubtful about its query."`
	Workers      int      `placeholder:"N" help:"How many cases run at a time (default: one a processor)."`
}

// Run tries query files. It asks no machine.
func (c *testCommand) Run(a *app) error {
	o := querytest.Options{Modules: std.Modules(), Update: c.Update, Workers: c.Workers}
	if c.Only != "" {
		var err error
		if o.Run, err = regexp.Compile(c.Only); err != nil {
			return fmt.Errorf("--run: %w", err)
		}
	}
	if len(c.Paths) == 0 {
		c.Paths = []string{"."}
	}
	suites, err := querytest.Find(c.Paths)
	if err != nil {
		return err
	}
	if len(suites) == 0 {
		return fmt.Errorf("no query files (*.qst) are there\nhint: quaestor test FOLDER looks for them in it and below")
	}
	report, interrupted := querytest.Run(a.ctx, suites, o)
	if err := c.show(a, report); err != nil {
		return err
	}
	if interrupted != nil {
		return &exit{code: ExitInterrupted}
	}
	return c.verdict(report)
}

func (c *testCommand) show(a *app, r *querytest.Report) error {
	if c.JUnit != "" {
		var b bytes.Buffer
		if err := errors.Join(r.JUnit(&b), os.WriteFile(c.JUnit, b.Bytes(), 0o644)); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	if c.Format == "json" {
		return r.JSON(a.Out)
	}
	return r.Text(a.Out, c.Verbose)
}

// verdict gives the exit code that the report deserves.
func (c *testCommand) verdict(r *querytest.Report) error {
	tried := r.Count(querytest.Passed) + r.Count(querytest.Failed) + r.Count(querytest.LeftOut)
	switch {
	case r.Count(querytest.Wrong)+r.WrongFiles() > 0:
		return &exit{code: ExitWrong}
	case r.Count(querytest.Failed) > 0, c.RequireTests && len(r.Untested()) > 0:
		return &exit{code: ExitAsked}
	case tried == 0 && c.Only != "":
		return fmt.Errorf("--run %s matches no case", c.Only)
	}
	return nil
}
