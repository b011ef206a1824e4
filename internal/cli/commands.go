package cli

import (
	"time"

	"github.com/quaestor-engine/quaestor"
	"github.com/quaestor-engine/quaestor/internal/manpage"
)

const description = "Asks machines questions. Exit codes: 0 done, 1 where --fail-on asked for it, 2 the query is wrong, " +
	"3 incomplete where --require asked for more, 4 could not run, 130 interrupted."

const shortHelp = `quaestor asks machines questions. In a terminal, quaestor alone is a prompt.

  quaestor demo
  quaestor run 'FIND file /etc/* CONTAINS "root"'
  quaestor run 'FROM fleet WHERE os = linux FIND file /etc/* CONTAINS "ioc"'
  quaestor run 'FIND file /usr/** WHERE suid RETURN path, owner, mtime' --format jsonl
  quaestor explain 'FIND file /home/** WHERE size > 10MB AND mtime > now - 2d'

Ask:      repl, run, explain, check, test, fmt, convert, modules, serve, web, lsp
Keep:     case
A fleet:  demo, setup, fleet, investigations
Together: sign, cosign, submit, pending, verify
Rule it:  keys, policy, token, log, release
More: quaestor --help
`

// commands is the command line as kong reads it.
type commands struct {
	Manual manpage.Flag `name:"man" hidden:"" help:"Print the manual page, as man -l reads it."`

	Repl    replCommand    `cmd:"" help:"Ask queries at a prompt, which completes them. It is what quaestor alone does in a terminal."`
	Run     runCommand     `cmd:"" help:"Ask queries and show their answers."`
	Explain explainCommand `cmd:"" help:"Show how queries would be asked."`
	Check   checkCommand   `cmd:"" help:"Look for mistakes in queries, and for what is doubtful."`
	Test    testCommand    `cmd:"" help:"Try query files on pretended hosts, as the *.test.txtar beside them say."`
	Convert convertCommand `cmd:"" help:"Make a query file of rules and indicators that other tools read."`
	Fmt     fmtCommand     `cmd:"" help:"Write query files in their one canonical form."`
	Modules modulesCommand `cmd:"" help:"List what can be asked about, or begin with a module of your own."`
	Web     webCommand     `cmd:"" help:"Show a page in a browser on this machine: the fleet, an editor, answers."`
	Serve   serveCommand   `cmd:"" help:"Answer programs over HTTP, on this machine."`
	LSP     lspCommand     `cmd:"" name:"lsp" help:"Serve an editor: mistakes, completion, explanations, formatting."`

	Case caseCommand `cmd:"" help:"Keep questions, answers and notes in a case; report, prove and delete it."`

	Demo           demoCommand           `cmd:"" help:"Show a fleet of five in this process, with sample queries. Nothing is left behind."`
	Setup          setupCommand          `cmd:"" help:"Say where the relay is, and fetch the fleet's policy."`
	Fleet          fleetCommand          `cmd:"" help:"Show who is there, and whom a target means."`
	Investigations investigationsCommand `cmd:"" help:"Come back to what was asked of a fleet."`

	Sign    signCommand    `cmd:"" help:"Sign a query for a fleet, and send it to nobody yet."`
	Cosign  cosignCommand  `cmd:"" help:"Add a signature to a plan, if it is what its query says."`
	Submit  submitCommand  `cmd:"" help:"Hand a signed plan to the relay."`
	Pending pendingCommand `cmd:"" help:"List the plans that wait for further signatures, or fetch one."`
	Verify  verifyCommand  `cmd:"" help:"Say what a signed plan asks for, and whether agents would take it."`

	Keys    keysCommand    `cmd:"" help:"Make, take in, list and export the keys that sign."`
	Policy  policyCommand  `cmd:"" help:"Say who may ask what of a fleet."`
	Log     logCommand     `cmd:"" help:"Say what was ever asked of a fleet, and prove it: the transparency log."`
	Token   tokenCommand   `cmd:"" help:"Let agents into a fleet."`
	Release releaseCommand `cmd:"" help:"Give the agents of a fleet a new program, a stage at a time."`
	Version versionCommand `cmd:"" help:"Show the version."`
}

// sourceFlags are shared by the commands that take queries.
type sourceFlags struct {
	Queries []string          `arg:"" name:"query" help:"A query, a file of queries (*.qst), or - for standard input."`
	Set     map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Give a parameter its value. Repeatable."`
}

type runCommand struct {
	sourceFlags `embed:""`
	showFlags   `embed:""`
	fleetFlags  `embed:"" group:"To ask a fleet"`
	everyFlags  `embed:"" group:"To ask again and again"`
	Root        string        `placeholder:"DIR" help:"Ask a tree that stands for a machine, such as a mounted image."`
	Local       bool          `help:"Ask this machine, or the tree of --root, what a query would ask of a fleet."`
	Timeout     time.Duration `placeholder:"30s" help:"Stop after this time and show what was found."`
	Workers     int           `placeholder:"N" help:"How many threads look (default: one a processor)."`
	Case        string        `placeholder:"NAME" help:"Keep the queries and their answers in a case, signed where there is a key."`

	submitted func(id string) // told of each investigation; nil: nobody is
}

// showFlags say how answers are shown, and what is made of them.
type showFlags struct {
	Format   string   `default:"table" placeholder:"FORMAT" help:"${formats} (default: ${default})."`
	Output   string   `short:"o" placeholder:"FILE" help:"Write rows to a file."`
	Require  string   `placeholder:"complete" help:"Exit with 3 where anything was left out; of a fleet also 95%: where fewer of its agents answered."`
	FailOn   []string `enum:"hits,misses,errors" placeholder:"hits|misses|errors" help:"Exit with 1 where a row was found, where none was, or where something could not be looked at."`
	Baseline string   `placeholder:"FILE" help:"Show only rows that are not in this answer of before, which --format jsonl --output FILE wrote."`
	Quiet    bool     `short:"q" help:"No warnings, no progress and no summary."`
	Colour   string   `enum:"auto,always,never" default:"auto" aliases:"color" help:"auto, always or never (default: ${default}). NO_COLOR is respected."`
	Agents   bool     `help:"Name every agent of a fleet, with what became of the question there."`

	coverage quaestor.Coverage // of the fleet that was asked, once it has answered
	record   *caseRecord       // where the answer is kept for good; nil: nowhere
	keep     *lastAnswer       // where rows are kept beside being shown; nil: nowhere
	before   *baseline         // nil: there is none
	rounds   *roundTeller      // nil: there are none
	adds     bool              // --output holds an answer already, and this one follows it
}

// fleetFlags say how a fleet is asked.
type fleetFlags struct {
	signFlags `embed:""`
	Wait      duration `placeholder:"10m" help:"Wait so long for agents, those that are offline included (default: for all that are connected)."`
	Detach    bool     `help:"Do not wait for answers: quaestor investigations follow ID does."`
}

// signFlags say what is signed, and by whom.
type signFlags struct {
	signerFlags `embed:""`
	Purpose     string   `placeholder:"TEXT" help:"Why it is asked, for the journal of every machine."`
	Window      duration `placeholder:"1h" help:"For how long agents may begin with it (default: 1h, or what the policy allows)."`
	Share       []string `placeholder:"KEY" help:"Another investigator who can open the answers. Repeatable."`
	NoWrap      bool     `help:"Do not put the reply key, encrypted to who signs, into what is signed: answers can be opened on this machine alone."`
}

type explainCommand struct {
	sourceFlags `embed:""`
	Analyze     bool   `help:"Run the queries, throw the rows away and show what was measured."`
	Root        string `placeholder:"DIR" help:"With --analyze: ask a tree that stands for a machine."`
	Colour      string `enum:"auto,always,never" default:"auto" aliases:"color" help:"auto, always or never (default: ${default}). NO_COLOR is respected."`
}

type checkCommand struct {
	sourceFlags `embed:""`
	OS          string `name:"os" placeholder:"linux" help:"The system that the queries are for (default: this one)."`
	Format      string `enum:"text,json,github,sarif" default:"text" placeholder:"text|json|github|sarif" help:"For people, for programs, for the page of a hosted CI, for code scanning (default: ${default})."`
	Strict      bool   `help:"Exit with 2 where there is a warning, too."`
}

type fmtCommand struct {
	Files []string `arg:"" optional:"" name:"file" help:"Files to format. Without any, standard input is."`
	Write bool     `short:"w" xor:"how" help:"Rewrite the files that differ, and name them."`
	Diff  bool     `short:"d" xor:"how" help:"Show what would change, and exit with 1 where anything does."`
}

type modulesCommand struct {
	Show modulesShowCommand `cmd:"" default:"withargs" help:"List modules, or the columns of one (without a command)."`
	New  modulesNewCommand  `cmd:"" help:"Write a module of your own, to begin with: a Go module that compiles and is tested."`
}

type modulesShowCommand struct {
	Name string `arg:"" optional:"" help:"Show the columns of this module."`
	JSON bool   `name:"json" help:"Everything, for programs."`
}

type versionCommand struct{}
