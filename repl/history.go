package repl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quaestor-engine/quaestor/internal/wholefile"
)

// Bounds of the history on disk.
const (
	mostEntries  = 5000      // entries; older ones are dropped
	longestEntry = 256 << 10 // bytes of one: what a query can be
)

// A History keeps what was typed in a file for its owner alone: a line of
// JSON for each entry, the newest last, each entry once. A nil History keeps
// nothing.
type History struct {
	file    string
	entries []string // oldest first
	// Secret says whether an entry must not be kept; nil: none.
	Secret func(entry string) bool
}

// historyLine is one line of the file.
type historyLine struct {
	At    time.Time `json:"at"`
	Entry string    `json:"entry"`
}

// OpenHistory reads a history, and makes its folder. A file that is not there
// is an empty history; lines that are no entries are dropped when the file is
// written anew.
func OpenHistory(file string) (*History, error) {
	h := &History{file: file}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fmt.Errorf("the history: %w", err)
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the history: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 2*longestEntry)
	read := 0
	for lines.Scan() {
		var l historyLine
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Entry != "" {
			h.push(l.Entry)
		}
		read++
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("the history: %w", err)
	}
	if read > 2*mostEntries {
		return h, h.rewrite()
	}
	return h, nil
}

func (h *History) push(entry string) {
	if i := slices.Index(h.entries, entry); i >= 0 {
		h.entries = slices.Delete(h.entries, i, i+1)
	}
	h.entries = append(h.entries, entry)
	if n := len(h.entries) - mostEntries; n > 0 {
		h.entries = slices.Delete(h.entries, 0, n)
	}
}

// Add keeps an entry, unless it begins with a blank, holds a secret, or is
// the newest one already.
func (h *History) Add(entry string) error {
	if h == nil || strings.TrimSpace(entry) == "" || entry[0] == ' ' || len(entry) > longestEntry || h.Secret != nil && h.Secret(entry) {
		return nil
	}
	if n := len(h.entries); n > 0 && h.entries[n-1] == entry {
		return nil
	}
	h.push(entry)
	line, err := json.Marshal(historyLine{time.Now().UTC(), entry})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("the history: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("the history: %w", err)
	}
	return nil
}

// rewrite replaces the file by the entries that are known.
func (h *History) rewrite() error {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	for _, e := range h.entries {
		if err := w.Encode(historyLine{time.Now().UTC(), e}); err != nil {
			return fmt.Errorf("the history: %w", err)
		}
	}
	if err := wholefile.Put(h.file, 0o600, b.Bytes()); err != nil {
		return fmt.Errorf("the history: %w", err)
	}
	return nil
}

// Entries lists what was typed, oldest first.
func (h *History) Entries() []string {
	if h == nil {
		return nil
	}
	return h.entries
}
