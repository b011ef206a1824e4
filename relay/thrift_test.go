package relay

import "testing"

func TestGarbage(t *testing.T) {
	for mb, want := range map[uint64]int{0: 40, 1: 40, 30: 40, 100: 34, 300: 18, 1000: 15, 100_000: 15} {
		if p := garbage(mb << 20); p != want {
			t.Errorf("%d MiB: %d %%, want %d", mb, p, want)
		}
	}
}
