package upgrade

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A disk that fills up while a program is on its way is named, what came is
// kept, and with room again it goes on from there. What is to be told is told,
// though it cannot be written down.
func TestFetchDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=80m"); err != nil {
		t.Skip("no small disk can be mounted here: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	fill := func() {
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for b := make([]byte, 4096); err == nil; {
			_, err = f.Write(b)
		}
	}
	whole := bytes.Repeat([]byte{5}, 3*PieceSize)
	p := programOf("1.1.0", whole)
	s := open(t, dir)
	err := s.Fetch(t.Context(), p, func(ctx context.Context, i int64) ([]byte, error) {
		if i == 1 {
			fill()
		}
		return pieces(whole)(ctx, i)
	})
	if !errors.Is(err, ErrRoom) {
		t.Fatal(err)
	}
	if err := s.Report(Report{Release: "1.1.0", State: Failed, Reason: err.Error()}); err == nil {
		t.Error("the disk is not full")
	}
	if r := s.State().Report; r.State != Failed {
		t.Errorf("%+v", r)
	}
	if err := s.Fetch(t.Context(), p, pieces(whole)); !errors.Is(err, ErrRoom) {
		t.Errorf("it is begun on a full disk: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	first := int64(9)
	if err := s.Fetch(t.Context(), p, func(ctx context.Context, i int64) ([]byte, error) {
		first = min(first, i)
		return pieces(whole)(ctx, i)
	}); err != nil || first != 1 || !s.holds(p) {
		t.Errorf("with room: %v, from piece %d", err, first)
	}
}
