package sandbox

import (
	"testing"
	"time"
)

// A process that works whenever it may uses its share and no more, whatever
// the machine lets it have meanwhile.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		part, speed float64 // speed: processors that it gets while it may work
	}{{0.1, 1}, {0.1, 2}, {0.1, 0.3}, {0.5, 1}, {1.5, 2}} {
		s := &share{part: c.part}
		now, used := time.Unix(0, 0), time.Duration(0)
		may := s.may(now, used)
		for range int(10 * time.Second / look) {
			if may {
				used += time.Duration(c.speed * float64(look))
			}
			now = now.Add(look)
			may = s.may(now, used)
		}
		if got := used.Seconds() / 10; got < c.part-0.02 || got > c.part+0.02 {
			t.Errorf("a part of %.2f at a speed of %.1f used %.3f", c.part, c.speed, got)
		}
	}
}

// What was not used for a long time is not used at once.
func TestShareIsNotSaved(t *testing.T) {
	s := &share{part: 0.1}
	s.may(time.Unix(0, 0), 0)
	if !s.may(time.Unix(3600, 0), 0) {
		t.Error("an idle process is halted")
	}
	if s.may(time.Unix(3600, 0).Add(time.Second), time.Second) {
		t.Error("an hour of idleness pays for a second at full speed")
	}
}
