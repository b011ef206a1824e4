// Command quaestor asks machines questions. Its commands are in internal/cli;
// this is only where it meets the system.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/quaestor-engine/quaestor/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends it at once
	// Writing to a pipe that nobody reads gives an error and not a death.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(cli.Main(ctx, os.Args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}))
}
