package relay

import "testing"

func TestGarbage(t *testing.T) {
	for mb, want := range map[uint64]int{0: 40, 1: 40, 30: 40, 100: 34, 300: 18, 1000: 15, 100_000: 15} {
		if p := garbage(mb<<20, false); p != want {
			t.Errorf("%d MiB: %d %%, want %d", mb, p, want)
		}
	}
	if p := garbage(300<<20, calm(20_000, 19_500)); p != calmGarbage {
		t.Errorf("%d %% while those who are there stay", p)
	}
	if p := garbage(300<<20, calm(20_000, 18_000)); p != 18 {
		t.Errorf("%d %% while they go", p)
	}
}
