package main

import (
	"fmt"
	"strings"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/value"
)

// logText says where the log has a plan, and whether that is so where a
// verifier was asked. A plan that was refused did not run, and needs no proof.
func logText(e journal.Entry, v *agent.Verifier) (line string, good bool) {
	if e.Verdict == journal.Refused || v == nil && len(e.Proof) == 0 {
		return "", true
	}
	w, err := agent.ReadProof(e)
	how := ""
	if v != nil {
		w, err = v.Check(e)
		how = ", proved"
		if len(w.Witnesses) > 0 {
			how += "; signed by " + strings.Join(w.Witnesses, ", ")
		}
	}
	if err != nil {
		return fmt.Sprintf("  %-8s NOT PROVED: %s\n", "log", value.EscapeText(err.Error())), false
	}
	return fmt.Sprintf("  %-8s entry %d, taken at %s%s\n", "log", w.Index, stamp(w.At), value.EscapeText(how)), true
}
