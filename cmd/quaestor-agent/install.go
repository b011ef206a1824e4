package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/quaestor-engine/quaestor/agent"
)

type installCommand struct {
	Print bool `help:"Show what would be installed, and change nothing."`
}

// Run hands the agent to the service manager.
func (c installCommand) Run(s *system) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return err
	}
	service := agent.Service{Program: program, Dir: s.dir}
	if c.Print {
		f, err := service.File(runtime.GOOS)
		if err == nil {
			_, err = io.WriteString(s.out, f.Text)
		}
		return err
	}
	f, err := service.Install()
	if err != nil {
		return err
	}
	what := f.Path
	if what == "" {
		what = "the service " + agent.WindowsService
	}
	_, err = fmt.Fprintf(s.out, "installed %s\nhint: %s\n", what, f.Then)
	return err
}

// defaultDir is where an agent's folder is on a system.
func defaultDir(system string, getenv func(string) string) string {
	switch system {
	case "windows":
		return filepath.Join(getenv("ProgramData"), "quaestor-agent")
	case "darwin":
		return "/var/db/quaestor-agent"
	}
	return "/var/lib/quaestor-agent"
}
