package e2e

import "testing"

// The page about the log is followed to the letter, as the quickstart is.
func TestLogPage(t *testing.T) {
	t.Parallel()
	followPage(t, "log.md",
		`no mistake`, `signed the checkpoint of \d+ entries`, `1 of 1 agent answered: 1 matched`,
		`2 .*plan .*Ada Lovelace .*who is there`, `witnesses  witness.example/one, witness.example/two`,
		`3 entries of log quaestor-log/[0-9a-f]{32} \(2 policies, 1 plan, signed by witness.example/one, witness.example/two; 3 were seen before\): 1 signed here, 0 problems, 0 not checked`,
		`log +entry 2, taken at .*, proved; signed by witness.example/one, witness.example/two`,
	)
}
