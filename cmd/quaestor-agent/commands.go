package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/quaestor-engine/quaestor/value"
)

// commands are the command line.
type commands struct {
	Dir string `help:"The agent's folder; ${dir} where it is not given." env:"QUAESTOR_AGENT_DIR" placeholder:"DIR"`

	Enroll   enrollCommand   `cmd:"" help:"Make this machine an agent of a fleet."`
	Run      runCommand      `cmd:"" help:"Answer plans until it is stopped."`
	Once     onceCommand     `cmd:"" help:"Answer the plans that wait, and leave."`
	Status   statusCommand   `cmd:"" help:"Show who this agent is and what it does."`
	History  historyCommand  `cmd:"" help:"Show what was asked of this machine, by whom, and what left it."`
	Doctor   doctorCommand   `cmd:"" help:"Try what keeps the processes that look here from doing more."`
	Facts    factsCommand    `cmd:"" help:"Show the facts that targets can speak of."`
	Simulate simulateCommand `cmd:"" help:"Be many agents on machines that are made up, to try a relay with."`
	Install  installCommand  `cmd:"" name:"install-service" help:"Have the system run the agent from its start on."`
	Version  versionCommand  `cmd:"" help:"Show the version."`
}

type versionCommand struct{}

// Run shows the version.
func (versionCommand) Run(s *system) error {
	_, err := fmt.Fprintf(s.out, "quaestor-agent %s %s/%s %s\n", version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = w.Write(append(value.EscapeJSON(b), '\n'))
	}
	return err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
