package agent

import (
	"context"
	"fmt"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
)

// A Checkup is what keeps one kind of process that looks from doing more.
type Checkup struct {
	Kind  sandbox.Kind   `json:"kind"`
	Doors []sandbox.Door `json:"doors"`
}

// Examine starts a process of each kind as the agent of a folder would, and
// has it try what it must not be able to do; none where the sandbox is off.
// The agent may be running in another process.
func Examine(ctx context.Context, o Options) ([]Checkup, error) {
	a, err := read(o)
	if err != nil {
		return nil, err
	}
	c, ok := a.runner.(*sandbox.Children)
	if !ok {
		return nil, nil
	}
	var list []Checkup
	for _, kind := range []sandbox.Kind{sandbox.Files, sandbox.Processes, sandbox.Sends} {
		doors, err := c.Try(ctx, kind)
		if err != nil {
			return nil, fmt.Errorf("a child of kind %s: %w", kind, err)
		}
		list = append(list, Checkup{kind, doors})
	}
	return list, c.Close()
}
