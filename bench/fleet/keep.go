package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"
)

// A kept run is a round of FIND host as bench/model reads it. Processor times
// are of all agents together.
type kept struct {
	Date       string  `json:"date"`
	Machine    string  `json:"machine"`
	Load       float64 `json:"load"`
	Cores      int     `json:"cores"`
	Agents     int     `json:"agents"`
	Relay      float64 `json:"relay_cpu_ms"`
	Agent      float64 `json:"agents_cpu_ms"`
	Client     float64 `json:"client_cpu_ms"`
	First      float64 `json:"first_ms"`
	Half       float64 `json:"half_ms"`
	All        float64 `json:"all_ms"`
	Connection float64 `json:"connection_kb"`
	Own        float64 `json:"own_mb"`
}

// begin notes on what machine it is, and what the relay holds.
func (k *kept) begin(s *settings, before, after int64) {
	*k = kept{
		Date: time.Now().UTC().Format("2006-01-02 15:04"), Machine: runtime.GOOS + "/" + runtime.GOARCH + " " + runtime.Version(), Load: load(), Cores: runtime.NumCPU(),
		Agents: s.agents, Connection: float64(after-before) / 1000 / float64(s.agents), Own: float64(before) / 1e6,
	}
}

// save adds the run to a file.
func (k *kept) save(name string) error {
	var all []kept
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("-o %s: %w", name, err)
	}
	if b, err = json.MarshalIndent(append(all, *k), "", "\t"); err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}

// keep saves the run, where it was one.
func (s *settings) keep(err error) error {
	if err != nil {
		return err
	}
	return s.kept.save(s.out)
}

// load is how many want the processors, over the last minute; 0 where nobody
// says.
func load() (one float64) {
	b, err := os.ReadFile("/proc/loadavg")
	if err == nil {
		_, _ = fmt.Sscan(strings.TrimSpace(string(b)), &one)
	}
	return one
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
