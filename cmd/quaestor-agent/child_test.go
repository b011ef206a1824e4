package main

import (
	"os"
	"testing"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
)

// The program under test starts itself to look.
func TestMain(m *testing.M) {
	if sandbox.IsChild(os.Args) {
		os.Exit(serve())
	}
	os.Exit(m.Run())
}
