package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/agent"
)

// command runs the command line and gives what it wrote.
func command(ctx context.Context, args ...string) (string, error) {
	var out, errs bytes.Buffer
	err := run(ctx, args, &out, &errs)
	return out.String(), err
}

// The life of an agent as its owner sees it.
func TestCommands(t *testing.T) {
	r := newRelay(t, 1)
	addr, token := r.addr, r.token
	dir := filepath.Join(t.TempDir(), "agent")
	if _, err := command(t.Context(), "--dir", dir, "status"); !errors.Is(err, agent.ErrNotEnrolled) {
		t.Errorf("status before: %v", err)
	}
	if _, err := command(t.Context(), "--dir", dir, "enroll", "--relay", addr); err == nil {
		t.Error("it enrolls without a token")
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t.Context(), "--dir", dir, "enroll", "--relay", addr, "--token-file", file, "--tag", "rack=7"); err != nil || !strings.HasPrefix(out, "enrolled as agent ") {
		t.Fatalf("%q %v", out, err)
	}
	if out, err := command(t.Context(), "--dir", dir, "once"); err != nil {
		t.Errorf("%q %v", out, err)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"status"}, []string{"machines", "version 1", "tag team", "running", "no; relays " + addr}},
		{[]string{"history"}, []string{"nothing was asked yet"}},
		{[]string{"facts"}, []string{"tags.rack", "tags.team", "hostname"}},
		{[]string{"version"}, []string{"quaestor-agent 0.0.0"}},
	} {
		out, err := command(t.Context(), append([]string{"--dir", dir}, c.args...)...)
		for _, w := range c.want {
			if err != nil || !strings.Contains(out, w) {
				t.Errorf("%v: no %q in %q, %v", c.args, w, out, err)
			}
		}
	}
	for _, name := range []string{"status", "facts"} {
		out, err := command(t.Context(), "--dir", dir, name, "--json")
		if err != nil || !json.Valid([]byte(out)) {
			t.Errorf("%s: %q %v", name, out, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := command(ctx, "--dir", dir, "run"); done <- err }()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		out, err := command(t.Context(), "--dir", dir, "status")
		if err == nil && strings.Contains(out, "to relay at "+addr) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it does not connect: %q %v", out, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
