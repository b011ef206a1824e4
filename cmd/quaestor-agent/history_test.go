package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor/internal/hostile"
	"github.com/quaestor-engine/quaestor/signing"
	"github.com/quaestor-engine/quaestor/signing/journal"
)

// What others wrote does not reach the terminal as it is.
func TestHistoryIsHarmless(t *testing.T) {
	e := journal.Entry{
		Plan: signing.ID{1}, At: time.Unix(0, 0), Verdict: journal.Refused, Code: "weight\x1b[2J",
		Query: "FIND \x1b]0;x\a", Purpose: "a\nb", Signers: []string{"\u202eAB"}, Reason: "\x9b1m",
	}
	text := entryText(e, map[string]string{"\u202eAB": "A\x1bda"})
	if strings.ContainsAny(text, "\x1b\a\x9b\u202e") || strings.Count(text, "\n") != 5 {
		t.Errorf("%q", text)
	}
	e = journal.Entry{Plan: signing.ID{1}, At: time.Unix(0, 0), Verdict: journal.Accepted, Finished: time.Unix(9, 0), Outcome: "complete", Rows: 3, Bytes: 2048}
	if text := entryText(e, nil); text != "1970-01-01 00:00:00Z  01000000000000000000000000000000  accepted, complete: 3 rows, 2KiB left this machine\n" {
		t.Errorf("%q", text)
	}
}

// What nobody counted is not told as nothing.
func TestHistorySaysWhatIsNotKnown(t *testing.T) {
	for want, e := range map[string]journal.Entry{
		"end not known: what left this machine was not counted": {Outcome: journal.Unknown, Uncounted: true},
		"failed: what left this machine was not counted":        {Outcome: "failed", Uncounted: true},
		"complete: at least 3 rows, 2KiB left this machine":     {Outcome: "complete", Rows: 3, Bytes: 2048, Uncounted: true},
		"failed: 0 rows, 0B left this machine":                  {Outcome: "failed"},
	} {
		e.Verdict, e.Finished = journal.Accepted, time.Unix(9, 0)
		if text := entryText(e, nil); !strings.HasSuffix(text, "accepted, "+want+"\n") {
			t.Errorf("%q, want %q", text, want)
		}
	}
}

// Nor does what any of the hostile texts would do, in text and in JSON.
func TestNothingHostileIsRemembered(t *testing.T) {
	for _, v := range hostile.Values() {
		e := journal.Entry{
			Plan: signing.ID{1}, At: time.Unix(0, 0), Finished: time.Unix(1, 0), Outcome: v, Code: v,
			Query: v, Purpose: v, Signers: []string{v}, Reason: v,
		}
		for _, verdict := range []string{journal.Accepted, journal.Refused} {
			e.Verdict = verdict
			text := entryText(e, map[string]string{v: v})
			if err := errors.Join(hostile.Terminal(text), hostile.Commands(text)); err != nil || strings.Count(text, "\n") != 5 {
				t.Errorf("%.40q: %v in %q", v, err, text)
			}
			var b strings.Builder
			if err := writeEntry(&b, namedEntry{e, map[string]string{v: v}}); err != nil {
				t.Fatal(err)
			}
			text = strings.ReplaceAll(b.String(), "\ufffd", "?") // JSON's for bytes that are no UTF-8
			if err := errors.Join(hostile.Terminal(text), hostile.Commands(text)); err != nil || strings.Count(text, "\n") != 1 {
				t.Errorf("%.40q: %v in %q", v, err, text)
			}
		}
		var b strings.Builder
		if err := writeJSON(&b, map[string]any{v: []string{v}}); err != nil {
			t.Fatal(err)
		}
		if err := hostile.Terminal(strings.ReplaceAll(b.String(), "\ufffd", "?")); err != nil || !json.Valid([]byte(b.String())) {
			t.Errorf("%.40q: %v", v, err)
		}
	}
}

func TestDefaultDir(t *testing.T) {
	for system, want := range map[string]string{"linux": "/var/lib/quaestor-agent", "darwin": "/var/db/quaestor-agent"} {
		if got := defaultDir(system, os.Getenv); got != want {
			t.Errorf("%s: %s", system, got)
		}
	}
	if got := defaultDir("windows", func(string) string { return "P" }); got != filepath.Join("P", "quaestor-agent") {
		t.Error(got)
	}
}
