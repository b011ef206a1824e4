package sandbox

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
