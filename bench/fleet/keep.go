package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/bench/internal/measured"
)

// begin notes on what machine a round is, and what the relay holds.
func (s *settings) begin(before, after int64) {
	s.kept = measured.Round{
		Date: time.Now().UTC().Format("2006-01-02 15:04"), Machine: runtime.GOOS + "/" + runtime.GOARCH + " " + runtime.Version(), Load: load(), Cores: runtime.NumCPU(),
		Agents: s.agents, Connection: float64(after-before) / 1000 / float64(s.agents), Own: float64(before) / 1e6,
	}
}

// keep saves the run, where it was one.
func (s *settings) keep(err error) error {
	if err != nil {
		return err
	}
	if err := measured.Add(s.out, s.kept); err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	return nil
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
