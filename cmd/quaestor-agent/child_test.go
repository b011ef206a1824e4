package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/quaestor-engine/quaestor/agent/sandbox"
)

// The program under test starts itself to look.
func TestMain(m *testing.M) {
	if sandbox.IsChild(os.Args) {
		os.Exit(serve())
	}
	if sandbox.Cgo() {
		os.Exit(withoutCgo())
	}
	os.Exit(m.Run())
}

// withoutCgo runs these tests as they were called, in a program that may look.
func withoutCgo() int {
	dir, err := os.MkdirTemp("", "quaestor-agent-test-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "agent.test")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	tests := exec.Command(program, os.Args[1:]...)
	tests.Stdin, tests.Stdout, tests.Stderr = os.Stdin, os.Stdout, os.Stderr
	var ended *exec.ExitError
	if err := tests.Run(); errors.As(err, &ended) {
		return ended.ExitCode()
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
