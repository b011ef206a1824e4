package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/value"
)

type historyCommand struct {
	JSON bool `help:"As JSON, one entry a line."`
	Last int  `help:"Only so many, the latest; 0 for all." default:"20" short:"n"`
	// Verify needs no network: the proofs are in the journal.
	Verify bool `help:"Check the proofs that what ran here stands in the transparency log; fails where one does not hold."`
}

// Run shows the journal.
func (c historyCommand) Run(s *system) error {
	list, err := agent.ReadHistory(s.dir)
	if err != nil {
		return err
	}
	if c.Last > 0 && len(list) > c.Last {
		list = list[len(list)-c.Last:]
	}
	policy, err := agent.ReadPolicy(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // an agent that was retired has none
		return err
	}
	var v *agent.Verifier
	if c.Verify {
		if v, err = agent.OpenVerifier(s.dir); err != nil {
			return err
		}
	}
	bad := 0
	for _, e := range list {
		logged, good := logText(e, v)
		if !good {
			bad++
		}
		if c.JSON {
			err = writeEntry(s.out, namedEntry{e, names(policy, e)})
		} else {
			_, err = io.WriteString(s.out, entryText(e, names(policy, e))+logged)
		}
		if err != nil {
			return err
		}
	}
	if bad > 0 && c.Verify {
		return fmt.Errorf("%d of %d plans are not proved to be in the log", bad, len(list))
	}
	if len(list) == 0 && !c.JSON {
		_, err = fmt.Fprintln(s.out, "nothing was asked yet")
	}
	return err
}

// writeEntry writes an entry as JSON, on one line.
func writeEntry(w io.Writer, e namedEntry) error {
	b, err := json.Marshal(e)
	if err == nil {
		_, err = w.Write(append(value.EscapeJSON(b), '\n'))
	}
	return err
}

// A namedEntry is an entry with the names of its signers.
type namedEntry struct {
	journal.Entry
	Names map[string]string `json:"names,omitempty"` // by fingerprint
}

// names gives the names of an entry's signers, as far as the policy in force
// knows whose keys they are: one that has left the fleet has his key alone.
func names(p *signing.Policy, e journal.Entry) map[string]string {
	names := map[string]string{}
	if p == nil {
		return names
	}
	for _, f := range e.Signers {
		if who, ok := p.Investigator(signing.Fingerprint(f)); ok {
			names[f] = who.Name
		}
	}
	return names
}

// entryText shows one entry. What others wrote is made harmless to terminals.
// Signatures were checked on what was accepted; what was refused only claims
// to be by those whom it names.
func entryText(e journal.Entry, names map[string]string) string {
	var b strings.Builder
	line := func(k, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-8s %s\n", k, value.EscapeText(text))
		}
	}
	fmt.Fprintf(&b, "%s  %s  %s", stamp(e.At), e.Plan, e.Verdict)
	switch {
	case e.Verdict == journal.Refused:
		fmt.Fprintf(&b, " (%s)", value.EscapeText(e.Code))
	case e.Finished.IsZero():
		b.WriteString(", not ended")
	default:
		fmt.Fprintf(&b, ", %s: %d rows, %s left this machine", value.EscapeText(e.Outcome), e.Rows, value.FormatSize(e.Bytes))
	}
	b.WriteByte('\n')
	line("query", e.Query)
	line("purpose", e.Purpose)
	var signers []string
	for _, f := range e.Signers {
		if name := names[f]; name != "" {
			f = name + " (" + f + ")"
		}
		signers = append(signers, f)
	}
	as := "signers"
	if e.Verdict == journal.Refused {
		as = "claimed"
	}
	line(as, strings.Join(signers, ", "))
	line("reason", e.Reason)
	if e.Deaths > 0 {
		line("deaths", fmt.Sprintf("%d of processes that looked, the last: %s", e.Deaths, e.Death))
	}
	return b.String()
}
