package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Other users of a machine see arguments: tokens and passwords stand in none.
func TestNoFlagTakesASecret(t *testing.T) {
	k, err := kong.New(&commands{}, kong.Vars{"dir": "/"})
	if err != nil {
		t.Fatal(err)
	}
	err = kong.Visit(k.Model, func(n kong.Visitable, next kong.Next) error {
		if f, ok := n.(*kong.Flag); ok && strings.Contains(f.Name, "token") && f.Name != "token-file" {
			t.Errorf("--%s takes a secret", f.Name)
		}
		return next(nil)
	})
	if err != nil {
		t.Error(err)
	}
	dir := filepath.Join(t.TempDir(), "agent")
	t.Setenv("QUAESTOR_TOKEN", "planted-token")
	_, err = command(t.Context(), "--dir", dir, "enroll", "--relay", "127.0.0.1:1", "--proxy", "http://u:planted-password@127.0.0.1:1")
	if err == nil || strings.Contains(err.Error(), "planted") || !strings.Contains(err.Error(), "--proxy env") {
		t.Errorf("a password in an argument: %v", err)
	}
	if _, err = command(t.Context(), "--dir", dir, "enroll", "--relay", "127.0.0.1:1"); err == nil || strings.Contains(err.Error(), "planted") {
		t.Errorf("a token that is none: %v", err)
	}
}
