package relay

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTickets(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	name := filepath.Join(dir, fileTickets)
	at := func(after time.Duration) [][32]byte {
		t.Helper()
		keys, err := tickets(dir, now.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info.Mode(), err)
		}
		return keys
	}
	first := at(0)
	if len(first) != 1 || first[0] == [32]byte{} {
		t.Fatalf("%d keys to begin with", len(first))
	}
	if again := at(time.Hour); !slices.Equal(again, first) {
		t.Error("a restart makes other keys")
	}
	second := at(ticketNew + time.Minute)
	if len(second) != 2 || second[1] != first[0] || second[0] == first[0] {
		t.Errorf("after a day there are %d keys, the old one among them: %v", len(second), slices.Contains(second, first[0]))
	}
	if late := at(ticketOld + time.Hour); slices.Contains(late, first[0]) || !slices.Contains(late, second[0]) {
		t.Error("keys are not let go when they are old, or too soon")
	}
	for _, text := range []string{"", "x", "2026-11-30T00:00:00Z zz", strings.Repeat("x", 1<<20), now.Add(time.Hour).UTC().Format(time.RFC3339) + " " + strings.Repeat("00", 32)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if keys := at(0); len(keys) != 1 || keys[0] == [32]byte{} {
			t.Errorf("%.20q: %d keys", text, len(keys))
		}
	}
}
