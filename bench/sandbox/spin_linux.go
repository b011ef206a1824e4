package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
	"github.com/quaestor-engine/quaestor/modules"
	"github.com/quaestor-engine/quaestor/value"
)

// spinTime is how long a share is measured.
const spinTime = 10 * time.Second

// A spinner is a module that uses the processor until it is told to end.
type spinner struct{}

// Schema implements modules.Module.
func (spinner) Schema() *modules.Schema {
	return &modules.Schema{
		Name: "spinner", Doc: "A scan that never ends.",
		Columns: []modules.Column{{Name: "text", Type: value.Text, Default: true, Doc: "Nothing."}},
	}
}

type begun struct{}

// Column implements modules.Row.
func (begun) Column(context.Context, int) (value.Value, error) { return value.NewText("begun"), nil }

// Scan implements modules.Module.
func (spinner) Scan(ctx context.Context, _ *modules.Request, yield func(modules.Row) error) error {
	if err := yield(begun{}); err != nil {
		return err
	}
	for n := 0; ctx.Err() == nil; n++ {
		for range 1_000_000 {
			n++
		}
	}
	return ctx.Err()
}

// spin gives the percent of a processor that a spinning child uses.
func (s *stage) spin(percent int64) (float64, error) {
	job, err := s.job("FIND spinner", percent)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), spinTime+2*time.Second)
	defer cancel()
	run := s.children.Start(ctx, job)
	var before time.Duration
	var from time.Time
	got := -1.0
	for range run.Rows() {
		if !from.IsZero() {
			break // the error with which it ended
		}
		time.Sleep(time.Second) // what a start takes at once is paid by then
		if before, err = childTime(); err != nil {
			return 0, err
		}
		from = time.Now()
		time.Sleep(spinTime)
		after, err := childTime()
		if err != nil {
			return 0, err
		}
		got = 100 * float64(after-before) / float64(time.Since(from))
	}
	if got < 0 {
		return 0, fmt.Errorf("the spinner did not begin: %s", run.Summary().Reason)
	}
	return got, nil
}

// childTime is the processor time of the children that look: those of this
// process that are named like it, and are no others of the bench.
func childTime() (time.Duration, error) {
	list, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		for _, pid := range strings.Fields(string(b)) {
			if cmd, err := os.ReadFile("/proc/" + pid + "/cmdline"); err != nil || !strings.Contains(string(cmd), sandbox.ChildArgument) {
				continue
			}
			n, err := strconv.Atoi(pid)
			if err != nil {
				return 0, err
			}
			var ts unix.Timespec
			if err := unix.ClockGettime(^int32(n)<<3|2, &ts); err != nil {
				return 0, err
			}
			sum += time.Duration(ts.Nano())
		}
	}
	return sum, nil
}
