package journal

import (
	"testing"
	"time"
)

// TestCompaction: a journal that is used for long stays small, keeps its latest
// 10,000 plans, and forgets none that could come again.
func TestCompaction(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	const plans = 3 * maxAccepted
	largest := int64(0)
	for n := range plans {
		e := entry(n)
		e.At = noon.Add(time.Duration(n) * time.Minute)
		e.Expires = e.At.Add(time.Hour)
		ok(t, j.Clock(e.At))
		ok(t, j.Begin(e))
		if n != 5 { // one that never ends
			ok(t, j.Finish(id(n), Finish{At: e.At, Outcome: "complete", Matched: n%2 == 1}))
		}
		largest = max(largest, j.size)
	}
	ok(t, anew(j))
	j = reopen(t, j)
	entries := j.Entries()
	if len(entries) != maxAccepted {
		t.Errorf("%d entries are kept", len(entries))
	}
	if entries[0].Plan != id(5) || len(j.Unfinished()) != 1 {
		t.Errorf("the plan that has not ended is forgotten: %+v", entries[0])
	}
	if e := entries[len(entries)-1]; e.Plan != id(plans-1) || e.Outcome != "complete" || !e.Matched {
		t.Errorf("the latest is %+v", e)
	}
	if !j.Seen(id(plans-maxAccepted+1)) || j.Seen(id(6)) || j.Seen(id(plans-maxAccepted)) {
		t.Error("not the oldest are forgotten")
	}
	if bound := 5 * j.size; largest > bound {
		t.Errorf("the log grew to %d bytes, of which %d are needed", largest, j.size)
	}
	is(t, j.Clock(noon), ErrClock)
}

// TestCompactionKeepsWhatCanComeAgain: beyond 10,000, a plan is forgotten only
// when no clock that is accepted lies in its window.
func TestCompactionKeepsWhatCanComeAgain(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	const plans = maxAccepted + 50
	for n := range plans {
		ok(t, j.Begin(entry(n)))
		ok(t, j.Finish(id(n), Finish{At: noon}))
	}
	expiry := entry(0).Expires
	for _, c := range []struct {
		now  time.Time
		kept int
	}{
		{noon, plans},
		{expiry, plans},
		{expiry.Add(remember), plans},
		{expiry.Add(remember + time.Second), maxAccepted},
	} {
		ok(t, j.Clock(c.now))
		ok(t, anew(j))
		j = reopen(t, j)
		if n := len(j.Entries()); n != c.kept {
			t.Errorf("at %v %d are kept, not %d", c.now, n, c.kept)
		}
		if c.kept == plans && !j.Seen(id(0)) {
			t.Errorf("at %v the oldest can run again", c.now)
		}
		// As long as a plan could be in its window with any accepted clock, it
		// must be kept: the verifier's leeway and the clock's are both used up.
		if back := c.now.Add(-ClockLeeway); c.kept < plans && !back.After(expiry.Add(ClockLeeway)) {
			t.Errorf("at %v plans are forgotten that the clock %v would take", c.now, back)
		}
	}
}

// TestFloodOfRefusals: a relay that makes up plans drives out no accepted one.
func TestFloodOfRefusals(t *testing.T) {
	j := mustOpen(t, t.TempDir())
	for n := range 10 {
		e := entry(n)
		ok(t, j.Begin(e))
		ok(t, j.Finish(id(n), Finish{At: noon}))
	}
	ok(t, j.Clock(noon.Add(24*time.Hour)))
	for n := 100; n < 100+20*maxRefused; n++ {
		e := entry(n)
		e.Code = "signature"
		ok(t, j.Refuse(e))
	}
	ok(t, anew(j))
	if n := len(j.Entries()); n != 10+maxRefused {
		t.Errorf("%d entries are kept", n)
	}
	for n := range 10 {
		if !j.Seen(id(n)) {
			t.Errorf("plan %d was driven out", n)
		}
	}
	if n := len(j.refused); n != maxRefused {
		t.Errorf("%d refusals are remembered", n)
	}
}

func BenchmarkBegin(b *testing.B) {
	j := mustOpen(b, b.TempDir())
	n := 0
	for b.Loop() {
		n++
		e := entry(n)
		e.Expires = noon.Add(1000 * time.Hour)
		ok(b, j.Begin(e))
	}
}
