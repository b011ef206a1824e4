package wholefile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Whoever reads while others write sees one text, whole, and nothing is left
// beside it.
func TestWhole(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x")
	text := func(n int) string { return strings.Repeat(fmt.Sprint(n), 64<<10) }
	if err := Keep(name, 0o600, []byte(text(0))); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for n := range 4 {
		work.Go(func() {
			for range 20 {
				if err := Put(name, 0o600, []byte(text(n))); err != nil {
					t.Error(err)
				}
				got, err := os.ReadFile(name)
				if err != nil || len(got) != 64<<10 || string(got) != strings.Repeat(string(got[:1]), len(got)) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			}
		})
	}
	work.Wait()
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}

// What cannot be written leaves the file that was there, and nothing else.
func TestFailed(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x")
	if err := Put(name, 0o640, []byte("before")); err != nil {
		t.Fatal(err)
	}
	fault := errors.New("a fault")
	err := Fill(name, 0o600, func(w io.Writer) error { return errors.Join(fmt.Errorf("half of it: %w", fault), fill(w)) })
	if !errors.Is(err, fault) {
		t.Error(err)
	}
	if err := Put(dir, 0o600, nil); err == nil {
		t.Error("a file stands where a folder is")
	}
	if err := Put(filepath.Join(dir, "none", "x"), 0o600, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	got, err := os.ReadFile(name)
	if err != nil || string(got) != "before" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
}

func fill(w io.Writer) error {
	_, err := io.WriteString(w, "half")
	return err
}

// Whoever holds a lock is waited for, by other goroutines as by other processes,
// or told of.
func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	var work sync.WaitGroup
	n := 0
	for range 8 {
		work.Go(func() {
			for range 50 {
				l, err := Hold(name)
				if err != nil {
					t.Error(err)
					return
				}
				n++ // the race detector would tell
				if _, err := TryHold(name); !errors.Is(err, ErrHeld) {
					t.Errorf("taken twice: %v", err)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	l, err := TryHold(name)
	if err != nil || n != 400 {
		t.Fatalf("%d times, %v", n, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Hold(filepath.Join(name, "none", "lock")); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("a lock in no folder: %v", err)
	}
}
