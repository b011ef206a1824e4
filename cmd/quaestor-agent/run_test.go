package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/quaestor-engine/quaestor/agent"
	"github.com/quaestor-engine/quaestor/signing/journal"
)

// What the owner of a machine wrote, or runs beside, is no fault of the program.
func TestBlameless(t *testing.T) {
	dir := t.TempDir()
	s := &system{ctx: t.Context(), out: io.Discard, err: io.Discard, dir: dir}
	open := func() error { return s.withAgent(func(*agent.Agent) error { return nil }) }
	if err := open(); !blameless(err) {
		t.Errorf("not enrolled: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.toml"), []byte("relay = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); !blameless(err) || !errors.Is(err, agent.ErrConfig) {
		t.Errorf("a key that is misspelt: %v", err)
	}
	if err := fmt.Errorf("agent: %w", journal.ErrInUse); !blameless(err) {
		t.Error(err)
	}
	for _, err := range []error{nil, errors.New("a fault"), agent.ErrUpgrade} {
		if blameless(err) {
			t.Errorf("%v", err)
		}
	}
}
