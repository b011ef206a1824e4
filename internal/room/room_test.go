package room

import (
	"os"
	"path/filepath"
	"testing"
)

// A disk has room, no more than it is large, and less when something is on it.
func TestOf(t *testing.T) {
	dir := t.TempDir()
	d, err := Of(dir)
	if err != nil || d.Free == 0 || d.Free > d.Size {
		t.Fatalf("%+v, %v", d, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if of, err := Of(filepath.Join(dir, "x")); err != nil || of.Size != d.Size {
		t.Errorf("of a file on it: %+v, %v", of, err)
	}
	if _, err := Of(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a folder that is not there has a disk")
	}
}
