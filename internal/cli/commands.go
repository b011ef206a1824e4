package cli

import "time"

const description = "Asks machines questions. Exit codes: 0 done, 1 where --fail-on asked for it, 2 the query is wrong, " +
	"3 incomplete where --require complete asked for it, 4 could not run, 130 interrupted."

const shortHelp = `quaestor asks machines questions.

  quaestor run 'FIND file /etc/* CONTAINS "root"'
  quaestor run 'FIND file /usr/** WHERE suid RETURN path, owner, mtime' --format jsonl
  quaestor explain 'FIND file /home/** WHERE size > 10MB AND mtime > now - 2d'

Commands: run, explain, check, fmt, modules, version. More: quaestor --help
`

// commands is the command line as kong reads it.
type commands struct {
	Run     runCommand     `cmd:"" help:"Ask queries and show their answers."`
	Explain explainCommand `cmd:"" help:"Show how queries would be asked."`
	Check   checkCommand   `cmd:"" help:"Look for mistakes in queries, and for what is doubtful."`
	Fmt     fmtCommand     `cmd:"" help:"Write query files in their one canonical form."`
	Modules modulesCommand `cmd:"" help:"List what can be asked about."`
	Version versionCommand `cmd:"" help:"Show the version."`
}

// sourceFlags are shared by the commands that take queries.
type sourceFlags struct {
	Queries []string          `arg:"" name:"query" help:"A query, a file of queries (*.qst), or - for standard input."`
	Set     map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Give a parameter its value. Repeatable."`
}

type runCommand struct {
	sourceFlags `embed:""`
	Format      string        `default:"table" placeholder:"FORMAT" help:"table, jsonl, json or csv (default: ${default})."`
	Output      string        `short:"o" placeholder:"FILE" help:"Write rows to a file."`
	Root        string        `placeholder:"DIR" help:"Ask a tree that stands for a machine, such as a mounted image."`
	Require     string        `enum:",complete" default:"" placeholder:"complete" help:"Exit with 3 where anything was left out."`
	FailOn      []string      `enum:"hits,misses,errors" placeholder:"hits|misses|errors" help:"Exit with 1 where a row was found, where none was, or where something could not be looked at."`
	Timeout     time.Duration `placeholder:"30s" help:"Stop after this time and show what was found."`
	Quiet       bool          `short:"q" help:"No warnings, no progress and no summary."`
	Colour      string        `enum:"auto,always,never" default:"auto" aliases:"color" help:"auto, always or never (default: ${default}). NO_COLOR is respected."`
	Workers     int           `placeholder:"N" help:"How many threads look (default: one a processor)."`
}

type explainCommand struct {
	sourceFlags `embed:""`
	Analyze     bool   `help:"Run the queries, throw the rows away and show what was measured."`
	Root        string `placeholder:"DIR" help:"With --analyze: ask a tree that stands for a machine."`
}

type checkCommand struct {
	sourceFlags `embed:""`
	OS          string `name:"os" placeholder:"linux" help:"The system that the queries are for (default: this one)."`
}

type fmtCommand struct {
	Files []string `arg:"" optional:"" name:"file" help:"Files to format. Without any, standard input is."`
	Write bool     `short:"w" xor:"how" help:"Rewrite the files that differ, and name them."`
	Diff  bool     `short:"d" xor:"how" help:"Show what would change."`
}

type modulesCommand struct {
	Name string `arg:"" optional:"" help:"Show the columns of this module."`
	JSON bool   `name:"json" help:"Everything, for programs."`
}

type versionCommand struct{}
