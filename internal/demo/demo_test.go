package demo

import (
	"os"
	"path/filepath"
	"testing"
)

// A fleet starts, and leaves nothing behind that holds its folder.
func TestStartAndStop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	f, err := Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if f.Agents() != 5 || f.Addr() == "" || f.Pin() == "" {
		t.Errorf("%d agents at %q, %q", f.Agents(), f.Addr(), f.Pin())
	}
	if err := f.Stop(); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}
