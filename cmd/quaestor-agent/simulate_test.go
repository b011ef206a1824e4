package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// Five hundred simulated agents enrol, and all of them answer, with facts and
// files that are made up the same each time.
func TestSimulate(t *testing.T) {
	const count = 500
	r := newRelay(t, count)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(r.token), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := command(ctx, "simulate", "--count", "500", "--relay", r.addr, "--token-file", file)
		done <- err
	}()
	session := r.dial(t)
	waitFacts(t, session, count)
	rows, answered := ask(t, session, "FROM fleet FIND host RETURN os")
	if len(rows) != count || answered != count {
		t.Errorf("%d hosts with rows, %d agents answered", len(rows), answered)
	}
	systems := map[string]int{}
	for _, list := range rows {
		systems[list[0]]++
	}
	if systems["linux"] < count/2 || systems["windows"] < count/20 || systems["darwin"] < count/50 {
		t.Errorf("systems: %v", systems)
	}
	rows, answered = ask(t, session, `FROM fleet WHERE os = windows AND tags.stage = "test" FIND file /etc/* CONTAINS "welcome" RETURN path`)
	if answered != len(rows) || answered == 0 || answered >= systems["windows"] {
		t.Errorf("of one kind %d answered, %d with rows, of %d", answered, len(rows), systems["windows"])
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
