package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/quaestor-engine/quaestor/agent"
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
