package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/quaestor-engine/quaestor/agent/upgrade"
)

// SelfCheck says why this program could not be the agent of a folder, which may
// be running in another process. It reads what a start reads, and changes
// nothing.
func SelfCheck(o Options) error {
	if _, err := readRetirement(o.Dir); err == nil {
		return ErrRetired
	}
	a, err := read(o)
	if err != nil {
		return err
	}
	if _, _, err := a.certificate(); err != nil {
		return err
	}
	if _, err := ReadHistory(o.Dir); err != nil {
		return fmt.Errorf("%s: %w", journalDir, err)
	}
	if _, err := upgrade.Open(o.Dir, a.opts.Now); err != nil {
		return err
	}
	return errors.Join(a.checkChildren(context.Background(), a.runner), a.runner.Close())
}
