package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
	"github.com/quaestor-engine/quaestor/value"
)

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
		fmt.Fprintf(&b, ", %s: %s", endText(e), leftText(e))
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
