package rounds_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/quaestor-engine/quaestor/engine/rounds"
)

// A state goes on where it was kept; one that was lost says of no row that it
// is new.
func TestKeep(t *testing.T) {
	shapes := []rounds.Shape{{Key: []int{0}, Place: 0}}
	s := rounds.NewState(shapes, 0)
	play(s, always, row("/a", 1), row("/b", 1), row("/b", 1))
	kept := s.Append(nil)
	again, err := rounds.Resume(shapes, 0, kept)
	if err != nil {
		t.Fatal(err)
	}
	if string(again.Append(nil)) != string(kept) {
		t.Error("a state that was kept is another one")
	}
	if got, _ := play(again, always, row("/a", 2), row("/b", 1), row("/c", 1)); !slices.Equal(got, []string{"changed /a 2", "new /c 1", "gone /b 1"}) {
		t.Errorf("%q", got)
	}
	if got, count := play(rounds.Forgotten(shapes, 0), always, row("/a", 2)); !slices.Equal(got, []string{"/a 2"}) || count.MayBeNew != 1 {
		t.Errorf("forgotten: %q %+v", got, count)
	}
	for n := range len("QRS1") + 1 {
		if _, err := rounds.Resume(shapes, 0, kept[:n]); !errors.Is(err, rounds.ErrMalformed) {
			t.Errorf("the first %d bytes are taken for a state: %v", n, err)
		}
	}
	if _, err := rounds.Resume(shapes, 100, kept); !errors.Is(err, rounds.ErrMalformed) {
		t.Errorf("more rows than are held: %v", err)
	}
}

func FuzzResume(f *testing.F) {
	shapes := []rounds.Shape{{Key: []int{0}, Place: 0}, {Place: -1}}
	s := rounds.NewState(shapes, 0)
	play(s, always, row("/a", 1), row("/b", 1))
	f.Add(s.Append(nil))
	f.Add([]byte("QRS1\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := rounds.Resume(shapes, 1<<20, b)
		switch {
		case err != nil && !errors.Is(err, rounds.ErrMalformed):
			t.Fatal(err)
		case err != nil:
			return
		}
		if _, err := rounds.Resume(shapes, 1<<20, s.Append(nil)); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		s.Add(0, row("/a", 1))
		shown := 0
		s.End(always, func(rounds.Row) bool { // rows that were there a million times are shown so often
			shown++
			return shown < 1000
		})
	})
}
