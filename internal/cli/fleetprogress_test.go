package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/quaestor-engine/quaestor"
)

// answering is a fleet of 100,000 of which a thousand a second answer, and 500
// are not there.
func answering(took time.Duration) quaestor.Tally {
	var t quaestor.Tally
	t[quaestor.Offline] = 500
	t[quaestor.Matched] = min(int(took.Seconds()*1000), 99_500)
	t[quaestor.Reached] = 99_500 - t[quaestor.Matched]
	return t
}

func TestProgressLine(t *testing.T) {
	var out strings.Builder
	start := time.Unix(1000, 0)
	now := start
	p := &fleetProgress{w: &out, width: 200, start: start, tally: func() quaestor.Tally { return answering(now.Sub(start)) }}
	for ; now.Sub(start) < 10*time.Second; now = now.Add(200 * time.Millisecond) {
		p.Update(now, int64(now.Sub(start).Seconds()*1000), nil)
	}
	p.Update(now, 10_000, nil)
	lines := strings.Split(out.String(), "\r\x1b[K")
	if want := "10s · 99,500 of 100,000 agents reached, 10,000 answered, 10,000 matched, 500 offline · 10,000 rows · about 1 min left"; lines[len(lines)-1] != want {
		t.Errorf("got  %s\nwant %s", lines[len(lines)-1], want)
	}
	if strings.Contains(lines[2], "left") || strings.Contains(out.String(), "\n") {
		t.Errorf("a guess from nothing, or more than a line: %q", lines[2])
	}
	if p.Clear(); !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Error("the line stays")
	}
}

// Where there is no terminal an answer of 100 s is told of in three lines, one
// of three hours in a few dozen, and a quick one not at all.
func TestProgressLines(t *testing.T) {
	for took, want := range map[time.Duration]int{15 * time.Second: 0, 100 * time.Second: 3, 3 * time.Hour: 22} {
		var out strings.Builder
		start := time.Unix(1000, 0)
		now := start
		p := &fleetLines{w: &out, start: start, tally: func() quaestor.Tally { return answering(now.Sub(start)) }}
		for ; now.Sub(start) < took; now = now.Add(200 * time.Millisecond) {
			p.Update(now, 1, nil)
		}
		if n := strings.Count(out.String(), "\n"); n != want || strings.Contains(out.String(), "\r") {
			t.Errorf("%v: %d lines, not %d:\n%s", took, n, want, out.String())
		}
		if want > 0 && !strings.HasPrefix(out.String(), "20s · 99,500 of 100,000 agents reached, 20,000 answered, 20,000 matched, 500 offline · 1 row · about 1 min left\n40s · ") {
			t.Errorf("it begins with\n%s", out.String())
		}
	}
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		100 * time.Millisecond: "1s", 9400 * time.Millisecond: "9s", 47 * time.Second: "45s", 100 * time.Second: "2 min", 5400 * time.Second: "1.5 h",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%v: %s, not %s", d, got, want)
		}
	}
}
