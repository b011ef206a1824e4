package main

import (
	"fmt"
	"os"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/std"
)

// serve is the child that looks for an agent.
func serve() int {
	cat, err := modules.NewCatalogue(std.Modules()...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return sandbox.Serve(cat, os.Stdin, os.Stdout)
}
