package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// runnerArg makes this program the runner of one command: see runOne.
const runnerArg = "exec-one"

// usage is what one process and its children cost.
type usage struct {
	Wall float64 `json:"wall_s"`
	User float64 `json:"user_s"`
	Sys  float64 `json:"sys_s"`
	RSS  int64   `json:"max_rss_bytes"`
	Exit int     `json:"exit"`
}

func (u usage) cpu() float64 { return u.User + u.Sys }

// measure runs argv and reads its output through a pipe into out.
//
// The command is started by a small process of ours, not by the harness: the
// kernel counts the memory of whoever starts a process into the maximum of
// the started one, and the harness holds answers of many megabytes.
func measure(ctx context.Context, argv []string, out *bytes.Buffer) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, fmt.Errorf("find the runner: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return usage{}, fmt.Errorf("pipe from the runner: %w", err)
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, self, append([]string{runnerArg}, argv...)...)
	cmd.Stdout = out
	cmd.ExtraFiles = []*os.File{w}
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	ownGroup(cmd)
	err = cmd.Start()
	w.Close()
	if err != nil {
		return usage{}, fmt.Errorf("start the runner: %w", err)
	}
	report, readErr := io.ReadAll(io.LimitReader(r, 1<<16))
	if err := cmd.Wait(); err != nil {
		return usage{}, fmt.Errorf("run %s: %w", argv[0], err)
	}
	var u usage
	if err := errors.Join(readErr, json.Unmarshal(report, &u)); err != nil {
		return usage{}, fmt.Errorf("report on %s: %w", argv[0], err)
	}
	return u, nil
}

// runOne is the runner: it runs argv with its own output and writes the usage
// to descriptor 3. An exit code of the command is a result, not a failure.
func runOne(argv []string) error {
	if len(argv) == 0 {
		return errors.New("no command")
	}
	if err := pin(); err != nil {
		return fmt.Errorf("pin to two cores: %w", err)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout = os.Stdout
	start := time.Now()
	err := cmd.Run()
	spent := time.Since(start)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	u := usage{Wall: spent.Seconds(), User: cmd.ProcessState.UserTime().Seconds(),
		Sys: cmd.ProcessState.SystemTime().Seconds(), RSS: peakRSS(cmd.ProcessState), Exit: cmd.ProcessState.ExitCode()}
	return json.NewEncoder(os.NewFile(3, "report")).Encode(u)
}
