// Command quaestor-agent answers signed questions about the machine that it
// runs on. Its work is in package agent; this is only where it meets the
// system and its owner. It has no part in deciding what is answered.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/internal/nocore"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
	"github.com/quaestor-engine/quaestor/value"
)

func main() {
	if sandbox.IsChild(os.Args) {
		os.Exit(serve())
	}
	_ = nocore.Guard() // where there is none, nothing here can make one
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends it at once
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "quaestor-agent: %s\n", value.EscapeLines(err.Error()))
		os.Exit(1)
	}
}

// A system is what every command gets.
type system struct {
	ctx      context.Context
	out, err io.Writer
	dir      string
	given    bool // dir was given, and is not the usual one

	well    func() // told when a relay has heard this program, which is tried; nil: it is not
	watched bool   // a starter waits for this program
}

// run is the command line. Kong ends the program itself for --help alone.
func run(ctx context.Context, args []string, out, errs io.Writer) error {
	c := &commands{}
	parser, err := kong.New(c, kong.Name("quaestor-agent"),
		kong.Description("Answers signed questions about this machine, and nothing else."),
		kong.Writers(out, errs), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return err
	}
	given := c.Dir != ""
	if !given {
		c.Dir = defaultDir(runtime.GOOS, os.Getenv)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	return parsed.Run(&system{ctx: ctx, out: out, err: errs, dir: dir, given: given})
}

// options are those of package agent for the folder.
func (s *system) options() (agent.Options, error) {
	cat, err := modules.NewCatalogue(std.Modules()...)
	log := slog.New(slog.NewTextHandler(s.err, nil))
	if err != nil {
		return agent.Options{}, err
	}
	program, err := os.Executable()
	return agent.Options{
		Dir: s.dir, Catalogue: cat, Logger: log, Software: version(), Scanner: []string{program, sandbox.ChildArgument},
		Upgrades: true, Well: s.well,
	}, err
}
