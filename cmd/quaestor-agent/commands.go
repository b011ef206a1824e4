package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/quaestor-engine/quaestor/internal/manpage"
	"github.com/quaestor-engine/quaestor/value"
)

// commands are the command line.
type commands struct {
	Dir string `help:"The agent's folder; where it is not given, /var/lib/quaestor-agent on Linux, /var/db/quaestor-agent on macOS, quaestor-agent below ProgramData on Windows." env:"QUAESTOR_AGENT_DIR" placeholder:"DIR"`

	Manual manpage.Flag `name:"man" hidden:"" help:"Print the manual page, as man -l reads it."`

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

	// What one program of an agent says to the next.
	SelfCheck selfCheckCommand `cmd:"" name:"selfcheck" hidden:"" help:"Say whether this program could be the agent of the folder; change nothing."`
	Try       tryCommand       `cmd:"" name:"try" hidden:"" help:"Be the agent until the standard input ends, answer nothing, and say on the standard output when a relay has heard it."`
	Serve     serveCommand     `cmd:"" name:"serve" hidden:"" help:"Be the agent until the standard input ends."`
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = w.Write(append(value.EscapeJSON(b), '\n'))
	}
	return err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
