package sandbox

import "errors"

// ErrCgo says that the program which was to look was built with cgo. Doors are
// shut by each thread for itself, and there are threads then that Go does not
// know: a child that has them says so, and looks at nothing.
var ErrCgo = errors.New(`this program was built with cgo, under which the sandbox cannot shut its doors: build it with CGO_ENABLED=0, or write sandbox = "off" into agent.toml`)

// A hello is the first word of a child.
type hello struct {
	Cgo   bool   `json:"cgo,omitempty"` // see ErrCgo: no door is shut, and the child ends
	Doors []Door `json:"doors"`
}

// A Confinement says what a child may do. It is the first thing that a child
// hears, before anything of the machine is looked at.
type Confinement struct {
	Kind Kind   `json:"kind"`
	Dir  string `json:"dir"` // the agent's folder
}

// A Door is one thing that a child could do to the machine, and what became of
// it.
type Door struct {
	Name string `json:"name"`
	Shut bool   `json:"shut"`
	How  string `json:"how"` // what shuts it, or why it is open
}

// A Trial has a child try each door.
type Trial struct {
	Agent int    `json:"agent"` // its process
	Dir   string `json:"dir"`   // its folder
}
