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

// Bounds are what agent.toml holds plans to, and what the machine lives on.
type Bounds struct {
	CPU       int64    `json:"cpu"`               // percent of one processor, of all plans; 0: no bound
	Memory    int64    `json:"memory"`            // bytes, of all plans; likewise
	Timeout   string   `json:"timeout"`           // of each plan; "": no bound
	Rows      int64    `json:"rows"`              // likewise, and 0 for none
	Read      int64    `json:"read"`              // bytes
	Sent      int64    `json:"sent"`              // bytes
	OpenFiles int64    `json:"open_files"`        // at once
	IO        string   `json:"io"`                // the best class
	Supply    string   `json:"supply"`            // mains, battery or unknown
	OnBattery string   `json:"on_battery"`        // what heavy scans do there by the policy: wait or run
	Group     string   `json:"group"`             // the control group of the children, as the agent that runs has it
	Shadows   []string `json:"shadows,omitempty"` // what that agent does not see as the machine has it: see sandbox.Shadows
}

// ExamineBounds says what holds the plans of the agent of a folder, beside what
// they say themselves.
func ExamineBounds(ctx context.Context, o Options) (Bounds, error) {
	a, err := read(o)
	if err != nil {
		return Bounds{}, err
	}
	defer a.runner.Close()
	supply, err := a.runner.Supply(ctx)
	c := a.conf
	b := Bounds{
		CPU: c.CPU, Memory: c.Memory << 20, Timeout: c.Timeout.String(), Rows: c.Rows, Read: c.Read << 20, Sent: c.Sent << 20,
		OpenFiles: c.OpenFiles, IO: c.IO, Supply: supply.String(), OnBattery: "run", Group: "the agent does not run: it looks for one of its own when it starts",
	}
	if s, err := ReadStatus(o); err == nil && s.Process != 0 {
		b.Group, b.Shadows = s.Group, s.Shadows
	}
	if a.Policy().Ceilings().Mains {
		b.OnBattery = "wait"
	}
	return b, err
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
	if s, err := ReadStatus(o); err == nil && s.Process != 0 {
		c.In(sandbox.GroupOf(s.Process)) // what the service shuts is shut for these, too
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
