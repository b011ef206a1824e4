package repl

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "home", "history.jsonl")
	h, err := OpenHistory(file)
	if err != nil {
		t.Fatal(err)
	}
	h.Secret = func(entry string) bool { return strings.Contains(entry, "hunter2") }
	for _, e := range []string{"FIND host;", "FIND file /etc/*\nRETURN path;", "FIND host;", " FIND host a;", "", `\set x=hunter2`, "FIND host;"} {
		if err := h.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"FIND file /etc/*\nRETURN path;", "FIND host;"}
	again, err := OpenHistory(file)
	if err != nil || !slices.Equal(h.Entries(), want) || !slices.Equal(again.Entries(), want) {
		t.Errorf("%q, %q, %v", h.Entries(), again.Entries(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "host a") {
		t.Errorf("%s, %v", text, err)
	}
	info, err := os.Stat(file)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// What is in the file and is no entry, or far too much, does no harm.
func TestHistoryOnDisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history.jsonl")
	var b strings.Builder
	b.WriteString("not json\n\n{}\n{\"entry\":\"FIND host;\"}\n")
	for range 3 * mostEntries {
		b.WriteString("{\"entry\":\"FIND file;\"}\n")
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := OpenHistory(file)
	if err != nil || !slices.Equal(h.Entries(), []string{"FIND host;", "FIND file;"}) {
		t.Errorf("%q, %v", h.Entries(), err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() > 1000 {
		t.Errorf("the file was not written anew: %d bytes, %v", info.Size(), err)
	}
}

func TestHistoryThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenHistory(filepath.Join(dir)); err == nil {
		t.Error("a folder is no history")
	}
	h, err := OpenHistory(filepath.Join(dir, "x", "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	if err := h.Add("FIND host;"); err == nil {
		t.Error("nobody was told")
	}
}

// An entry that comes back asks what it asked: blanks in quotes are text.
func TestFolded(t *testing.T) {
	got := folded([]string{"FIND host;", "FIND file /etc/* -- where\n\n  RETURN path;", "FIND line /etc/fstab\n\tCONTAINS \"0  0\" AND text != 'a  -- b';"})
	if want := []string{"FIND host;", "FIND file /etc/* RETURN path;", "FIND line /etc/fstab CONTAINS \"0  0\" AND text != 'a  -- b';"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
