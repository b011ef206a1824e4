// Command child looks for an agent, and was built in a way of its own: with cgo
// or without. With the argument open it looks at nothing, and says that its
// system shut one of two doors.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	_ "net" // brings cgo, where it may
	"os"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/modules/host"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "open" {
		const hello = `{"doors":[{"name":"capabilities","shut":true,"how":"dropped"},{"name":"files by Landlock","shut":false,"how":"this kernel has none"}]}`
		fmt.Fprintf(os.Stdout, "H%s%s", binary.BigEndian.AppendUint32(nil, uint32(len(hello))), hello)
		_, _ = io.Copy(io.Discard, os.Stdin) // until the agent closes it
		return
	}
	cat, err := modules.NewCatalogue(host.New())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(sandbox.Serve(cat, os.Stdin, os.Stdout))
}
