//go:build !windows

package agent

import (
	"context"
	"os"
	"runtime"
)

// Install hands the agent to the service manager of this system, as far as a
// file does that: the caller runs Then. It needs the rights of an
// administrator.
func (s Service) Install() (ServiceFile, error) {
	f, err := s.File(runtime.GOOS)
	if err != nil {
		return f, err
	}
	return f, os.WriteFile(f.Path, []byte(f.Text), 0o644) // service managers and people read it
}

// RunService calls run, and on Windows does so as a service where the service
// manager started the program.
func RunService(ctx context.Context, run func(context.Context) error) error { return run(ctx) }
