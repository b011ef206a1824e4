// Package measured keeps what bench/fleet measured of rounds, for bench/model to
// read: a file is a list of them in JSON.
package measured

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// A Round is one of FIND host with so many agents. Processor times are of all
// agents together.
type Round struct {
	Date    string  `json:"date"`
	Machine string  `json:"machine"`
	Load    float64 `json:"load"` // of the machine when it began: above 1 times on the clock are no good
	Cores   int     `json:"cores"`
	Agents  int     `json:"agents"`

	Relay  float64 `json:"relay_cpu_ms"`
	Agent  float64 `json:"agents_cpu_ms"`
	Client float64 `json:"client_cpu_ms"`

	First float64 `json:"first_ms"`
	Half  float64 `json:"half_ms"`
	All   float64 `json:"all_ms"`

	Connection float64 `json:"connection_kb"` // resident in the relay, of one that rests
	Own        float64 `json:"own_mb"`        // resident in the relay without any
}

// Read gives the rounds of a file.
func Read(name string) (rounds []Round, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &rounds); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rounds, nil
}

// Add puts a round behind those of a file, which is made where there is none.
func Add(name string, r Round) error {
	rounds, err := Read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := json.MarshalIndent(append(rounds, r), "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}
